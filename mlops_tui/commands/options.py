"""The options that commands share; those for settings are made from the one table of settings."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from mlops_tui.commands.running import OUTPUTS, Invocation, output_of
from mlops_tui.opening import Options
from mlops_tui.settings import BY_NAME, SETTINGS, Setting

F = TypeVar("F", bound=Callable[..., Any])
PREFIX = "set_"  # of the parameters that carry settings
METAVARS = {"str": "TEXT", "choice": "CHOICE", "int": "INTEGER", "float": "NUMBER"}
# Shown in every --help; the other flags exist, too.
COMMON = ("cloud", "sign_in", "tenant_id", "subscription_id", "location", "resource_group")

FILE = click.option(
    "--file",
    "-f",
    "project_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The project file. Default: mlops.toml of this folder or of the nearest one above.",
)
OF_EVERY_COMMAND = (
    click.option(
        "--non-interactive", is_flag=True, help="Ask nothing. It is the rule where there is no terminal (CI)."
    ),
    click.option(
        "--output",
        "-o",
        type=click.Choice(OUTPUTS),
        help="text for people, json for programs (one object a line), or the log of a CI host. Default: the host's "
        "where one is at work, else text.",
    ),
    FILE,
)


class ProjectCommand(click.Command):
    """Its --help keeps apart what to do and the settings of the project."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Also: where the settings come from if no flag says otherwise."""
        parameters = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        settings = [one for one in parameters if (one.name or "").startswith(PREFIX)]
        for heading, members in (
            ("Options", [one for one in parameters if one not in settings]),
            ("Settings (they outrank environment and mlops.toml)", settings),
        ):
            with formatter.section(heading):
                formatter.write_dl([record for one in members if (record := one.get_help_record(ctx))])
        if any(one.hidden for one in settings):
            formatter.write_paragraph()
            formatter.write_text("Every setting has a flag; `mlops-tui config --help` lists them all.")


class InOrder(click.Group):
    """Lists its commands as they stand in their file: what comes first in use comes first here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def project_options(command: F) -> F:
    """--file, --output, --non-interactive and a flag for each setting; the command gets one Invocation for all.

    --help shows the flags of the common settings alone, lest they bury the rest.
    """
    return _with_options(command, shown=COMMON)


def pipeline_options(command: F) -> F:
    """The same, with those that say where the pipeline is in --help."""
    return _with_options(command, shown=(*COMMON, "ci_host", "ci_organization"))


def project_options_in_full(command: F) -> F:
    """The same, with every setting's flag in --help."""
    return _with_options(command, shown=_FLAGS)


def _with_options(command: F, shown: Collection[str]) -> F:
    @functools.wraps(command)
    def with_invocation(
        *args: Any,
        project_file: Path | None,
        output: str | None,
        non_interactive: bool,
        out: Path | None = None,
        **given: Any,
    ) -> None:
        output = output or output_of(os.environ)
        flags = flags_of(given)
        rest = {name: value for name, value in given.items() if not name.startswith(PREFIX)}
        interactive = not non_interactive and output == "text" and sys.stdin.isatty() and sys.stdout.isatty()
        options = Options(project_file, os.environ, flags, somebody_there=interactive)
        command(Invocation(_name(click.get_current_context()), options, output, interactive, out), *args, **rest)

    decorated: Any = with_settings(with_invocation, shown)
    for option in OF_EVERY_COMMAND:
        decorated = option(decorated)
    result: F = decorated
    return result


def _name(context: click.Context) -> str:
    """Of the command, without the program's: "ci run"."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(names)


def with_settings(command: F, shown: Collection[str] = COMMON) -> F:
    """A flag for each setting; see `flags_of`."""
    decorated: Any = command
    for setting in reversed(SETTINGS):
        if setting.flag:
            decorated = click.option(
                setting.flag,
                PREFIX + setting.name,
                help=_help(setting),
                hidden=setting.name not in shown,
                metavar=METAVARS[setting.type],
            )(decorated)
    result: F = decorated
    return result


def flags_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The settings among a command's parameters, by name: those that were given."""
    return {name: str(given[PREFIX + name]) for name in _FLAGS if given[PREFIX + name] is not None}


def _help(setting: Setting) -> str:
    """The table's words as a sentence, with the choices and what holds where nobody says anything."""
    sentence = f"{setting.help[0].upper()}{setting.help[1:]}."
    choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    default = f" Default: {setting.default}." if setting.default != "" else ""
    return sentence + choices + default


_FLAGS = tuple(setting.name for setting in SETTINGS if setting.flag)


def build_options(command: F) -> F:
    """--build-number and --build-source."""
    number = click.option(
        "--build-number",
        default="",
        help="A mark on the runs, by which `runs --build` finds them. Default: the CI host's, else a new one.",
    )
    source = click.option(
        "--build-source",
        default="",
        help="Who builds, such as AzureDevOps. Default: the CI host, else local.",
    )
    return number(source(command))


def sweep_options(command: F) -> F:
    """--run and --grid."""
    run = click.option(
        "--run",
        "run_texts",
        multiple=True,
        metavar="alpha=A,l1_ratio=L",
        help="Train with these parameters; repeat it for more runs. Default: the runs that mlops.toml lists.",
    )
    grid = click.option(
        "--grid",
        "grid_texts",
        multiple=True,
        metavar="NAME=VALUES",
        help="Train with all combinations, one --grid a parameter: FROM:TO:STEP or a list, as in "
        "--grid alpha=0.1:0.9:0.2 --grid l1_ratio=0.1,0.5",
    )
    return run(grid(command))


def out_option(command: F) -> F:
    """--out: the Invocation has it."""
    return click.option(
        "--out",
        "out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write metadata/image.json, metrics.json and verdict.json into this folder: those that there are.",
    )(command)


def approval_options(command: F) -> F:
    """--approve and --force."""
    approve = click.option("--approve", is_flag=True, help="Say yes to putting the build into production.")
    force = click.option(
        "--force", default="", metavar="REASON", help="Why it goes into production without a passed validation."
    )
    return approve(force(command))


def given_flags(invocation: Invocation) -> tuple[str, ...]:
    """The flags of a command that any other command would need to mean the same project."""
    file = ["--file", str(invocation.options.file)] if invocation.options.file else []
    settings = [part for name, value in invocation.options.flags.items() for part in (BY_NAME[name].flag, value)]
    return (*file, *settings)
