"""Write the lines of a log to a file of the person's own. Knows no Textual."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from mlops_tui.tui.logs.file import LevelFilter, LogIndex

AT_A_TIME = 2_000  # lines


def save(index: LogIndex, levels: LevelFilter, folder: Path, name: str) -> tuple[Path, int]:
    """Write what passes the filter now; the new file and how many lines. Nothing is ever overwritten."""
    lines = index.count(levels)
    path, file = _new(folder, re.sub(r"[^\w=,.-]+", "-", name).strip("-.") or "log")
    with file:
        for row in range(0, lines, AT_A_TIME):
            rows = min(AT_A_TIME, lines - row)
            file.writelines(raw[2:] if raw[1:2] == b" " else raw for _, raw in index.raw(levels, row, rows))
    return path, lines


def _new(folder: Path, stem: str) -> tuple[Path, BinaryIO]:
    """A file that was not there, for its owner only."""
    path, number = folder / f"{stem}.log", 1
    while True:
        try:
            return path, os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except FileExistsError:
            number += 1
            path = folder / f"{stem}-{number}.log"
