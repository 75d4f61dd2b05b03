"""python -m mlops_tui.sandbox.container_nursery MODULE…: forks containers from a process that has imported much.

Importing MLflow and scikit-learn takes a container three seconds and 200 MB; a forked one has both from its first
moment, and shares the memory. Requests come over the socket that is standard input (`container_processes`). An image
that brings modules of its own, or another PYTHONPATH, gets a fresh Python instead.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.sandbox.container_process import hold_on_to, run, unwrap
from mlops_tui.sandbox.notebooks.launch import close_all_but
from mlops_tui.sandbox.notebooks.processes import die_with_parent


@dataclass(frozen=True)
class Assignment:
    """What a forked process is to become."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    lifeline: int
    output: int


def main() -> None:
    os.umask(0o077)
    # (No `die_with_parent`: the thread that started this one may end long before the sandbox does, whose end is the
    # end of the socket.)
    control = socket.socket(fileno=os.dup(0))
    silence = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silence, 0)
    os.close(silence)
    environment = dict(os.environ)
    import_all(sys.argv[1:])
    control.send(b"ready")
    assignment = Nursery(control).serve()
    if assignment:  # here is the forked process, as far up as a program begins: it ends as any program does
        _become(assignment, environment)


def import_all(modules: list[str]) -> None:
    """And freeze what is there, so that forks share its memory."""
    gc.disable()  # nothing that an import makes is garbage yet
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            with contextlib.suppress(ImportError):  # then the image brings it along, or does without
                importlib.import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()


class Nursery:
    """Forks on request and tells how each process ended. No threads: it forks."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reports: dict[int, socket.socket] = {}
        woken, self._waker = socket.socketpair()
        for end in (woken, self._waker):
            end.setblocking(False)
        self._woken = woken

    def serve(self) -> Assignment | None:
        """None when the sandbox is gone; an assignment in each forked process."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            for source in (self._control, self._woken):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                    self._reap()
                if self._control in ready:
                    data, descriptors, _, _ = socket.recv_fds(self._control, 1 << 20, 3)
                    if not data:
                        return None
                    if assignment := self._fork(data, descriptors):
                        return assignment

    def _fork(self, data: bytes, descriptors: list[int]) -> Assignment | None:
        lifeline, output, report = descriptors
        pid = os.fork()
        if pid == 0:
            return Assignment(**json.loads(data), lifeline=lifeline, output=output)
        os.close(lifeline)
        os.close(output)
        self._reports[pid] = socket.socket(fileno=report)
        self._say(pid, {"pid": pid})
        return None

    def _reap(self) -> None:
        while self._reports:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._say(pid, {"status": os.waitstatus_to_exitcode(status)})
            self._reports.pop(pid).close()

    def _say(self, pid: int, what: dict[str, int]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self._reports[pid].sendall(json.dumps(what).encode() + b"\n")


def _become(assignment: Assignment, warm: dict[str, str]) -> None:
    """Run the image's command. `warm` is the environment that the imports were made in."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent()
    for target in (1, 2):
        os.dup2(assignment.output, target)
    close_all_but({0, 1, 2, assignment.lifeline})
    os.environ.clear()
    os.environ.update(assignment.environment)
    os.chdir(assignment.folder)
    if _needs_a_fresh_python(assignment, warm):
        os.dup2(assignment.lifeline, 0)
        program = [sys.executable, "-m", "mlops_tui.sandbox.container_process", *assignment.command]
        os.execv(sys.executable, program)  # noqa: S606 (no shell)
    hold_on_to(assignment.lifeline)
    sys.path[0] = assignment.folder
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # else all forks would draw the same numbers
    run(unwrap(assignment.command))


def _needs_a_fresh_python(assignment: Assignment, warm: dict[str, str]) -> bool:
    """Whether what is imported already is not what this image would import."""
    decisive = [name for name in warm if name.startswith("PYTHON") or name.endswith("_NUM_THREADS")]
    if any(warm.get(name) != assignment.environment.get(name) for name in [*decisive, "PYTHONPATH"]):
        return True
    own = {path.stem for path in Path(assignment.folder).iterdir() if path.suffix == ".py" or path.is_dir()}
    return any(name in own for name in sys.modules if "." not in name)


if __name__ == "__main__":
    main()
