"""app and web: the terminal app, here or in a browser."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from mlops_tui.commands import running
from mlops_tui.commands.options import FILE, ProjectCommand, flags_of, with_settings
from mlops_tui.commands.terminal import at_terminal, run_app
from mlops_tui.errors import MlopsError, UsageError


@click.command(cls=ProjectCommand)
@FILE
@with_settings
def app(project_file: Path | None, **given: Any) -> None:
    """Open the terminal app: guided setup, live training, history.

    `mlops-tui` alone does the same. With --cloud it begins there, else it asks.
    """
    if not at_terminal():
        error = UsageError(
            "The app needs a terminal.", hint="Without one: `mlops-tui up` does the main job and prints what happens."
        )
        running.fail(running.reporter_for(), error)
    run_app(flags_of(given), project_file)


@click.command(cls=ProjectCommand)
@click.option("--port", type=click.IntRange(1024, 65535), default=8000, help="The port on 127.0.0.1. Default: 8000.")
@FILE
@with_settings
def web(port: int, project_file: Path | None, **given: Any) -> None:
    """Show the app in a browser of this machine, for those who have no terminal.

    The address that it prints opens the app; keep it to yourself, it is the key. Each tab is an app of its own,
    which ends with the tab; what runs in the cloud goes on. Ctrl+C ends them all.
    """
    try:
        if find_spec("textual_serve") is None:
            raise UsageError(
                "What shows the app in a browser is not installed.",
                hint="Install it with `pip install 'mlops-tui[web]'`, or stay in the terminal: mlops-tui app",
            )
        from mlops_tui.web.server import AppServer, listen

        with listen(port) as door:
            server = AppServer(_command(flags_of(given), project_file), port)
            click.echo(f"The app is at {server.address}\nCtrl+C ends it.")
            sys.stdout.flush()
            server.run(door)
    except MlopsError as error:
        running.fail(running.reporter_for(), error)


def _command(flags: Mapping[str, str], file: Path | None) -> str:
    """What a tab runs: this program, with what was given here. Secrets have no flags."""
    from mlops_tui.settings import BY_NAME

    words = [sys.executable, "-m", "mlops_tui", "app"]
    if file is not None:
        words += ["--file", os.fspath(file)]
    for name, value in flags.items():
        words += [BY_NAME[name].flag, value]
    return f"exec {shlex.join(words)}"
