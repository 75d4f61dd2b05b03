"""build, deploy, validate, rollback, endpoints, images, try."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from mlops_tui import delivery_operations as operations
from mlops_tui.commands import running
from mlops_tui.commands.options import ProjectCommand, approval_options, given_flags, out_option, project_options
from mlops_tui.commands.running import Invocation
from mlops_tui.delivery.approval import Approval, Ask, actor
from mlops_tui.errors import MlopsError
from mlops_tui.events import ApprovalAsked, Event, RowsRead, Stage
from mlops_tui.session import Session
from mlops_tui.steps import Emit

STAGES: dict[str, Stage] = {"staging": "staging", "production": "production"}
STAGE = click.argument("stage", type=click.Choice(list(STAGES)))
LARGEST = 16 << 20  # characters of rows


@click.command(cls=ProjectCommand)
@click.option("--build", default="", help="The build whose best model is meant. Default: the newest.")
@out_option
@project_options
def build(invocation: Invocation, build: str) -> None:
    """Build the container image of a build's best model, and register both.

    It is kept where it is there. The exit code is 1 where no run of the build passes the gate.

    \b
    mlops-tui build --out out      and write out/metadata/image.json for the next CI stage
    """
    running.run(invocation, lambda session, emit: operations.build_image(session, emit, build))


@click.command(cls=ProjectCommand)
@STAGE
@click.option("--build", default="", help="Deploy the image of this build.")
@click.option(
    "--image",
    default="",
    metavar="FILE|ID",
    help="Deploy this image: its id with the digest, or a file that `build --out` has written.",
)
@approval_options
@project_options
def deploy(invocation: Invocation, stage: Stage, build: str, image: str, approve: bool, force: str) -> None:
    """Let STAGE (staging or production) answer with a build's image.

    Without --build and --image the newest image goes into staging, and what staging answers with into production.
    Production needs a passed validation and an approval: at a terminal it asks; elsewhere give --approve.

    \b
    mlops-tui deploy staging --image out/metadata/image.json
    mlops-tui deploy production --build 17 --approve
    """
    from mlops_tui.headless.out_files import read_image

    if build and image:
        raise click.UsageError("Give one of --build and --image.")
    try:
        image_id = read_image(image) if image else ""
    except MlopsError as error:
        running.fail(invocation.reporter(), error)
    running.run(
        invocation,
        lambda session, emit: operations.deploy(
            session,
            emit,
            stage,
            image_id,
            build,
            given_approval(approve, force),
            ask_for(invocation, session, force),
            given_flags(invocation),
        ),
    )


@click.command(cls=ProjectCommand)
@click.argument("stage", type=click.Choice(list(STAGES)), default="staging")
@click.option("--build", default="", help="The build that STAGE must answer with. Default: whichever it does.")
@out_option
@project_options
def validate(invocation: Invocation, stage: Stage, build: str) -> None:
    """Ask STAGE about the build's kept test set, and judge the answers.

    They must be as good as in training, pass the gate, and not lose to production on the same rows. The verdict is
    kept with the model's version. The exit code is 1 where one of these fails.
    """
    running.run(invocation, lambda session, emit: operations.validate(session, emit, stage, build))


@click.command(cls=ProjectCommand)
@STAGE
@project_options
def rollback(invocation: Invocation, stage: Stage) -> None:
    """Let STAGE answer with what it answered with before."""
    running.run(invocation, lambda session, emit: operations.rollback(session, emit, stage))


@click.command(cls=ProjectCommand)
@project_options
def endpoints(invocation: Invocation) -> None:
    """Show what answers in staging and in production: URL, health, build, traffic."""
    running.run(invocation, operations.list_endpoints)


@click.command(cls=ProjectCommand)
@project_options
def images(invocation: Invocation) -> None:
    """List the images of all builds, with their metrics and verdicts."""
    running.run(invocation, operations.list_images)


@click.command("try", cls=ProjectCommand)
@STAGE
@click.option(
    "--rows",
    default="",
    metavar="FILE|-",
    help="The rows to ask about: JSON, JSON lines or CSV; - is standard input. Default: five of the kept test set.",
)
@click.option("--deployment", default="", help="Ask this deployment of the endpoint, whatever the traffic.")
@project_options
def try_(invocation: Invocation, stage: Stage, rows: str, deployment: str) -> None:
    """Ask STAGE for predictions.

    \b
    mlops-tui try staging
    echo '{"alcohol": 9.4, …}' | mlops-tui try production --rows -
    """
    text = _read(rows) if rows else None
    running.run(invocation, lambda session, emit: _try(session, emit, stage, text, deployment))


def given_approval(approve: bool, force: str) -> Approval | None:
    """What --approve says; in CI by whoever started the build, else by whoever is signed in."""
    return Approval(actor(os.environ), force) if approve else None


def ask_for(invocation: Invocation, session: Session, force: str) -> Ask | None:
    """The question at a terminal; None where nobody is there."""
    if not invocation.interactive:
        return None

    def ask(question: ApprovalAsked) -> Approval | None:
        reason = force or ("" if question.verdict == "passed" else _reason(session))
        if not reason and question.verdict != "passed":
            return None
        put = f"Put build {question.build} into {question.stage}?"
        return Approval(force=reason) if session.ask(answered(lambda: click.confirm(put, default=False))) else None

    return ask


def _reason(session: Session) -> str:
    """Why a build goes into production against its verdict; empty: it shall not."""
    said: list[str] = []

    def question() -> bool:
        said.append(click.prompt(WHY, default="", show_default=False))
        return True

    session.ask(answered(question))
    return "".join(said).strip()


WHY = "It has not passed its validation. Why put it into production all the same? (Enter: do not)"


def answered(question: Callable[[], bool]) -> Callable[[], bool]:
    """Ctrl+C or the end of input: no answer is no."""

    def ask() -> bool:
        try:
            return question()
        except click.Abort:
            click.echo()
            return False

    return ask


def _read(rows: str) -> str:
    try:
        text = sys.stdin.read(LARGEST + 1) if rows == "-" else Path(rows).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.UsageError(f"{rows} cannot be read: {reason}.") from error
    if len(text) > LARGEST:
        raise click.UsageError(f"{rows} is too long: {LARGEST >> 20} MB at most.")
    return text


def _try(session: Session, emit: Emit, stage: Stage, text: str | None, deployment: str) -> str:
    """With rows of the kept test set where no file was given; an empty one is refused."""
    if text is not None:
        return operations.predict(session, emit, stage, text, deployment)
    found: list[RowsRead] = []

    def take(event: Event) -> None:
        if isinstance(event, RowsRead):
            found.append(event)
        else:
            emit(event)

    operations.read_rows(session, take)
    return operations.predict(session, emit, stage, found[0].rows, deployment)
