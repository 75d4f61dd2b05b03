"""The processes behind containers: forked from a warm one where there is one, else a Python of their own."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar, Protocol

from mlops_tui.sandbox.container_state import ContainerSpec
from mlops_tui.sandbox.notebooks.processes import forking_is_safe

# What Python needs of the sandbox's own environment to run at all.
INHERITED = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
QUIET = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # the image's files stay as they were built
    "OMP_NUM_THREADS": "1",  # one row at a time is not worth the threads of a machine that others use
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


SERVED_WITH = (
    "mlflow.pyfunc.scoring_server",
    "mlflow.sklearn",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "skops.io",
    "starlette.applications",
    "starlette.responses",
    "uvicorn.config",
    "uvicorn.main",
    "uvicorn.protocols.http.auto",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
)


class ContainerProcess(Protocol):
    """A process and what it prints. Its group has its id."""

    @property
    def pid(self) -> int: ...
    @property
    def output(self) -> int: ...  # a descriptor to read
    def wait(self, seconds: float) -> int | None: ...  # the exit code (of a signal: negative); None: it runs
    def close(self) -> None: ...


def environment_of(spec: ContainerSpec, folder: Path, port: int) -> dict[str, str]:
    """Its own, and no more of the sandbox's than Python needs. A later one wins."""
    own = {"HOME": str(folder), "TMPDIR": str(folder)}
    listening = {"UVICORN_HOST": "127.0.0.1", "UVICORN_PORT": str(port), "PORT": str(port)}
    return _inherited() | QUIET | own | spec.environment | listening


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


class FreshProcess:
    """A Python of its own."""

    def __init__(self, spec: ContainerSpec, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlops_tui.sandbox.container_process", *spec.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=spec.folder,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.output = self._process.stdout.fileno()

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds) if seconds else self._process.poll()
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        for end in (self._process.stdout, self._process.stdin):
            assert end is not None
            end.close()


class ForkedProcess:
    """A child of the nursery, which tells of its end; the nursery's own end is the end of all its children."""

    def __init__(self, pid: int, output: int, lifeline: int, report: socket.socket) -> None:
        self.pid = pid
        self.output = output
        self._lifeline = lifeline
        self._report = report
        self._code: int | None = None

    def wait(self, seconds: float) -> int | None:
        if self._code is None and select.select([self._report], [], [], seconds)[0]:
            said = self._report.recv(4096)
            self._code = json.loads(said)["status"] if said else -9
        return self._code

    def close(self) -> None:
        os.close(self.output)
        os.close(self._lifeline)
        self._report.close()


class Nursery:
    """The sandbox's side of `container_nursery`. Safe to use from any thread."""

    modules: ClassVar[tuple[str, ...]] = SERVED_WITH
    patience: ClassVar[float] = 10.0  # seconds until a nursery that does not answer is not waited for

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_ready = False

    def warm(self) -> None:
        """Start it, if it is not there; returns at once. (Not where forking a warm process is not safe.)"""
        with self._lock:
            if not forking_is_safe() or (self._process is not None and self._process.poll() is None):
                return
            self._forget()
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            log = os.open(self._folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "mlops_tui.sandbox.container_nursery", *self.modules],
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    env=_inherited() | QUIET | {"HOME": str(self._folder), "TMPDIR": str(self._folder)},
                    cwd=self._folder,
                    start_new_session=True,
                )
            os.close(log)
            self._control = ours

    @property
    def ready(self) -> bool:
        """Whether it has imported all, and forks."""
        with self._lock:
            if self._control is None or self._process is None or self._process.poll() is not None:
                return False
            if not self._is_ready and select.select([self._control], [], [], 0)[0]:
                self._is_ready = self._control.recv(64) == b"ready"
            return self._is_ready

    def stop(self) -> None:
        """End it, and all that it has forked."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        process, self._process, self._is_ready = self._process, None, False
        if self._control is not None:
            self._control.close()
            self._control = None
        if process is not None:
            process.kill()
            process.wait(5)

    def fork(self, spec: ContainerSpec, environment: dict[str, str]) -> ForkedProcess | None:
        """None where there is no nursery, or where it still imports: a Python of its own is as fast then."""
        if not self.ready:
            return None
        lifeline = os.pipe()
        output = os.pipe()
        ours, theirs = socket.socketpair()
        wanted = {"command": spec.command, "environment": environment, "folder": str(spec.folder)}
        try:
            with self._lock:
                if self._control is None:
                    raise ConnectionError("the nursery was stopped just now")
                socket.send_fds(self._control, [json.dumps(wanted).encode()], [lifeline[0], output[1], theirs.fileno()])
            theirs.close()
            return ForkedProcess(_pid(ours, self.patience), output[0], lifeline[1], ours)
        except (OSError, ValueError):  # it is gone, or not to be had: there is another way
            for end in (lifeline[1], output[0]):
                os.close(end)
            ours.close()
            return None
        finally:
            os.close(lifeline[0])
            os.close(output[1])
            theirs.close()


def _pid(report: socket.socket, seconds: float) -> int:
    """The first thing that is reported. Raises OSError or ValueError."""
    deadline = time.monotonic() + seconds
    said = b""
    while not said.endswith(b"\n"):
        report.settimeout(max(0.01, deadline - time.monotonic()))
        # Nothing must be read beyond the line: a process that ends at once has reported that, too.
        more = report.recv(1)
        if not more:
            raise ConnectionError("the nursery is gone")
        said += more
    report.settimeout(None)
    return int(json.loads(said)["pid"])


def start_process(spec: ContainerSpec, environment: dict[str, str], nursery: Nursery | None) -> ContainerProcess:
    """In the way that is there. A forked one lives as long as the nursery, every one as long as the sandbox."""
    forked = nursery.fork(spec, environment) if nursery is not None else None
    return forked or FreshProcess(spec, environment)
