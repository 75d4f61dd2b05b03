"""python -m mlops_tui.sandbox.notebooks.warm [fork|fresh]: a cluster's process.

JSON lines come on standard input ({"op": "run" | "cancel", …}) and go out on standard output ({"event": "ready" |
"ended", …}). The end of the input ends the process and all its runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from typing import Any

from mlops_tui.sandbox.notebooks.launch import close_all_but, open_descriptors
from mlops_tui.sandbox.notebooks.processes import die_with_parent
from mlops_tui.sandbox.notebooks.run import NotebookRun, Outcome
from mlops_tui.sandbox.notebooks.supervisor import GRACE, Supervisor
from mlops_tui.sandbox.notebooks.warming import QUIET, SINGLE_THREADED, prepare_for, warm_up


@dataclass
class Running:
    """A supervisor at work. What it writes is the outcome; a byte to it cancels."""

    run_id: int
    pid: int
    connection: socket.socket
    said: bytes = b""


class Warm:
    """Reads requests, forks supervisors, passes their outcomes on. No threads: it forks."""

    def __init__(self, forking: bool) -> None:
        self._forking = forking
        # Away from 0 and 1: a library that prints must not speak to the sandbox.
        self._requests, self._events = os.dup(0), os.dup(1)
        silence = os.open(os.devnull, os.O_RDONLY)
        os.dup2(silence, 0)
        os.dup2(2, 1)
        os.close(silence)
        self._keep: frozenset[int] = frozenset()
        self._running: dict[int, Running] = {}
        self._selector = selectors.DefaultSelector()
        self._buffer = b""

    def serve(self) -> None:
        """Until the sandbox closes the pipe or dies."""
        started = time.monotonic()
        if self._forking:
            warm_up()
        self._keep = open_descriptors() - {self._requests, self._events, self._selector.fileno()}
        self._selector.register(self._requests, selectors.EVENT_READ)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1024**2)
        self._say(event="ready", seconds=round(time.monotonic() - started, 2), memory_mb=memory)
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                for key, _ in self._selector.select():
                    if key.fd == self._requests:
                        self._read_requests()
                    else:
                        self._read_outcome(key.data)
        self._end()

    def _say(self, **event: Any) -> None:
        line = json.dumps(event).encode() + b"\n"
        while line:
            line = line[os.write(self._events, line) :]

    def _read_requests(self) -> None:
        data = os.read(self._requests, 1 << 20)
        if not data:
            raise EOFError
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "run":
                self._start(NotebookRun.from_json(request["run"]))
            elif running := self._running.get(request["run_id"]):
                with contextlib.suppress(OSError):  # it has just ended
                    running.connection.send(b"c")

    def _start(self, run: NotebookRun) -> None:
        if self._forking:
            prepare_for(run.notebook)
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _supervise(run, theirs, self._forking, self._keep)
        theirs.close()
        running = Running(run.run_id, pid, ours)
        self._running[run.run_id] = running
        self._selector.register(ours, selectors.EVENT_READ, running)

    def _read_outcome(self, running: Running) -> None:
        data = running.connection.recv(1 << 20)
        running.said += data
        if data:
            return
        self._selector.unregister(running.connection)
        running.connection.close()
        del self._running[running.run_id]
        os.waitpid(running.pid, 0)
        if running.said:
            outcome = json.loads(running.said)
        else:
            outcome = asdict(Outcome("FAILED", error="The process that watched over the run ended unexpectedly"))
        self._say(event="ended", run_id=running.run_id, outcome=outcome)

    def _end(self) -> None:
        for running in self._running.values():
            running.connection.close()  # which ends the run
        deadline = time.monotonic() + GRACE
        while self._running and time.monotonic() < deadline:
            for run_id, running in list(self._running.items()):
                if os.waitpid(running.pid, os.WNOHANG)[0]:
                    del self._running[run_id]
            time.sleep(0.01)


def _supervise(run: NotebookRun, connection: socket.socket, forking: bool, keep: frozenset[int]) -> None:
    """In the forked process: never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with its run
        close_all_but(keep | {connection.fileno()})
        try:
            outcome = Supervisor(run, connection, forking, keep).supervise()
        except Exception as error:  # noqa: BLE001 (it must not become a second warm process)
            traceback.print_exc()
            outcome = Outcome("FAILED", error=f"The run could not be started: {error}")
        connection.settimeout(5)
        connection.sendall(json.dumps(asdict(outcome)).encode())
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves no half-made warming behind
    die_with_parent(signal.SIGTERM)
    os.umask(0o077)
    os.environ |= SINGLE_THREADED | QUIET
    with contextlib.suppress(SystemExit):  # told to end; the supervisors hear it from the end of their sockets
        Warm(forking=sys.argv[1] == "fork").serve()
    os._exit(0)


if __name__ == "__main__":
    main()
