"""Tracebacks of notebooks: the notebook's own lines and cells, without the sandbox's frames."""

from __future__ import annotations

import linecache
import re
import traceback
from pathlib import Path

from mlops_tui.sandbox.notebooks.source import Cell, cell_at

_OURS = str(Path(__file__).parent)
_FRAME = re.compile(r'^(  File "(?P<file>[^"]+)", line (?P<line>\d+))', re.MULTILINE)


class Tracebacks:
    """Knows the sources of the notebooks of a run."""

    def __init__(self) -> None:
        self._cells: dict[str, list[Cell]] = {}

    def know(self, name: str, text: str, cells: list[Cell]) -> None:
        """`name`: the file name that the notebook's code is compiled with; no such file need exist."""
        self._cells[name] = cells
        # Without a modification time an entry is never compared with a file.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)

    def format(self, error: BaseException) -> str:
        """The traceback as Python prints it, each of the notebook's frames with its cell."""
        whole = traceback.TracebackException.from_exception(error)
        _hide(whole)
        return _FRAME.sub(self._with_cell, "".join(whole.format()))

    def _with_cell(self, match: re.Match[str]) -> str:
        cells = self._cells.get(match["file"])
        return f"{match[1]}, cell {cell_at(cells, int(match['line']))}" if cells else match[1]


def _hide(shown: traceback.TracebackException) -> None:
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
    for other in (shown.__cause__, shown.__context__, *(shown.exceptions or [])):
        if other is not None:
            _hide(other)


def one_line(error: BaseException) -> str:
    """ "ValueError: no such column": the type as a person writes it, and the message."""
    return "".join(traceback.format_exception_only(error)).strip() if isinstance(error, SyntaxError) else _plain(error)


def _plain(error: BaseException) -> str:
    message = str(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
