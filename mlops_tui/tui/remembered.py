"""What the app remembers from one sitting to the next: the last choice, the theme, the bell. Nothing secret."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlops_tui import folders

NAME = "app.json"
LARGEST = 64 * 1024  # bytes; a larger file is not ours


@dataclass
class Remembered:
    """`save` after every change."""

    chosen: dict[str, str] = field(default_factory=dict)  # the settings that the last choice of a cloud stands for
    theme: str = ""
    bell: bool = False


def load(environment: Mapping[str, str]) -> Remembered:
    """A file that is missing or spoilt is a fresh start: nothing in it is worth a question."""
    path = folders.data_folder(environment) / NAME
    try:
        if path.stat().st_size > LARGEST:
            return Remembered()
        import json  # here: the first paint waits for whatever is imported before it

        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Remembered()
    return _checked(data) if isinstance(data, dict) else Remembered()


def save(environment: Mapping[str, str], remembered: Remembered) -> None:
    """Whole or not at all, for its owner's eyes. Raises OSError or UsageError where it cannot be written."""
    import json
    import tempfile

    folder = folders.made(folders.data_folder(environment))
    descriptor, temporary = tempfile.mkstemp(prefix=NAME, dir=folder)  # 0600 by itself
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(remembered), file, indent=2)
        Path(temporary).replace(folder / NAME)
    except BaseException:
        with contextlib.suppress(OSError):  # what is told is why it could not be written
            Path(temporary).unlink()
        raise


def _checked(data: dict[str, Any]) -> Remembered:
    """Each value that fits; a value that does not is as if it were not there."""
    chosen, theme, bell = data.get("chosen"), data.get("theme"), data.get("bell")
    return Remembered(
        {str(name): str(value) for name, value in chosen.items()} if isinstance(chosen, dict) else {},
        theme if isinstance(theme, str) else "",
        bell if isinstance(bell, bool) else False,
    )
