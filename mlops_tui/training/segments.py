"""A run's live log: numbered segment files in a folder, as the notebook writes them (000000.log, 000001.log, … _END).

Volumes cannot append, so each flush of the notebook is a file of its own: three a second, thousands in an hour.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from mlops_tui.errors import NotFoundError
from mlops_tui.redaction import redact

END = "_END"
AT_ONCE = 8  # segments fetched side by side where many are to be read
PER_LOOK = 64  # segments read at a time: between them there are other runs to look at
LONG = 200  # segments from which on listing the folder costs more than asking for the next one
LIST_EVERY = 3.0  # seconds between listings of such a folder
_SEGMENT = re.compile(r"(\d{6,})\.log")


class Store(Protocol):
    """Where the segments are; see `clouds.databricks_files.Files`."""

    def list(self, folder: str) -> dict[str, int]: ...

    def read(self, path: str, offset: int = 0) -> bytes: ...


class Segments:
    """Reads one folder from beginning to end, each line once, in order; keeps its place over lost connections."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder.rstrip("/")
        self._index = 0  # of the segment being read
        self._offset = 0  # bytes of it that have been read
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""
        self._lines: list[str] = []  # whole, and not handed out yet
        self._sizes: Mapping[str, int] = {}  # as the folder was listed last
        self._listed_at = 0.0
        self.behind = False  # more was listed than has been read: call again at once
        self.ended = False  # the notebook has written its last line

    def read(self, look: bool = False) -> list[str]:
        """The lines that have come since the last call. Whatever it raises, calling again loses and doubles nothing.

        Of a long log, news may come one segment at a time and its end some seconds late, unless `look` is given.
        """
        if not self.behind and not look and self._index >= LONG and time.monotonic() < self._listed_at + LIST_EVERY:
            self._ask_for_next()
        else:
            self._read_listed()
        lines, self._lines = self._lines, []
        return lines

    def all(self) -> Iterator[list[str]]:
        """Everything up to now, some segments at a time."""
        yield self.read(look=True)
        while self.behind:
            yield self.read()

    def rest(self) -> list[str]:
        """A last line without an end of line, once no more will come."""
        text, self._partial = self._partial + self._decoder.decode(b"", final=True), ""
        return [text] if text else []

    def _read_listed(self) -> None:
        if not self.behind:
            self._sizes = self._store.list(self._folder)
            self._listed_at = time.monotonic()
        waiting = self._waiting()
        chosen = waiting[:PER_LOOK]
        self.behind = len(waiting) > len(chosen)
        for index, content in zip(chosen, self._contents(chosen), strict=False):
            self._move_to(index)
            self._take(content)
        if END in self._sizes and not self.behind and not self._waiting():
            self.ended = True
            self._lines += self.rest()

    def _waiting(self) -> list[int]:
        """Segments with something to be read, in order. Before the end, one that is missing may still come."""
        listed = sorted(int(match[1]) for name in self._sizes if (match := _SEGMENT.fullmatch(name)))
        later = [index for index in listed if index >= self._index]
        if END not in self._sizes:
            later = [index for place, index in enumerate(later, self._index) if index == place]
        return [index for index in later if self._sizes[_name(index)] > self._read_of(index)]

    def _contents(self, indices: list[int]) -> Iterator[bytes]:
        """Up to the first that is listed, and not readable yet."""
        try:
            if len(indices) < 2:
                yield from map(self._fetch, indices)
                return
            with ThreadPoolExecutor(min(AT_ONCE, len(indices)), thread_name_prefix="segments") as pool:
                yield from pool.map(self._fetch, indices)
        except NotFoundError:
            self.behind = False

    def _ask_for_next(self) -> None:
        """Without a listing. Once the next segment is there, the one being read is whole."""
        try:
            following = self._store.read(self._path(self._index + 1))
        except NotFoundError:
            return
        self._take(self._fetch(self._index))
        self._move_to(self._index + 1)
        self._take(following)

    def _fetch(self, index: int) -> bytes:
        return self._store.read(self._path(index), self._read_of(index))

    def _read_of(self, index: int) -> int:
        return self._offset if index == self._index else 0

    def _path(self, index: int) -> str:
        return f"{self._folder}/{_name(index)}"

    def _move_to(self, index: int) -> None:
        if index != self._index:
            self._index, self._offset = index, 0

    def _take(self, data: bytes) -> None:
        self._offset += len(data)
        text = self._partial + self._decoder.decode(data)
        *whole, self._partial = text.split("\n")
        self._lines += [_drawn(line.rstrip("\r")) for line in whole]


def _drawn(line: str) -> str:
    """Only a new line ends one: a progress bar's carriage return redraws it, and the last drawing is the one to keep.

    What is secret is hidden while the line is whole: nobody would know the rest of it again.
    """
    return redact(line).rpartition("\r")[2] if "\r" in line else line


def _name(index: int) -> str:
    return f"{index:06d}.log"
