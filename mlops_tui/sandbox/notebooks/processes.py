"""Small things about processes: dying together, what is left of a group, what an exit status means."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def forking_is_safe() -> bool:
    """Whether a process with these libraries loaded may be forked and go on: on Linux. (macOS's frameworks abort.)"""
    return sys.platform == "linux"


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Get this signal when the parent's thread that made this process ends. Linux; elsewhere an ended pipe must do."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, so that `kill_children` finds them. Linux."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_children() -> None:
    """End all children of this process, and their orphans as they come up; for a single-threaded adopter. Linux."""
    while children := _children():
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def exit_text(status: int) -> str:
    """What Databricks says when a notebook's Python process has ended without a word. `status`: of waitpid."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        how = f"exit code {code}."
    else:
        name = signal.Signals(-code).name
        how = f"exit code {128 - code} ({name}: {signal.strsignal(-code)})."
    if code == -signal.SIGKILL:
        how += " This may have been caused by an OOM error. Check your command's memory usage."
    return f"Fatal error: The Python kernel is unresponsive. The Python process exited with {how}"
