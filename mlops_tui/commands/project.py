"""init and config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlops_tui.commands import running
from mlops_tui.commands.options import project_options
from mlops_tui.commands.running import Invocation
from mlops_tui.engine import card
from mlops_tui.errors import MlopsError
from mlops_tui.events import Problem
from mlops_tui.headless.text import PlainText


@click.command()
@click.option("--template", type=click.Choice(["wine-quality"]), default="wine-quality", show_default=True)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(template: str, force: bool, folder: Path) -> None:
    """Write mlops.toml into FOLDER (this one, if not given)."""
    import sys

    from mlops_tui.project_file import write_template

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_template(folder / "mlops.toml", template, force)
    except MlopsError as error:
        PlainText(sys.stdout, sys.stderr).show(Problem(error=card(error)))
        running.leave(error.exit_code)
    click.echo(f"Wrote {folder / 'mlops.toml'}. Read it through, then: mlops-tui up")


@click.command()
@project_options
def config(invocation: Invocation) -> None:
    """Show each setting, its value and where it comes from; secrets are hidden."""
    from mlops_tui.commands.sandbox import known_practice
    from mlops_tui.project import load
    from mlops_tui.settings import config_rows

    options = invocation.options
    try:
        _, resolved = load(options.file, options.environment, options.flags, known_practice())
    except MlopsError as error:
        invocation.reporter().show(Problem(error=card(error)))
        running.leave(error.exit_code)
    rows = config_rows(resolved)
    if invocation.output == "json":
        click.echo(json.dumps([dict(zip(("setting", "value", "source"), row, strict=True)) for row in rows], indent=2))
        return
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, source in rows:
        click.echo(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")
