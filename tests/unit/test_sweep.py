"""What the job is sent: just the numbers that were asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.clouds.clients import Clients
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.databricks_runs import RunInfo
from mlops_tui.events import Event, LogLine
from mlops_tui.project import Ci, Project
from mlops_tui.session import Session
from mlops_tui.training.builds import Build
from mlops_tui.training.sweep import figure, inputs, launch, named


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1.0, "1"), (0.0, "0"), (1e-5, "1e-05"), (0.12345678, "0.12345678"), (1234567.0, "1234567.0")],
)
def test_a_parameter_is_written_short_and_unchanged(value: float, text: str) -> None:
    assert figure(value) == text
    assert float(figure(value)) == value


def test_close_parameters_stay_two_runs_with_names_of_their_own() -> None:
    runs = named(({"alpha": 0.12345671, "l1_ratio": 0.5}, {"alpha": 0.12345672, "l1_ratio": 0.5}))
    assert [float(each["alpha"]) for each in inputs(runs)] == [0.12345671, 0.12345672]
    assert list(runs) == ["alpha=0.12345671,l1_ratio=0.5", "alpha=0.12345672,l1_ratio=0.5"]


def run_info(run_id: int, status: str = "running") -> RunInfo:
    return RunInfo(run_id, "sweep", cast("Any", status), "", f"https://host/run/{run_id}", None)


class Cloud:
    """Databricks as far as a launch goes: runs by idempotency token; the first `bad` of them have failed."""

    def __init__(self, bad: int = 0, active: tuple[int, ...] = ()) -> None:
        self.bad, self.under_way = bad, active
        self.tokens: list[str] = []
        self.runs = self.jobs = self

    def run_now(self, job_id: int, parameters: Mapping[str, str], token: str) -> int:
        assert 0 < len(token) <= 64, "run-now is never asked without an idempotency token"
        self.tokens.append(token)
        return len(self.tokens)

    def get(self, run_id: int) -> RunInfo:
        return run_info(run_id, "failed" if run_id <= self.bad else "running")

    def active(self, job_id: int) -> tuple[RunInfo, ...]:
        return tuple(run_info(run_id) for run_id in self.under_way)


def launched(cloud: Cloud, number: str = "7", project: Project | None = None, **known: str) -> tuple[int, list[Event]]:
    session = Session(project or Project(), AZURE)
    for name, value in known.items():
        session.learn(name, value)
    session._clients = cast("Clients", SimpleNamespace(databricks=lambda host: cloud, close=lambda: None))
    session.learn("train_job_id", "5")
    session.learn("databricks_host", "https://host")
    told: list[Event] = []
    sweep = launch(session, Build(number, "test"), ({"alpha": 0.5, "l1_ratio": 0.5},), told.append)
    assert json.loads(json.dumps(sweep.runs)) == {"alpha=0.5,l1_ratio=0.5": {"alpha": 0.5, "l1_ratio": 0.5}}
    return sweep.run_id, told


def test_the_same_work_has_the_same_token_and_each_new_attempt_another() -> None:
    first, again, other = Cloud(), Cloud(bad=2), Cloud()
    assert launched(first)[0] == 1
    assert launched(again)[0] == 3, "failed runs are not taken up"
    launched(other, "8")
    assert again.tokens[0] == first.tokens[0] != other.tokens[0]
    assert len(set(again.tokens)) == 3


def test_other_runs_under_way_are_told_and_ones_own_is_none_of_them() -> None:
    _, told = launched(Cloud(active=(1, 9)))
    lines = [event.text for event in told if isinstance(event, LogLine)]
    assert len(lines) == 1
    assert "job run 9" in lines[0]


def test_whoever_trains_from_a_git_folder_that_is_behind_is_told_so() -> None:
    project = Project(notebook_source="git-folder", ci=Ci(host="github"))
    _, told = launched(Cloud(), project=project, git_folder_behind="behind: at 1a2b3c4")
    (line,) = [event for event in told if isinstance(event, LogLine)]
    assert line.level == "warning"
    assert "not in step (behind: at 1a2b3c4)" in line.text
    _, told = launched(Cloud(), git_folder_behind="behind: at 1a2b3c4")
    assert not [event for event in told if isinstance(event, LogLine)], "jobs take the imported ones"
