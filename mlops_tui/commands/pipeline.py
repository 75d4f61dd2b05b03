"""up, setup, train, runs, show, logs, cancel, down, worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from mlops_tui import delivery_operations, operations
from mlops_tui.commands import running
from mlops_tui.commands.delivery import STAGES, ask_for, given_approval
from mlops_tui.commands.options import (
    ProjectCommand,
    approval_options,
    build_options,
    given_flags,
    out_option,
    project_options,
    sweep_options,
)
from mlops_tui.commands.running import Invocation
from mlops_tui.engine import Plan
from mlops_tui.errors import MlopsError
from mlops_tui.project import Parameters, parse_grid, parse_runs
from mlops_tui.session import Session
from mlops_tui.training.builds import build_of


@click.command(cls=ProjectCommand)
@sweep_options
@build_options
@approval_options
@out_option
@project_options
def up(
    invocation: Invocation,
    run_texts: tuple[str, ...],
    grid_texts: tuple[str, ...],
    build_number: str,
    build_source: str,
    approve: bool,
    force: str,
) -> None:
    """From nothing to predictions: set up what is missing, train, build, deploy, validate.

    It looks first and shows a plan, and asks at a terminal before it changes anything, and again before production.
    Elsewhere it stops before production with the exit code 4, unless --approve is given. Run it again at any time:
    it looks at what is there and does the rest.

    \b
    mlops-tui up                                    practise on this machine, at no cost
    mlops-tui up --approve                          and put the model into production, too
    mlops-tui up --run alpha=0.2,l1_ratio=0.7       one run with these parameters
    mlops-tui up --cloud AzureCloud                 the same in Azure
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
            operations.Onward(
                given_approval(approve, force), ask_for(invocation, session, force), given_flags(invocation)
            ),
        ),
    )


@click.command(cls=ProjectCommand)
@click.option("--plan", "plan_only", is_flag=True, help="Show what would change and what it costs; change nothing.")
@click.option("--only", multiple=True, metavar="STEP", help="This step alone, such as notebooks; repeat it for more.")
@click.option("--by-hand", is_flag=True, help="Print the az and databricks commands that would do the same.")
@project_options
def setup(invocation: Invocation, plan_only: bool, only: tuple[str, ...], by_hand: bool) -> None:
    """Make the cloud match the project: plan, apply just that plan, verify.

    At a terminal it asks before it applies the plan. A second call finds nothing to do and writes nothing. With --only
    what the step needs must be there.
    """
    if by_hand:
        _print_by_hand(invocation)
        return
    running.run(
        invocation,
        lambda session, emit: operations.setup(
            session, emit, plan_only=plan_only, confirm=_confirmation(invocation, session), only=only
        ),
    )


@click.command(cls=ProjectCommand)
@sweep_options
@build_options
@click.option("--detach", is_flag=True, help="Launch and leave. Come back with: mlops-tui logs RUN --follow")
@out_option
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

    What they run on must be there: `mlops-tui setup` makes it, and `mlops-tui up` does both. The exit code is 1 where
    a run fails or the best one misses the gate.
    """
    given = _given_runs(invocation, run_texts, grid_texts)
    build = build_of(os.environ, build_number, build_source)
    running.run(
        invocation,
        lambda session, emit: operations.train(
            session, emit, operations.Sweep(build, given or session.project.training.runs, detach)
        ),
    )


@click.command(cls=ProjectCommand)
@click.option("--build", default="", help="Only the runs of this build.")
@click.option(
    "--limit", default=50, type=click.IntRange(1, 1000), metavar="INTEGER", help="This many at most. Default: 50."
)
@click.option("--sweeps", is_flag=True, help="List sweeps instead, with the numbers that `logs` and `cancel` take.")
@project_options
def runs(invocation: Invocation, build: str, limit: int, sweeps: bool) -> None:
    """List training runs with their metrics, newest first.

    \b
    mlops-tui runs --sweeps      what was launched, and what of it still runs
    mlops-tui show RUN_ID        one run in full
    """
    if sweeps and build:
        raise click.UsageError("--build chooses among runs, not among sweeps.")
    if sweeps:
        running.run(invocation, lambda session, emit: operations.list_job_runs(session, emit, limit))
    running.run(invocation, lambda session, emit: operations.list_runs(session, emit, build, limit))


@click.command(cls=ProjectCommand)
@click.argument("run_id")
@project_options
def show(invocation: Invocation, run_id: str) -> None:
    """Show one training run: parameters, metrics, what it used and what it made.

    RUN_ID is MLflow's: the run's log prints it, `mlops-tui runs --output json` lists it.
    """
    running.run(invocation, lambda session, emit: operations.describe_run(session, emit, run_id))


@click.command(cls=ProjectCommand)
@click.argument("run")
@click.option("--follow", is_flag=True, help="Stay until it ends, then compare its runs; at a stage: until Ctrl+C.")
@project_options
def logs(invocation: Invocation, run: str, follow: bool) -> None:
    """Show what RUN or a stage has printed.

    RUN is the number of a job run: `mlops-tui train` prints it. Or it is a stage of delivery: staging, production.

    \b
    mlops-tui logs 1001 --follow
    mlops-tui logs production
    """
    stage = STAGES.get(run)
    if stage is not None:
        running.run(invocation, lambda session, emit: delivery_operations.read_stage_log(session, emit, stage, follow))
    running.run(invocation, lambda session, emit: operations.read_log(session, emit, run, follow))


@click.command(cls=ProjectCommand)
@click.argument("run")
@click.option("--only", default="", metavar="NAME", help="End this one of its runs; the others go on.")
@project_options
def cancel(invocation: Invocation, run: str, only: str) -> None:
    """End RUN before its time.

    RUN is the number of a job run: `mlops-tui train` prints it, `mlops-tui runs --sweeps` lists it.

    \b
    mlops-tui cancel 1001 --only alpha=0.5,l1_ratio=0.5
    """
    running.run(invocation, lambda session, emit: operations.cancel_run(session, emit, run, only))


@click.command(cls=ProjectCommand)
@click.option("--yes", is_flag=True, help="Do not ask first; needed where there is no terminal.")
@project_options
def down(invocation: Invocation, yes: bool) -> None:
    """Remove what setup has made, with the resource group and all that is in it.

    What was there before setup is left alone. In the practice cloud, `mlops-tui sandbox reset` is quicker.
    """
    if not yes:
        if not invocation.interactive:
            raise click.UsageError("`down` removes things: confirm with --yes.")
        click.confirm("Remove the project's resource group, principal, workspace and all runs?", abort=True)
    running.run(invocation, operations.teardown)


BEHIND_KEYS = 10  # niceness: what is imported and trained behind the app must not make its keys wait


@click.command(hidden=True)
@click.option("--file", "-f", "project_file", type=click.Path(dir_okay=False), default=None)
def worker(project_file: str | None) -> None:
    """Serve requests on standard input (see mlops_tui.worker)."""
    from pathlib import Path

    from mlops_tui.commands import sandbox
    from mlops_tui.worker import Worker
    from mlops_tui.worker_service import Surroundings

    os.nice(BEHIND_KEYS)
    out, sys.stdout = sys.stdout, sys.stderr  # nothing but messages may reach the pipe
    for stream in (sys.stdin, out):
        running.speak(stream, "utf-8")  # as JSON is, whatever the locale
    file = Path(project_file) if project_file else None
    Worker(Surroundings(file, os.environ, sandbox.practice, sandbox.known_practice), out).serve(sys.stdin)
    running.leave(0)


def _given_runs(
    invocation: Invocation, run_texts: tuple[str, ...], grid_texts: tuple[str, ...]
) -> tuple[Parameters, ...]:
    try:
        return parse_runs(run_texts) + parse_grid(grid_texts)
    except MlopsError as error:
        running.fail(invocation.reporter(), error)


def _confirmation(invocation: Invocation, session: Session) -> Callable[[Plan], bool] | None:
    if not invocation.interactive:
        return None

    def question() -> bool:
        try:
            return click.confirm("Apply this plan?", default=True)
        except click.Abort:  # Ctrl+C or the end of input: no answer is no
            click.echo()
            return False

    return lambda _: session.ask(question)


def _print_by_hand(invocation: Invocation) -> None:
    """As far as is known: nothing is started or called for it."""
    from mlops_tui.commands.sandbox import known_practice
    from mlops_tui.project import load
    from mlops_tui.setup import steps

    options = invocation.options
    try:
        project, _ = load(options.file, options.environment, options.flags, known_practice())
        texts = [f"{step.title}\n{step.by_hand(project).strip()}\n" for step in steps()]
    except MlopsError as error:
        running.fail(invocation.reporter(), error)
    for number, text in enumerate(texts, 1):
        click.echo(f"# {number}. {text}")
