"""What the conductors of all runs share: folders, machines, turns."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.pipelines.folders import RunFolder
from mlops_tui.sandbox.pipelines.records import PipelineRuns
from mlops_tui.sandbox.pipelines.turnstiles import Turnstiles

if TYPE_CHECKING:
    from mlops_tui.sandbox.pipelines.conductor import Conductor


@dataclass
class Yard:
    """Safe to use from any thread."""

    folder: Path
    runs: PipelineRuns
    practice: dict[str, str]
    at_once: int
    turnstiles: Turnstiles = field(default_factory=Turnstiles)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    conductors: dict[str, Conductor] = field(default_factory=dict)
    busy: int = 0  # machines

    def take_machine(self) -> bool:
        with self.lock:
            if self.busy >= self.at_once:
                return False
            self.busy += 1
            return True

    def give_back(self) -> None:
        with self.lock:
            self.busy -= 1
        self.wake()

    def wake(self, run_id: str = "") -> None:
        """Let one run, or all of them, look around."""
        with self.lock:
            for conductor in self.conductors.values():
                if run_id in ("", conductor.run_id):
                    conductor.woken.set()

    def kept(self, run_id: str) -> RunFolder:
        return RunFolder(self.folder / "runs" / run_id)
