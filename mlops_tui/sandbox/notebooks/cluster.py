"""A sandbox cluster, seen from the sandbox: start it, give it runs, stop it."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

from mlops_tui.sandbox.notebooks.processes import forking_is_safe
from mlops_tui.sandbox.notebooks.run import OUTPUT_LIMIT, NotebookRun, Outcome

__all__ = ["OUTPUT_LIMIT", "Cluster", "NotebookRun", "Outcome"]

STOP_TIMEOUT = 5.0  # seconds for the process to end its runs and itself
_PRIVATE = ("AZURE_", "ARM_", "DATABRICKS_", "MLFLOW_")  # of whoever started the sandbox: not for notebooks
log = logging.getLogger("mlops_tui.sandbox")

OnEnd = Callable[[Outcome], None]


class Cluster:
    """A warm process and its runs. Safe to use from any thread.

    `pending` until the process has warmed up, then `running`, and `terminated` when it was stopped or has died.
    Runs submitted before it is ready start when it is.
    """

    program: ClassVar[tuple[str, ...]] = ("-m", "mlops_tui.sandbox.notebooks.warm")  # what Python runs

    def __init__(self, folder: Path, name: str) -> None:
        """`folder`: for the process's log, NAME.log."""
        self.state: Literal["pending", "running", "terminated"] = "pending"
        self.warm_seconds = 0.0
        self.memory_mb = 0
        self._folder, self._name = folder, name
        self._lock = threading.RLock()
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[NotebookRun] = []
        self._on_end: dict[int, OnEnd] = {}
        # Queues between the threads, so that none of them ever waits for the process with the lock in hand.
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[tuple[OnEnd, Outcome] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread(self._serve)
        self._thread(self._report)

    def _thread(self, work: Callable[..., None], *arguments: Any) -> None:
        # Daemons: a sandbox that ends does not wait for them, and its end closes the process's pipe.
        thread = threading.Thread(target=work, args=arguments, name=f"cluster {self._name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Whether it is running, within `timeout` seconds."""
        self._ready.wait(timeout)
        return self.state == "running"

    def submit(self, run: NotebookRun, on_end: OnEnd) -> None:
        """Run it; returns at once. `on_end` is called exactly once, by a thread of this object."""
        with self._lock:
            if run.run_id in self._on_end:
                raise ValueError(f"run {run.run_id} is on the cluster already")
            run.output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            run.output.touch(mode=0o600)  # readers find it from now on
            self._on_end[run.run_id] = on_end
            if self.state == "terminated":
                del self._on_end[run.run_id]
                lost = Outcome("LOST", error=f"Cluster {self._name} is terminated")
                threading.Thread(target=_call, args=(on_end, lost), daemon=True).start()
            elif self.state == "pending":
                self._waiting.append(run)
            else:
                self._send(op="run", run=run.to_json())

    def cancel(self, run_id: int) -> None:
        """End the run and everything it started; a run that has ended, or is unknown, is no error."""
        with self._lock:
            if any(run.run_id == run_id for run in self._waiting):
                self._waiting = [run for run in self._waiting if run.run_id != run_id]
                self._finish(run_id, Outcome("CANCELED", error="Run cancelled"))
            elif run_id in self._on_end:
                self._send(op="cancel", run_id=run_id)

    def stop(self) -> None:
        """End the process and its runs (LOST); waits until they are gone."""
        with self._lock:
            process, warming = self._process, self.state == "pending"
            self.state = "terminated"
        self._requests.put(None)
        if process:
            if warming:  # it does not listen yet
                process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(STOP_TIMEOUT)

    def _send(self, **request: Any) -> None:
        self._requests.put(json.dumps(request).encode() + b"\n")

    def _write(self, pipe: IO[bytes]) -> None:
        """A thread: sends requests; closes the pipe at the end, which ends the process."""
        try:
            with pipe:
                while request := self._requests.get():
                    pipe.write(request)
                    pipe.flush()
        except OSError:
            log.warning("cluster %s is gone", self._name)  # _serve finds out, too

    def _finish(self, run_id: int, outcome: Outcome) -> None:
        on_end = self._on_end.pop(run_id, None)
        if on_end:
            self._ended.put((on_end, outcome))

    def _report(self) -> None:
        """A thread: calls who waits for a run's end, apart from the one that reads, for they may take their time."""
        while ended := self._ended.get():
            _call(*ended)

    def _serve(self) -> None:
        """A thread: starts the process and reads what it says. It lives as long as the process, which dies with it."""
        try:
            with self._lock:
                if self.state == "terminated":  # stopped before it was started
                    return
                self._process = process = self._spawn()
            assert process.stdin
            assert process.stdout
            self._thread(self._write, process.stdin)
            with process.stdout:
                for line in process.stdout:
                    self._hear(json.loads(line))
            process.wait()
        except (OSError, ValueError):
            log.exception("cluster %s", self._name)
        finally:
            self._lose_all()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{self._name}.log"
        path.touch(mode=0o600)
        with path.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *self.program, "fork" if forking_is_safe() else "fresh"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=self._folder,
                env={name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)},
                start_new_session=True,
            )

    def _hear(self, event: dict[str, Any]) -> None:
        with self._lock:
            if event["event"] == "ended":
                self._finish(event["run_id"], Outcome(**event["outcome"]))
            elif self.state == "pending":
                self.state = "running"
                self.warm_seconds, self.memory_mb = event["seconds"], event["memory_mb"]
                for run in self._waiting:
                    self._send(op="run", run=run.to_json())
                self._waiting = []
        self._ready.set()

    def _lose_all(self) -> None:
        with self._lock:
            self.state = "terminated"
            for run_id in list(self._on_end):
                self._finish(run_id, Outcome("LOST", error=f"Cluster {self._name} was terminated during the run"))
        self._ready.set()
        self._requests.put(None)
        self._ended.put(None)


def _call(on_end: OnEnd, outcome: Outcome) -> None:
    try:
        on_end(outcome)
    except Exception:  # a defect of the caller must not silence the other runs
        log.exception("the end of a run")
