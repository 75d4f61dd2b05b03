"""What can be asked for: set up, train, list, read a log. Both front ends and the worker ask here, and only here.

Delivery has a page of its own: `delivery_operations`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui import __version__
from mlops_tui.engine import Engine, Outcome, Plan, Sequencer, card
from mlops_tui.errors import Interrupted, MlopsError
from mlops_tui.events import (
    ChoicesRead,
    CommandFinished,
    CommandStarted,
    JobRunsFound,
    LogLine,
    Problem,
    RunsListed,
    SignInsFound,
)
from mlops_tui.looking import look
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.delivery.approval import Approval, Ask
    from mlops_tui.opening import Options
    from mlops_tui.project import Parameters
    from mlops_tui.session import Session
    from mlops_tui.training.builds import Build

Confirm = Callable[[Plan], bool]
Work = Callable[[Emit], str]  # does something, tells it, and returns a closing sentence


@dataclass(frozen=True)
class Sweep:
    """Which runs to launch, as what build."""

    build: Build
    runs: tuple[Parameters, ...]
    detach: bool = False


@dataclass(frozen=True)
class Onward:
    """Who lets a build go into production; see `delivery_operations.deploy`."""

    approval: Approval | None = None
    ask: Ask | None = None
    flags: Sequence[str] = ()


def describe(options: Options, emit: Emit, practice: Mapping[str, str] | None) -> None:
    """Every setting, right or wrong, and every step; `practice` is what the practice cloud gives, if that is known."""
    from mlops_tui import project, settings_form
    from mlops_tui.setup import steps

    looked = project.look(options.file, options.environment, options.flags, practice)
    emit(settings_form.settings_read(looked))
    emit(settings_form.describe(steps(looked.project), looked.project))


def setup(
    session: Session,
    emit: Emit,
    *,
    plan_only: bool = False,
    confirm: Confirm | None = None,
    only: Collection[str] = (),
) -> str:
    """Plan, and unless told otherwise apply just that plan: of all steps, or of some. Raises UsageError where these
    need one that is not applied yet."""
    found = plan(session, emit, only)
    if plan_only:
        return "Nothing was changed."
    if found.pending and confirm is not None and not confirm(found):
        raise Interrupted("Not applied.", hint="Nothing was changed.")
    return apply(session, emit, found, only)


def plan(session: Session, emit: Emit, only: Collection[str] = ()) -> Plan:
    """Look at everything that setup makes, or at some steps and what they need."""
    from mlops_tui.setup import chosen, steps

    wanted = chosen(session.project, only) if only else steps(session.project)
    return Engine(wanted, session, emit).plan()


def apply(session: Session, emit: Emit, plan: Plan, only: Collection[str] = ()) -> str:
    """Make true what the plan of this session says, of some steps or of all; what it says counts as kept then."""
    from mlops_tui.setup import steps

    if not plan.pending and not only:
        return "Nothing to do."
    looked_at = [step for step in steps(session.project) if step.name in plan.findings]
    _raise_first(Engine(looked_at, session, emit).apply(plan, only))
    return f"{plan.pending} changes of the plan are left." if plan.pending else "Everything is set up."


def teardown(session: Session, emit: Emit) -> str:
    """Remove what setup makes."""
    from mlops_tui.setup import steps

    _raise_first(Engine(steps(session.project), session, emit).remove())
    return "Everything that setup makes is gone."


def train(session: Session, emit: Emit, sweep: Sweep) -> str:
    """Launch the sweep on what setup has made, follow it, compare its runs."""
    from mlops_tui import training

    if not session.knows("train_job_id"):
        look(session, emit, "train-job")
    compared = training.train(session, sweep.build, sweep.runs, emit, sweep.detach)
    if compared is None:
        return "The runs go on in the cloud."
    return f"Best run: {compared.best}."


def up(session: Session, emit: Emit, sweep: Sweep, confirm: Confirm | None = None, onward: Onward | None = None) -> str:
    """The main job: setup, train, build, staging, its validation; and production, where somebody approves."""
    from mlops_tui import delivery_operations as delivery

    onward = onward or Onward()
    setup(session, emit, confirm=confirm)
    build = _train_once(session, emit, sweep)
    delivery.build_image(session, emit, build)
    delivery.deploy(session, emit, "staging", build=build)
    delivery.validate(session, emit, "staging", build)
    return delivery.deploy(
        session, emit, "production", build=build, approval=onward.approval, ask=onward.ask, flags=onward.flags
    )


def _train_once(session: Session, emit: Emit, sweep: Sweep) -> str:
    """The build's number. Where nobody has named one, the newest local build that has trained the same will do."""
    from mlops_tui import training
    from mlops_tui.training import builds
    from mlops_tui.training.sweep import what_is_trained

    wanted = what_is_trained(session, sweep.runs)
    same = builds.find_same(session, wanted) if sweep.build.fresh else None
    if same is None:
        train(session, emit, sweep)
        return sweep.build.number
    number = same.build.number
    if not same.ended:
        emit(LogLine(source="train", text=f"build {number} is being trained: taking it up"))
        train(session, emit, replace(sweep, build=same.build))
        return number
    if training.judge_again(session, same.build, sweep.runs, emit) is None:
        train(session, emit, sweep)
        return sweep.build.number
    return number


def list_runs(session: Session, emit: Emit, build: str = "", limit: int = 50) -> str:
    from mlops_tui import training

    look(session, emit, "databricks-workspace")
    emit(RunsListed(results=training.list_runs(session, build, limit), gate=str(session.project.training.gate)))
    return ""


def list_job_runs(session: Session, emit: Emit, limit: int = 20) -> str:
    """The project's sweeps, newest first: none where its job is not made yet."""
    from mlops_tui import training
    from mlops_tui.setup import train_job

    look(session, emit, "databricks-workspace")
    job = train_job.find(session)
    emit(JobRunsFound(job_runs=training.list_job_runs(session, job.id, limit) if job else ()))
    return ""


def describe_run(session: Session, emit: Emit, run_id: str) -> str:
    """A tracked run by MLflow's id. Raises NotFoundError."""
    from mlops_tui import training

    look(session, emit, "databricks-workspace")
    emit(training.describe(session, run_id, emit))
    return ""


def list_choices(session: Session, emit: Emit, setting: str) -> str:
    """What the cloud offers for a setting. Raises UsageError where there is no list, or none before a step is done."""
    from mlops_tui import choices

    offer = choices.offer_of(setting)
    if offer.step:
        look(session, emit, offer.step)
    emit(ChoicesRead(setting=setting, choices=offer.read(session)))
    return ""


def read_log(session: Session, emit: Emit, run: str, follow: bool) -> str:
    """Of a training or of a job of delivery, by the job run's number."""
    from mlops_tui import training
    from mlops_tui.delivery import jobs

    look(session, emit, "databricks-workspace")
    if run.isdecimal() and not jobs.is_sweep(session, int(run)):
        jobs.read_log(session, int(run), emit, follow)
    else:
        training.read_log(session, run, emit, follow)
    return ""


def cancel_run(session: Session, emit: Emit, run: str, only: str = "") -> str:
    """End a job run, or `only` the run of that name in it."""
    from mlops_tui import training

    look(session, emit, "databricks-workspace")
    return training.cancel(session, run, emit, only)


def save_settings(
    options: Options, emit: Emit, values: Mapping[str, str], practice: Mapping[str, str] | None = None
) -> str:
    """Write settings, by name, into the project file. Raises UsageError: then the file is as it was."""
    from mlops_tui import settings_form, settings_saving
    from mlops_tui.project import look

    saved = settings_saving.save(options.file, values)
    if saved.is_new:
        emit(LogLine(source=saved.file.name, text="a new file, with the defaults"))
    for line in saved.lines:
        was = f"  (was {line.before})" if line.before else ""
        emit(LogLine(source=saved.file.name, text=f"line {line.number}: {line.text}{was}"))
    emit(settings_form.settings_read(look(saved.file, options.environment, options.flags, practice)))
    return f"Saved in {saved.file}." if saved.lines or saved.is_new else f"{saved.file} says so already."


def find_sign_ins(environment: Mapping[str, str], emit: Emit) -> str:
    """The ways into a cloud that this machine is prepared for."""
    from mlops_tui import sign_ins

    emit(SignInsFound(sign_ins=sign_ins.find(environment, Path.home())))
    return ""


def perform(command: str, session: Session, work: Work, show: Emit) -> int:
    """Do `work` between a CommandStarted and a CommandFinished; the exit code. Errors end as cards, never as traces.

    Where signing in takes a person (a device code), what they must do comes as a LogLine of the source "sign-in".
    """
    emit = Sequencer(show)
    session.prompt = lambda text: emit(LogLine(source="sign-in", text=text))
    started = time.monotonic()
    project = session.project
    emit(CommandStarted(command=command, cloud=session.cloud.name, project=project.name, version=__version__))
    summary, exit_code = "", 0
    try:
        summary = work(emit)
    except MlopsError as error:
        if not error.told:
            emit(Problem(error=card(error)))
        exit_code = error.exit_code
    finally:
        session.close()
    seconds = round(time.monotonic() - started, 2)
    emit(CommandFinished(command=command, exit_code=exit_code, seconds=seconds, summary=summary))
    return exit_code


def _raise_first(outcome: Outcome) -> None:
    if outcome.error:
        raise outcome.error
