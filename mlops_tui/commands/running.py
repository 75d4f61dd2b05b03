"""How every command runs: open the session, stream the operation's events to a reporter and the journal, exit."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, Protocol

from mlops_tui import folders, operations
from mlops_tui.engine import card
from mlops_tui.errors import Interrupted, MlopsError
from mlops_tui.events import Event, LogLine, Problem
from mlops_tui.headless.json_lines import JsonLines
from mlops_tui.headless.text import PlainText
from mlops_tui.journal import Journal
from mlops_tui.opening import Options, Practice, open_session
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.stream import Stream


class Reporter(Protocol):
    def show(self, event: Event) -> None: ...


@dataclass(frozen=True)
class Invocation:
    """One call of a command: its name, what it was given, how it shall speak."""

    command: str
    options: Options
    output: str  # "text" or "json"
    interactive: bool

    def reporter(self) -> Reporter:
        return JsonLines(sys.stdout) if self.output == "json" else PlainText(sys.stdout, sys.stderr)


class Silent:
    """For commands whose answer is not a stream of events."""

    def show(self, event: Event) -> None:
        """Nothing is shown."""


Operation = Callable[[Session, Emit], str]


def run(invocation: Invocation, operation: Operation) -> NoReturn:
    """Run the operation to its end and leave with its exit code."""
    reporter = invocation.reporter()
    with _terminated_as_interrupted(), _quiet_on_broken_pipe():
        try:
            journals = folders.made(folders.journal_folder(os.environ))
            session = open_session(invocation.options, lambda: start_practice(reporter))
        except MlopsError as error:
            reporter.show(Problem(error=card(error)))
            leave(error.exit_code)
        except KeyboardInterrupt:
            leave(Interrupted.exit_code)
        leave(_follow(invocation, session, operation, reporter, Journal(journals, invocation.command)))


def _follow(
    invocation: Invocation, session: Session, operation: Operation, reporter: Reporter, journal: Journal
) -> int:
    stream = Stream(
        lambda emit: operations.perform(invocation.command, session, lambda tell: operation(session, tell), emit)
    )
    session.ask = stream.on_reader
    try:
        while True:
            try:
                for event in stream:
                    journal.write(event)
                    reporter.show(event)
                return stream.result
            except KeyboardInterrupt:
                if session.cancelled.is_set():
                    return Interrupted.exit_code
                session.cancelled.set()
                reporter.show(
                    LogLine(source="mlops-tui", text="Stopping after what is in hand; Ctrl+C again: at once.")
                )
    finally:
        journal.close()


def start_practice(reporter: Reporter) -> Practice:
    """The practice cloud, started if need be. Raises MlopsError where it cannot be."""
    from mlops_tui.commands.sandbox import practice

    return practice(lambda text: reporter.show(LogLine(source="sandbox", text=text)))


def leave(exit_code: int) -> NoReturn:
    """Flush and go, without waiting for idle threads of the SDKs or for their memory to be taken apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """A CI host stops a job by SIGTERM: treat it like Ctrl+C."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
    yield


@contextlib.contextmanager
def _quiet_on_broken_pipe() -> Iterator[None]:
    """`mlops-tui … | head`: when nobody reads any more, end without a trace."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        leave(141)  # 128 + SIGPIPE, as other filters end
