"""init and config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlops_tui.commands import running
from mlops_tui.commands.options import ProjectCommand, project_options_in_full
from mlops_tui.commands.running import Invocation
from mlops_tui.errors import MlopsError, UsageError


@click.command()
@click.option(
    "--template",
    type=click.Choice(["wine-quality"]),
    default="wine-quality",
    help="What to begin with. Default: wine-quality.",
)
@click.option("--force", is_flag=True, help="Replace the mlops.toml that is there.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(template: str, force: bool, folder: Path) -> None:
    """Write a commented mlops.toml into FOLDER.

    Without FOLDER it goes into this one. Without mlops.toml the commands work, too, with the defaults.
    """
    from mlops_tui.project_file import write_template

    try:
        _make(folder)
        write_template(folder / "mlops.toml", template, force)
    except MlopsError as error:
        running.fail(running.reporter_for(), error)
    click.echo(f"Wrote {folder / 'mlops.toml'}. Read it through, then: mlops-tui up")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            hint="Choose one of your own: mlops-tui init FOLDER",
        ) from error


@click.command(cls=ProjectCommand)
@project_options_in_full
def config(invocation: Invocation) -> None:
    """Show each setting, its value and where it comes from.

    The stronger outranks the weaker: flags, the environment, the practice cloud (where it is used), mlops.toml, the
    default. Secrets come from the environment alone, and are hidden here. Nothing is called or changed.
    """
    from mlops_tui.commands.sandbox import known_practice
    from mlops_tui.project import load
    from mlops_tui.settings import config_rows

    options = invocation.options
    try:
        _, resolved = load(options.file, options.environment, options.flags, known_practice())
    except MlopsError as error:
        running.fail(invocation.reporter(), error)
    rows = config_rows(resolved)
    if invocation.output == "json":
        click.echo(json.dumps([dict(zip(("setting", "value", "source"), row, strict=True)) for row in rows], indent=2))
        return
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, source in rows:
        click.echo(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")
