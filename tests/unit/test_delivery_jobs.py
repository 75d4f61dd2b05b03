"""A delivery job's run: started once for a request, followed over lost connections, its outcome told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.clouds.databricks_clusters import Happening
from mlops_tui.clouds.databricks_runs import RunOutput
from mlops_tui.delivery import follower, jobs
from mlops_tui.errors import CloudError, DeliveryFailedError, Interrupted, UnreachableError, UsageError
from mlops_tui.events import Event, Identified, LogLine
from mlops_tui.following import outage
from mlops_tui.session import Session
from tests.unit.delivery_cloud import HOST, FakeCloud

GIVEN = {"build_number": "7", "registry": "mlops1", "log_folder": "dbfs:/logs/"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "QUICK", 0.002)
    monkeypatch.setattr(follower, "SLOW", 0.005)


def run(session: Session, given: dict[str, str] | None = None) -> tuple[dict[str, object], list[Event]]:
    told: list[Event] = []
    return jobs.run(session, told.append, "image", "build", given or GIVEN), told


def texts(told: list[Event]) -> list[str]:
    return [event.text for event in told if isinstance(event, LogLine)]


def test_its_page_is_told_early_its_lines_once_and_its_exit_value_at_the_end() -> None:
    cloud = FakeCloud(results=['{"model_image_id": "x"}'])
    value, told = run(cloud.session())
    assert value == {"model_image_id": "x"}
    assert told[0] == Identified(what="image job run", id="101", url=f"{HOST}/run/101")
    lines = [text for text in texts(told) if text in ("one", "two")]
    assert lines == ["one", "two"]
    assert {event.source for event in told if isinstance(event, LogLine)} == {"image"}
    assert cloud.started == [(1, GIVEN)]


def test_a_run_that_is_under_way_with_the_same_parameters_is_taken_up() -> None:
    cloud = FakeCloud(results=['{"n": 1}', '{"n": 2}'], never_ends=True)
    session = cloud.session()
    session.cancelled.set()
    with pytest.raises(Interrupted) as left:
        run(session)
    assert "mlops-tui cancel 101" in left.value.hint
    cloud.never_ends = False
    again, told = run(cloud.session())
    assert again == {"n": 1}
    assert len(cloud.started) == 1
    assert "job run 101 does that already: taking it up" in texts(told)


def test_what_has_ended_is_begun_anew_for_whoever_asks_has_looked() -> None:
    cloud = FakeCloud(results=['{"n": 1}', '{"n": 2}', '{"n": 3}'])
    assert [run(cloud.session())[0]["n"] for _ in range(3)] == [1, 2, 3]
    assert len(set(cloud.tokens)) == 3


def test_a_repeat_of_a_lost_call_starts_no_second_run() -> None:
    cloud = FakeCloud(results=['{"n": 1}'])
    session = cloud.session()
    first = jobs._token(1, GIVEN, [])
    assert first == jobs._token(1, dict(reversed(GIVEN.items())), []), "whatever the order"
    assert first != jobs._token(1, GIVEN | {"build_number": "8"}, [])
    cloud.run_now(1, GIVEN, first)  # and its answer was lost
    assert run(session)[0] == {"n": 1}
    assert len(cloud.started) == 1


def test_another_run_of_the_job_is_named_and_waited_for() -> None:
    cloud = FakeCloud(results=["{}", '{"n": 2}'])
    cloud.run_now(1, GIVEN | {"build_number": "6"}, "somebody's")
    value, told = run(cloud.session())
    assert value == {"n": 2}
    assert f"job run 101 is at work on this first: {HOST}/run/101" in texts(told)


def test_a_failure_is_told_in_the_notebooks_own_sentence() -> None:
    cloud = FakeCloud(results=[ValueError("The registry mlops1 has no room left.")])
    with pytest.raises(DeliveryFailedError) as caught:
        run(cloud.session())
    error = caught.value
    assert error.message == "The registry mlops1 has no room left."
    assert error.link == f"{HOST}/run/101"
    assert error.raw.splitlines()[0] == "Traceback (most recent call last)", "without colours"
    assert "same command again" in error.hint
    assert error.exit_code == 1


def test_a_run_that_failed_before_its_notebook_began_is_told_in_the_platforms_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = FakeCloud(results=["{}"], ended_as="failed")

    def refuse(run_id: int) -> RunOutput:
        raise CloudError("There is no output of run 1101.")

    monkeypatch.setattr(cloud, "output_of", refuse)
    with pytest.raises(DeliveryFailedError) as caught:
        run(cloud.session())
    assert caught.value.message == "failed", "the state's own message"
    assert "There is no output" in caught.value.raw


def test_a_cancelled_run_and_one_that_tells_nothing_are_errors_too() -> None:
    with pytest.raises(DeliveryFailedError, match="was cancelled before its end"):
        run(FakeCloud(results=["{}"], ended_as="canceled").session())
    for said in ("", "[1]", "None"):
        with pytest.raises(DeliveryFailedError, match="without telling what it has made"):
            run(FakeCloud(results=[said]).session())


def test_a_lost_connection_is_ridden_out_and_no_line_is_lost() -> None:
    cloud = FakeCloud(results=['{"n": 1}'], unreachable=3)
    value, told = run(cloud.session())
    assert value == {"n": 1}
    assert sum("Trying again" in text for text in texts(told)) == 3
    assert "the connection is back" in texts(told)
    assert [text for text in texts(told) if text in ("one", "two")] == ["one", "two"]


def test_a_connection_that_stays_lost_is_told_with_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LOST_SECONDS", 0.02)
    with pytest.raises(UnreachableError) as caught:
        run(FakeCloud(results=["{}"], unreachable=10**6).session())
    assert "mlops-tui logs 101 --follow" in caught.value.hint


def test_the_log_of_a_run_can_be_read_afterwards_by_its_number() -> None:
    cloud = FakeCloud(results=['{"n": 1}', "{}"])
    session = cloud.session()
    run(session)
    told: list[Event] = []
    jobs.read_log(session, 101, told.append, follow=False)
    assert [(event.source, event.text) for event in told if isinstance(event, LogLine)] == [
        ("image", "one"),
        ("image", "two"),
    ]
    assert not jobs.is_sweep(session, 101)
    cloud.run_now(9, {"runs": "[]", "log_folder": "x"}, "a sweep")
    assert jobs.is_sweep(session, 102)
    cloud.run_now(9, {"log_folder": "x"}, "somebody's job")
    with pytest.raises(UsageError, match="not of this project's jobs"):
        jobs.read_log(session, 103, told.append, follow=False)


@pytest.mark.parametrize(
    ("given", "lane"),
    [
        ({"registry": "r"}, "image"),
        ({"model_image_id": "i", "dns_label": "d"}, "staging"),
        ({"model_image_id": "i", "compute": "myaks"}, "production"),
        ({"model_image_id": "i", "stage": "staging"}, "staging"),
        ({"model_image_id": "i", "stage": "production"}, "production"),
    ],
)
def test_a_run_belongs_to_a_lane(given: dict[str, str], lane: str) -> None:
    assert jobs._lane_of(given) == lane


def test_what_the_cluster_went_through_before_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Happening(at, "EVENT", f"is at {at}") for at in (999_000, 1_000_000_000, 1_000_500_000)]
    clusters = SimpleNamespace(events=lambda _, since: [one for one in made if one.at >= since])
    cloud = FakeCloud(results=["{}"], lines=b"")
    monkeypatch.setattr(FakeCloud, "clusters", clusters, raising=False)
    session = cloud.session()
    session.learn("cluster_id", "c-1")
    cloud.run_now(1, {"log_folder": "x", "registry": "r"}, "a build")
    told: list[Event] = []
    launched = jobs.Launched(101, "", "image", "x/101/delivery", started=1_000_000.0)
    follower.Follower(session, cast("Any", cloud), launched, told.append).follow()
    texts = [event.text for event in told if isinstance(event, LogLine) and event.source == "cluster"]
    assert texts == ["the cluster is at 1000000000", "the cluster is at 1000500000"]
