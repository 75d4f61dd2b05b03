"""What the stories about the worker share: its pipe, and a cloud of paper."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mlops_tui.clouds.cloud import AZURE
from mlops_tui.opening import Practice
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.worker import Worker
from mlops_tui.worker_service import Surroundings

Message = dict[str, Any]


class Out(io.StringIO):
    """The worker's end of the pipe; `ended(n)` waits for the n-th last line of a request."""

    def __init__(self) -> None:
        super().__init__()
        self.more = threading.Condition(threading.RLock())

    def write(self, text: str) -> int:
        with self.more:
            written = super().write(text)
            self.more.notify_all()
            return written

    @property
    def messages(self) -> list[Message]:
        with self.more:
            return [json.loads(text) for text in self.getvalue().splitlines()]

    def ended(self, count: int) -> list[Message]:
        with self.more:
            assert self.more.wait_for(lambda: len(ends(self.messages)) >= count, 10), self.getvalue()
            return self.messages


def paper(*_: object) -> Session:
    return Session(Project(), AZURE)


def nowhere(tell: Callable[[str], None]) -> Practice:
    raise AssertionError("these stories need no practice cloud")


def worker_of(out: io.StringIO) -> Worker:
    return Worker(Surroundings(None, os.environ, nowhere, lambda: None), out)


def line(request_id: str, do: str, **arguments: object) -> str:
    return json.dumps({"id": request_id, "do": do, "arguments": arguments}) + "\n"


def served(*lines: str) -> list[Message]:
    """All messages of requests that are sent one after the other, each when the one before has ended."""
    out = Out()

    def one_by_one() -> Iterator[str]:
        for number, each in enumerate(lines, 1):
            yield each
            out.ended(number)

    return serve_all(one_by_one(), out)


def serve_all(lines: Iterable[str], out: Out | None = None) -> list[Message]:
    """All messages of requests that are sent as `lines` says."""
    out = out or Out()
    worker_of(out).serve(lines)
    return out.messages


def ends(messages: list[Message]) -> list[tuple[str, int]]:
    """The last lines: request and exit code."""
    return [(each["request"], each["exit_code"]) for each in messages if "exit_code" in each]


def events(messages: list[Message], request: str, kind: str) -> list[Message]:
    of_request = [each["event"] for each in messages if each["request"] == request and "event" in each]
    return [event for event in of_request if event["type"] == kind]


def problems(messages: list[Message]) -> list[Message]:
    return [each["event"]["error"] for each in messages if each.get("event", {}).get("type") == "problem"]
