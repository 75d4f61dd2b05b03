"""python -m tests.bench_log: the live log beside Textual's own `Log` and beside toolong, each in a pty of its own.

One file of a million lines: until its end shows, and the memory. One file that grows by 10,000 lines a second: from a
key to the screen, and the processor's time. toolong is installed into a temporary environment; where that cannot be
done its columns are left out. LogView and Log are drawn as often as mlops-tui draws. Ratios are against ours: above 1
means that ours needs less.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import venv
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.commands.terminal import FRAMES

if TYPE_CHECKING:
    from textual.widgets import Log

ROWS, COLUMNS = 40, 120
LINES = 1_000_000
ROUNDS = 3
RATE, SECONDS = 10_000, 8
LAST = b"thelastlineofall"
NUMBER = re.compile(rb"number(\d{9})")
FILLER = "x" * 90


class Terminal:
    """A program in a pty. Its bytes are searched as they are: an emulator's slowness is not in the figures."""

    def __init__(self, command: list[str]) -> None:
        self.started = time.perf_counter()
        self.seen = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            os.execv(command[0], command)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if ready:
            try:
                self.seen = self.seen[-200_000:] + os.read(self._terminal, 1 << 16)
            except OSError as error:
                raise SystemExit(f"the program has ended; last seen: {self.seen[-2000:]!r}") from error
        return bool(ready)

    def until(self, text: bytes, seconds: float = 60) -> float:
        """Seconds since the start when the text came."""
        deadline = time.perf_counter() + seconds
        while text not in self.seen:
            if time.perf_counter() > deadline:
                raise SystemExit(f"waited in vain for {text!r}; last seen: {self.seen[-2000:]!r}")
            self.read(0.05)
        return time.perf_counter() - self.started

    def idle(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key: bytes, expected: bytes) -> float:
        """Seconds until the screen shows what the key does."""
        begun = time.perf_counter()
        os.write(self._terminal, key)
        self.until(expected, 20)
        return time.perf_counter() - begun

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


@dataclass
class Figures:
    """What was measured of one program; None: it has no such thing."""

    end_shows: list[float] = field(default_factory=list)  # seconds from the start of the process
    megabytes: float = 0
    processor: float = 0  # seconds of 8
    behind: int = 0  # lines, the most
    keys: list[float] = field(default_factory=list)  # seconds

    def rows(self) -> dict[str, float | None]:
        keys = sorted(self.keys)
        return {
            "end of 1,000,000 lines shows (s)": statistics.median(self.end_shows),
            "memory then (MB)": self.megabytes,
            "key to screen at 10,000 lines/s, median (ms)": statistics.median(keys) * 1000 if keys else None,
            "key to screen at 10,000 lines/s, p95 (ms)": keys[int(0.95 * len(keys))] * 1000 if keys else None,
            "processor in 8 s (s)": self.processor,
            "lines behind, most": self.behind,
        }


def show_end(command: list[str], folder: Path, figures: Figures) -> None:
    """Open the million lines."""
    terminal = Terminal([*command, str(folder / "million.log")])
    try:
        figures.end_shows.append(terminal.until(LAST))
        terminal.idle(2)
        figures.megabytes = max(figures.megabytes, terminal.megabytes())
    finally:
        terminal.close()


def follow(command: list[str], folder: Path, figures: Figures, has_key: bool) -> None:
    """Let lines come, and press a key now and then."""
    growing = folder / "growing.log"
    growing.write_text(line(0))
    writer = Writer(growing)
    terminal = Terminal([*command, str(growing)])
    try:
        terminal.until(b"number000000000")
        terminal.idle(1)
        before = terminal.processor()
        writer.start()
        while writer.is_alive():
            terminal.idle(0.06 + len(figures.keys) * 7 % 33 / 1000)  # never in step with the frames
            if has_key:
                figures.keys.append(terminal.press(b"k", f"keys={len(figures.keys) + 1}.".encode()))
            if shown := NUMBER.findall(terminal.seen[-20_000:]):
                figures.behind = max(figures.behind, writer.written - max(map(int, shown)))
        figures.processor = terminal.processor() - before
    finally:
        terminal.close()


class Writer(threading.Thread):
    """Adds lines at a steady pace, thirty times a second."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.written = 0

    def run(self) -> None:
        begun = time.perf_counter()
        with self.path.open("a") as file:
            while self.written < RATE * SECONDS:
                due = min(RATE * SECONDS, int((time.perf_counter() - begun) * RATE))
                file.write("".join(line(number) for number in range(self.written + 1, due + 1)))
                file.flush()
                self.written = due
                time.sleep(1 / 30)


def line(number: int) -> str:
    return f"i number{number:09} {FILLER}\n"


def toolong(folder: Path) -> list[str] | None:
    """toolong's command, or None where it cannot be installed."""
    try:
        venv.create(folder / "toolong", with_pip=True)
        python = folder / "toolong/bin/python"
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "toolong"], check=True, capture_output=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"toolong was not measured, it cannot be installed here: {error}", file=sys.stderr)
        return None
    return [str(folder / "toolong/bin/tl")]


def table(figures: dict[str, Figures]) -> str:
    """Markdown: the figures, and those of others as ratios to ours."""
    ours, *others = figures
    head = ["what", ours, *(text for other in others for text in (other, "ratio"))]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for what, own in figures[ours].rows().items():
        cells = [what, shown(own)]
        for other in others:
            value = figures[other].rows()[what]
            cells += [shown(value), shown(value / own) if value is not None and own else "–"]
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def measure() -> dict[str, Figures]:
    """Of each program, one after the other."""
    with tempfile.TemporaryDirectory(prefix="mlops-tui-bench-") as name:
        folder = Path(name)
        with (folder / "million.log").open("w") as file:
            file.writelines(line(number) for number in range(LINES - 1))
            file.write(f"i {LAST.decode()} {FILLER}\n")
        subjects: dict[str, tuple[list[str], bool]] = {
            kind: ([sys.executable, "-m", "tests.bench_log", kind], True) for kind in ("LogView", "Log")
        }
        if command := toolong(folder):
            subjects["toolong"] = command, False
        figures = {what: Figures() for what in subjects}
        for _ in range(ROUNDS):
            for what, (command, _) in subjects.items():
                show_end(command, folder, figures[what])
        for what, (command, has_key) in subjects.items():
            follow(command, folder, figures[what], has_key)
        return figures


def show(kind: str, path: Path) -> None:
    """The app that is measured: a line that counts keys above one log."""
    os.environ["TEXTUAL_FPS"] = FRAMES  # as mlops-tui has it
    from textual.app import App, ComposeResult
    from textual.widgets import Log, Static

    from mlops_tui.tui.widgets.log_view import LogView

    class LogApp(App[None]):
        BINDINGS = [("k", "count", "Count")]  # noqa: RUF012
        keys = 0

        def compose(self) -> ComposeResult:
            yield Static("keys=0.")
            yield LogView() if kind == "LogView" else Log()

        def on_mount(self) -> None:
            if kind == "LogView":
                view = self.query_one(LogView)
                view.show(path)
                view.lines.focus()
            else:
                waiting: deque[str] = deque()
                threading.Thread(target=read_lines, args=(path, waiting), daemon=True).start()
                self.set_interval(1 / 30, lambda: write_lines(self.query_one(Log), waiting))

        def action_count(self) -> None:
            self.keys += 1
            self.query_one(Static).update(f"keys={self.keys}.")

    LogApp().run()


def read_lines(path: Path, waiting: deque[str]) -> None:
    """What is usual with `Log`: a thread reads, and thirty times a second all that has come is written at once."""
    with path.open() as file:
        while True:
            if lines := file.readlines(1 << 20):
                waiting.extend(lines)
            else:
                time.sleep(1 / 30)


def write_lines(log: Log, waiting: deque[str]) -> None:
    if waiting:
        log.write_lines([waiting.popleft() for _ in range(len(waiting))])


if __name__ == "__main__":
    if len(sys.argv) == 3:
        show(sys.argv[1], Path(sys.argv[2]))
    else:
        print(table(measure()))
