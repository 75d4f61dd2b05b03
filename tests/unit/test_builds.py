"""A second `up` takes up the build that has trained the same, and trains anew where anything differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from mlops_tui import delivery_operations, operations, training
from mlops_tui.clouds.databricks_experiments import TrackedRun
from mlops_tui.clouds.databricks_runs import RunInfo
from mlops_tui.errors import GateMissedError
from mlops_tui.events import Event, LogLine, RunsCompared
from mlops_tui.project import Ci, Project
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.training.builds import Build, build_of, find_same, notebooks_digest
from mlops_tui.training.sweep import what_is_trained
from tests.unit.delivery_cloud import FakeCloud

RUNS = ({"alpha": 0.5, "l1_ratio": 0.5}, {"alpha": 0.1, "l1_ratio": 0.1})
NAMES = ("alpha=0.5,l1_ratio=0.5", "alpha=0.1,l1_ratio=0.1")


def notebooks(folder: Path, train: str = "print(1)", log: str = "print(2)") -> Project:
    """A project of its own notebooks; the training begins with another one."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(f"# Databricks notebook source\n# MAGIC %run ./live_log\n\n{train}\n")
    (folder / "live_log.py").write_text(f"# Databricks notebook source\n{log}\n")
    (folder / "serving.py").write_text("# Databricks notebook source\n")
    return Project(notebooks=str(folder))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return notebooks(tmp_path / "mine")


class Workspace(FakeCloud):
    """With the job runs of trainings, newest first."""

    def __init__(self, *given: tuple[str, str, dict[str, str]]) -> None:
        super().__init__()
        self.sweeps = [
            RunInfo(
                10 + place, "sweep", cast("Any", status), "", "", 1.0, (), tuple((own | {"build_number": n}).items())
            )
            for place, (n, status, own) in enumerate(given)
        ]

    @property
    def runs(self) -> Any:
        return self

    def of_job(self, job_id: int, limit: int) -> tuple[RunInfo, ...]:
        assert job_id == 4
        return tuple(self.sweeps)

    def session(self, project: Project | None = None) -> Session:
        session = super().session(project)
        session.learn("train_job_id", "4")
        return session


def local(project: Project) -> dict[str, str]:
    return what_is_trained(Workspace().session(project), RUNS) | {"build_source": "local"}


def test_the_newest_local_build_with_the_same_runs_data_and_notebooks_is_found(project: Project) -> None:
    same = local(project)
    workspace = Workspace(
        ("ci-9", "succeeded", same | {"build_source": "GitHub"}),
        ("local-5", "failed", same),
        ("local-4", "succeeded", same | {"data_path": "/other.csv"}),
        ("local-3", "succeeded", same),
        ("local-2", "succeeded", same),
    )
    session = workspace.session(project)
    found = find_same(session, what_is_trained(session, RUNS))
    assert found is not None
    assert (found.build, found.run_id, found.ended) == (Build("local-3", "local"), 13, True)


def test_one_that_is_being_trained_is_found_too(project: Project) -> None:
    workspace = Workspace(("local-3", "running", local(project)), ("local-2", "succeeded", local(project)))
    session = workspace.session(project)
    found = find_same(session, what_is_trained(session, RUNS))
    assert found is not None
    assert (found.build.number, found.ended) == ("local-3", False)


@pytest.mark.parametrize("differing", ["runs", "experiment", "data", "train", "live_log"])
def test_whatever_decides_the_outcome_makes_another_build(project: Project, tmp_path: Path, differing: str) -> None:
    workspace = Workspace(("local-3", "succeeded", local(project)))
    training = project.training
    changed = project
    runs: tuple[dict[str, float], ...] = RUNS
    if differing == "runs":
        runs = RUNS[:1]
    elif differing == "experiment":
        changed = replace(project, training=replace(training, experiment="/Shared/Other"))
    elif differing == "data":
        changed = replace(project, training=replace(training, data_path="/other.csv"))
    elif differing == "train":
        notebooks(tmp_path / "mine", train="print(3)")
    else:
        notebooks(tmp_path / "mine", log="print(3)")
    session = workspace.session(changed)
    assert find_same(session, what_is_trained(session, runs)) is None


def test_a_notebook_that_has_no_part_in_the_training_changes_nothing(project: Project, tmp_path: Path) -> None:
    before = notebooks_digest(project)
    (tmp_path / "mine" / "serving.py").write_text("# Databricks notebook source\nprint('other')\n")
    (tmp_path / "mine" / "train.py").write_text((tmp_path / "mine" / "train.py").read_text().replace("\n", "  \r\n"))
    assert notebooks_digest(project) == before, "line ends and spaces at them neither"
    assert notebooks_digest(Project(notebooks=str(tmp_path / "nowhere"))) == ""
    assert find_same(Workspace().session(project), {"notebooks": ""}) is None, "what cannot be compared is not the same"


@pytest.mark.parametrize(("source", "known"), [("git", "branch_head"), ("git-folder", "git_folder_commit")])
def test_notebooks_of_a_repository_are_the_same_as_long_as_their_commit_is(
    project: Project, tmp_path: Path, source: Any, known: str
) -> None:
    project = replace(project, notebook_source=source, ci=Ci(host="github"))
    session = Workspace().session(project)
    assert what_is_trained(session, RUNS)["notebooks"] == "", "edited in the folder, or never seen: not to be compared"
    session.learn(known, "1a2b3c4")
    notebooks(tmp_path / "mine", train="print('not pushed')")
    assert what_is_trained(session, RUNS)["notebooks"] == "1a2b3c4"


def test_only_a_build_that_nobody_has_named_may_be_another_one() -> None:
    assert build_of({}).fresh
    assert not build_of({}, "17").fresh
    assert not build_of({}, "", "by hand").fresh
    assert not build_of({"GITHUB_RUN_NUMBER": "3"}).fresh


def tracked(name: str, rmse: float) -> TrackedRun:
    tags = {"build_number": "local-3", "build_source": "local"}
    return TrackedRun(f"id of {name}", "1", name, "FINISHED", {}, {"rmse": rmse}, tags, 1.0, 2.0)


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `up` does besides training, as far as it comes."""
    done: list[str] = []
    monkeypatch.setattr(operations, "setup", lambda *_, **__: done.append("setup"))
    monkeypatch.setattr(operations, "train", lambda s, e, sweep: done.append(f"train {sweep.build.number}"))
    monkeypatch.setattr(delivery_operations, "build_image", lambda s, e, build: done.append(f"build {build}"))

    def deploy(session: Session, emit: Emit, stage: str, build: str, **_: object) -> str:
        done.append(f"{stage} {build}")
        return "answers"

    monkeypatch.setattr(delivery_operations, "deploy", deploy)
    monkeypatch.setattr(delivery_operations, "validate", lambda s, e, stage, build: done.append(f"validate {build}"))
    return done


def up(workspace: Workspace, project: Project, build: Build) -> list[Event]:
    told: list[Event] = []
    assert operations.up(workspace.session(project), told.append, operations.Sweep(build, RUNS)) == "answers"
    return told


FRESH = Build("local-9", "local", fresh=True)


def test_up_goes_all_the_way_with_the_build_that_is_trained_already(project: Project, after: list[str]) -> None:
    workspace = Workspace(("local-3", "succeeded", local(project)))
    workspace.tracked_ = [tracked(name, rmse) for name, rmse in zip(NAMES, (0.79, 0.71), strict=True)]
    told = up(workspace, project, FRESH)
    assert after == ["setup", "build local-3", "staging local-3", "validate local-3", "production local-3"]
    (compared,) = [event for event in told if isinstance(event, RunsCompared)]
    assert (compared.build, compared.best, compared.passed) == ("local-3", NAMES[1], True)
    lines = [event.text for event in told if isinstance(event, LogLine)]
    assert lines == ["build local-3 is trained already; to train anew: mlops-tui train"]


def test_up_trains_where_the_runs_of_that_build_are_gone(project: Project, after: list[str]) -> None:
    workspace = Workspace(("local-3", "succeeded", local(project)))
    workspace.tracked_ = [tracked(NAMES[0], 0.79)]
    up(workspace, project, FRESH)
    assert after[:3] == ["setup", "train local-9", "build local-9"]


def test_up_takes_up_a_training_that_an_interrupted_one_has_left(project: Project, after: list[str]) -> None:
    up(Workspace(("local-3", "running", local(project))), project, FRESH)
    assert after[:3] == ["setup", "train local-3", "build local-3"]


def test_a_build_that_somebody_has_named_is_that_one(project: Project, after: list[str]) -> None:
    up(Workspace(("local-3", "succeeded", local(project))), project, Build("17", "manual"))
    assert after[:3] == ["setup", "train 17", "build 17"]


def test_a_build_of_before_is_judged_by_the_gate_of_today(project: Project, after: list[str]) -> None:
    workspace = Workspace(("local-3", "succeeded", local(project)))
    workspace.tracked_ = [tracked(name, 0.81) for name in NAMES]
    with pytest.raises(GateMissedError, match="is missed"):
        up(workspace, project, FRESH)
    assert after == ["setup"]
    assert training.judge_again(workspace.session(project), Build("6", "local"), RUNS, print) is None
