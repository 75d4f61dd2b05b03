"""The steps of setup, as far as they have been told."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.events import (
    Change,
    ErrorCard,
    Event,
    Identified,
    LogLine,
    Planned,
    PlanReady,
    Problem,
    StepDescription,
    StepsDescribed,
    StepState,
    StepStatus,
)

MOST_LINES = 2_000  # kept of one step's log
BROKEN_OFF = "broken off; look again"
Doing = Literal["", "looking", "applying", "removing"]


@dataclass
class StepRow:
    """One step: a line of the list, and all that its tabs show."""

    name: str
    title: str
    description: StepDescription | None = None
    state: StepStatus = "waiting"
    detail: str = ""
    since: float | None = None  # time.monotonic() when it began to run
    seconds: float | None = None  # it took, once it has ended
    changes: tuple[Change, ...] = ()
    planned: bool = False  # the plan has told of it
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    logged: int = 0  # lines ever; `log` keeps the last ones
    error: ErrorCard | None = None
    made: dict[str, Identified] = field(default_factory=dict)  # by id: what it has made or changed in this sitting

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action != "keep")

    @property
    def unwanted(self) -> bool:
        """The plan wants nothing of it: what it would make was not chosen."""
        return self.planned and not self.changes and self.state in ("done", "skipped")

    @property
    def elapsed(self) -> float | None:
        """Seconds since it began, or that it took."""
        return self.seconds if self.since is None else time.monotonic() - self.since

    def add(self, line: LogLine) -> None:
        self.log.append(line)
        self.logged += 1


class SetupState:
    """Rows keep the order of the steps, whatever happens."""

    def __init__(self) -> None:
        self.steps: dict[str, StepRow] = {}
        self.doing: Doing = ""
        self.since = 0.0  # time.monotonic() when that began
        self.plan_id = ""  # the request that holds the plan on show; empty where there is none to apply
        self.pending: int | None = None  # changes to make; None before anybody has looked
        self.kept = 0
        self.general: deque[LogLine] = deque(maxlen=MOST_LINES)  # lines of no step: the practice cloud starting
        self.problem: ErrorCard | None = None  # of the request as a whole

    @property
    def ready(self) -> bool:
        """Everything has been looked at and nothing is to be done."""
        return self.pending == 0 and not self.doing

    @property
    def failed(self) -> list[StepRow]:
        return [row for row in self.steps.values() if row.state == "failed"]

    @property
    def appliable(self) -> bool:
        """There is a plan, and something in it that is not done yet."""
        return bool(self.plan_id and self.pending and not self.doing)

    def unmet(self, name: str) -> list[StepRow]:
        """The steps that must be applied before this one can be, by itself."""
        description = self.steps[name].description
        needs = description.needs if description else ()
        return [self.steps[need] for need in needs if need in self.steps and self.steps[need].pending]

    def begin(self, doing: Doing) -> None:
        """A request begins: what the last one complained of no longer counts."""
        self.doing, self.since = doing, time.monotonic()
        self.problem = None
        if doing == "looking":
            self.plan_id, self.pending, self.kept = "", None, 0
            for row in self.steps.values():
                row.state, row.detail, row.seconds, row.error = "waiting", "", None, None
                row.changes, row.planned = (), False

    def end(self) -> None:
        self.doing = ""
        for row in self.steps.values():
            row.since = None
            if row.state == "running":  # nobody has told its end: who could have has gone
                row.state, row.detail = "warning", BROKEN_OFF
            elif row.state == "checking":
                row.state = "waiting"
            elif row.state in ("waiting", "skipped") and row.pending and not self._held_up(row):
                counts = Counter(change.action for change in row.pending)
                row.state = "will change"
                row.detail = ", ".join(f"{count} to {action}" for action, count in counts.items())

    def fold(self, event: Event) -> None:
        """Take in what was told."""
        match event:
            case StepsDescribed():
                for description in event.steps:
                    self._row(description.name, description.title).description = description
            case StepState():
                self._step_state(event)
            case Planned():
                self._planned(event)
            case PlanReady():
                self.pending, self.kept = event.pending, event.kept
            case LogLine():
                row = self.steps.get(event.source)
                if row is None:
                    self.general.append(event)
                else:
                    row.add(event)
            case Identified() if event.step in self.steps:
                self.steps[event.step].made[event.id] = event
            case Problem():
                self._problem(event)

    def _held_up(self, row: StepRow) -> bool:
        """What it needs has failed, or was skipped for that; no longer so once that was applied by itself."""
        needs = row.description.needs if row.description else ()
        stopped = ("failed", "skipped", "warning")
        return any(
            self.steps[need].state in stopped and self.steps[need].pending for need in needs if need in self.steps
        )

    def _planned(self, event: Planned) -> None:
        row = self._row(event.step, event.title)
        row.changes, row.planned = event.changes, True
        if row.unwanted:
            row.state = "skipped"

    def _step_state(self, event: StepState) -> None:
        row = self._row(event.step, event.title)
        if event.state == "running":
            row.since, row.error = time.monotonic(), None
        elif event.state not in ("checking", "waiting"):
            row.since = None
        if event.state == "done" and row.pending and self.doing == "applying":
            self.pending = max((self.pending or 0) - len(row.pending), 0)
            self.kept += len(row.pending)
            row.changes = tuple(_kept(change) for change in row.changes if change.action != "remove")
        row.state, row.detail, row.seconds = event.state, event.detail, event.seconds

    def _problem(self, event: Problem) -> None:
        row = self.steps.get(event.source)
        if row is None:
            self.problem = event.error
        else:
            row.error = event.error

    def _row(self, name: str, title: str) -> StepRow:
        return self.steps.setdefault(name, StepRow(name, title))


def _kept(change: Change) -> Change:
    """A change once it has been made."""
    return Change("keep", change.what, change.detail, cost=change.cost)
