"""Of pipelines on a CI host (Azure DevOps, GitHub): their runs, how far each part is, and who must say yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_tui.events.base import Event

PipelineState = Literal["queued", "waiting", "running", "succeeded", "failed", "canceled", "skipped"]
PartKind = Literal["stage", "job", "step"]
ENDED: frozenset[PipelineState] = frozenset({"succeeded", "failed", "canceled", "skipped"})


@dataclass(frozen=True)
class PipelineRun:
    """One run of the project's pipeline. It is "waiting" where somebody must approve before it goes on."""

    id: str  # the host's, which `ci logs` takes
    number: str  # the build number that its training and its images carry
    state: PipelineState
    url: str = ""  # its page
    branch: str = ""
    commit: str = ""
    reason: str = ""  # "manual", "push"
    queued: float | None = None  # seconds since 1970, as the others
    started: float | None = None
    finished: float | None = None
    detail: str = ""  # why it failed, or what it waits for


@dataclass(frozen=True)
class PipelinePart:
    """A stage, a job or a step of a run. A host without stages has jobs at the top."""

    id: str  # the host's, unique in the run
    kind: PartKind
    name: str  # "Train"; of a step: "mlops-tui train"
    state: PipelineState
    parent: str = ""  # the id of the part that it belongs to
    started: float | None = None
    finished: float | None = None
    detail: str = ""  # its errors and warnings, a line each
    has_log: bool = False  # of its own, or of all that belongs to it


@dataclass(frozen=True)
class PipelineApproval:
    """Somebody must say yes before this run goes on."""

    id: str
    run: str  # PipelineRun.id
    stage: str  # the name of the stage, or job, that waits
    environment: str  # "wine-quality-production"
    approvers: tuple[str, ...] = ()
    mine: bool = True  # whoever is signed in may say yes
    since: float | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineRunState(Event):
    """The run as a whole: when it is known first, and whenever its state changes."""

    run: PipelineRun


@dataclass(frozen=True, kw_only=True)
class PipelinePartState(Event):
    """A part of a run, when it appears and whenever something about it, or its place, changes.

    `order` is its place in the pipeline: those that it belongs to come before it. `source` is what LogLines of its log
    have as theirs: "Train · mlops-tui train".
    """

    run: str
    part: PipelinePart
    order: int
    source: str


@dataclass(frozen=True, kw_only=True)
class PipelineApprovalAsked(Event):
    """The run waits; `command` says yes and goes on: "mlops-tui ci approve 17"."""

    approval: PipelineApproval
    command: str


@dataclass(frozen=True, kw_only=True)
class PipelineApproved(Event):
    run: str
    stage: str
    by: str  # empty: somebody on the host


@dataclass(frozen=True, kw_only=True)
class PipelineRunsListed(Event):
    """The project's runs on its host, newest first."""

    host: str  # "Azure DevOps", "GitHub"
    page: str  # where the pipeline is, in a browser
    runs: tuple[PipelineRun, ...]
    approvals: tuple[PipelineApproval, ...] = ()  # of all these runs
    flags: tuple[str, ...] = ()  # that commands need which mean the same project
