"""What a container is asked to be, and what it is at a moment: values that can be kept and given away.

States and events are those of Kubernetes, which Azure Container Instances shows under the same names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mlops_tui.sandbox import clock

Status = Literal["waiting", "running", "terminated"]
RestartPolicy = Literal["Always", "OnFailure", "Never"]
EVENTS_KEPT = 50


@dataclass(frozen=True)
class ContainerSpec:
    """What to run. The environment may hold secrets: it is in no repr."""

    name: str
    reference: str  # of the image
    folder: Path  # the image's files; the working directory
    command: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)  # the image's and the caller's
    policy: RestartPolicy = "Always"


@dataclass(frozen=True)
class Ended:
    """How a container's process ended before it was started again."""

    exit_code: int
    detail: str
    started_at: str
    finished_at: str


@dataclass(frozen=True)
class Event:
    """Something that happened, once or again and again with the same words."""

    name: str
    message: str
    first_at: str
    last_at: str
    type: Literal["Normal", "Warning"] = "Normal"
    count: int = 1


@dataclass(frozen=True)
class Container:
    """A container at a moment."""

    name: str
    image: str
    status: Status = "waiting"
    detail: str = "ContainerCreating"  # waiting: for what (CrashLoopBackOff …); terminated: Completed, Error
    exit_code: int | None = None
    restarts: int = 0
    started_at: str = ""
    finished_at: str = ""
    port: int = 0  # of 127.0.0.1; 0 until it has one
    ready: bool = False
    previous: Ended | None = None
    events: tuple[Event, ...] = ()

    def with_event(self, name: str, message: str, warning: bool = False) -> Container:
        """With one more event; the same words again count up."""
        now = clock.now()
        same = next((one for one in self.events if (one.name, one.message) == (name, message)), None)
        if same is None:
            event = Event(name, message, now, now, "Warning" if warning else "Normal")
        else:
            event = replace(same, count=same.count + 1, last_at=now)
        others = [one for one in self.events if one is not same]
        return replace(self, events=(*others, event)[-EVENTS_KEPT:])

    def ended(self) -> Ended | None:
        """How it has ended, where it has."""
        if self.status != "terminated" or self.exit_code is None:
            return None
        return Ended(self.exit_code, self.detail, self.started_at, self.finished_at)

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, kept: dict[str, Any]) -> Container:
        previous = Ended(**kept["previous"]) if kept["previous"] else None
        events = tuple(Event(**event) for event in kept["events"])
        return cls(**kept | {"previous": previous, "events": events})
