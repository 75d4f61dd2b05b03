"""Runs the terminal app. Imports nothing else before its first paint: that is what a person waits for."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

# Frames are drawn where something has changed, never just because time passes. But after each Textual waits up to two
# of these periods before the next: at its own 60 a second, keys would wait for that while a log runs.
FRAMES = "240"


def at_terminal() -> bool:
    """Whether an app can be shown here: on a terminal, or in a browser that `mlops-tui web` serves."""
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stdout.isatty())


def run_app(flags: Mapping[str, str], file: Path | None) -> NoReturn:
    """Until it is left. What goes on without it is told on the terminal then."""
    if "TEXTUAL_DRIVER" not in os.environ:
        os.environ.setdefault("TEXTUAL_FPS", FRAMES)
    gc.disable()  # until the app is mounted: an eighth of the time to its first paint
    from mlops_tui.tui.app import MlopsApp

    app = MlopsApp(flags=flags, file=file, describe_project=partial(_project_line, file))
    told = app.run()

    from mlops_tui.commands import running

    if told and "TEXTUAL_DRIVER" not in os.environ:  # in a browser standard output is the app's picture
        print(told)  # noqa: T201 (the app has gone, the terminal is the shell's again)
    running.leave(app.return_code or 0)


def _project_line(file: Path | None) -> str:
    """What the project file says, for the opening; reads it."""
    from mlops_tui import project_file

    path = project_file.find(file, Path.cwd())
    if path is None:
        return "No mlops.toml in this folder: the wine-quality example."
    found = project_file.read(path)
    values = found.values
    name = values["project.name"].value if "project.name" in values else "wine-quality"
    cloud = f", cloud = {values['cloud'].value}" if "cloud" in values else ""
    where = "in this folder" if path.parent == Path.cwd() else f"in {path.parent}"
    if found.problems:
        return f"{path.name} {where} has to be mended first; the next screen says where."
    return f"{path.name} {where}: {name}{cloud}."
