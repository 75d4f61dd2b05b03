"""Sweeps that were launched before: listed, and ended as a whole or in part."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_tui import training
from mlops_tui.clouds.databricks_experiments import TrackedRun
from mlops_tui.clouds.databricks_runs import RunInfo
from mlops_tui.errors import UsageError
from mlops_tui.events import Event, JobRun, LogLine, RunStatus
from mlops_tui.project import Project
from mlops_tui.session import Session

A, B = "alpha=0.5,l1_ratio=0.5", "alpha=0.1,l1_ratio=0.1"
PARAMETERS = (
    ("runs", json.dumps([{"name": name, "alpha": "0.5", "l1_ratio": "0.5"} for name in (A, B)])),
    ("build_number", "7"),
    ("log_folder", "dbfs:/logs"),
)


@dataclass
class FakeRuns:
    """One sweep, number 17, with one task, number 18."""

    states: dict[str, RunStatus]  # of the iterations that have begun
    state: RunStatus = "running"
    parameters: tuple[tuple[str, str], ...] = PARAMETERS
    cancelled: list[int] = field(default_factory=list)

    def get(self, run_id: int) -> RunInfo:
        return RunInfo(run_id, "job", self.state, "", "https://run/17", None, (18,), self.parameters, 1.5)

    def iterations(self, task_run_id: int) -> tuple[RunInfo, ...]:
        assert task_run_id == 18
        return tuple(
            RunInfo(number, name, state, "", "", None) for number, (name, state) in enumerate(self.states.items(), 100)
        )

    def of_job(self, job_id: int, limit: int) -> tuple[RunInfo, ...]:
        return (self.get(17),)[:limit]

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)


def session_on(runs: FakeRuns) -> Session:
    cloud: Any = SimpleNamespace(name="fake")
    session = Session(Project(), cloud)
    clients: Any = SimpleNamespace(databricks=lambda _: SimpleNamespace(runs=runs), close=lambda: None)
    session._clients = clients
    session.learn("databricks_host", "https://adb-1.2.azuredatabricks.net")
    return session


def cancel(runs: FakeRuns, only: str = "") -> tuple[str, list[Event]]:
    events: list[Event] = []
    return training.cancel(session_on(runs), "17", events.append, only), events


def test_a_sweep_is_listed_with_its_build_and_the_names_of_its_runs() -> None:
    (found,) = training.list_job_runs(session_on(FakeRuns({})), 3)
    assert found == JobRun("17", "https://run/17", "running", "7", (A, B), 1.5)


@pytest.mark.parametrize("given", ["", "5", "no json", '["a"]', '[{"alpha": 1}]'])
def test_what_was_started_with_other_parameters_is_listed_without_names(given: str) -> None:
    (found,) = training.list_job_runs(session_on(FakeRuns({}, parameters=(("runs", given),))), 3)
    assert (found.id, found.build, found.runs) == ("17", "", ())


def test_the_best_of_each_build_is_marked_as_the_gate_would_choose() -> None:
    def tracked(run_id: str, build: str, rmse: float | None, status: str = "FINISHED") -> TrackedRun:
        metrics = {} if rmse is None else {"rmse": rmse}
        tags = {"build_number": build} if build else {}
        return TrackedRun(run_id, "1", run_id, status, {}, metrics, tags, 1.0, 2.0)

    of_seven = [tracked("a", "7", 0.79), tracked("b", "7", 0.71), tracked("c", "7", 0.1, "FAILED")]
    others = [tracked("d", "8", 0.9), tracked("e", "", 0.75), tracked("f", "", 0.74), tracked("g", "9", None)]
    session = session_on(FakeRuns({}))
    clients: Any = session.clients
    workspace = SimpleNamespace(host="https://adb", experiments=SimpleNamespace(runs=lambda *_: [*of_seven, *others]))
    clients.databricks = lambda _: workspace
    assert [run.run_id for run in training.list_runs(session) if run.best] == ["b", "d", "f"]


def test_one_run_is_ended_by_its_own_number() -> None:
    runs = FakeRuns({A: "running", B: "pending"})
    said, events = cancel(runs, B)
    assert runs.cancelled == [101]
    assert said == "Cancelled; its other runs go on."
    assert [(event.source, event.text) for event in events if isinstance(event, LogLine)] == [
        (B, f"asked {B} of job run 17 to end")
    ]


def test_the_whole_sweep_is_ended_by_the_number_of_its_job_run() -> None:
    runs = FakeRuns({A: "running"})
    assert cancel(runs)[0] == "Cancelled."
    assert runs.cancelled == [17]


@pytest.mark.parametrize("only", ["", A])
def test_what_has_ended_is_left_alone_and_said_so(only: str) -> None:
    runs = FakeRuns({A: "succeeded"}, state="succeeded")
    said, events = cancel(runs, only)
    assert "has ended already (succeeded)" in said
    assert (runs.cancelled, events) == ([], [])


def test_a_name_that_is_not_in_the_sweep_is_refused_with_those_that_are() -> None:
    runs = FakeRuns({A: "running"})
    with pytest.raises(UsageError, match="no run named 'alpha=9'") as caught:
        cancel(runs, "alpha=9")
    assert caught.value.problems == (A, B)
    assert runs.cancelled == []


def test_a_run_that_has_not_begun_cannot_be_ended_alone() -> None:
    runs = FakeRuns({A: "running"})
    with pytest.raises(UsageError, match="has not begun") as caught:
        cancel(runs, B)
    assert "mlops-tui cancel 17" in caught.value.hint
    assert runs.cancelled == []
