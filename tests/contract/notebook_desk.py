"""What the stories about notebooks share: a warm cluster, and a desk to write notebooks at and run them."""

from __future__ import annotations

import atexit
import functools
import itertools
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun, Outcome
from mlops_tui.sandbox.process import _alive

CELL = "\n# COMMAND ----------\n"


@dataclass
class Started:
    """A run on its way."""

    run_id: int
    output: Path
    outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)

    def end(self, timeout: float = 30) -> tuple[Outcome, str]:
        outcome = self.outcomes.get(timeout=timeout)
        return outcome, self.output.read_text()


@dataclass
class Desk:
    """Writes notebooks into a workspace folder and runs them."""

    cluster: Cluster
    root: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def write(self, source: str, name: str = "notebook") -> Path:
        path = self.root / "Workspace/Users/learner@sandbox.example" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# Databricks notebook source\n" + textwrap.dedent(source))
        return path

    def start(self, source: str, parameters: dict[str, str] | None = None, **options: Any) -> Started:
        number = next(self.numbers)
        started = Started(number, self.root / f"output-{number}.txt")
        options = {"environment": {}, **options}
        notebook = self.write(source, f"notebook-{number}")
        run = NotebookRun(number, notebook, parameters or {}, self.root, output=started.output, **options)
        self.cluster.submit(run, started.outcomes.put)
        return started

    def run(self, source: str, parameters: dict[str, str] | None = None, **options: Any) -> tuple[Outcome, str]:
        return self.start(source, parameters, **options).end()


def practice_root(folder: Path) -> Path:
    for name in ("dbfs", "Volumes", "Workspace", "databricks-datasets/wine"):
        (folder / name).mkdir(parents=True)
    (folder / "databricks-datasets/wine/red.csv").write_text("ph;quality\n3.5;5\n3.2;6\n")
    return folder


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def wait_until_gone(pid: int) -> None:
    wait_for(lambda: not _alive(pid))


def pids_in(path: Path, count: int) -> list[int]:
    wait_for(lambda: path.exists() and len(path.read_text().split()) == count)
    return [int(pid) for pid in path.read_text().split()]


HANGS = """
import os, subprocess, sys, time
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
plain = subprocess.Popen(["sleep", "300"], **quiet)
stubborn = subprocess.Popen(["bash", "-c", "trap '' TERM; while true; do sleep 1; done"], **quiet)
away = subprocess.Popen(["sleep", "300"], start_new_session=True, **quiet)
with open("/dbfs/pids.new", "w") as file:
    print(os.getpid(), plain.pid, stubborn.pid, away.pid, file=file)
os.rename("/dbfs/pids.new", "/dbfs/pids")
"""


ESCAPES = sys.platform == "linux"  # elsewhere a process that left the group is not found


@functools.cache
def _warm_cluster() -> Cluster:
    """One for all modules: warming takes seconds. It ends with the process."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="notebooks-")), "warm")
    cluster.start()
    atexit.register(cluster.stop)
    return cluster


def warm_desk(folder: Path) -> Desk:
    """A desk at the warm cluster, with a workspace of its own in `folder`."""
    cluster = _warm_cluster()
    assert cluster.wait_ready(180)
    return Desk(cluster, practice_root(folder))
