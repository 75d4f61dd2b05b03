"""The worker's manners: whatever it is sent, each request has its last line, and stops when it is told to."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mlops_tui import operations, redaction
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.errors import UsageError
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.worker import Worker


def paper(_: Mapping[str, str]) -> Session:
    return Session(Project(), AZURE)


def line(request_id: str, do: str, **arguments: object) -> str:
    return json.dumps({"id": request_id, "do": do, "arguments": arguments}) + "\n"


def served(*lines: str, open_session: Callable[[Mapping[str, str]], Session] = paper) -> list[dict[str, Any]]:
    """All messages, once the input has ended and the work with it."""
    out = io.StringIO()
    Worker(open_session, out).serve(lines)
    return [json.loads(text) for text in out.getvalue().splitlines()]


def ends(messages: list[dict[str, Any]]) -> dict[str, int]:
    return {each["request"]: each["exit_code"] for each in messages if "exit_code" in each}


def problems(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["event"]["error"] for each in messages if each.get("event", {}).get("type") == "problem"]


@pytest.fixture
def no_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "setup", lambda *_, **__: "done")


@pytest.mark.parametrize("runs", [5, "alpha=0.1", {"alpha": 0.1, "l1_ratio": 0.1}, [5], [{"alpha": "x"}], [{}]])
def test_malformed_runs_are_refused_as_a_mistake_of_the_sender(runs: object) -> None:
    messages = served(line("1", "train", runs=runs))
    assert ends(messages) == {"1": 2}
    (problem,) = problems(messages)
    assert "The runs cannot be used" in problem["message"]


@pytest.mark.parametrize("sent", ["[]", "5", '{"id": "1"}', '{"id": "1", "do": "plan", "arguments": 5}', "{"])
def test_a_line_that_is_no_request_is_refused(sent: str) -> None:
    messages = served(sent + "\n")
    assert ends(messages) == {"": 2}
    assert "cannot be read" in problems(messages)[0]["message"]


def test_flags_that_are_no_object_are_refused() -> None:
    assert ends(served(line("1", "plan", flags=["--location"]))) == {"": 2}


def test_a_defect_ends_the_request_and_not_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object, **__: object) -> str:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(operations, "setup", defect)
    monkeypatch.setattr(operations, "teardown", lambda *_: "gone")
    messages = served(line("1", "setup"), line("2", "teardown"))
    assert ends(messages) == {"1": 1, "2": 0}
    assert "ZeroDivisionError" in problems(messages)[0]["message"]


def test_a_request_is_cancelled_while_its_session_is_still_being_opened(no_setup: None) -> None:
    told = threading.Event()

    def lines() -> Iterator[str]:
        yield line("1", "setup")
        yield line("2", "cancel", id="1")
        told.set()

    def slow(flags: Mapping[str, str]) -> Session:
        assert told.wait(10)
        return paper(flags)

    out = io.StringIO()
    Worker(slow, out).serve(lines())
    messages = [json.loads(text) for text in out.getvalue().splitlines()]
    assert ends(messages) == {"2": 0, "1": 130}


def test_an_error_while_the_session_is_opened_is_told() -> None:
    def closed(_: Mapping[str, str]) -> Session:
        raise UsageError("There is a problem in the settings.")

    messages = served(line("1", "plan"), open_session=closed)
    assert ends(messages) == {"1": 2}
    assert problems(messages)[0]["message"] == "There is a problem in the settings."


def test_two_requests_of_one_name_are_not_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def until_cancelled(session: Session, emit: Emit, **_: object) -> str:
        assert session.cancelled.wait(10)
        return ""

    monkeypatch.setattr(operations, "setup", until_cancelled)
    messages = served(line("1", "setup"), line("1", "setup"))
    assert [each["exit_code"] for each in messages if "exit_code" in each] == [2, 0]


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
    Worker(paper, Gone()).serve(still_open())


def test_a_secret_of_digits_leaves_the_messages_json(no_setup: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    monkeypatch.setattr("mlops_tui.engine.time.time", lambda: 1234567.5)
    redaction.register("1234567")
    messages = served(line("1", "setup"))
    assert ends(messages) == {"1": 0}
    assert messages[0]["event"]["at"] == 1234567.5
