"""What runs for an online deployment: the generation that answers, and the one that shall take its place.

A document of kind "online-generations" by the deployment's id in lower case. A generation is a deployment's plan and
the containers that were started for it; it is replaced as a whole, once the next one is ready.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "online-generations"


@dataclass(frozen=True)
class Plan:
    """How a deployment shall run, as its document says it."""

    image: str  # a reference; "" for a model that brings its own server
    model: str  # the id of the registered model; "" where there is none
    environment: dict[str, str] = field(repr=False)  # variables; they may hold secrets
    instances: int
    readiness_path: str
    scoring_path: str
    port: int  # that the routes name; 0 where they name none
    timeout: float  # seconds for an answer
    limit: int  # requests at once, of all instances; 0: any number
    patience: float  # seconds until it must be ready
    on_kubernetes: bool

    def runs_like(self, other: Plan) -> bool:
        """Whether the same processes will do for both."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("image", "model", "environment", "instances", "readiness_path", "port")
        )


@dataclass(frozen=True)
class Problem:
    """Why a generation did not come up, as Azure says it."""

    code: str
    message: str


@dataclass(frozen=True)
class Generation:
    number: int
    plan: Plan
    containers: tuple[str, ...]
    digest: str  # of the image; "" where there is none
    asked_at: float
    problem: Problem | None = None


@dataclass(frozen=True)
class Running:
    """The generations of a deployment. `failed` is kept for its log, until the next one."""

    live: Generation | None = None
    next: Generation | None = None
    failed: Generation | None = None

    @property
    def newest(self) -> Generation | None:
        return max((one for one in self.all if one), key=lambda one: one.number, default=None)

    @property
    def all(self) -> tuple[Generation, ...]:
        return tuple(one for one in (self.live, self.next, self.failed) if one)


class Generations:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store

    def of(self, deployment_id: str) -> Running:
        kept = self._store.get(KIND, deployment_id.lower())
        return Running(**{name: _generation(one) for name, one in (kept or {}).items()})

    def keep(self, deployment_id: str, running: Running) -> None:
        self._store.put(KIND, deployment_id.lower(), asdict(running))

    def forget(self, deployment_id: str) -> None:
        self._store.delete(KIND, deployment_id.lower())


def _generation(kept: dict[str, Any] | None) -> Generation | None:
    if kept is None:
        return None
    problem = Problem(**kept["problem"]) if kept["problem"] else None
    whole = kept | {"plan": Plan(**kept["plan"]), "problem": problem, "containers": tuple(kept["containers"])}
    return Generation(**whole)
