"""A Connection that answers from recorded events: what the screens make of them needs no cloud."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_tui.events import Event, LogLine, SignInsFound, from_json
from mlops_tui.spool import LEVELS, log_file
from mlops_tui.tui.connection import OnEvent, Request
from tests.tui.recording import kind_of

RECORDED = Path(__file__).parent / "recorded"


@dataclass
class Answer:
    """What one request is answered with. Held ones stay open until the test says `finish`."""

    events: Sequence[Event] = ()
    exit_code: int = 0
    held: bool = False
    secret: str = ""


@dataclass
class Replay:
    """Answers by what is asked for; the last answer of a kind is given again and again. Nothing else may be asked."""

    answers: Mapping[str, Sequence[Answer]]
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)  # what was asked for and then cancelled
    closed: bool = False

    def __post_init__(self) -> None:
        self.on_stray: OnEvent = lambda _: None
        # The opening, Delivery and History ask by themselves, which is nothing to most stories.
        by_itself = {"sign_ins": [Answer([SignInsFound(sign_ins=())])], "endpoints": [Answer()], "images": [Answer()]}
        self.answers = {**by_itself, **self.answers}
        self._ids = itertools.count(1)
        self._given: dict[str, int] = {}
        self._open: list[tuple[Request, Answer]] = []

    def send(self, do: str, on_event: OnEvent, on_end: Callable[[int], None], **arguments: Any) -> Request:
        kind = kind_of(do, arguments)
        kind = kind if kind in self.answers else do  # of this very run, else of any
        assert kind in self.answers, f"nobody has recorded an answer to {kind!r}"
        self.asked.append((do, arguments))
        number = self._given.get(kind, 0)
        self._given[kind] = number + 1
        answer = self.answers[kind][min(number, len(self.answers[kind]) - 1)]
        request = Request(f"{next(self._ids)}", do, arguments, on_event, on_end)
        self.requests.append(request)
        asyncio.get_running_loop().call_soon(self._deliver, request, answer)
        return request

    def cancel(self, request: Request) -> None:
        self.cancelled.append(request.do)
        self.finish(request.do, 130)

    def close(self) -> None:
        self.closed = True

    def finish(self, do: str, exit_code: int | None = None, events: Iterable[Event] = ()) -> None:
        """End the held requests of that kind, after some more events."""
        for request, answer in [entry for entry in self._open if entry[0].do == do]:
            self._open.remove((request, answer))
            self._tell(request, events)
            request.end(answer.exit_code if exit_code is None else exit_code)

    def arguments_of(self, do: str) -> Mapping[str, Any]:
        """Of the last request of that kind."""
        return next(arguments for asked, arguments in reversed(self.asked) if asked == do)

    def _deliver(self, request: Request, answer: Answer) -> None:
        self._tell(request, answer.events)
        if answer.secret:
            request.on_secret(answer.secret)
        if answer.held:
            self._open.append((request, answer))
        else:
            request.end(answer.exit_code)

    def _tell(self, request: Request, events: Iterable[Event]) -> None:
        """Log lines of runs go where the worker would write them."""
        folder = request.arguments.get("logs")
        for event in events:
            if folder and isinstance(event, LogLine):
                write_log(Path(str(folder)), event)
            else:
                request.on_event(event)


def write_log(folder: Path, line: LogLine) -> None:
    """As `spool.Spool` does."""
    level = LEVELS[line.level]
    for path, text in (
        (log_file(folder), f"{level} {line.source} │ {line.text}\n"),
        (log_file(folder, line.source), f"{level} {line.text}\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


def recorded(name: str) -> list[Event]:
    """The events of a recorded request (see `record.py`)."""
    lines = (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [from_json(json.loads(line)) for line in lines]
