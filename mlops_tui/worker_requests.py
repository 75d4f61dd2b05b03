"""What the worker can be asked for, by name: how each request is performed, and what requests share.

Most work on a session: they look at the cloud, and tell what they see. Some need none, for they look at this machine
alone. `plan` leaves its plan behind, and `apply` makes that plan true, all of it or some steps.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui import journal, operations
from mlops_tui.engine import Plan, Sequencer
from mlops_tui.errors import Interrupted, MlopsError, UsageError
from mlops_tui.events import Event, LogLine
from mlops_tui.opening import Options, Practice, open_session
from mlops_tui.session import Prompt, Session, SharedClients
from mlops_tui.spool import Spool
from mlops_tui.steps import Emit
from mlops_tui.training.builds import build_of

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

    def perform(self, call: Call) -> int:
        """The exit code. Raises MlopsError where nothing was begun."""
        kind = REQUESTS[call.do]
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
OnMachine = Callable[[Options, Emit, Call], str]


@dataclass(frozen=True)
class Kind:
    """A kind of request."""

    answer: Answer
    writes: bool = False  # to the cloud: then a journal is kept
    spools: bool = False  # its log lines, where the request names a folder


def _on_session(work: OnSession) -> Answer:
    def answer(service: Service, call: Call, show: Emit) -> int:
        session = service.open(call, show)
        return operations.perform(call.do, session, lambda emit: work(session, emit, call), show)

    return answer


def _on_machine(work: OnMachine) -> Answer:
    def answer(service: Service, call: Call, show: Emit) -> int:
        work(service.options(call), Sequencer(show), call)
        return 0

    return answer


def _describe(service: Service, call: Call, show: Emit) -> int:
    """Every setting and every step, as far as is known: nothing is started or called for it."""
    operations.describe(service.options(call), Sequencer(show), service.surroundings.known_practice())
    return 0


def _save(service: Service, call: Call, show: Emit) -> int:
    """Into the project file; then what holds, as `_describe` tells it."""
    practice = service.surroundings.known_practice()
    operations.save_settings(service.options(call), Sequencer(show), _values(call), practice)
    return 0


def _open(service: Service, call: Call, show: Emit) -> int:
    """Get ready: the practice cloud, if that is meant, and the SDKs. What cannot be used is shown all the same."""
    try:
        session = service.open(call, show)
    except MlopsError:
        _describe(service, call, show)
        raise
    _describe(service, call, show)
    if call.arguments.get("renew"):
        service.clients.renew()
    with contextlib.closing(session):
        session.clients  # noqa: B018 (making them begins the import of the SDKs)
    return 0


def _plan(service: Service, call: Call, show: Emit) -> int:
    session = service.open(call, show)
    found: list[Plan] = []

    def look(emit: Emit) -> str:
        found.append(operations.plan(session, emit))
        return "Nothing was changed."

    exit_code = operations.perform(call.do, session, look, show)
    if found:
        service.held = HeldPlan(call.id, session, found[0])
    return exit_code


def _apply(service: Service, call: Call, show: Emit) -> int:
    held = service.find_plan(call.text("plan"))
    only = _steps(call)
    with held.taken():
        session = held.session
        session.cancelled = call.cancelled
        service.wake(session.cloud, show)
        return operations.perform(call.do, session, lambda emit: operations.apply(session, emit, held.plan, only), show)


def _steps(call: Call) -> tuple[str, ...]:
    """The steps named; none: all of them are meant."""
    steps = call.arguments.get("steps")
    if steps is None:
        return ()
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise UsageError(f"steps: {steps!r} is not a list of names.")
    return tuple(steps)


def _sweep(session: Session, call: Call) -> operations.Sweep:
    from mlops_tui.project import checked_runs

    build = build_of(os.environ, call.text("build_number"), call.text("build_source"))
    runs = checked_runs(call.arguments["runs"]) if call.arguments.get("runs") else session.project.training.runs
    return operations.Sweep(build, runs, bool(call.arguments.get("detach", False)))


def _log(session: Session, emit: Emit, call: Call) -> str:
    return operations.read_log(session, emit, call.text("run"), bool(call.arguments.get("follow", False)))


def _values(call: Call) -> dict[str, str]:
    values = call.arguments.get("values")
    if not isinstance(values, dict):
        raise UsageError(f"values: {values!r} are not settings by name.")
    return {str(name): str(value) for name, value in values.items()}


REQUESTS: dict[str, Kind] = {
    # this machine
    "open": Kind(_open),
    "describe": Kind(_describe),
    "sign_ins": Kind(_on_machine(lambda options, emit, _: operations.find_sign_ins(options.environment, emit))),
    "save_settings": Kind(_save),
    # setup
    "plan": Kind(_plan),
    "apply": Kind(_apply, writes=True),
    "setup": Kind(_on_session(lambda session, emit, _: operations.setup(session, emit)), writes=True),
    "teardown": Kind(_on_session(lambda session, emit, _: operations.teardown(session, emit)), writes=True),
    "choices": Kind(
        _on_session(lambda session, emit, call: operations.list_choices(session, emit, call.text("setting")))
    ),
    # training
    "up": Kind(
        _on_session(lambda session, emit, call: operations.up(session, emit, _sweep(session, call))), writes=True
    ),
    "train": Kind(
        _on_session(lambda session, emit, call: operations.train(session, emit, _sweep(session, call))),
        writes=True,
        spools=True,
    ),
    "log": Kind(_on_session(_log), spools=True),
    "job_runs": Kind(
        _on_session(lambda session, emit, call: operations.list_job_runs(session, emit, call.number("limit", 20)))
    ),
    "runs": Kind(
        _on_session(
            lambda session, emit, call: operations.list_runs(
                session, emit, call.text("build"), call.number("limit", 50)
            )
        )
    ),
    "show": Kind(_on_session(lambda session, emit, call: operations.describe_run(session, emit, call.text("run_id")))),
    "end_run": Kind(
        _on_session(
            lambda session, emit, call: operations.cancel_run(session, emit, call.text("run"), call.text("only"))
        ),
        writes=True,
    ),
}
