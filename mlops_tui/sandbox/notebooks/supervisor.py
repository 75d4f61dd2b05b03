"""Watches over one run: takes its output, keeps its time, and ends it with all that it started.

Single-threaded, in a process of its own: a notebook that prints a million lines is nobody else's burden, and the run
ends also when the cluster's process is killed.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mlops_tui.sandbox.notebooks.channel import Inbox, answer
from mlops_tui.sandbox.notebooks.launch import Launcher
from mlops_tui.sandbox.notebooks.output import OutputFile
from mlops_tui.sandbox.notebooks.processes import adopt_orphans, exit_text, kill_children, signal_group
from mlops_tui.sandbox.notebooks.run import NotebookRun, Outcome, RunState
from mlops_tui.sandbox.notebooks.worker import Assignment

GRACE = 2.0  # seconds between asking a run to end and ending it
_TICK = 0.2  # seconds until an unfinished line is shown
_DRAIN = 1.0  # seconds to read what is left in the pipe
_CHUNK = 1 << 18


@dataclass
class Worker:
    """One process at work: the run's own, or one that dbutils.notebook.run asked for."""

    assignment: Assignment
    pid: int
    inbox: Inbox
    asked_by: socket.socket | None  # waits for the outcome; None: the run's own
    started: float
    restart: dict[str, Any] | None = None
    report: dict[str, Any] | None = None
    stopped: Literal["TIMEDOUT", "CANCELED"] | None = None
    stopped_at: float = 0.0


class Supervisor:
    """`control`: a byte on it cancels, its end (the cluster is gone) kills."""

    def __init__(self, run: NotebookRun, control: socket.socket, forking: bool, keep: frozenset[int]) -> None:
        self._run = run
        self._control = control
        self._pipe, write_end = os.pipe()
        os.set_blocking(self._pipe, False)
        self._launcher = Launcher(write_end, forking, keep)
        self._output = OutputFile(run.output, run.secrets, run.output_limit)
        self._scratch = Path(tempfile.mkdtemp(prefix="run-"))
        self._workers: list[Worker] = []
        self._task_values: dict[str, Any] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._pipe, selectors.EVENT_READ)

    def supervise(self) -> Outcome:
        """Run it to its end, whatever that is; afterwards nothing of it is left."""
        adopt_orphans()
        started = time.monotonic()
        self._start(Assignment(self._run, self._scratch), None)
        try:
            while True:
                self._listen()
                self._keep_time()
                outcome = self._reap()
                if outcome is not None:
                    return replace(outcome, seconds=round(time.monotonic() - started, 3))
        finally:
            self._end()

    def _start(self, assignment: Assignment, asked_by: socket.socket | None, fresh: bool = False) -> None:
        pid, inbox = self._launcher.start(assignment, fresh)
        self._workers.append(Worker(assignment, pid, inbox, asked_by, time.monotonic()))
        self._selector.register(inbox.connection, selectors.EVENT_READ)

    def _listen(self) -> None:
        ending = any(worker.inbox.closed for worker in self._workers)
        ready = [key.fileobj for key, _ in self._selector.select(0.003 if ending else _TICK)]
        if self._pipe in ready:
            self._read_output()
        else:
            self._output.tick()
        if self._control in ready:
            self._obey()
        for worker in self._workers:
            if worker.inbox.connection in ready:
                self._hear(worker)

    def _read_output(self) -> bool:
        try:
            data = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return False
        self._output.write(data)
        return bool(data)

    def _obey(self) -> None:
        if self._control.recv(16):
            for worker in self._workers:
                self._stop(worker, "CANCELED")
            return
        for worker in self._workers:  # the cluster is gone
            worker.stopped = "CANCELED"
            signal_group(worker.pid, signal.SIGKILL)
        self._selector.unregister(self._control)

    def _hear(self, worker: Worker) -> None:
        for message, asked_by in worker.inbox.receive():
            match message.pop("op"):
                case "end":
                    worker.report = message
                case "restart":
                    worker.restart = message
                case "task_value":
                    if worker is self._workers[0]:
                        self._task_values[message["key"]] = message["value"]
                case "redact":
                    self._output.redactor.add(message["value"])
                    if asked_by:
                        answer(asked_by)
                case "run":
                    self._start_another(message, asked_by)
        if worker.inbox.closed:
            self._selector.unregister(worker.inbox.connection)

    def _start_another(self, message: dict[str, Any], asked_by: socket.socket | None) -> None:
        """dbutils.notebook.run."""
        run = replace(
            self._run,
            notebook=Path(message["notebook"]),
            parameters=message["parameters"],
            timeout=message["timeout"],
        )
        self._start(Assignment(run, Path(tempfile.mkdtemp(dir=self._scratch))), asked_by)

    def _keep_time(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            limit = worker.assignment.run.timeout
            if worker.stopped:
                if now - worker.stopped_at > GRACE:
                    signal_group(worker.pid, signal.SIGKILL)
            elif limit is not None and now - worker.started > limit:
                self._stop(worker, "TIMEDOUT")

    def _stop(self, worker: Worker, why: Literal["TIMEDOUT", "CANCELED"]) -> None:
        if not worker.stopped:
            worker.stopped, worker.stopped_at = why, time.monotonic()
            signal_group(worker.pid, signal.SIGTERM)

    def _reap(self) -> Outcome | None:
        """Bury the workers that have ended; the run's own outcome, once it is there."""
        for worker in list(self._workers):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            if not worker.inbox.closed:
                self._hear(worker)
            signal_group(worker.pid, signal.SIGKILL)  # what it left in the background
            if not worker.inbox.closed:  # a process that got away from the group holds the other end
                self._selector.unregister(worker.inbox.connection)
            worker.inbox.close()
            self._workers.remove(worker)
            if worker.restart and not worker.stopped:
                self._restart(worker, worker.restart)
                continue
            outcome = self._outcome(worker, status)
            if worker.asked_by is None:
                return outcome
            answer(worker.asked_by, state=outcome.state, result=outcome.result, error=outcome.error)
        return None

    def _restart(self, worker: Worker, how: dict[str, Any]) -> None:
        """dbutils.library.restartPython. Where %pip brought packages, in a fresh Python: the warm one has others."""
        assignment = replace(worker.assignment, first_cell=how["cell"], widgets=how["widgets"])
        self._start(assignment, worker.asked_by, how["fresh"])
        again = self._workers.pop()
        again.started = worker.started
        self._workers.insert(0 if worker.asked_by is None else len(self._workers), again)

    def _outcome(self, worker: Worker, status: int) -> Outcome:
        report = worker.report or {}
        state: RunState = worker.stopped or report.get("state", "FAILED")
        error, trace = report.get("error"), report.get("trace")
        if worker.stopped == "TIMEDOUT":
            error = f"Run timed out after {worker.assignment.run.timeout:g} seconds"
        elif worker.stopped == "CANCELED":
            error = "Run cancelled"
        elif not report:
            error = exit_text(status)
            self._output.write(f"\n{error}\n".encode())
        text = self._output.redactor.text
        return Outcome(state, text(report.get("result")), text(error), text(trace), dict(self._task_values))

    def _end(self) -> None:
        for worker in self._workers:
            signal_group(worker.pid, signal.SIGKILL)
        kill_children()
        deadline = time.monotonic() + _DRAIN
        while self._read_output() and time.monotonic() < deadline:
            pass
        self._output.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
