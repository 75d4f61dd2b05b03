"""Sweeps of runs, as far as they have been told."""

from __future__ import annotations

import time
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


@dataclass
class Sweep:
    """One launch (or one that was found in the cloud) and what became of it."""

    folder: Path  # of its log files, see `spool.log_file`
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

    def fold(self, event: Event) -> None:
        """Take in what was told. Log lines are not among it: they are in the files of `folder`."""
        match event:
            case Identified(what="job run"):
                self.job_run, self.url = event.id, event.url
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
            row.since = time.monotonic()
        row.state, row.detail, row.seconds = event.state, event.detail, event.seconds
        row.parameters = event.parameters or row.parameters
        row.url = event.url or row.url
        if row.ended:
            row.since = None

    def _compared(self, event: RunsCompared) -> None:
        self.build, self.gate, self.best, self.passed = event.build, event.gate, event.best, event.passed
        for result in event.results:
            self.rows[result.name] = row_of(result)

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
        self.job_runs: tuple[JobRun, ...] = ()  # sweeps that the workspace remembers, newest first
        self.problem: ErrorCard | None = None  # of a listing or a cancellation that failed

    @property
    def running(self) -> list[Sweep]:
        return [sweep for sweep in self.sweeps if sweep.running]

    def fold(self, event: Event) -> None:
        match event:
            case RunsListed():
                self.earlier, self.gate, self.listed = event.results, event.gate, True
            case JobRunsFound():
                self.job_runs = event.job_runs
            case Problem():
                self.problem = event.error

    @property
    def going_on(self) -> list[JobRun]:
        """Sweeps that run in the cloud though nobody here has launched them: the ones to come back to, oldest first."""
        known = {sweep.job_run for sweep in self.sweeps}
        return [run for run in reversed(self.job_runs) if run.state not in ENDED and run.id not in known]


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
