"""One cloud, one identity and its clients: made once, when first asked for, shared by all threads of a command."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_tui.steps import NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.clients import Clients
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.project import Project


Ask = Callable[[Callable[[], bool]], bool]
Prompt = Callable[[str], None]


def _nobody(question: Callable[[], bool]) -> bool:
    raise RuntimeError("there is nobody to ask")


class Session:
    """What steps and runs are given. Holds no truth of its own: `known` is what this command has seen in the cloud."""

    def __init__(self, project: Project, cloud: Cloud) -> None:
        self.project = project
        self.cloud = cloud
        self.cancelled = threading.Event()
        self.ask: Ask = _nobody  # asks whoever sits there, on the thread that talks to them
        self.prompt: Prompt | None = None  # tells them what signing in takes; set before the clients are made
        self._lock = threading.RLock()
        self._known: dict[str, str] = {}
        self._clients: Clients | None = None

    @property
    def clients(self) -> Clients:
        """The clients of every service; the first use imports what they need."""
        with self._lock:
            if self._clients is None:
                from mlops_tui.clouds.clients import Clients

                self._clients = Clients(self.project, self.cloud, self.prompt)
            return self._clients

    def learn(self, name: str, value: str) -> None:
        """Keep what a step has seen or made, for the steps that need it."""
        with self._lock:
            self._known[name] = value

    def know(self, name: str, step: str) -> str:
        """What `step` has learned. Raises NotYetKnown before that step has been applied."""
        with self._lock:
            if name not in self._known:
                raise NotYetKnown(step)
            return self._known[name]

    def knows(self, name: str) -> bool:
        with self._lock:
            return name in self._known

    def forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        with self._lock:
            if self._clients is not None:
                self._clients.close()
                self._clients = None
