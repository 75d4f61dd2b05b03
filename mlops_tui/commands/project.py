"""init and config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlops_tui import operations
from mlops_tui.commands import running
from mlops_tui.commands.options import ProjectCommand, project_options_in_full
from mlops_tui.commands.running import Invocation
from mlops_tui.engine import Sequencer
from mlops_tui.errors import MlopsError, UsageError
from mlops_tui.events import Event, LogLine


@click.command()
@click.option(
    "--template",
    type=click.Choice(["wine-quality"]),
    default="wine-quality",
    help="What to begin with. Default: wine-quality.",
)
@click.option(
    "--ci",
    type=click.Choice(["azure-devops", "github"]),
    help="Write the pipeline's file for this host, too, and name it in mlops.toml.",
)
@click.option("--force", is_flag=True, help="Replace the files that are there.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(template: str, ci: str | None, force: bool, folder: Path) -> None:
    """Write a commented mlops.toml into FOLDER.

    Without FOLDER it goes into this one. Without mlops.toml the commands work, too, with the defaults.

    \b
    mlops-tui init --ci github     and .github/workflows/mlops.yml, which trains and releases
    """
    from mlops_tui.pipelines.beginning import begin

    try:
        _make(folder)
        written = begin(folder, template, ci, force)
    except MlopsError as error:
        running.fail(running.reporter_for(), error)
    files = " and ".join(str(file) for file in written)
    click.echo(f"Wrote {files}. Read {'it' if len(written) == 1 else 'them'} through, then: mlops-tui up")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            hint="Choose one of your own: mlops-tui init FOLDER",
        ) from error


@click.command(cls=ProjectCommand)
@click.option("--save", is_flag=True, help="Write the settings given as flags into mlops.toml; all else in it stays.")
@click.option("--sign-ins", is_flag=True, help="Show the ways into a cloud that this machine is prepared for.")
@click.option(
    "--choices", metavar="SETTING", default="", help="List what the cloud offers for a setting, such as location."
)
@project_options_in_full
def config(invocation: Invocation, save: bool, sign_ins: bool, choices: str) -> None:
    """Show each setting, its value and where it comes from.

    The stronger outranks the weaker: flags, the environment, the practice cloud (where it is used), mlops.toml, the
    default. Secrets come from the environment alone, and are hidden here. Without an option of its own, nothing is
    called or changed.
    """
    if save + sign_ins + bool(choices) > 1:
        raise click.UsageError("Give one of --save, --sign-ins and --choices at a time.")
    if save:
        _save(invocation)
    elif sign_ins:
        operations.find_sign_ins(invocation.options.environment, Sequencer(invocation.reporter().show))
    elif choices:
        setting = choices.removeprefix("--").replace("-", "_")
        running.run(invocation, lambda session, emit: operations.list_choices(session, emit, setting))
    else:
        _show(invocation)


def _save(invocation: Invocation) -> None:
    if not invocation.options.flags:
        raise click.UsageError("Say what to save: mlops-tui config --save --location northeurope")
    reporter = invocation.reporter()

    def show_lines(event: Event) -> None:
        if isinstance(event, LogLine):
            reporter.show(event)

    try:
        summary = operations.save_settings(invocation.options, Sequencer(show_lines), invocation.options.flags)
    except MlopsError as error:
        running.fail(reporter, error)
    click.echo(summary, err=invocation.output == "json")


def _show(invocation: Invocation) -> None:
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
