"""Of training: runs, sweeps, and how they compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.events.base import Event

RunStatus = Literal["pending", "running", "succeeded", "failed", "canceled"]


@dataclass(frozen=True)
class RunResult:
    """A line of the table of runs."""

    name: str
    parameters: dict[str, float | str]
    status: RunStatus
    metrics: dict[str, float] = field(default_factory=dict)  # "rmse", "mae", "r2"
    seconds: float | None = None
    best: bool = False
    passed: bool | None = None  # the gate; None where there is no metric to judge by
    run_id: str = ""  # MLflow's
    url: str = ""
    build: str = ""
    source: str = ""  # who built: "AzureDevOps", "local"
    started: float | None = None  # seconds since 1970


@dataclass(frozen=True)
class JobRun:
    """A sweep in the cloud."""

    id: str
    url: str
    state: RunStatus
    build: str
    runs: tuple[str, ...]  # names
    started: float | None = None  # seconds since 1970


@dataclass(frozen=True, kw_only=True)
class RunState(Event):
    run: str
    state: RunStatus
    parameters: dict[str, float | str] = field(default_factory=dict)
    detail: str = ""
    url: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class MetricsRead(Event):
    run: str
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RunsCompared(Event):
    """The table, best first marked; `gate` is in words ("rmse < 0.8")."""

    build: str
    results: tuple[RunResult, ...]
    best: str  # the run's name; empty where none ended well
    gate: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class RunsListed(Event):
    """Runs of any build, newest first."""

    results: tuple[RunResult, ...]
    gate: str


@dataclass(frozen=True, kw_only=True)
class JobRunsFound(Event):
    """The project's sweeps that the workspace remembers, newest first."""

    job_runs: tuple[JobRun, ...]


@dataclass(frozen=True, kw_only=True)
class RunDescribed(Event):
    """One tracked run: what it used and what it made."""

    result: RunResult
    tags: dict[str, str]
    artifacts: tuple[str, ...]  # paths below the run's artifact folder
    model_uri: str = ""
    predictions: tuple[tuple[float, float], ...] = ()  # actual and predicted, of the kept test set
