"""The warm processes behind clusters. A cluster leases one; one that is given back idle serves the next cluster.

Every run is a child forked from a warm process and leaves nothing in it, so a used process is as good as a new one, and
a job's own cluster need not pay the warm-up each time.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mlops_tui.sandbox.notebooks.cluster import NotebookRun, Outcome

SPARES = 2  # warm processes kept for the next cluster; each takes about 340 MB


class Machine(Protocol):
    """A warm process (`notebooks.cluster.Cluster`)."""

    @property
    def state(self) -> Literal["pending", "running", "terminated"]: ...
    def start(self) -> None: ...
    def wait_ready(self, timeout: float) -> bool: ...
    def submit(self, run: NotebookRun, on_end: Callable[[Outcome], None]) -> None: ...
    def cancel(self, run_id: int) -> None: ...
    def stop(self) -> None: ...


MachineFactory = Callable[[Path, str], Machine]


class Machines:
    """All warm processes of the sandbox; safe to use from any thread."""

    def __init__(self, folder: Path, factory: MachineFactory) -> None:
        self._folder = folder
        self._factory = factory
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._spares: list[Machine] = []
        self._leased: list[Machine] = []

    def lease(self) -> Machine:
        """A spare one, or a new one that has just been started and is not warm yet."""
        with self._lock:
            self._spares = [machine for machine in self._spares if machine.state != "terminated"]
            if self._spares:
                machine = self._spares.pop()
            else:
                name = f"warm-{next(self._numbers)}"
                machine = self._factory(self._folder, name)
                machine.start()
            self._leased.append(machine)
            return machine

    def give_back(self, machine: Machine, idle: bool) -> None:
        """Keep it for the next cluster; stop it, with all that runs on it, where it is busy or there are enough."""
        with self._lock:
            if machine in self._leased:
                self._leased.remove(machine)
            if idle and machine.state != "terminated" and len(self._spares) < SPARES:
                self._spares.append(machine)
                return
        machine.stop()

    def stop(self) -> None:
        """Stop every one."""
        with self._lock:
            machines, self._spares, self._leased = self._spares + self._leased, [], []
        for machine in machines:
            machine.stop()
