"""A run's live log: numbered segment files in a folder, as the notebook writes them (000000.log, 000001.log, … _END).

Volumes cannot append, so each flush of the notebook is a file of its own.
"""

from __future__ import annotations

import codecs
from typing import Protocol

from mlops_tui.errors import NotFoundError

END = "_END"


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
        self.ended = False  # the notebook has written its last line

    def read(self) -> list[str]:
        """The lines that have come since the last call. Whatever it raises, calling again loses and doubles nothing."""
        sizes = self._store.list(self._folder)
        ended = END in sizes
        while (name := f"{self._index:06d}.log") in sizes:
            if sizes[name] > self._offset:
                try:
                    self._take(self._store.read(f"{self._folder}/{name}", self._offset))
                except NotFoundError:
                    break  # listed, and not readable yet
            if f"{self._index + 1:06d}.log" not in sizes:
                break
            self._index, self._offset = self._index + 1, 0
        if ended:
            self.ended = True
            self._lines += self.rest()
        lines, self._lines = self._lines, []
        return lines

    def rest(self) -> list[str]:
        """A last line without an end of line, once no more will come."""
        text, self._partial = self._partial + self._decoder.decode(b"", final=True), ""
        return [text] if text else []

    def _take(self, data: bytes) -> None:
        self._offset += len(data)
        text = self._partial + self._decoder.decode(data)
        # Only "\n" ends a line: a progress bar's "\r" redraws one, and the last drawing is the one to keep.
        *whole, self._partial = text.split("\n")
        self._lines += [line.rstrip("\r").rpartition("\r")[2] for line in whole]
