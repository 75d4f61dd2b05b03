"""The worker's manners: whatever it is sent, each request has its last line, and stops when it is told to."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tui import operations, redaction, worker_service
from mlops_tui.errors import UsageError
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from tests.unit.worker_stories import ends, line, paper, problems, serve_all, served, worker_of


@pytest.fixture(autouse=True)
def on_paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker_service, "open_session", paper)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))


@pytest.fixture
def no_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "setup", lambda *_, **__: "done")


@pytest.mark.parametrize("runs", [5, "alpha=0.1", {"alpha": 0.1, "l1_ratio": 0.1}, [5], [{"alpha": "x"}], [{}]])
def test_malformed_runs_are_refused_as_a_mistake_of_the_sender(runs: object) -> None:
    messages = served(line("1", "train", runs=runs))
    assert dict(ends(messages)) == {"1": 2}
    (problem,) = problems(messages)
    assert "The runs cannot be used" in problem["message"]


@pytest.mark.parametrize("sent", ["[]", "5", '{"id": "1"}', '{"id": "1", "do": "plan", "arguments": 5}', "{"])
def test_a_line_that_is_no_request_is_refused(sent: str) -> None:
    messages = served(sent + "\n")
    assert dict(ends(messages)) == {"": 2}
    assert "cannot be read" in problems(messages)[0]["message"]


def test_flags_that_are_no_object_are_refused() -> None:
    assert dict(ends(served(line("1", "plan", flags=["--location"])))) == {"": 2}


def test_a_defect_ends_the_request_and_not_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object, **__: object) -> str:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(operations, "setup", defect)
    monkeypatch.setattr(operations, "teardown", lambda *_: "gone")
    messages = served(line("1", "setup"), line("2", "teardown"))
    assert dict(ends(messages)) == {"1": 1, "2": 0}
    assert "ZeroDivisionError" in problems(messages)[0]["message"]


def test_a_request_is_cancelled_while_its_session_is_still_being_opened(
    no_setup: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()

    def lines() -> Iterator[str]:
        yield line("1", "setup")
        yield line("2", "cancel", id="1")
        told.set()

    def slow(*_: object) -> Session:
        assert told.wait(10)
        return paper()

    monkeypatch.setattr(worker_service, "open_session", slow)
    assert dict(ends(serve_all(lines()))) == {"2": 0, "1": 130}


def test_an_error_while_the_session_is_opened_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> Session:
        raise UsageError("There is a problem in the settings.")

    monkeypatch.setattr(worker_service, "open_session", closed)
    messages = served(line("1", "plan"))
    assert dict(ends(messages)) == {"1": 2}
    assert problems(messages)[0]["message"] == "There is a problem in the settings."


def test_two_requests_of_one_name_are_not_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def until_cancelled(session: Session, emit: Emit, **_: object) -> str:
        begun.set()
        assert session.cancelled.wait(10)
        return ""

    def lines() -> Iterator[str]:
        yield line("1", "setup")
        yield line("1", "setup")
        assert begun.wait(10)

    monkeypatch.setattr(operations, "setup", until_cancelled)
    messages = serve_all(lines())
    assert ends(messages) == [("1", 2), ("1", 0)]


def test_when_nobody_reads_any_more_the_work_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    def until_cancelled(session: Session, emit: Emit, **_: object) -> str:
        if session.cancelled.wait(10):
            stopped.set()
        return ""

    def still_open() -> Iterator[str]:
        yield line("1", "setup")
        assert stopped.wait(10), "the work went on"

    monkeypatch.setattr(operations, "setup", until_cancelled)
    worker_of(Gone()).serve(still_open())


def test_a_secret_of_digits_leaves_the_messages_json(no_setup: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    monkeypatch.setattr("mlops_tui.engine.time.time", lambda: 1234567.5)
    redaction.register("1234567")
    messages = served(line("1", "setup"))
    assert dict(ends(messages)) == {"1": 0}
    assert messages[0]["event"]["at"] == 1234567.5
