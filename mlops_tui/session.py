"""One cloud, one identity and its clients: made once, when first asked for, shared by all threads of a command.

A process that serves many commands shares the clients among their sessions, too: making them takes seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
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

    def __init__(self, project: Project, cloud: Cloud, file: Path | None = None) -> None:
        """`file` is the one that the project was read from; None: it has none."""
        self.project = project
        self.cloud = cloud
        self.file = file
        self.cancelled = threading.Event()
        self.ask: Ask = _nobody  # asks whoever sits there, on the thread that talks to them
        self.prompt: Prompt | None = None  # tells them what signing in takes; set before the clients are made
        self.shared: SharedClients | None = None  # where there is one, the clients are lent by it
        self._lock = threading.RLock()
        self._known: dict[str, str] = {}
        self._clients: Clients | None = None

    @property
    def clients(self) -> Clients:
        """The clients of every service; the first use imports what they need."""
        with self._lock:
            if self._clients is None:
                if self.shared is not None:
                    self._clients = self.shared.lend(self.project, self.cloud)
                else:
                    self._clients = _made(self.project, self.cloud, self.prompt)
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
        """Close the connections, or give them back; safe to call twice. Whoever asks for clients again gets some."""
        with self._lock:
            clients, self._clients = self._clients, None
        if clients is not None:
            if self.shared is not None:
                self.shared.take_back(clients)
            else:
                clients.close()


class SharedClients:
    """Lends one set of clients for as long as cloud and identity stay the same; safe from any thread.

    Those of before are closed when the last session that has them gives them back.
    """

    def __init__(self, prompt: Prompt | None) -> None:
        self._prompt = prompt
        self._lock = threading.Lock()
        self._of: object = None  # whose clients the current ones are
        self._current: Clients | None = None
        self._lent: dict[Clients, int] = {}  # to how many sessions

    def lend(self, project: Project, cloud: Cloud) -> Clients:
        with self._lock:
            wanted = (cloud, _identity(project))
            if self._current is None or self._of != wanted:
                self._drop_current()
                self._of, self._current = wanted, _made(project, cloud, self._prompt)
            self._lent[self._current] = self._lent.get(self._current, 0) + 1
            return self._current

    def take_back(self, clients: Clients) -> None:
        with self._lock:
            self._lent[clients] -= 1
            if not self._lent[clients]:
                del self._lent[clients]
                if clients is not self._current:
                    clients.close()

    def renew(self) -> None:
        """Sign in anew: who asks from now on gets other clients."""
        with self._lock:
            self._drop_current()

    def _drop_current(self) -> None:
        dropped, self._current = self._current, None
        if dropped is not None and dropped not in self._lent:
            dropped.close()


def _identity(project: Project) -> tuple[object, ...]:
    """All of a project that its clients depend on. Other settings may change without anybody signing in again."""
    return (
        project.sign_in,
        project.tenant_id,
        project.client_id,
        project.client_secret,
        project.federated_token_file,
        project.databricks_token,
        project.name,
        project.ci.host,
        project.ci.organization,
        project.ci_project,
        project.repository,
        project.ci.branch,
        project.ci.visibility,
        project.ci.token,
    )


def _made(project: Project, cloud: Cloud, prompt: Prompt | None) -> Clients:
    from mlops_tui.clouds.clients import Clients

    return Clients(project, cloud, prompt)
