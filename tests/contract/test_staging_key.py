"""The key of staging's callers, in a scope that a key vault backs: put there once, read through the scope, cleared."""

from __future__ import annotations

import pytest

from mlops_tui import redaction
from mlops_tui.delivery import deployment, keys, names
from mlops_tui.delivery.lanes import under_way
from mlops_tui.events import Event, LogLine
from tests.contract.test_setup_key_vault import Desk, bare, desk  # noqa: F401 (fixtures)

pytestmark = pytest.mark.xdist_group("setup-key-vault")


def ensure(someone: Desk) -> tuple[str, list[Event]]:
    """As a deployment to a container group begins."""
    told: list[Event] = []
    with someone.session() as session:
        someone.engine(session).plan()
        with under_way(session, told.append, "staging", "7") as telling:
            deployment._ensure_key(session, telling)
        return keys.of_scope(session, names.STAGING_KEY), told


def test_it_is_made_once_shown_nowhere_and_goes_with_the_teardown(desk: Desk) -> None:  # noqa: F811
    assert desk.set_up().error is None
    key, told = ensure(desk)
    assert desk.shown()["staging-key"] == key
    assert key not in str(told)
    assert redaction.redact(key) != key
    lines = [event.text for event in told if isinstance(event, LogLine)]
    assert lines == ["made a key for staging's callers and put it into the key vault kept; it is shown nowhere"]
    again, told = ensure(desk)
    assert again == key
    assert not [event for event in told if isinstance(event, LogLine)]
    assert desk.plan().pending == 0, "setup does not mind it"
    desk.remove()
    with desk.session() as session:
        assert session.clients.key_vaults.secrets(desk.vault(session)).read("staging-key") is None
