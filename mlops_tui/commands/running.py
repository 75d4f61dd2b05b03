"""How every command runs: open the session, stream the operation's events to a reporter and the journal, exit."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

from mlops_tui import operations
from mlops_tui.engine import card
from mlops_tui.errors import Interrupted, MlopsError
from mlops_tui.events import Event, LogLine, Problem
from mlops_tui.journal import Journal, keeper, opened
from mlops_tui.opening import Options, Practice, open_session
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.stream import Stream

if TYPE_CHECKING:
    from mlops_tui.headless.out_files import OutFiles


OUTPUTS = ("text", "json", "github", "azure-pipelines")


class Reporter(Protocol):
    def show(self, event: Event) -> None: ...


@dataclass(frozen=True)
class Invocation:
    """One call of a command: its name, what it was given, how it shall speak."""

    command: str
    options: Options
    output: str  # one of OUTPUTS
    interactive: bool
    out: Path | None = None  # a folder for what the next CI stage needs

    def reporter(self) -> Reporter:
        return reporter_for(self.output)


def output_of(environment: Mapping[str, str]) -> str:
    """How to speak where nobody says: to the CI host that is at work, by the variables that each sets in its jobs."""
    if environment.get("TF_BUILD", "").lower() == "true":
        return "azure-pipelines"
    return "github" if environment.get("GITHUB_ACTIONS") == "true" else "text"


def reporter_for(output: str = "") -> Reporter:
    """Who shows events: on standard output, errors in text on standard error, but for CI hosts, which read both as one
    log. Imported here: rich takes its time."""
    output = output or output_of(os.environ)
    speak(sys.stdout, "utf-8" if output == "json" else None)  # as JSON is, whatever the locale
    if output == "json":
        from mlops_tui.headless.json_lines import JsonLines

        return JsonLines(sys.stdout)
    if output == "github":
        from mlops_tui.headless import github

        return github.reporter(sys.stdout, os.environ)
    if output == "azure-pipelines":
        from mlops_tui.headless import azure_pipelines

        return azure_pipelines.reporter(sys.stdout, os.environ)
    from mlops_tui.headless.text import PlainText

    speak(sys.stderr)
    return PlainText(sys.stdout, sys.stderr)


def speak(stream: object, encoding: str | None = None) -> None:
    """What the locale cannot spell is shown as ?, rather than ending the command."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding=encoding, errors="replace")


Operation = Callable[[Session, Emit], str]


def run(invocation: Invocation, operation: Operation) -> NoReturn:
    """Run the operation to its end and leave with its exit code."""
    told = invocation.reporter()
    _take_termination_as_interruption()
    with _quiet_on_broken_pipe():
        try:
            files = _out_files(invocation)
            session = open_session(invocation.options, lambda: start_practice(told))
            journal = opened(os.environ, invocation.command)
            exit_code = _follow(invocation, session, operation, _Told(told, files), journal)
        except MlopsError as error:
            fail(told, error)
        except KeyboardInterrupt:
            exit_code = Interrupted.exit_code
        leave(exit_code)


class _Told:
    """A reporter, and the files of --out where there are any: both are told everything."""

    def __init__(self, reporter: Reporter, files: OutFiles | None) -> None:
        self._reporter = reporter
        self._files = files

    def show(self, event: Event) -> None:
        self._reporter.show(event)
        if self._files:
            self._files.keep(event)


def _out_files(invocation: Invocation) -> OutFiles | None:
    if invocation.out is None:
        return None
    from mlops_tui.headless.out_files import OutFiles

    return OutFiles(invocation.out)


def fail(reporter: Reporter, error: MlopsError) -> NoReturn:
    """Show why nothing was begun, and leave."""
    reporter.show(Problem(error=card(error)))
    leave(error.exit_code)


def _follow(
    invocation: Invocation, session: Session, operation: Operation, reporter: Reporter, journal: Journal
) -> int:
    """Show and keep what the operation tells, to its end. The first Ctrl+C asks it to stop, a second is raised."""
    stream = Stream(
        lambda emit: operations.perform(invocation.command, session, lambda tell: operation(session, tell), emit)
    )
    session.ask = stream.on_reader
    keep = keeper(journal, reporter.show)
    with contextlib.closing(journal):
        while True:
            try:
                for event in stream:
                    keep(event)
                    reporter.show(event)
                return stream.result
            except KeyboardInterrupt:
                if session.cancelled.is_set():
                    raise
                session.cancelled.set()
                reporter.show(
                    LogLine(source="mlops-tui", text="Stopping after what is in hand; Ctrl+C again: at once.")
                )


def start_practice(reporter: Reporter) -> Practice:
    """The practice cloud, started if need be. Raises MlopsError where it cannot be."""
    from mlops_tui.commands.sandbox import practice

    return practice(lambda text: reporter.show(LogLine(source="sandbox", text=text)))


def leave(exit_code: int) -> NoReturn:
    """Flush and go, without waiting for idle threads of the SDKs or for their memory to be taken apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _take_termination_as_interruption() -> None:
    """A CI host stops a job by SIGTERM: treat it like Ctrl+C."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


@contextlib.contextmanager
def _quiet_on_broken_pipe() -> Iterator[None]:
    """`mlops-tui … | head`: when nobody reads any more, end without a trace."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        leave(141)  # 128 + SIGPIPE, as other filters end
