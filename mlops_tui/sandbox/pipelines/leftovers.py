"""Processes that a job has left behind: programs that went into a session of their own, to outlive their step.

Both hosts' agents find them by a variable in their environment (actions/runner, JobExtension: RUNNER_TRACKING_ID;
microsoft/azure-pipelines-agent: VSTS_PROCESS_LOOKUP_ID). Linux tells what a process was started with; elsewhere
nothing is done.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

MARK = "MLOPS_TUI_PRACTICE_MACHINE"


def end(machine: Path) -> int:
    """End those of a machine, or of all machines in a folder; how many there were."""
    wanted = f"{MARK}={machine}".encode()
    found = [pid for pid in _processes() if _belongs(pid, wanted)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _processes() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    except OSError:
        return []


def _belongs(pid: int, wanted: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return False
    return pid != os.getpid() and any(
        one == wanted or one.startswith(wanted + b"/") for one in environment.split(b"\0")
    )
