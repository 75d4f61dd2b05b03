"""What the worker's requests share: the clients of one cloud, the last plan, journals and log files."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui import journal, operations
from mlops_tui.engine import Plan
from mlops_tui.errors import Interrupted, UsageError
from mlops_tui.events import Event, LogLine
from mlops_tui.opening import Options, Practice, open_session
from mlops_tui.session import Prompt, Session, SharedClients
from mlops_tui.spool import Spool, prune
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud

Arguments = Mapping[str, Any]
PIPE_ALONE = ("sign-in", "sandbox")  # sources that a person must read at once: they are never put into a file


@dataclass(frozen=True)
class Surroundings:
    """Where the worker lives: the person's project file and environment, and the practice cloud of this machine."""

    file: Path | None
    environment: Mapping[str, str]
    start_practice: Callable[[Callable[[str], None]], Practice]  # starts it if need be, and tells how that goes
    known_practice: Callable[[], Mapping[str, str] | None]  # what it would give; starts nothing


@dataclass(frozen=True)
class Call:
    """One request on its way; `show` sends an event to whoever asked."""

    id: str
    do: str
    flags: Mapping[str, str]
    arguments: Arguments
    show: Emit
    tell_secret: Callable[[str], None] = lambda _: None  # to whoever asked, and to nobody else
    cancelled: threading.Event = field(default_factory=threading.Event)

    def text(self, name: str) -> str:
        return str(self.arguments.get(name) or "")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.arguments.get(name) or default)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}: {self.arguments[name]!r} is not a number.") from error


class HeldPlan:
    """A plan that was shown, with the session that has seen what it says. One apply at a time."""

    def __init__(self, call_id: str, session: Session, plan: Plan) -> None:
        self.id = call_id
        self.session = session
        self.plan = plan
        self._busy = threading.Lock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise UsageError("This plan is being applied already.", hint="Wait until that has ended, or cancel it.")
        try:
            yield
        finally:
            self._busy.release()


class Service:
    """Performs requests, each with a session of its own. They share the clients of one cloud, and the last plan."""

    def __init__(self, surroundings: Surroundings, prompt: Prompt) -> None:
        """`prompt` shows what signing in takes: it is for all requests, whichever came first."""
        self.surroundings = surroundings
        self.clients = SharedClients(prompt)
        self.held: HeldPlan | None = None

    def perform(self, kind: Kind, call: Call) -> int:
        """The exit code. Raises MlopsError where nothing was begun."""
        if kind.outdates:
            self.held = None
        with contextlib.ExitStack() as kept:
            show = call.show
            if kind.spools and call.text("logs"):
                show = _into_spool(call, kept)
            if kind.writes:
                show = self._into_journal(call, show, kept)
            return kind.answer(self, call, show)

    def options(self, call: Call) -> Options:
        return Options(self.surroundings.file, self.surroundings.environment, call.flags)

    def open(self, call: Call, show: Emit) -> Session:
        session = open_session(self.options(call), lambda: self._start_practice(show))
        if call.cancelled.is_set():
            raise Interrupted("Interrupted before anything was begun.")
        session.cancelled = call.cancelled
        session.shared = self.clients
        return session

    def wake(self, cloud: Cloud, show: Emit) -> None:
        """The practice cloud goes to sleep when nobody calls it; a plan may be looked at for longer than that."""
        if cloud.ca_bundle:
            self._start_practice(show)

    def find_plan(self, plan_id: str) -> HeldPlan:
        held = self.held
        if held is None or held.id != plan_id:
            raise UsageError(
                f"There is no plan {plan_id!r} (any more): only the last one can be applied.",
                hint="Nothing was changed. Plan again, and apply that.",
            )
        return held

    def close(self) -> None:
        self.clients.renew()

    def _start_practice(self, show: Emit) -> Practice:
        def tell(text: str) -> None:
            show(LogLine(source="sandbox", text=text, at=round(time.time(), 3)))

        return self.surroundings.start_practice(tell)

    def _into_journal(self, call: Call, show: Emit, kept: contextlib.ExitStack) -> Emit:
        opened = journal.opened(self.surroundings.environment, call.do)
        kept.callback(opened.close)
        keep = journal.keeper(opened, call.show)

        def show_and_keep(event: Event) -> None:
            keep(event)
            show(event)

        return show_and_keep


def _into_spool(call: Call, kept: contextlib.ExitStack) -> Emit:
    """Log lines go into files, where there can be any number of them; the rest through the pipe."""
    folder = Path(call.text("logs"))
    prune(folder.parent)
    try:
        spool = Spool(folder, lambda text: call.show(LogLine(source="logs", text=text, level="warning")))
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be written: {error.strerror}.") from error
    kept.callback(spool.close)

    def show(event: Event) -> None:
        if isinstance(event, LogLine) and event.source not in PIPE_ALONE:
            spool.write(event)
        else:
            call.show(event)

    return show


Answer = Callable[[Service, Call, Emit], int]
OnSession = Callable[[Session, Emit, Call], str]


@dataclass(frozen=True)
class Kind:
    """A kind of request."""

    answer: Answer
    writes: bool = False  # to the cloud: then a journal is kept
    outdates: bool = False  # what a plan of before says
    spools: bool = False  # its log lines, where the request names a folder


def on_session(work: OnSession) -> Answer:
    """Work that looks at the cloud, with a session of its own."""

    def answer(service: Service, call: Call, show: Emit) -> int:
        session = service.open(call, show)
        return operations.perform(call.do, session, lambda emit: work(session, emit, call), show)

    return answer
