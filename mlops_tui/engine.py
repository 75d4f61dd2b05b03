"""Inspect, plan, apply, verify over a graph of steps. Tells everything as events; knows no cloud and no screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlops_tui.errors import Interrupted, MlopsError, NotInStepError, PlanChangedError, UsageError
from mlops_tui.events import ErrorCard, Event, Planned, PlanReady, Problem, StepState, StepStatus
from mlops_tui.steps import Emit, Finding, NotYetKnown, Report, Step

if TYPE_CHECKING:
    from mlops_tui.session import Session

AT_ONCE = 8  # steps side by side; they wait for the network, not for each other
SETTLE_SECONDS = 30.0  # how long a cloud may take until it shows what it was told
STRENGTH = {"keep": 0, "update": 1, "create": 1, "replace": 2, "remove": 3}


@dataclass
class Plan:
    """What was found for each step, in the order of the steps. What has been applied counts as kept from then on."""

    findings: dict[str, Finding]

    def applied(self, step: str) -> None:
        """All that was to be made of this step is there."""
        changes = self.findings[step].changes
        self.findings[step] = Finding(tuple(replace(change, action="keep", after="") for change in changes))

    @property
    def pending(self) -> int:
        return sum(len(finding.pending) for finding in self.findings.values())

    @property
    def kept(self) -> int:
        return sum(len(finding.changes) - len(finding.pending) for finding in self.findings.values())


@dataclass
class Outcome:
    """How an apply ended: the errors by step, and the steps that were not begun because of them."""

    errors: dict[str, MlopsError] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def error(self) -> MlopsError | None:
        """The one to end the command with: the first that happened."""
        return next(iter(self.errors.values()), None)


class Engine:
    """One set of steps on one session."""

    def __init__(self, steps: Iterable[Step], session: Session, emit: Emit) -> None:
        self.steps = tuple(steps)
        self.session = session
        self.emit = emit
        names = [step.name for step in self.steps]
        for index, step in enumerate(self.steps):
            unknown = set(step.needs) - set(names[:index])
            if unknown:
                raise ValueError(f"step {step.name} needs {sorted(unknown)}, not listed before it")

    def plan(self) -> Plan:
        """Look at everything, side by side. Raises the first error of a step that could not look."""
        found: dict[str, Finding] = {}

        def inspect(step: Step) -> None:
            self._tell(step, "checking")
            started = time.monotonic()
            finding = self._inspect(step)
            found[step.name] = finding
            state: StepStatus = "will change" if finding.pending else "done"
            self._tell(step, state, _summary(finding), time.monotonic() - started)

        outcome = self._walk(inspect)
        if outcome.error:
            raise outcome.error
        plan = Plan({step.name: found[step.name] for step in self.steps})
        for step in self.steps:
            self.emit(Planned(step=step.name, title=step.title, changes=plan.findings[step.name].changes))
        self.emit(PlanReady(pending=plan.pending, kept=plan.kept))
        return plan

    def apply(self, plan: Plan, only: Collection[str] = ()) -> Outcome:
        """Make exactly that plan true, or just what it says of some steps, then look again.

        What fails stops only what needs it; to apply the same plan again tries that again, and does no more.
        Raises UsageError, before anything is changed, where one of the steps named lacks what it needs.
        """
        self._check_choice(plan, only)
        chosen = [step for step in self.steps if plan.findings[step.name].pending and (not only or step.name in only)]
        for step in chosen:
            self._tell(step, "waiting")

        def make_so(step: Step) -> None:
            shown = plan.findings[step.name]
            started = time.monotonic()
            self._tell(step, "running", _summary(shown))
            try:
                finding = self._settle_unknowns(step, shown)
                if finding.pending:
                    report = Report(step.name, self.emit)
                    step.apply(self.session, finding, report)
                    self._verify(step, report)
            except NotYetKnown as missing:
                raise NotInStepError(
                    f"{step.title}: needs what the step {missing.step} finds out, and that found nothing."
                ) from missing
            plan.applied(step.name)
            self._tell(step, "done", _past(finding), time.monotonic() - started)

        return self._walk(make_so, self._order_of(chosen))

    def remove(self) -> Outcome:
        """Look at what there is, then take it away, what needs others first.

        A step that cannot look is left as it is, and so is what could not be looked at behind it; the rest goes. The
        outcome has the errors of both.
        """
        looked = self._walk(self._look)
        unknown = {*looked.errors, *looked.skipped}
        backwards = {step.name: {other.name for other in self.steps if step.name in other.needs} for step in self.steps}

        def take_away(step: Step) -> None:
            if step.name in unknown:
                self._tell(step, "warning", "could not be looked at; left as it is")
                return
            started = time.monotonic()
            self._tell(step, "running", "removing")
            done = "removed"
            try:
                step.remove(self.session, Report(step.name, self.emit))
            except NotYetKnown as missing:
                done = f"nothing to remove without {missing.step}"
            self._tell(step, "done", done, time.monotonic() - started)

        outcome = self._walk(take_away, backwards)
        outcome.errors = {**looked.errors, **outcome.errors}
        return outcome

    def _check_choice(self, plan: Plan, only: Collection[str]) -> None:
        by_name = {step.name: step for step in self.steps}
        problems = [f"there is no step {name!r}" for name in only if name not in by_name]
        for step in [by_name[name] for name in only if name in by_name]:
            lacking = [need for need in step.needs if need not in only and plan.findings[need].pending]
            if lacking:
                problems.append(f"{step.name} needs {', '.join(lacking)}, not applied yet")
        if problems:
            raise UsageError(
                "These steps cannot be applied by themselves.",
                problems=tuple(problems),
                hint="Nothing was changed. Apply what they need first, or together with them.",
            )

    def _order_of(self, steps: Iterable[Step]) -> dict[str, set[str]]:
        """For each of them those it has to wait for, be it by way of a step that is none of them."""
        behind: dict[str, set[str]] = {}
        for step in self.steps:
            behind[step.name] = {*step.needs}.union(*(behind[need] for need in step.needs))
        names = {step.name for step in steps}
        return {name: behind[name] & names for name in names}

    def _look(self, step: Step) -> None:
        """Let the session learn what this step knows of what is there."""
        self._tell(step, "checking")
        self._inspect(step)

    def _inspect(self, step: Step) -> Finding:
        try:
            return step.inspect(self.session)
        except NotYetKnown as missing:
            wanted = step.wanted(self.session.project)
            return Finding(tuple(replace(change, after=missing.step) for change in wanted))

    def _settle_unknowns(self, step: Step, shown: Finding) -> Finding:
        """Look again where the plan said "after …". What turns up must be within what was shown."""
        if not any(change.after for change in shown.changes):
            return shown
        finding = step.inspect(self.session)
        promised = {change.what: STRENGTH[change.action] for change in shown.changes}
        for change in finding.pending:
            if STRENGTH[change.action] > promised.get(change.what, 0):
                raise PlanChangedError(
                    f"{step.title}: the plan did not say that it would {change.action} {change.what}."
                )
        return finding

    def _verify(self, step: Step, report: Report) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        pause = 0.25
        while pending := step.inspect(self.session).pending:
            if self.session.cancelled.is_set():
                raise Interrupted(f"{step.title}: made; interrupted before the cloud showed it.")
            if time.monotonic() > deadline:
                differs = "; ".join(f"{change.action} {change.what}" for change in pending)
                raise NotInStepError(f"{step.title}: made, and yet the cloud still wants: {differs}.")
            report.log("made; waiting until the cloud shows it")
            self.session.cancelled.wait(pause)
            pause = min(pause * 2, 5.0)

    def _walk(self, work: Callable[[Step], None], needs: Mapping[str, set[str]] | None = None) -> Outcome:
        """Run `work` for each step whose needs are met, side by side; `needs` names the steps, where not all are meant.

        Raises Interrupted once cancelled.
        """
        wanted = {step.name: set(step.needs) for step in self.steps} if needs is None else needs
        waiting = {step.name: step for step in self.steps if step.name in wanted}
        finished: set[str] = set()
        outcome = Outcome()
        running: dict[Future[None], Step] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="step") as pool:
            while waiting or running:
                if not self.session.cancelled.is_set():
                    for step in [step for step in waiting.values() if wanted[step.name] <= finished]:
                        del waiting[step.name]
                        running[pool.submit(work, step)] = step
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    step = running.pop(future)
                    error = self._error_of(step, future)
                    if error is None:
                        finished.add(step.name)
                    else:
                        outcome.errors[step.name] = error
        if self.session.cancelled.is_set():
            for step in waiting.values():
                self._tell(step, "skipped", "interrupted")
            raise Interrupted("Interrupted; what was begun is finished, the rest was not started.")
        for step in waiting.values():
            self._tell(step, "skipped", "needs a step that failed")
            outcome.skipped.append(step.name)
        return outcome

    def _error_of(self, step: Step, future: Future[None]) -> MlopsError | None:
        error = future.exception()
        if error is None:
            return None
        if not isinstance(error, MlopsError):
            raise error
        if isinstance(error, Interrupted):
            self._tell(step, "skipped", error.message)
            return error
        self._tell(step, "failed", error.message)
        self.emit(Problem(source=step.name, error=card(error)))
        error.told = True
        return error

    def _tell(self, step: Step, state: StepStatus, detail: str = "", seconds: float | None = None) -> None:
        rounded = round(seconds, 2) if seconds is not None else None
        self.emit(StepState(step=step.name, title=step.title, state=state, detail=detail, seconds=rounded))


def card(error: MlopsError) -> ErrorCard:
    """The error as people read it."""
    return ErrorCard(error.message, error.hint, error.link, error.raw, error.code, error.exit_code)


def _summary(finding: Finding) -> str:
    counts: dict[str, int] = {}
    for change in finding.pending:
        counts[change.action] = counts.get(change.action, 0) + 1
    return ", ".join(f"{count} to {action}" for action, count in counts.items()) or "nothing to do"


def _past(finding: Finding) -> str:
    words = {"create": "created", "update": "updated", "replace": "replaced", "remove": "removed"}
    counts: dict[str, int] = {}
    for change in finding.pending:
        counts[words[change.action]] = counts.get(words[change.action], 0) + 1
    return ", ".join(f"{count} {action}" for action, count in counts.items()) or "was there already"


class Sequencer:
    """Gives events their number and time on the way to whoever shows them; safe from any thread."""

    def __init__(self, show: Emit) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._seq = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._seq += 1
            self._show(replace(event, seq=self._seq, at=round(time.time(), 3)))
