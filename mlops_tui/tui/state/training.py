"""Sweeps of runs, as far as they have been told."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlops_tui.events import (
    CommandFinished,
    ErrorCard,
    Event,
    Identified,
    JobRun,
    JobRunsFound,
    MetricsRead,
    Problem,
    RunResult,
    RunsCompared,
    RunsListed,
    RunState,
    RunStatus,
)
from mlops_tui.run_parameters import RANGES, Parameters

MOST_EARLIER = 60  # runs of earlier builds beside those of this one
ENDED: tuple[RunStatus, ...] = ("succeeded", "failed", "canceled")


@dataclass
class RunRow:
    """A line of the table of runs."""

    name: str
    parameters: dict[str, float | str] = field(default_factory=dict)
    state: RunStatus = "pending"
    detail: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    since: float | None = None  # time.monotonic() when it was first seen running
    seconds: float | None = None
    best: bool = False
    passed: bool | None = None
    run_id: str = ""
    url: str = ""
    build: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def elapsed(self, now: float) -> float | None:
        """Seconds that it took, or has been running for; None where it has not begun, or nobody knows."""
        if self.seconds is not None:
            return self.seconds
        return None if self.since is None else now - self.since


@dataclass
class Sweep:
    """One launch (or one that was found in the cloud) and what became of it."""

    folder: Path  # of its log files, see `spool.log_file`
    asked: int = 0  # runs it was launched with; 0 where that is the project's affair
    again: bool = False  # not launched here: found in the cloud
    over: bool = False  # it had ended before anybody here looked: its end is no news
    since: float = field(default_factory=time.monotonic)
    seconds: float | None = None  # from `since` to the end
    request_id: str = ""  # of the request that follows it; empty where nobody does
    job_run: str = ""  # its number, once the cloud has given one
    url: str = ""
    build: str = ""
    rows: dict[str, RunRow] = field(default_factory=dict)
    gate: str = ""
    best: str = ""
    passed: bool | None = None
    ended: bool = False  # nothing more will be told by the request in hand
    left: bool = False  # its runs go on (or may go on) though nobody follows them
    exit_code: int | None = None
    summary: str = ""
    problem: ErrorCard | None = None

    @property
    def running(self) -> bool:
        return not self.ended

    @property
    def finished(self) -> int:
        """How many of its runs have ended."""
        return sum(row.ended for row in self.rows.values())

    @property
    def unfinished(self) -> list[RunRow]:
        """Runs that may still be ended."""
        return [row for row in self.rows.values() if not row.ended]

    @property
    def unsuccessful(self) -> list[RunRow]:
        return [row for row in self.rows.values() if row.state in ("failed", "canceled")]

    @property
    def best_row(self) -> RunRow | None:
        return self.rows.get(self.best)

    def elapsed(self, now: float) -> float:
        return now - self.since if self.seconds is None else self.seconds

    def end(self, exit_code: int, interrupted: int) -> None:
        """The request that followed it has ended; its runs may not have."""
        self.ended, self.exit_code = True, exit_code
        self.left = exit_code == interrupted or bool(self.job_run and self.unfinished)
        self.seconds = time.monotonic() - self.since
        if self.left:
            for row in self.rows.values():
                row.since = None  # nobody looks at the clock for it any more

    def fold(self, event: Event) -> None:
        """Take in what was told. Log lines are not among it: they are in the files of `folder`."""
        match event:
            case Identified(what="job run"):
                self.job_run, self.url = event.id, event.url
            case Identified(what="build"):
                self.build = event.id
            case RunState():
                self._run_state(event)
            case MetricsRead():
                self._row(event.run).metrics.update(event.metrics)
            case RunsCompared():
                self._compared(event)
            case Problem():
                self.problem = event.error
            case CommandFinished():
                self.summary = event.summary

    def _run_state(self, event: RunState) -> None:
        row = self._row(event.run)
        if event.state == "running" and row.since is None:
            row.since = time.monotonic() - (event.seconds or 0.0)
            self.since = min(self.since, row.since)  # who comes back has not seen its beginning
        row.state, row.detail = event.state, event.detail
        row.seconds = event.seconds if row.ended else None
        row.parameters = event.parameters or row.parameters
        row.url = event.url or row.url
        if row.ended:
            row.since = None

    def _compared(self, event: RunsCompared) -> None:
        self.build, self.gate, self.best, self.passed = event.build, event.gate, event.best, event.passed
        for result in event.results:
            row, seen = row_of(result), self._row(result.name)
            # What was seen on the way is more than nothing: a run that failed late has left its metrics.
            row.detail, row.metrics = seen.detail, seen.metrics | row.metrics
            row.url = row.url or seen.url
            self.rows[result.name] = row

    def _row(self, name: str) -> RunRow:
        return self.rows.setdefault(name, RunRow(name, build=self.build))


class TrainingState:
    """The sweeps of this sitting, oldest first, and the runs of earlier builds."""

    def __init__(self) -> None:
        self.sweeps: list[Sweep] = []
        self.current: Sweep | None = None  # the one on show
        self.earlier: tuple[RunResult, ...] = ()  # of any build, newest first
        self.gate = ""
        self.listing = False
        self.listed = False
        self.looked = False  # for sweeps in the cloud
        self.job_runs: tuple[JobRun, ...] = ()  # sweeps that the workspace remembers, newest first
        self.problem: ErrorCard | None = None  # of a listing or a cancellation that failed

    @property
    def running(self) -> list[Sweep]:
        return [sweep for sweep in self.sweeps if sweep.running]

    def fold(self, event: Event) -> None:
        match event:
            case RunsListed():
                self.earlier, self.gate, self.listed = event.results, event.gate, True
                self.problem = None
            case JobRunsFound():
                self.job_runs, self.looked = event.job_runs, True
            case Problem():
                self.problem = event.error

    @property
    def going_on(self) -> list[JobRun]:
        """Sweeps that run in the cloud though nobody here has launched them: the ones to come back to, oldest first."""
        known = {sweep.job_run for sweep in self.sweeps}
        return [run for run in reversed(self.job_runs) if run.state not in ENDED and run.id not in known]

    def earlier_rows(self, besides: Sweep | None) -> list[RunRow]:
        """The newest runs of earlier builds: those that are not `besides`'s own. (History has all of them.)"""
        own = {row.run_id for row in besides.rows.values()} if besides else set()
        build = besides.build if besides else ""
        return [
            row_of(result)
            for result in self.earlier
            if result.run_id not in own and not (build and result.build == build)
        ][:MOST_EARLIER]

    def sweep_of(self, build: str) -> Sweep | None:
        """The newest one of this sitting with that build number."""
        return next((sweep for sweep in reversed(self.sweeps) if build and sweep.build == build), None)

    def job_run_of(self, build: str) -> JobRun | None:
        """The newest one that the workspace remembers with that build number."""
        return next((run for run in self.job_runs if build and run.build == build), None)


def parameters_of(rows: Iterable[RunRow]) -> tuple[Parameters, ...]:
    """What the runs can be launched with again: numbers of the names known, each set once."""
    sets: list[Parameters] = []
    for row in rows:
        found = {name: row.parameters[name] for name in RANGES if name in row.parameters}
        numbers = {name: float(value) for name, value in found.items() if _is_number(value)}
        if len(numbers) == len(RANGES) and numbers not in sets:
            sets.append(numbers)
    return tuple(sets)


def _is_number(value: float | str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def row_of(result: RunResult) -> RunRow:
    return RunRow(
        result.name,
        dict(result.parameters),
        result.status,
        metrics=dict(result.metrics),
        seconds=result.seconds,
        best=result.best,
        passed=result.passed,
        run_id=result.run_id,
        url=result.url,
        build=result.build,
    )
