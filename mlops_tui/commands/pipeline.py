"""up, setup, train, runs, logs, cancel, down, worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from mlops_tui import operations
from mlops_tui.commands import running
from mlops_tui.commands.options import build_options, project_options, sweep_options
from mlops_tui.commands.running import Invocation
from mlops_tui.engine import Plan, card
from mlops_tui.errors import MlopsError
from mlops_tui.events import Problem
from mlops_tui.project import Parameters, parse_grid, parse_runs
from mlops_tui.session import Session
from mlops_tui.training.builds import build_of


@click.command()
@sweep_options
@build_options
@project_options
def up(
    invocation: Invocation,
    run_texts: tuple[str, ...],
    grid_texts: tuple[str, ...],
    build_number: str,
    build_source: str,
) -> None:
    """Set up what is missing, then train and compare: the main job.

    Run it again at any time: it looks at what is there and does the rest.
    """
    given = _given_runs(invocation, run_texts, grid_texts)
    build = build_of(os.environ, build_number, build_source)
    running.run(
        invocation,
        lambda session, emit: operations.up(
            session,
            emit,
            operations.Sweep(build, given or session.project.training.runs),
            _confirmation(invocation, session),
        ),
    )


@click.command()
@click.option("--plan", "plan_only", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--by-hand", is_flag=True, help="Print the az and databricks commands that would do the same.")
@project_options
def setup(invocation: Invocation, plan_only: bool, by_hand: bool) -> None:
    """Make the cloud match the project: plan, apply just that plan, verify.

    A second call finds nothing to do and writes nothing.
    """
    if by_hand:
        _print_by_hand(invocation)
        return
    running.run(
        invocation,
        lambda session, emit: operations.setup(
            session, emit, plan_only=plan_only, confirm=_confirmation(invocation, session)
        ),
    )


@click.command()
@sweep_options
@build_options
@click.option("--detach", is_flag=True, help="Launch and leave; come back with `mlops-tui logs RUN --follow`.")
@project_options
def train(
    invocation: Invocation,
    run_texts: tuple[str, ...],
    grid_texts: tuple[str, ...],
    build_number: str,
    build_source: str,
    detach: bool,
) -> None:
    """Launch a sweep of runs, follow them live, compare them.

    Without --run or --grid the project's own list of runs is launched.
    """
    given = _given_runs(invocation, run_texts, grid_texts)
    build = build_of(os.environ, build_number, build_source)
    running.run(
        invocation,
        lambda session, emit: operations.train(
            session, emit, operations.Sweep(build, given or session.project.training.runs, detach)
        ),
    )


@click.command()
@click.option("--build", default="", help="Only the runs of this build.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@project_options
def runs(invocation: Invocation, build: str, limit: int) -> None:
    """List training runs with their metrics, newest first."""
    running.run(invocation, lambda session, emit: operations.list_runs(session, emit, build, limit))


@click.command()
@click.argument("run")
@click.option("--follow", is_flag=True, help="Stay until the run ends.")
@project_options
def logs(invocation: Invocation, run: str, follow: bool) -> None:
    """Show the log of RUN: the number of a job run, as `train` and `runs` print it."""
    running.run(invocation, lambda session, emit: operations.read_log(session, emit, run, follow))


@click.command()
@click.argument("run")
@project_options
def cancel(invocation: Invocation, run: str) -> None:
    """Cancel RUN: the number of a job run."""
    running.run(invocation, lambda session, emit: operations.cancel_run(session, emit, run))


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_options
def down(invocation: Invocation, yes: bool) -> None:
    """Remove everything that setup makes, the resource group and all that is in it included."""
    if not yes:
        if not invocation.interactive:
            raise click.UsageError("`down` removes things: confirm with --yes.")
        click.confirm("Remove the project's resource group, principal, workspace and all runs?", abort=True)
    running.run(invocation, operations.teardown)


@click.command(hidden=True)
@click.option("--file", "-f", "project_file", type=click.Path(dir_okay=False), default=None)
def worker(project_file: str | None) -> None:
    """Serve requests on standard input (see mlops_tui.worker)."""
    from pathlib import Path

    from mlops_tui.opening import Options, open_session
    from mlops_tui.worker import Worker

    out, sys.stdout = sys.stdout, sys.stderr  # nothing but messages may reach the pipe
    file = Path(project_file) if project_file else None
    reporter = running.Silent()
    served = Worker(
        lambda flags: open_session(Options(file, os.environ, flags), lambda: running.start_practice(reporter)), out
    )
    served.serve(sys.stdin)
    running.leave(0)


def _given_runs(
    invocation: Invocation, run_texts: tuple[str, ...], grid_texts: tuple[str, ...]
) -> tuple[Parameters, ...]:
    try:
        return parse_runs(run_texts) + parse_grid(grid_texts)
    except MlopsError as error:
        invocation.reporter().show(Problem(error=card(error)))
        running.leave(error.exit_code)


def _confirmation(invocation: Invocation, session: Session) -> Callable[[Plan], bool] | None:
    if not invocation.interactive:
        return None

    def ask(plan: Plan) -> bool:
        return session.ask(lambda: click.confirm("Apply this plan?", default=True))

    return ask


def _print_by_hand(invocation: Invocation) -> None:
    from mlops_tui.opening import open_project
    from mlops_tui.setup import steps

    try:
        project, _, _ = open_project(invocation.options, lambda: running.start_practice(running.Silent()))
    except MlopsError as error:
        invocation.reporter().show(Problem(error=card(error)))
        running.leave(error.exit_code)
    for number, step in enumerate(steps(), 1):
        click.echo(f"# {number}. {step.title}\n{step.by_hand(project).strip()}\n")
