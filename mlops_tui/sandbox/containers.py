"""The sandbox's container runtime: a container is a process of this machine, and answers at a port of 127.0.0.1.

What is asked for is kept in the store: containers die with the sandbox, and come back when it starts again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox import ports
from mlops_tui.sandbox.api import Body, Endpoint, Service
from mlops_tui.sandbox.container_keeper import Keeper
from mlops_tui.sandbox.container_log import ContainerLog
from mlops_tui.sandbox.container_processes import Nursery
from mlops_tui.sandbox.container_state import Container, ContainerSpec, RestartPolicy
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.secret_vault import LostKeyError, SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.images import Image
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "container"
STOP_TIMEOUT = 3.0  # seconds for all of them together


class Containers(Service):
    """Run, look, halt. Every method returns at once; safe to use from any thread, inside a transaction too.

    (`start` and `stop` are the service's own, as everywhere in the sandbox.)
    """

    dialect = OPEN

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._root = sandbox.folder / "containers"
        self._vault = SecretVault(sandbox.folder / "secrets.key")
        self._lock = threading.Lock()  # guards the two below; nobody waits for the store while holding it
        self._keepers: dict[str, Keeper] = {}
        self._ports: dict[str, int] = {}
        self._nursery = Nursery(self._root / "nursery")
        self._stopping = False

    def routes(self) -> list[Endpoint]:
        return []

    def start(self) -> None:
        """Bring back what ran when the sandbox ended."""
        for kept in self.store.list(KIND):
            container = Container.from_document(kept["state"])
            spec, problem = self._spec(kept)
            keeper = self._keeper(spec, kept["generation"], container)
            if problem:
                keeper.container = replace(container, status="terminated", detail=problem, exit_code=128, ready=False)
            elif kept["wanted"] == "running" and not _is_over(container, spec.policy):
                keeper.container = replace(container, status="waiting", detail="ContainerCreating", ready=False)
                keeper.begin()

    def stop(self) -> None:
        """The sandbox ends: so do all containers, at the same time."""
        self._stopping = True
        with self._lock:
            keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.end()
        deadline = time.monotonic() + STOP_TIMEOUT
        for keeper in keepers:
            keeper.join(deadline - time.monotonic())
        self._nursery.stop()

    def warm(self) -> None:
        """Prepare for containers to come: once this is done, they serve a model sooner. Returns at once."""
        if not self._stopping:
            self._nursery.warm()

    def run(
        self,
        name: str,
        image: Image,
        environment: dict[str, str],
        port: int | None = None,
        policy: RestartPolicy = "Always",
    ) -> None:
        """Start a container; another of that name is ended first, and its port taken over. One that is just so stays.

        `environment` may hold secrets. `port` is a wish: where another program holds it, it becomes another one.
        """
        spec = ContainerSpec(
            name=name,
            reference=f"{image.registry}/{image.repository}@{image.digest}",
            folder=image.folder,
            command=image.command,
            environment=image.environment | environment,
            policy=policy,
        )
        with self._lock:
            before = self._keepers.get(name)
        if before is not None and before.live and before.spec == spec:
            return
        port = self._choose_port(name, port or (before.container.port if before else 0), but_own=before is not None)
        fresh = Container(name, spec.reference, port=port)
        host = self.sandbox.origin.removeprefix("https://")
        for event, text in (("Pulling", "Pulling"), ("Pulled", "Successfully pulled")):
            fresh = fresh.with_event(event, f'{text} image "{host}/{spec.reference}"')
        fresh = fresh.with_event("Created", "Created container")
        generation = uuid.uuid4().hex
        kept = self._document(spec) | {"generation": generation, "wanted": "running", "state": fresh.to_document()}
        self.store.put(KIND, name, kept)
        keeper = self._keeper(spec, generation, fresh)
        if before is not None:
            before.end()
        keeper.begin(after=before)

    def look(self, name: str) -> Container | None:
        """What it is now; None where there is none of that name."""
        with self._lock:
            keeper = self._keepers.get(name)
        return keeper.container if keeper else None

    def logs(self, name: str, tail: int | None = None, timestamps: bool = False) -> str:
        """What it has printed, over restarts too: the last `tail` lines, or all that are kept."""
        return ContainerLog(self._folder(name)).read(tail, timestamps)

    def halt(self, name: str) -> None:
        """End its process and leave it ended; `restart` brings it back."""
        if keeper := self._want(name, "stopped"):
            keeper.end()

    def restart(self, name: str) -> None:
        """End its process, if it has one, and start another at once."""
        keeper = self._want(name, "running")
        if keeper is None:
            return
        if keeper.live:
            keeper.again()
            return
        with self.store.transaction():
            kept = self.store.get(KIND, name)
            if kept is None or self._spec(kept)[1]:
                return
            kept["generation"] = uuid.uuid4().hex
            self.store.put(KIND, name, kept)
        container = replace(keeper.container, previous=keeper.container.ended() or keeper.container.previous)
        container = replace(container, status="waiting", detail="ContainerCreating", exit_code=None, ready=False)
        self._keeper(keeper.spec, kept["generation"], container).begin(after=keeper)

    def remove(self, name: str) -> None:
        """End it and forget it, with what it printed."""
        self.store.delete(KIND, name)
        with self._lock:
            keeper = self._keepers.pop(name, None)
            self._ports.pop(name, None)
        if keeper is None:
            return
        keeper.end()

        def clear() -> None:
            keeper.join(STOP_TIMEOUT)
            with self._lock:
                again, any_left = name in self._keepers, bool(self._keepers)
            if not again:
                shutil.rmtree(self._folder(name), ignore_errors=True)
            if not any_left:
                self._nursery.stop()

        threading.Thread(target=clear, name="container-clear", daemon=True).start()

    def _want(self, name: str, wanted: str) -> Keeper | None:
        with self.store.transaction():
            if kept := self.store.get(KIND, name):
                self.store.put(KIND, name, kept | {"wanted": wanted})
        with self._lock:
            return self._keepers.get(name)

    def _keeper(self, spec: ContainerSpec, generation: str, container: Container) -> Keeper:
        def changed(keeper: Keeper) -> None:
            self._save(spec.name, generation, keeper.container)

        def choose_port(wanted: int) -> int:
            return self._choose_port(spec.name, wanted)

        keeper = Keeper(spec, container, self._folder(spec.name), changed, choose_port, self._nursery)
        with self._lock:
            self._keepers[spec.name] = keeper
            if container.port:
                self._ports.setdefault(spec.name, container.port)
        return keeper

    def _save(self, name: str, generation: str, container: Container) -> None:
        """Unless it was removed or replaced meanwhile; a stopping sandbox remembers what ran."""
        if self._stopping:
            return
        with self.store.transaction():
            kept = self.store.get(KIND, name)
            if kept and kept["generation"] == generation:
                self.store.put(KIND, name, kept | {"state": container.to_document()})

    def _choose_port(self, name: str, wanted: int, but_own: bool = False) -> int:
        """The wanted one, or a free one where that is taken. With `but_own`, by others than this container itself."""
        with self._lock:
            others = {port for other, port in self._ports.items() if other != name}
            own = but_own and self._ports.get(name) == wanted
            if not wanted or wanted in others or not (own or ports.is_free(wanted)):
                wanted = ports.free_port(besides=others)
            self._ports[name] = wanted
        return wanted

    def _folder(self, name: str) -> Path:
        return self._root / hashlib.sha256(name.encode()).hexdigest()[:16]

    def _document(self, spec: ContainerSpec) -> Body:
        return {
            "name": spec.name,
            "reference": spec.reference,
            "folder": str(spec.folder),
            "command": list(spec.command),
            "environment": self._vault.close(json.dumps(spec.environment).encode()),
            "policy": spec.policy,
        }

    def _spec(self, kept: Body) -> tuple[ContainerSpec, str]:
        """And why it cannot run, if so: without its secrets a server would answer to everybody."""
        environment, problem = {}, ""
        try:
            environment = json.loads(self._vault.open(kept["environment"]))
        except LostKeyError:
            problem = "CreateContainerConfigError"
        spec = ContainerSpec(
            name=kept["name"],
            reference=kept["reference"],
            folder=Path(kept["folder"]),
            command=tuple(kept["command"]),
            environment=environment,
            policy=kept["policy"],
        )
        return spec, problem


def _is_over(container: Container, policy: RestartPolicy) -> bool:
    """Whether it has done its work: it is not to be started again."""
    if container.status != "terminated":
        return False
    return policy == "Never" or (policy == "OnFailure" and container.exit_code == 0)
