"""Two ways to get a worker process; `Launcher.start` chooses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlops_tui.sandbox.notebooks.channel import Inbox, answer
from mlops_tui.sandbox.notebooks.worker import Assignment, work


@dataclass
class Launcher:
    """Starts workers that write to `output` (a pipe's end)."""

    output: int
    forking: bool  # False: a fresh Python each
    keep: frozenset[int] = frozenset({0, 1, 2})  # descriptors that belong to the warm process's libraries
    _fresh: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, assignment: Assignment, fresh: bool = False) -> tuple[int, Inbox]:
        """The process id, which is its group's too, and the end of its channel."""
        ours, theirs = socket.socketpair()
        with theirs:
            if self.forking and not fresh:
                return self._fork(assignment, ours, theirs), Inbox(ours)
            return self._spawn(assignment, ours, theirs), Inbox(ours)

    def _fork(self, assignment: Assignment, ours: socket.socket, theirs: socket.socket) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            with suppress(PermissionError, ProcessLookupError):
                os.setpgid(pid, pid)  # both do it: nobody can signal the group before it is there
            return pid
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            with suppress(PermissionError):
                os.setsid()
            silence = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((silence, 0), (self.output, 1), (self.output, 2)):
                os.dup2(source, target)
            close_all_but(self.keep | {theirs.fileno()})
            work(assignment, theirs)
        finally:
            os._exit(1)

    def _spawn(self, assignment: Assignment, ours: socket.socket, theirs: socket.socket) -> int:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops_tui.sandbox.notebooks.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        self._fresh.append(process)  # kept, for it would warn when it is forgotten before it ended
        answer(
            ours.dup(),
            run=assignment.run.to_json(),
            scratch=str(assignment.scratch),
            first_cell=assignment.first_cell,
            widgets=assignment.widgets,
        )
        return process.pid


def close_all_but(keep: frozenset[int] | set[int]) -> None:
    """Close every descriptor of this process but these."""
    low = 3
    for descriptor in sorted(keep):
        if descriptor >= low:
            os.closerange(low, descriptor)
            low = descriptor + 1
    os.closerange(low, max([low, *open_descriptors()]) + 1)


def open_descriptors() -> frozenset[int]:
    for folder in (Path("/proc/self/fd"), Path("/dev/fd")):
        if folder.exists():
            listed = [int(entry.name) for entry in folder.iterdir()]
            return frozenset(filter(_is_open, listed))  # without the one that listed them
    return frozenset(range(256))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
