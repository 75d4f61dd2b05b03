"""Which of the secrets that a pipeline signs in with is kept, and when another takes its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from mlops_tui.clouds.cloud import AZURE
from mlops_tui.errors import Interrupted
from mlops_tui.events import Event, LogLine
from mlops_tui.project import Ci, Project
from mlops_tui.session import Session
from mlops_tui.setup.pipeline_secrets import Issued, compare, settle
from mlops_tui.steps import Report

PROJECT = Project(ci=Ci(host="github", token_days=30))
WHAT = "secret DATABRICKS_TOKEN"


class Issuer:
    what = "Databricks token"

    def __init__(self, *days: float | None) -> None:
        """Each of these has so many days left; None: it never ends."""
        now = datetime.now(UTC)
        self.there = [
            Issued(f"t{place}", None if left is None else now + timedelta(days=left)) for place, left in enumerate(days)
        ]

    def ours(self) -> tuple[Issued, ...]:
        return tuple(self.there)

    def make(self) -> str:
        self.there.append(Issued("new", datetime.now(UTC) + timedelta(days=30)))
        return "its value"

    def take_back(self, issued: Issued) -> None:
        self.there.remove(issued)


@pytest.fixture
def session() -> Iterator[Session]:
    with closing(Session(PROJECT, AZURE)) as made:
        yield made


@pytest.mark.parametrize(
    ("days", "is_there", "action", "words"),
    [
        ((), False, "create", "a new Databricks token for 30 days"),
        ((20,), True, "keep", "ends 20"),
        ((None,), True, "keep", ""),
        ((6.5,), True, "update", "ends soon"),
        ((-1,), True, "update", "ends soon"),
        ((), True, "update", "is not ours, or was taken back"),
        ((20, 25), True, "update", "may be any of several"),
        ((20,), False, "create", "a new Databricks token"),
    ],
)
def test_one_of_ours_that_lives_long_enough_is_kept(
    days: tuple[float | None, ...], is_there: bool, action: str, words: str
) -> None:
    change = compare(PROJECT, Issuer(*days), WHAT, is_there)
    assert change.action == action
    assert words in change.detail


def test_a_new_one_goes_into_the_host_first_and_those_of_before_are_taken_back(session: Session) -> None:
    issuer, put, told = Issuer(3, 20), list[str](), list[Event]()
    settle(session, issuer, WHAT, put.append, Report("pipeline", told.append))
    assert put == ["its value"]
    assert [one.id for one in issuer.there] == ["new"]
    assert "its value" not in str([event.text for event in told if isinstance(event, LogLine)])


def test_where_the_host_does_not_take_it_those_of_before_stay(session: Session) -> None:
    def refuse(_: str) -> None:
        raise ConnectionError

    issuer = Issuer(3)
    with pytest.raises(ConnectionError):
        settle(session, issuer, WHAT, refuse, Report("pipeline", lambda _: None))
    assert [one.id for one in issuer.there] == ["t0", "new"]
    assert compare(PROJECT, issuer, WHAT, True).action == "update", "the next run puts it right"


def test_whoever_stops_before_makes_none(session: Session) -> None:
    session.cancelled.set()
    issuer = Issuer()
    with pytest.raises(Interrupted):
        settle(session, issuer, WHAT, lambda _: None, Report("pipeline", lambda _: None))
    assert issuer.ours() == ()
