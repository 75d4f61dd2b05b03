"""Delivery as the worker is asked for it: what is passed on, what is kept, and a key that only the asker hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_tui import delivery_operations, operations, redaction, worker_service
from mlops_tui.delivery.approval import Approval
from mlops_tui.events import Approved, LogLine
from mlops_tui.session import Session
from mlops_tui.spool import log_file
from mlops_tui.steps import Emit
from tests.unit.worker_stories import Message, ends, events, line, paper, problems, served

OPERATIONS = (
    "build_image",
    "deploy",
    "ask_approval",
    "validate",
    "rollback",
    "list_endpoints",
    "list_images",
    "read_rows",
    "predict",
    "read_stage_log",
    "endpoint_key",
)
KEY = "the-key-of-an-endpoint-0123456789"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(worker_service, "open_session", paper)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    for name in ("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR", "BUILD_REQUESTEDFOR", "BUILD_REQUESTEDFOREMAIL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What reaches the operations."""
    calls: list[tuple[str, tuple[Any, ...]]] = []

    def take(name: str) -> Any:
        def operation(session: Session, emit: Emit, *arguments: Any) -> str:
            calls.append((name, arguments))
            emit(LogLine(source="image", text=f"{name} is at work"))
            return KEY if name == "endpoint_key" else "done"

        return operation

    for name in OPERATIONS:
        monkeypatch.setattr(delivery_operations, name, take(name))
    return calls


def test_each_request_is_passed_on_as_it_was_asked(asked: list[tuple[str, tuple[Any, ...]]]) -> None:
    rows = [{"alcohol": 9.4}]
    messages = served(
        line("1", "build", build="17"),
        line("2", "deploy", stage="staging", image="an image", build=""),
        line("3", "deploy", stage="production", build="17", approve=True, force="why"),
        line("4", "approval", build="17"),
        line("5", "validate"),
        line("6", "rollback", stage="production"),
        line("7", "endpoints"),
        line("8", "images"),
        line("9", "rows", build="17", limit=3),
        line("10", "predict", stage="staging", rows=rows, deployment="blue"),
        line("11", "stage_log", stage="staging", follow=True),
    )
    assert ends(messages) == [(str(number), 0) for number in range(1, 12)]
    assert asked == [
        ("build_image", ("17",)),
        ("deploy", ("staging", "an image", "", None)),
        ("deploy", ("production", "", "17", Approval("", "why"))),
        ("ask_approval", ("17", "")),
        ("validate", ("staging", "")),
        ("rollback", ("production",)),
        ("list_endpoints", ()),
        ("list_images", ()),
        ("read_rows", ("17", 3)),
        ("predict", ("staging", rows, "blue")),
        ("read_stage_log", ("staging", True)),
    ]


@pytest.mark.parametrize(
    ("do", "arguments", "said"),
    [
        ("deploy", {"stage": "nowhere"}, "neither staging nor production"),
        ("rollback", {}, "neither staging nor production"),
        ("predict", {"stage": "staging", "rows": 7}, "are no rows"),
        ("rows", {"limit": "many"}, "is not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(
    asked: list[tuple[str, tuple[Any, ...]]], do: str, arguments: dict[str, Any], said: str
) -> None:
    messages = served(line("1", do, **arguments))
    assert ends(messages) == [("1", 2)]
    assert said in problems(messages)[0]["message"]
    assert asked == []


@pytest.mark.parametrize("approve", ["true", 1, "yes", None, False])
def test_only_a_plain_yes_is_a_yes(asked: list[tuple[str, tuple[Any, ...]]], approve: object) -> None:
    served(line("1", "deploy", stage="production", build="17", approve=approve))
    assert asked == [("deploy", ("production", "", "17", None))]


def test_a_key_is_heard_by_the_asker_alone(asked: list[tuple[str, tuple[Any, ...]]], home: Path) -> None:
    redaction.register(KEY)
    messages = served(line("1", "endpoint_key", stage="production"), line("2", "images"))
    assert [message for message in messages if "secret" in message] == [{"request": "1", "secret": KEY}]
    kinds = [next(iter(set(message) - {"request"})) for message in messages if message["request"] == "1"]
    assert kinds[-2:].count("exit_code") == 1
    assert kinds.index("secret") < kinds.index("exit_code")
    assert KEY not in str([message for message in messages if "secret" not in message])
    assert not any(KEY in file.read_text() for file in home.rglob("*.jsonl"))


def test_what_changes_the_cloud_is_kept_in_the_journal(
    monkeypatch: pytest.MonkeyPatch, home: Path, asked: list[tuple[str, tuple[Any, ...]]]
) -> None:
    def deploy(session: Session, emit: Emit, *_: Any) -> str:
        emit(Approved(stage="production", build="17", by="ada@example.com", force="the old one is down"))
        return ""

    monkeypatch.setattr(delivery_operations, "deploy", deploy)
    served(
        line("1", "deploy", stage="production", approve=True),
        line("2", "build"),
        line("3", "validate"),
        line("4", "rollback", stage="staging"),
        *(line(str(number), do) for number, do in enumerate(("endpoints", "images", "rows", "approval"), 5)),
        line("9", "predict", stage="staging", rows=[]),
        line("10", "endpoint_key", stage="staging"),
    )
    kept = sorted(file.name.split("-")[2] for file in home.glob("journal/*.jsonl"))
    assert kept == ["build", "deploy", "rollback", "validate"]
    (journal,) = home.glob("journal/*-deploy-*.jsonl")
    assert '"force": "the old one is down"' in journal.read_text()


def test_log_lines_go_into_files_where_a_folder_is_named(
    asked: list[tuple[str, tuple[Any, ...]]], tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "one"
    messages = served(line("1", "build", logs=str(folder)))
    assert events(messages, "1", "log_line") == []
    assert "build_image is at work" in log_file(folder, "image").read_text()


def test_up_goes_on_to_production_where_the_person_said_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[operations.Onward] = []

    def up(session: Session, emit: Emit, sweep: operations.Sweep, onward: operations.Onward) -> str:
        given.append(onward)
        return ""

    monkeypatch.setattr(operations, "up", up)
    messages: list[Message] = served(line("1", "up"), line("2", "up", approve=True))
    assert ends(messages) == [("1", 0), ("2", 0)]
    assert [one.approval for one in given] == [None, Approval()]
