"""The options that commands share; those for settings are made from the one table of settings."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlops_tui.commands.running import Invocation
from mlops_tui.opening import Options
from mlops_tui.settings import SETTINGS

F = TypeVar("F", bound=Callable[..., Any])
# Shown in every --help; the other flags exist, too, and `mlops-tui config` lists them.
COMMON = ("cloud", "sign_in", "tenant_id", "subscription_id", "location", "resource_group")


def project_options(command: F) -> F:
    """--file, --output, --non-interactive and a flag for each setting; the command gets one Invocation for all."""

    @functools.wraps(command)
    def with_invocation(
        *args: Any, project_file: Path | None, output: str, non_interactive: bool, **given: Any
    ) -> None:
        flags = {name: str(given.pop(f"set_{name}")) for name in _FLAGS if given[f"set_{name}"] is not None}
        rest = {name: value for name, value in given.items() if not name.startswith("set_")}
        interactive = not non_interactive and output == "text" and sys.stdin.isatty() and sys.stdout.isatty()
        name = click.get_current_context().info_name or ""
        options = Options(project_file, os.environ, flags, somebody_there=interactive)
        command(Invocation(name, options, output, interactive), *args, **rest)

    decorated: Any = with_invocation
    for setting in reversed(SETTINGS):
        if setting.flag:
            decorated = click.option(
                setting.flag,
                f"set_{setting.name}",
                help=setting.help,
                hidden=setting.name not in COMMON,
                metavar="TEXT",
            )(decorated)
    for option in (
        click.option("--non-interactive", is_flag=True, help="Never ask; the rule where there is no terminal."),
        click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="Lines for whom."),
        click.option(
            "--file",
            "-f",
            "project_file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The project file; without it mlops.toml of this folder or one above.",
        ),
    ):
        decorated = option(decorated)
    result: F = decorated
    return result


_FLAGS = tuple(setting.name for setting in SETTINGS if setting.flag)


def build_options(command: F) -> F:
    """--build-number and --build-source."""
    number = click.option("--build-number", default="", help="Tags the runs; without it the CI host's, or a new one.")
    source = click.option("--build-source", default="", help="Who builds: AzureDevOps, GitHub, local, …")
    return number(source(command))


def sweep_options(command: F) -> F:
    """--run and --grid."""
    run = click.option(
        "--run", "run_texts", multiple=True, metavar="alpha=A,l1_ratio=L", help="A run of the sweep; may be repeated."
    )
    grid = click.option(
        "--grid",
        "grid_texts",
        multiple=True,
        metavar="NAME=FROM:TO:STEP|A,B",
        help="All combinations; repeat per name.",
    )
    return run(grid(command))
