"""Of delivery: images, endpoints, verdicts, approvals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.events.base import Event
from mlops_tui.events.setup import Change, StepStatus

Stage = Literal["staging", "production"]
Lane = Literal["image", "staging", "validation", "approval", "production"]
Health = Literal["healthy", "starting", "unhealthy", "absent"]


@dataclass(frozen=True)
class ModelImage:
    """A container image of a build's best model, as the model's version in Azure ML tells it."""

    id: str  # with its digest: "mlops1a2b3c.azurecr.io/winequality@sha256:…"
    build: str
    source: str  # who built: "AzureDevOps", "local"
    run_id: str  # MLflow's, of the run that made the model
    model: str  # "winequality"
    version: str  # of the model in Azure ML
    metrics: dict[str, float] = field(default_factory=dict)  # as trained
    created: float | None = None  # seconds since 1970
    verdict: Literal["", "passed", "failed"] = ""  # of its validation, the last one
    verdict_at: float | None = None
    approved_by: str = ""
    url: str = ""  # the model version's page
    verdict_detail: str = ""  # what the validation found, in short


@dataclass(frozen=True)
class Deployment:
    """One model behind an endpoint."""

    name: str  # "blue"; of a container group: the group's name
    image: str  # ModelImage.id
    build: str
    traffic: int  # per cent
    state: str  # in Azure's words: "Succeeded", "Updating", "Failed", "Running"
    model: str = ""
    version: str = ""


@dataclass(frozen=True)
class Endpoint:
    """What answers in a stage; where nothing was deployed yet, `health` is "absent"."""

    stage: Stage
    name: str  # "wine-quality-aci"
    target: str  # "Azure Container Instances", "Kubernetes online endpoint", "managed online endpoint"
    health: Health
    state: str = ""  # in Azure's words
    url: str = ""  # where predictions are asked for
    build: str = ""  # that has the traffic
    image: str = ""
    deployments: tuple[Deployment, ...] = ()
    previous: str = ""  # the build that a rollback would bring back; empty: none
    page: str = ""  # in the portal
    detail: str = ""  # why it is not healthy


@dataclass(frozen=True)
class Check:
    """One question of a validation, and its answer."""

    name: str  # "equals training", "gate", "champion"
    passed: bool
    detail: str  # "rmse 0.7862, trained 0.7862, within 1e-06"


@dataclass(frozen=True)
class Comparison:
    """A metric on the very same rows: as trained, as the stage answers, as production answers."""

    metric: str
    trained: float | None
    served: float | None
    champion: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a validation found."""

    build: str
    image: str
    stage: Stage
    passed: bool
    rows: int
    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    p50_ms: float
    p95_ms: float
    at: float  # seconds since 1970
    champion: str = ""  # the build that production answered with; empty: there was none


@dataclass(frozen=True, kw_only=True)
class LaneState(Event):
    """How far a stage of delivery is."""

    lane: Lane
    title: str  # "Staging on Azure Container Instances"
    state: StepStatus
    build: str = ""
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ImageReady(Event):
    """The image of a build is in the registry; `fresh`: this command had it built."""

    image: ModelImage
    fresh: bool


@dataclass(frozen=True, kw_only=True)
class ImagesListed(Event):
    """The images of all builds, newest first."""

    images: tuple[ModelImage, ...]


@dataclass(frozen=True, kw_only=True)
class EndpointsRead(Event):
    """What answers now: staging, then production."""

    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True)
class Validated(Event):
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class ApprovalAsked(Event):
    """What somebody has to say yes to, before it is done."""

    stage: Stage
    build: str
    image: str
    changes: tuple[Change, ...]  # `cost` is the monthly estimate of each
    cost: str  # of all, a month: "about 312 USD a month (estimate, prices of 2026-11-01)"
    verdict: Literal["", "passed", "failed"]
    detail: str  # of the verdict, in words; or why there is none
    command: str  # says yes and goes on: "mlops-tui deploy production --build 17 --approve"


@dataclass(frozen=True, kw_only=True)
class Approved(Event):
    """Somebody said yes; `force`: why against the verdict, where it was."""

    stage: Stage
    build: str
    by: str
    force: str = ""


@dataclass(frozen=True, kw_only=True)
class Predicted(Event):
    """What an endpoint answered: a prediction a row."""

    stage: Stage
    rows: tuple[dict[str, float], ...]
    predictions: tuple[float, ...]
    milliseconds: float
    build: str = ""  # that answered
    deployment: str = ""


@dataclass(frozen=True, kw_only=True)
class RowsRead(Event):
    """Real rows of a build's kept test set, to try an endpoint with; `target` is what they were found to be."""

    build: str
    rows: tuple[dict[str, float], ...]
    target: tuple[float, ...]
