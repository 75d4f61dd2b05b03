"""Events as text in the log of a CI host: folded into groups, problems as annotations, secrets masked there, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, TextIO

from mlops_tui import redaction
from mlops_tui.events import (
    CommandFinished,
    CommandStarted,
    EndpointsRead,
    ErrorCard,
    Event,
    ImageReady,
    LaneState,
    LogLine,
    Problem,
    RunsCompared,
    RunState,
    StepState,
    Validated,
)
from mlops_tui.headless.grouping import ENDED, Grouping, name_of
from mlops_tui.headless.summary import Summary
from mlops_tui.headless.tame import TameStream
from mlops_tui.headless.text import PlainText
from mlops_tui.redaction import redact

Level = Literal["error", "warning"]
_IN_FILE = re.compile(r"(?P<file>[\w./-]+\.(?:toml|py|ya?ml)):(?P<line>\d+): (?P<text>.*)")  # as settings' problems are
_FRAME = re.compile(r'File "(?:[^"]*/)?(?P<name>[\w-]+)(?:\.py)?", line (?P<line>\d+)')  # of a traceback


class Commands(Protocol):
    """What a host takes from the log, or beside it. Each method escapes what it is given."""

    def mask(self, secrets: Sequence[str]) -> None: ...
    def open_group(self, title: str) -> None: ...
    def close_group(self) -> None: ...
    def annotate(self, level: Level, message: str, file: str = "", line: int = 0) -> None: ...
    def progress(self, percent: int, what: str) -> None: ...
    def output(self, name: str, value: str) -> None: ...
    def summarize(self, markdown: str) -> None: ...


class CiText(PlainText):
    """What PlainText says, tamed; beside it what the host shall know."""

    def __init__(self, out: TextIO, commands: Commands) -> None:
        tamed = TameStream(out)
        super().__init__(tamed, tamed)  # type: ignore[arg-type]  # all that rich asks of a stream
        self._commands = commands
        self._grouping = Grouping(commands, super().show)
        self._summary = Summary()
        self._masked: set[str] = set()
        self._frames: dict[str, tuple[str, int]] = {}  # the last of a run's traceback
        self._states: dict[str, bool] = {}  # by step, run or lane: whether it has ended
        self._started = False
        self._mask()

    def show(self, event: Event) -> None:
        self._mask()
        self._summary.take(event)
        self._grouping.take(event)
        self._tell_host(event)
        if isinstance(event, CommandStarted):
            self._started = True
        if isinstance(event, CommandFinished) or (isinstance(event, Problem) and not self._started):
            self._commands.summarize(self._summary.markdown())

    def _mask(self) -> None:
        """Everything that is secret, before anything else of it can be said; a host masks line by line."""
        fresh = redaction.registered() - self._masked
        if fresh:
            self._masked |= fresh
            lines = {line for secret in fresh for line in (secret, *secret.splitlines())}
            self._commands.mask([line for line in sorted(lines) if len(line.strip()) >= redaction.SHORTEST])

    def _tell_host(self, event: Event) -> None:
        match event:
            case Problem():
                for message, file, line in _places(event.error):
                    self._commands.annotate("error", redact(message), file, line)
            case LogLine(level="error"):
                self._remember_frame(event)
            case LogLine(level="warning"):
                self._commands.annotate("warning", redact(event.text))
            case StepState() | LaneState():
                self._progress(event)
            case RunState():
                self._progress(event)
                if event.state == "failed":
                    file, line = self._frames.get(event.run, ("", 0))
                    said = f"run {event.run} failed: {event.detail}" if event.detail else f"run {event.run} failed"
                    self._commands.annotate("error", redact(said), file, line)
        for name, value in _outputs(event):
            self._commands.output(name, redact(value))

    def _remember_frame(self, event: LogLine) -> None:
        """Of a notebook of the project, in the folder that the pipeline has checked out."""
        frame = _FRAME.search(event.text)
        file = Path("notebooks") / f"{frame['name']}.py" if frame else None
        if frame and file and file.is_file():
            self._frames[event.source] = (file.as_posix(), int(frame["line"]))

    def _progress(self, event: StepState | LaneState | RunState) -> None:
        if event.state == "checking":
            return
        self._states[name_of(event)] = event.state in ENDED
        ended = sum(self._states.values())
        title = event.run if isinstance(event, RunState) else event.title
        self._commands.progress(100 * ended // len(self._states), redact(title))


def _places(error: ErrorCard) -> Iterator[tuple[str, str, int]]:
    """Message, file and line of each problem; where none has a place, the error as a whole."""
    found = [match for one in error.raw.splitlines() if (match := _IN_FILE.fullmatch(one))]
    for one in found:
        yield one["text"], one["file"], int(one["line"])
    if not found:
        yield f"{error.message} {error.hint}".strip(), "", 0


def _outputs(event: Event) -> Iterator[tuple[str, str]]:
    """What later steps of the pipeline may ask for."""
    match event:
        case RunsCompared():
            yield "build_number", event.build
            yield "gate", "passed" if event.passed else "missed"
        case ImageReady():
            yield "build_number", event.image.build
            yield "image_id", event.image.id
        case Validated():
            yield "verdict", "passed" if event.verdict.passed else "failed"
        case EndpointsRead():
            for endpoint in event.endpoints:
                if endpoint.url:
                    yield f"{endpoint.stage}_url", endpoint.url
