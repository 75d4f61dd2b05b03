"""The command line: which commands there are. What a command needs is imported when it is called.

Exit codes: 0 done, 1 the work failed, 2 usage or configuration, 3 sign-in or permission, 4 approval needed,
130 interrupted.
"""

from __future__ import annotations

from importlib import import_module

import click

from mlops_tui import __version__

# name: where it is, and its line in --help (kept here so that --help imports nothing else)
COMMANDS = {
    "app": ("app:app", "The terminal app; `mlops-tui` alone opens it, too."),
    "web": ("app:web", "The same app in a browser of this machine."),
    "up": ("pipeline:up", "From nothing to predictions: set up, train, build, deploy, validate."),
    "setup": ("pipeline:setup", "Make the cloud match the project; --plan only looks."),
    "train": ("pipeline:train", "Launch a sweep of runs, follow them live, compare them."),
    "runs": ("pipeline:runs", "List training runs with their metrics."),
    "show": ("pipeline:show", "Show one training run: what it used, what it made."),
    "logs": ("pipeline:logs", "Show what a run or a stage has printed; --follow stays with it."),
    "cancel": ("pipeline:cancel", "End a training run before its time."),
    "build": ("delivery:build", "Build the container image of a build's best model."),
    "deploy": ("delivery:deploy", "Let staging or production answer with an image."),
    "validate": ("delivery:validate", "Judge what a stage answers on the kept test set."),
    "rollback": ("delivery:rollback", "Let a stage answer with what it answered with before."),
    "endpoints": ("delivery:endpoints", "Show what answers: URL, health, build, traffic."),
    "images": ("delivery:images", "List the images of all builds."),
    "try": ("delivery:try_", "Ask a stage for predictions."),
    "ci": ("ci:ci", "The pipeline on the CI host: run it, follow it, approve, cancel."),
    "down": ("pipeline:down", "Remove what setup has made."),
    "init": ("project:init", "Write a commented mlops.toml for a new project."),
    "config": ("project:config", "Show each setting, its value and where it comes from."),
    "sandbox": ("sandbox:sandbox", "The practice cloud on this machine: start, stop, reset, …"),
    "worker": ("pipeline:worker", ""),
}


EXIT_CODES = (
    "Exit codes: 0 done, 1 the work failed, 2 usage or configuration, 3 sign-in or permission, 4 approval needed, "
    "130 interrupted."
)


INTERRUPTED = 130
USAGE = 2


class Commands(click.Group):
    """Loads a command's module when the command is asked for."""

    def invoke(self, ctx: click.Context) -> object:
        """Ctrl+C and a question answered with no end in 130; click by itself would make that a 1."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"mlops_tui.commands.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, line) for name, (_, line) in COMMANDS.items() if line]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", message="mlops-tui %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """From an empty Azure subscription to a model that answers, every step live.

    On a terminal, `mlops-tui` alone opens the app. Elsewhere begin with `mlops-tui up`. Neither needs an account:
    without --cloud AzureCloud everything happens in a practice cloud on this machine.
    """
    if ctx.invoked_subcommand is not None:
        return
    from mlops_tui.commands.terminal import at_terminal, run_app

    if at_terminal():
        run_app({}, None)
    click.echo(ctx.get_help(), err=True)
    ctx.exit(USAGE)


if __name__ == "__main__":
    main()
