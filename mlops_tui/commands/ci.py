"""ci run, runs, logs, approve, cancel: the project's pipeline on its CI host."""

from __future__ import annotations

import click

from mlops_tui import pipeline_operations as operations
from mlops_tui.commands import running
from mlops_tui.commands.delivery import answered
from mlops_tui.commands.options import InOrder, ProjectCommand, given_flags, pipeline_options
from mlops_tui.commands.running import Invocation
from mlops_tui.events import PipelineApproval
from mlops_tui.pipelines.approval import Ask, Consent
from mlops_tui.pipelines.launch import STAGES, order_of
from mlops_tui.session import Session


def _number(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Runs have numbers on both hosts; anything else would be a part of an address."""
    if not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f"{value!r} is no run's number; `mlops-tui ci runs` lists them.")
    return value


RUN = click.argument("run_id", metavar="RUN", callback=_number)


@click.group(cls=InOrder)
def ci() -> None:
    """The project's pipeline on its CI host, Azure DevOps or GitHub.

    `mlops-tui setup --ci-host azure-devops` (or github) makes it; --ci-host is a setting: `mlops-tui config --save`
    keeps it.
    """


@ci.command(cls=ProjectCommand)
@click.option(
    "--build-number",
    default="",
    help="The build to release, or what to name the new one. Default: the newest one; of a new one the host's number.",
)
@click.option(
    "--stage",
    type=click.Choice(list(STAGES)),
    default="all",
    help="all trains and goes on; staging and production release a build that is there. Default: all.",
)
@click.option("--branch", default="", help="The branch to run. Default: ci.branch of the project.")
@click.option("--follow", is_flag=True, help="Stay until it has ended; at a terminal it asks when it needs a yes.")
@click.option("--approve", is_flag=True, help="With --follow: say yes when it asks for one.")
@pipeline_options
def run(invocation: Invocation, build_number: str, stage: str, branch: str, follow: bool, approve: bool) -> None:
    """Start a run of the pipeline.

    Its number and its page are printed first. With --follow the exit code is 1 where it fails; Ctrl+C leaves it going.

    \b
    mlops-tui ci run --follow
    mlops-tui ci run --stage production --build-number 20261128.1
    """
    if approve and not follow:
        raise click.UsageError("--approve needs --follow: else nobody is here when the run asks.")
    running.run(
        invocation,
        lambda session, emit: operations.run(
            session,
            emit,
            order_of(session.project, branch, build_number, stage),
            follow,
            _consent(invocation, session, approve),
        ),
    )


@ci.command(cls=ProjectCommand)
@click.option(
    "--limit", default=20, type=click.IntRange(1, 200), metavar="INTEGER", help="This many at most. Default: 20."
)
@pipeline_options
def runs(invocation: Invocation, limit: int) -> None:
    """List the pipeline's runs, newest first.

    What of them waits for somebody's yes is named, with the command that gives it.
    """
    running.run(invocation, lambda session, emit: operations.list_runs(session, emit, limit, given_flags(invocation)))


@ci.command(cls=ProjectCommand)
@RUN
@click.option("--follow", is_flag=True, help="Stay until it has ended; at a terminal it asks when it needs a yes.")
@pipeline_options
def logs(invocation: Invocation, run_id: str, follow: bool) -> None:
    """Show the stages and steps of RUN, and what they have printed.

    RUN is the number that `mlops-tui ci run` prints and `mlops-tui ci runs` lists.
    """
    running.run(
        invocation,
        lambda session, emit: operations.read_log(session, emit, run_id, follow, _consent(invocation, session)),
    )


@ci.command(cls=ProjectCommand)
@RUN
@click.option("--comment", default="", help="What to tell with it; the host keeps it.")
@click.option("--follow", is_flag=True, help="Stay until it has ended.")
@pipeline_options
def approve(invocation: Invocation, run_id: str, comment: str, follow: bool) -> None:
    """Say yes to what RUN waits for: production, as a rule.

    The exit code is 3 where it is somebody else's to say, and 2 where it waits for nothing.
    """
    running.run(
        invocation,
        lambda session, emit: operations.approve(session, emit, run_id, comment, follow, _consent(invocation, session)),
    )


@ci.command(cls=ProjectCommand)
@RUN
@pipeline_options
def cancel(invocation: Invocation, run_id: str) -> None:
    """End RUN before its time."""
    running.run(invocation, lambda session, emit: operations.cancel(session, emit, run_id))


def _consent(invocation: Invocation, session: Session, given: bool = False) -> Consent:
    return Consent(given, _ask(session) if invocation.interactive else None, given_flags(invocation))


def _ask(session: Session) -> Ask:
    """The question at a terminal."""

    def ask(asked: PipelineApproval) -> bool:
        return session.ask(
            answered(lambda: click.confirm(f"Let run {asked.run} go on to {asked.stage}?", default=False))
        )

    return ask
