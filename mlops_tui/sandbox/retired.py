"""Containers that have given way to others: removed once they answer nobody any more.

Kept in the store ("retired-container" by name), so that a killed sandbox removes them when it comes back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from mlops_tui.sandbox.containers import Containers

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "retired-container"


class Retired:
    """One thread, which is there while there is something to wait for."""

    settling: ClassVar[float] = 0.5  # seconds that a request may be on its way to where the route has led it
    longest: ClassVar[float] = 185.0  # seconds for an answer; no endpoint waits longer

    def __init__(self, sandbox: Sandbox, in_flight: Mapping[str, int]) -> None:
        self._sandbox = sandbox
        self._in_flight = in_flight  # requests by container
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}  # since when
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Remove what a killed sandbox has left: nobody waits for its answer."""
        for name, _ in self._sandbox.store.items(KIND):
            self._remove(name)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def add(self, containers: Iterable[str]) -> None:
        for name in containers:
            self._sandbox.store.put(KIND, name, {})
            with self._lock:
                self._waiting[name] = time.monotonic()
        with self._lock:
            if self._waiting and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, name="retired-containers", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while not self._stopping.wait(0.1):
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                waiting = dict(self._waiting)
            for name, since in waiting.items():
                waited = time.monotonic() - since
                if waited > self.settling and (not self._in_flight[name] or waited > self.longest):
                    self._remove(name)
                    with self._lock:
                        self._waiting.pop(name, None)

    def _remove(self, name: str) -> None:
        self._sandbox.find(Containers).remove(name)
        self._sandbox.store.delete(KIND, name)
