"""A program that a step runs: a child of the sandbox in a session of its own, which ends with the step.

It ends with the sandbox, too, even when that is killed: beside it a shell waits at a pipe of which the sandbox holds
the other end, and ends the whole group when that is gone. (No Python for that: it would take longer than most steps.)
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_tui.sandbox.build_process import attend
from mlops_tui.sandbox.notebooks.processes import signal_group

LIFELINE = 'exec 3<&0 </dev/null; (read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec 3<&-; exec "$@"'


def run(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Its exit code. `check` is asked again and again; when it raises, the program is ended first."""
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-c", LIFELINE, "step", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    with process:
        try:
            attend(process, say, check)
            return process.returncode if process.returncode >= 0 else 128 - process.returncode
        finally:
            signal_group(process.pid, signal.SIGKILL)  # it, what watches over it, and what it left in the background
