"""The pipeline as the worker is asked for it: what is passed on, what is kept, where its log lines go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_tui import pipeline_operations, worker_service
from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.events import LogLine
from mlops_tui.session import Session
from mlops_tui.spool import log_file
from mlops_tui.steps import Emit
from tests.unit.worker_stories import ends, events, line, paper, problems, served

OPERATIONS = ("run", "list_runs", "read_log", "approve", "cancel")
Asked = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(worker_service, "open_session", paper)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What reaches the operations."""
    calls: Asked = []

    def take(name: str) -> Any:
        def operation(session: Session, emit: Emit, *arguments: Any) -> str:
            calls.append((name, arguments))
            emit(LogLine(source="Train · mlops-tui train", text=f"{name} is at work"))
            return "done"

        return operation

    for name in OPERATIONS:
        monkeypatch.setattr(pipeline_operations, name, take(name))
    return calls


def test_each_request_is_passed_on_as_it_was_asked(asked: Asked) -> None:
    messages = served(
        line("1", "ci_run"),
        line("2", "ci_run", branch="release", build_number="17", stage="production", follow=False),
        line("3", "ci_runs"),
        line("4", "ci_runs", limit=5),
        line("5", "ci_log", run="17"),
        line("6", "ci_log", run="17", follow=True),
        line("7", "ci_approve", run="17", comment="looks good", follow=True),
        line("8", "ci_cancel", run="17"),
    )
    assert ends(messages) == [(str(number), 0) for number in range(1, 9)]
    assert asked == [
        ("run", (RunOrder("main"), True)),
        ("run", (RunOrder("release", "17", "production"), False)),
        ("list_runs", (20,)),
        ("list_runs", (5,)),
        ("read_log", ("17", False)),
        ("read_log", ("17", True)),
        ("approve", ("17", "looks good", True)),
        ("cancel", ("17",)),
    ]


@pytest.mark.parametrize(
    ("do", "arguments", "said"),
    [
        ("ci_run", {"stage": "nowhere"}, "none of all, staging, production"),
        ("ci_run", {"build_number": "1 2"}, "build number"),
        ("ci_log", {}, "which one is meant"),
        ("ci_approve", {}, "which one is meant"),
        ("ci_cancel", {}, "which one is meant"),
        ("ci_runs", {"limit": "many"}, "is not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: Asked, do: str, arguments: dict[str, Any], said: str) -> None:
    messages = served(line("1", do, **arguments))
    assert ends(messages) == [("1", 2)]
    assert said in problems(messages)[0]["message"]
    assert asked == []


def test_what_changes_something_is_kept_in_the_journal(asked: Asked, home: Path) -> None:
    kinds = ("ci_run", "ci_runs", "ci_log", "ci_approve", "ci_cancel")
    served(*(line(kind, kind, run="17") for kind in kinds))
    kept = sorted(file.name.split("-")[2] for file in home.glob("journal/*.jsonl"))
    assert kept == ["ci_approve", "ci_cancel", "ci_run"]


@pytest.mark.parametrize("do", ["ci_run", "ci_log", "ci_approve"])
def test_log_lines_go_into_files_where_a_folder_is_named(asked: Asked, tmp_path: Path, do: str) -> None:
    folder = tmp_path / "logs" / "one"
    messages = served(line("1", do, run="17", logs=str(folder)))
    assert events(messages, "1", "log_line") == []
    assert "is at work" in log_file(folder, "Train · mlops-tui train").read_text()
