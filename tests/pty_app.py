"""A program on a terminal of its own: a pseudo terminal, and an emulator that knows what stands on its screen.

The clock is the time a chunk is read; the emulator works when nothing waits to be read, so its slowness counts for
little in what is measured.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

XTERM = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
OF_OTHER_TERMINALS = ("COLUMNS", "LINES", "NO_COLOR", "CI", "TMUX", "TERM_PROGRAM")
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "f1": "\x1bOP",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
}
# What programs ask of their terminal, and what an xterm that knows synchronized output answers.
ANSWERS = (
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
)
# Sequences that the emulator would print as text: keyboard protocols, mode queries, titles and other strings.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*(?:\$p|u)|\x1b[P_^\]][^\x07\x1b]*(?:\x07|\x1b\\)")
CUT = re.compile(rb"\x1b(?:[P_^\]][^\x07\x1b]*|\[[0-9;?<>=$]*)?\Z")  # a sequence whose end has not been read yet


class Emulator:
    """What a terminal shows after it has been sent some bytes."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._rest = b""

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        cut = CUT.search(data)
        data, self._rest = (data[: cut.start()], data[cut.start() :]) if cut else (data, b"")
        self._stream.feed(UNKNOWN.sub(b"", data))


class PtyApp(Emulator):
    """Use it as a context manager: the program ends with it."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        columns: int = 80,
        rows: int = 24,
        terminal: Mapping[str, str] | None = None,
    ) -> None:
        """`terminal`: variables that say what it can do, where it is not one of today."""
        super().__init__(columns, rows)
        self.exit_code: int | None = None
        kept = {name: value for name, value in environment.items() if name not in OF_OTHER_TERMINALS}
        environment = {**kept, **XTERM, **(terminal or {})}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            _become(command, environment, folder, rows, columns)
        self.started = time.perf_counter()
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> PtyApp:
        return self

    def __exit__(self, *_: object) -> None:
        if self.exit_code is None:
            self.kill()
        os.close(self._terminal)

    def press(self, *keys: str) -> None:
        """Names as in KEYS, or text as it is typed."""
        for key in keys:
            os.write(self._terminal, KEYS.get(key, key).encode())

    def wait(self, shown: str | Callable[[str], bool], seconds: float = 30.0) -> float:
        """Until that text is on the screen (or the screen is as it should be); the time it was read at."""
        good = (lambda text: shown in text) if isinstance(shown, str) else shown
        end = time.perf_counter() + seconds
        read_at = time.perf_counter()
        while not good(self.text):
            if time.perf_counter() > end:
                raise AssertionError(f"{shown!r} did not show within {seconds:g} s. The screen:\n{self.text}")
            if (chunk := self._read(0.05)) is not None:
                read_at = time.perf_counter()
                self.feed(chunk)
        return read_at

    def settle(self, seconds: float) -> None:
        """Read on for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if (chunk := self._read(left)) is not None:
                self.feed(chunk)

    def wait_for_exit(self, seconds: float = 20.0) -> int:
        """Its exit code; what it still writes is read."""
        end = time.perf_counter() + seconds
        while self.exit_code is None:
            if (chunk := self._read(0.05)) is not None:
                self.feed(chunk)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.exit_code = os.waitstatus_to_exitcode(status)
            elif time.perf_counter() > end:
                raise AssertionError(f"it has not ended within {seconds:g} s. The screen:\n{self.text}")
        while (chunk := self._read(0.05)) is not None:
            self.feed(chunk)
        return self.exit_code

    def close_terminal(self) -> None:
        """As closing the window does; its exit code is there afterwards."""
        os.close(self._terminal)
        self._terminal = os.open(os.devnull, os.O_RDWR)
        deadline = time.perf_counter() + 20
        while self.exit_code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.exit_code = os.waitstatus_to_exitcode(status)
            assert time.perf_counter() < deadline, "it has not ended with its terminal"
            time.sleep(0.02)

    def kill(self) -> None:
        """As `kill -9` does."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self.exit_code = os.waitstatus_to_exitcode(status)

    def _read(self, seconds: float) -> bytes | None:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return None
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # the other end is closed
            return None
        for question, answer in ANSWERS:
            for _ in question.finditer(data):
                os.write(self._terminal, answer)
        return data or None


def _become(command: Sequence[str], environment: Mapping[str, str], folder: Path, rows: int, columns: int) -> None:
    """In the child: the program, once the terminal has its size."""
    try:
        os.chdir(folder)
        while struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))[:2] != (rows, columns):
            time.sleep(0.0005)
        os.execvpe(command[0], list(command), dict(environment))
    finally:
        os._exit(127)
