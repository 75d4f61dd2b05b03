"""A step's log: a file that grows line by line, each with its moment as both hosts write it."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from mlops_tui.sandbox.pipelines.masks import Masks

LINE_END = re.compile(r"\r\n|\r|\n")  # as .NET reads, in which both hosts' agents are written
LONGEST_LINE = 32_768  # characters; the rest of a line is left out
SIZE_LIMIT = 16 * 1024**2  # bytes of one log


class StepLog:
    """Hides what is secret before anything is written. Only whole lines are ever in the file."""

    def __init__(self, path: Path, masks: Masks) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._path, self._masks = path, masks
        self._lock = threading.Lock()
        self._size = path.stat().st_size
        self.lines = 0

    def say(self, text: str) -> None:
        """One line, or several."""
        *lines, rest = LINE_END.split(self._masks.hide(text))
        for line in [*lines, rest] if rest or not lines else lines:
            self._write(line[:LONGEST_LINE])

    def _write(self, line: str) -> None:
        with self._lock:
            if self._size > SIZE_LIMIT:
                return
            data = f"{moment()} {line}\n".encode()
            self._size += len(data)
            if self._size > SIZE_LIMIT:
                data = f"{moment()} [the log is cut here: it has reached {SIZE_LIMIT // 1024**2} MiB]\n".encode()
            with self._path.open("ab") as file:
                file.write(data)
            self.lines += 1


def read(path: Path) -> list[str]:
    """All its whole lines; none where there is no log yet."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]


def moment() -> str:
    """2026-11-28T12:00:00.1234567Z, in the tenths of microseconds that .NET has."""
    now = time.time_ns()
    second = datetime.fromtimestamp(now // 10**9, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{now % 10**9 // 100:07d}Z"
