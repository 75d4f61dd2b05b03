"""The life of one container: its process started, listened to, and started again when it ends."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.container_log import ContainerLog
from mlops_tui.sandbox.container_processes import ContainerProcess, Nursery, environment_of, start_process
from mlops_tui.sandbox.container_state import Container, ContainerSpec
from mlops_tui.sandbox.notebooks.processes import signal_group

log = logging.getLogger("mlops_tui.sandbox")


class Keeper:
    """One thread for one container. `changed` is called with every new state."""

    first_pause: ClassVar[float] = 1.0  # seconds before a restart; doubles each time (Kubernetes begins with 10)
    longest_pause: ClassVar[float] = 60.0
    steady: ClassVar[float] = 60.0  # after so many seconds of work the pauses begin anew
    first_probe: ClassVar[float] = 0.05  # seconds between two questions whether it is ready; they become fewer
    longest_probe: ClassVar[float] = 0.3
    grace: ClassVar[float] = 1.0  # seconds between SIGTERM and SIGKILL

    def __init__(
        self,
        spec: ContainerSpec,
        container: Container,
        folder: Path,
        changed: Callable[[Keeper], None],
        choose_port: Callable[[int], int],
        nursery: Nursery | None = None,
    ) -> None:
        """`choose_port` gets the port it had and answers with that one, or with another where it is taken."""
        self.spec = spec
        self.container = container  # replaced as a whole: readers need no lock
        self.log = ContainerLog(folder)
        self._folder = folder
        self._changed = changed
        self._choose_port = choose_port
        self._nursery = nursery
        self._lock = threading.Lock()
        self._process: ContainerProcess | None = None
        self._killed_at = 0.0  # when SIGTERM was sent
        self._ending = threading.Event()
        self._wake = threading.Event()  # out of a pause
        self._again = False
        self._thread: threading.Thread | None = None

    @property
    def live(self) -> bool:
        """Whether it runs, or will."""
        return self._thread is not None and self._thread.is_alive() and not self._ending.is_set()

    def begin(self, after: Keeper | None = None) -> None:
        """Start it, once `after` has ended; returns at once."""
        self._thread = threading.Thread(target=self._live, args=(after,), name="container", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Have it end for good; returns at once."""
        self._ending.set()
        self._terminate("Stopping container")

    def again(self) -> None:
        """Have its process end and start anew at once."""
        self._terminate("Restarting container", again=True)

    def join(self, seconds: float) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, seconds))

    def _terminate(self, why: str, again: bool = False) -> None:
        with self._lock:
            self._again = self._again or again
            if self._process is not None and not self._killed_at:
                self._killed_at = time.monotonic()
                signal_group(self._process.pid, signal.SIGTERM)
                self.container = self.container.with_event("Killing", f"{why} {self.spec.name.rsplit('/', 1)[-1]}")
        self._wake.set()

    def _live(self, after: Keeper | None) -> None:
        if after is not None:
            after.join(self.grace + 10)
        pause = self.first_pause
        try:
            while not self._ending.is_set():
                began = time.monotonic()
                self._again = False
                self._run()
                if self._again or self._ending.is_set():
                    continue
                if self._is_done():
                    break
                if time.monotonic() - began >= self.steady:
                    pause = self.first_pause
                self._back_off(pause)
                pause = min(pause * 2, self.longest_pause)
        except Exception:  # a defect of ours, or a full disk: the container is down, and says so
            log.exception("container %s", self.spec.name)
            self._drop()
            self._set(status="terminated", detail="ContainerCannotRun", exit_code=128, ready=False)
        else:
            if self.container.status == "waiting":  # it was told to end before, or between two starts
                last = self.container.previous
                self._set(status="terminated", detail="Completed", exit_code=last.exit_code if last else 0)
        finally:
            self.log.close()

    def _drop(self) -> None:
        """Nobody looks after the process any more: it must not go on."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            signal_group(process.pid, signal.SIGKILL)
            process.wait(self.grace)
            process.close()

    def _is_done(self) -> bool:
        state, policy = self.container, self.spec.policy
        if state.status != "terminated":
            return False
        return policy == "Never" or (policy == "OnFailure" and state.exit_code == 0)

    def _set(self, **fields: object) -> None:
        with self._lock:
            self.container = replace(self.container, **fields)  # type: ignore[arg-type] # fields of Container
        self._changed(self)

    def _tell(self, name: str, message: str, warning: bool = False) -> None:
        with self._lock:
            self.container = self.container.with_event(name, message, warning)

    def _back_off(self, pause: float) -> None:
        """Wait until it is time for the next start."""
        if self.container.status == "terminated":
            self._tell("BackOff", "Back-off restarting failed container", warning=True)
            self._set(
                status="waiting",
                detail="CrashLoopBackOff",
                previous=self.container.ended(),
                restarts=self.container.restarts + 1,
            )
        else:
            self._tell("BackOff", f'Back-off pulling image "{self.spec.reference}"', warning=True)
            self._set(detail="ImagePullBackOff")
        self._wake.clear()
        if not self._ending.is_set() and not self._again:
            self._wake.wait(pause)

    def _run(self) -> None:
        """One process, from its start to its end."""
        state = self.container
        if not self.spec.folder.is_dir():
            message = f'Failed to pull image "{self.spec.reference}": the manifest is not found in the registry.'
            self._tell("Failed", message, warning=True)
            self._set(status="waiting", detail="ErrImagePull", previous=state.ended() or state.previous)
            return
        port = self._choose_port(state.port)
        if state.port and port != state.port:
            self._tell("PortChanged", f"Port {state.port} is held by another program: it is {port} now.", warning=True)
        process = self._spawn(port)
        self._tell("Started", "Started container")
        self._set(
            status="running",
            detail="",
            port=port,
            started_at=clock.now(),
            exit_code=None,
            finished_at="",
            previous=state.ended() or state.previous,
        )
        self._bury(process, self._attend(process, port))

    def _spawn(self, port: int) -> ContainerProcess:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        process = start_process(self.spec, environment_of(self.spec, self._folder, port), self._nursery)
        with self._lock:
            self._killed_at = 0.0
            self._again = False  # what was asked for before has just been done
            self._process = process
        if self._ending.is_set():
            self._terminate("Stopping container")
        return process

    def _attend(self, process: ContainerProcess, port: int) -> int:
        """Keep what it prints, see when it is ready, and see it end; its exit code."""
        pause, asked = self.first_probe, 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(process.output, selectors.EVENT_READ)
            while (code := process.wait(0)) is None:
                if selector.select(0.05 if self._killed_at or not self.container.ready else 0.5):
                    data = os.read(process.output, 1 << 16)
                    if not data:
                        break  # it has ended, or has closed its output
                    self.log.write(data)
                self._kill_if_late(process)
                if not self.container.ready and time.monotonic() - asked >= pause:
                    pause, asked = min(pause * 1.2, self.longest_probe), time.monotonic()
                    if answers(port):
                        self._set(ready=True)
        while code is None:
            code = process.wait(0.05)
            self._kill_if_late(process)
        return code

    def _kill_if_late(self, process: ContainerProcess) -> None:
        if self._killed_at and time.monotonic() - self._killed_at > self.grace:
            signal_group(process.pid, signal.SIGKILL)

    def _bury(self, process: ContainerProcess, code: int) -> None:
        signal_group(process.pid, signal.SIGKILL)  # what it left in the background
        os.set_blocking(process.output, False)
        with contextlib.suppress(BlockingIOError):  # something that got away still holds the other end
            while data := os.read(process.output, 1 << 16):
                self.log.write(data)
        self.log.flush()
        with self._lock:
            self._process = None
        process.close()
        code = code if code >= 0 else 128 - code
        self._set(
            status="terminated",
            detail="Completed" if code == 0 else "Error",
            exit_code=code,
            finished_at=clock.now(),
            ready=False,
        )


def answers(port: int) -> bool:
    """Whether a server answers there; what has no /ping is ready as soon as it answers at all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status in (200, 404, 405)
    except http.client.HTTPException:
        return True  # it listens, and speaks something else
    except OSError:
        return False
    finally:
        connection.close()
