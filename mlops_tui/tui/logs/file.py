"""A log on disk that grows: where its lines begin, and the few of them that are on the screen. Knows no Textual.

    log = LogFile(path)             a thread finds the lines, chunk by chunk
    log.index.count()               1_000_000
    log.index.read(LevelFilter.ALL, 999_990, 10)
    log.close()

Only offsets are kept, 8 bytes a line. The file's form is that of `mlops_tui.spool`: a letter, a blank, the text.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mlops_tui.spool import LEVELS, MARK, plain

CHUNK = 1 << 18  # bytes looked at in one go: under a millisecond, so that keys never wait for the thread
LONGEST = 1 << 16  # bytes of one line that are shown
AT_ONCE = 1 << 20  # lines this near to each other are read by one call
PAUSE = 1 / 30  # seconds between looks at a file that does not grow
TAB = 8

_NEWLINE = re.compile(rb"\n")
_SEVERE = re.compile(rb"\n([we]) ")
_LETTERS = "".join(LEVELS.values()).encode()


class LevelFilter(StrEnum):
    """Which lines are shown. The values are words for people."""

    ALL = "all"
    WARNINGS = "warnings and errors"
    ERRORS = "errors"

    @property
    def letters(self) -> bytes:
        """The letters of the levels that pass."""
        return {LevelFilter.ALL: _LETTERS, LevelFilter.WARNINGS: b"we", LevelFilter.ERRORS: b"e"}[self]

    def passes(self, line: bytes) -> bool:
        """Whether a line as it stands in the file is shown."""
        return self is LevelFilter.ALL or (line[1:MARK] == b" " and line[:1] in self.letters)


@dataclass(frozen=True)
class Line:
    """A line ready to be shown: no control characters, no tabs, no mark. `number` counts from 0; -1: not known yet."""

    number: int
    level: str  # i, w or e
    text: str

    @classmethod
    def of(cls, number: int, raw: bytes) -> Line:
        marked = raw[1:MARK] == b" " and raw[:1] in _LETTERS
        return cls(number, chr(raw[0]) if marked else "i", printable(raw[MARK if marked else 0 :]))


def printable(raw: bytes) -> str:
    """What can safely be put on a screen: nothing that would steer the terminal, and blanks for tabs."""
    text = raw[:LONGEST].rstrip(b"\r\n").decode("utf-8", "replace")
    return text if text.isprintable() else plain(text).expandtabs(TAB)


class LogIndex:
    """Where the lines of one open file begin. One thread scans, any may read."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)  # a reader on another thread may hold the index a while longer
        status = os.fstat(self._file)
        self.identity = (status.st_dev, status.st_ino)
        self.size = status.st_size
        self.starts = array("Q", [0])  # of each line, and of the one to come
        self._severe = {LevelFilter.WARNINGS: array("Q"), LevelFilter.ERRORS: array("Q")}
        self._scanned = 0

    @property
    def behind(self) -> bool:
        """Whether much is still to be scanned: line numbers near the end are not known yet."""
        return self.size - self._scanned > CHUNK

    @property
    def progress(self) -> float:
        return self._scanned / self.size if self.size else 1.0

    def shrunk(self, size: int) -> bool:
        return size < self._scanned

    def scan(self) -> bool:
        """Find the lines in the next chunk. False where nothing new is there."""
        self.size = os.fstat(self._file).st_size
        if self.size <= self._scanned:
            return False
        begin = self.starts[-1]
        # A line longer than a chunk is read again with twice the length, until its end is found.
        chunk = os.pread(self._file, max(CHUNK, 2 * (self._scanned - begin)), begin)
        self._scanned = begin + len(chunk)
        if complete := chunk.rfind(b"\n") + 1:
            self._add(begin, chunk[:complete])
        return True

    def _add(self, begin: int, chunk: bytes) -> None:
        first = len(self.starts) - 1
        self.starts.extend([begin + newline.end() for newline in _NEWLINE.finditer(chunk)])
        for severe in _SEVERE.finditer(b"\n" + chunk):
            number = bisect_left(self.starts, begin + severe.start(), first)
            self._severe[LevelFilter.WARNINGS].append(number)
            if severe[1] == b"e":
                self._severe[LevelFilter.ERRORS].append(number)

    def count(self, levels: LevelFilter = LevelFilter.ALL) -> int:
        return len(self.starts) - 1 if levels is LevelFilter.ALL else len(self._severe[levels])

    def number(self, levels: LevelFilter, row: int) -> int:
        """The number of the line that stands in a row of the filtered view."""
        return row if levels is LevelFilter.ALL else self._severe[levels][row]

    def row(self, levels: LevelFilter, number: int) -> int:
        """The row where a line stands, or the next one that passes."""
        return number if levels is LevelFilter.ALL else bisect_left(self._severe[levels], number)

    def block(self, begin: int, end: int) -> bytes:
        return os.pread(self._file, end - begin, begin)

    def raw(self, levels: LevelFilter, row: int, rows: int, longest: int | None = None) -> list[tuple[int, bytes]]:
        """Lines as they stand in the file, with their numbers; of each at most `longest` bytes."""
        last = min(row + rows, self.count(levels))
        numbers = [self.number(levels, at) for at in range(max(0, row), last)]
        if not numbers:
            return []
        spans = [(self.starts[number], self.starts[number + 1]) for number in numbers]
        begin, end = spans[0][0], spans[-1][1]
        if end - begin <= AT_ONCE:  # one call: each lets the other thread take its turn
            block = self.block(begin, end)
            pieces = [block[start - begin : stop - begin] for start, stop in spans]
        else:
            pieces = [self.block(start, min(stop, start + longest) if longest else stop) for start, stop in spans]
        return list(zip(numbers, pieces, strict=True))

    def read(self, levels: LevelFilter, row: int, rows: int) -> list[Line]:
        return [Line.of(number, raw) for number, raw in self.raw(levels, row, rows, MARK + LONGEST)]

    def tail(self, levels: LevelFilter, rows: int) -> list[Line]:
        """The last lines, before they have been counted."""
        begin = max(0, self.size - CHUNK)
        pieces = self.block(begin, self.size).split(b"\n")[1 if begin else 0 : -1]
        passing = [raw for raw in pieces if levels.passes(raw)]
        return [Line.of(-1, raw) for raw in passing[-rows:]] if rows > 0 else []


class Searching(Protocol):
    """What looks through the lines on the file's thread."""

    def step(self, index: LogIndex) -> bool:
        """Look at some more lines. False where all have been looked at."""
        ...


class LogFile:
    """One path, followed by a thread: the file may come later, grow, and be replaced by a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: LogIndex | None = None  # another one as soon as the file is another one
        self.problem = ""  # why it cannot be read
        self.looked = False  # whether it is known by now if the file is there
        self._search: Searching | None = None
        self._closed = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"log {path.name}", daemon=True)
        self._thread.start()

    def look_for(self, search: Searching | None) -> None:
        """Search on this file's thread from now on, in the lines to come too."""
        self._search = search
        self._wake.set()

    def close(self, timeout: float = 0) -> None:
        """Let the thread end; wait for that up to `timeout` seconds."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout)

    def _follow(self) -> None:
        while not self._closed:
            try:
                busy = self._step()
                self.problem = ""
            except OSError as error:
                self.problem = error.strerror or str(error)
                busy = False
            self.looked = True
            if not busy:
                self._wake.wait(PAUSE)
                self._wake.clear()

    def _step(self) -> bool:
        """Scan a chunk and search a chunk. False where both are up to date."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            status = None  # not there yet; or gone, then what was read stays on the screen
        index = self.index
        if status is not None and (
            index is None or index.identity != (status.st_dev, status.st_ino) or index.shrunk(status.st_size)
        ):
            index = self.index = LogIndex(self.path)
        if index is None:
            return False
        grew = index.scan()
        searched = self._search is not None and self._search.step(index)
        return grew or searched
