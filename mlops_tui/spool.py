"""Log lines of runs on disk, where whoever shows them reads just what is on the screen: a million lines need no memory.

    <folder>/all.log          w alpha=0.5,l1_ratio=0.5 │ the rest of the line
    <folder>/runs/<name>.log  w the rest of the line

The first letter is the level: i, w or e (info, warning, error). Files are UTF-8, only grow, and are private.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

LEVELS = {"info": "i", "warning": "w", "error": "e"}
MARK = 2  # characters before the text: the level's letter and a blank


def log_file(folder: Path, source: str = "") -> Path:
    """Where the lines of `source` (a run's name) stand; of all of them, where none is named."""
    return folder / "runs" / f"{quote(source, safe='=,.')}.log" if source else folder / "all.log"
