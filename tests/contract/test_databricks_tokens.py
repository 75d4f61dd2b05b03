"""Personal access tokens as a pipeline gets them: made for some days, found by their comment, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from mlops_tui import redaction
from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.errors import ForbiddenError, MlopsError, SignInError
from mlops_tui.project import Project
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from tests.conftest import LiveSandbox
from tests.credentials import of_owner

pytestmark = [pytest.mark.xdist_group("git-folders"), pytest.mark.timeout(60)]


@pytest.fixture
def databricks(live: LiveSandbox) -> Iterator[Databricks]:
    project = Project(**of_owner(live.folder), databricks_token=live.token)
    with closing(Session(project, local_cloud(live.origin, str(live.ca)))) as session:
        yield session.clients.databricks(live.origin)


def test_a_token_lives_as_long_as_it_was_made_for_and_is_hidden_from_then_on(databricks: Databricks) -> None:
    value = databricks.tokens.create("made for wine", 30)
    assert value.startswith("dapi")
    assert value in redaction.registered()
    (made,) = [token for token in databricks.tokens.list() if token.comment == "made for wine"]
    assert made.expires is not None
    assert abs(made.expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert value not in str(made)


def test_a_token_that_is_taken_back_opens_nothing_and_taking_it_back_again_does_no_harm(
    live: LiveSandbox, databricks: Databricks
) -> None:
    value = databricks.tokens.create("for a moment", 1)
    (made,) = [token for token in databricks.tokens.list() if token.comment == "for a moment"]
    assert databricks.tokens.delete(made.id)
    assert not databricks.tokens.delete(made.id)
    project = Project(**of_owner(live.folder), databricks_token=value)
    with closing(Session(project, databricks.cloud)) as session, pytest.raises((SignInError, ForbiddenError)) as said:
        session.clients.databricks(live.origin).tokens.list()
    assert isinstance(said.value, MlopsError)
    assert value not in f"{said.value} {said.value.hint} {said.value.raw}"


def test_one_whose_value_was_lost_on_its_way_is_not_left_behind(live: LiveSandbox, databricks: Databricks) -> None:
    address = process.Address(int(live.origin.rpartition(":")[2]))
    order = {"path": "/api/2.0/token/create", "method": "POST", "drop": True}
    process.ask(live.folder, address, "POST", "/_sandbox/faults", order)
    value = databricks.tokens.create("lost once", 1)
    assert value
    assert [token.comment for token in databricks.tokens.list()].count("lost once") == 1
