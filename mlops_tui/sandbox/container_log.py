"""What a container prints, on disk: whole lines with the moment of each, bounded, oldest lines first to go."""

from __future__ import annotations

import os
from pathlib import Path

from mlops_tui.sandbox import clock

LIMIT = 2 << 20  # bytes a file; two are kept, as many as Azure Container Instances shows at most (4 MB)
LINE_LIMIT = 64 << 10


class ContainerLog:
    """Written by one thread, read by any. Files are 0600, in a folder of the container's own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log"
        self._older = folder / "log.1"
        self._line = b""
        self._file = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append what is whole; the beginning of a line waits for its end."""
        lines = (self._line + data).split(b"\n")
        self._line = lines.pop()
        if len(self._line) > LINE_LIMIT:
            lines.append(self._line)
            self._line = b""
        self._append(lines)

    def flush(self) -> None:
        """Nothing follows: a line without an end is a line, too."""
        if self._line:
            self._append([self._line])
        self._line = b""

    def close(self) -> None:
        self.flush()
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def read(self, tail: int | None = None, timestamps: bool = False) -> str:
        """The last `tail` lines, or all that are kept."""
        lines: list[str] = []
        for path in (self._older, self._path):
            if path.exists():
                lines += path.read_text(errors="replace").split("\n")[:-1]
        if tail is not None:
            lines = lines[-tail:] if tail > 0 else []
        shown = lines if timestamps else [line.partition(" ")[2] for line in lines]
        return "".join(line + "\n" for line in shown)

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = clock.now().encode()
        data = b"".join(stamp + b" " + line.rstrip(b"\r") + b"\n" for line in lines)
        if self._file < 0:
            self._open()
        elif self._size + len(data) > LIMIT:
            os.close(self._file)
            self._path.replace(self._older)
            self._open()
        self._size += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size
