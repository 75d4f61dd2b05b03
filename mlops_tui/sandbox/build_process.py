"""A program that a build runs (`RUN python …`): a child of the sandbox, whose lines are passed on as they come."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlops_tui.sandbox.notebooks.processes import signal_group

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SYSTEMROOT")
QUIET = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # its files would tell one build from the next
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
OUTPUT_LIMIT = 4 * 1024**2  # bytes of a program's output that the log takes
PAUSE = 0.1  # seconds between two looks at the clock


def run(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    say: Callable[[str], None],
    check: Callable[[], None],
) -> int:
    """Its exit code. `check` is asked again and again; when it raises, the program is ended first."""
    with tempfile.TemporaryDirectory(prefix="mlops-tui-build-") as home:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops_tui.sandbox.container_process", *command],
            stdin=subprocess.PIPE,  # it ends with this pipe, and so with the sandbox
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=inherited | QUIET | {"HOME": home, "TMPDIR": home} | environment,
            cwd=folder,
            start_new_session=True,
        )
        with process:
            try:
                attend(process, say, check)
                return process.returncode if process.returncode >= 0 else 128 - process.returncode
            finally:
                signal_group(process.pid, signal.SIGKILL)  # it, or what it left in the background


def attend(process: subprocess.Popen[bytes], say: Callable[[str], None], check: Callable[[], None]) -> None:
    """Pass its lines on until it has ended."""
    assert process.stdout is not None
    lines = _Lines(say)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            check()
            if selector.select(PAUSE):
                data = os.read(process.stdout.fileno(), 1 << 16)
                if not data:
                    break
                lines.add(data)
            elif process.poll() is not None:
                break  # what it left in the background keeps its output open
    lines.end()
    while process.poll() is None:  # it has closed its output, and works on
        check()
        time.sleep(PAUSE)


class _Lines:
    """Cuts output into lines, as much of it as a log may hold."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = b""
        self._left = OUTPUT_LIMIT

    def add(self, data: bytes) -> None:
        if self._left <= 0:
            return
        self._left -= len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._say(_text(line))
        if self._left <= 0:
            self.end()
            self._say(f"[output clipped, log limit {OUTPUT_LIMIT // 1024**2}MiB reached]")

    def end(self) -> None:
        if self._rest:
            self._say(_text(self._rest))
        self._rest = b""


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
