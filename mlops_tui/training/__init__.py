"""Training: launch a sweep, follow it live, compare its runs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_tui.errors import GateMissedError, RunFailedError, UsageError
from mlops_tui.events import Identified, LogLine, RunResult, RunsCompared, RunStatus
from mlops_tui.steps import Emit
from mlops_tui.training.description import describe
from mlops_tui.training.history import list_job_runs, list_runs
from mlops_tui.training.segments import Segments
from mlops_tui.training.selection import compare
from mlops_tui.training.sweep import Launched, launch, named, relaunched
from mlops_tui.training.tail import AT_ONCE, Follower

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_runs import RunInfo
    from mlops_tui.project import Parameters
    from mlops_tui.session import Session
    from mlops_tui.training.builds import Build

__all__ = ["cancel", "describe", "judge_again", "list_job_runs", "list_runs", "read_log", "train"]

AGAIN = 4  # tracked runs of one name that a build may have: one a retry
FAILED = "Their logs say why. Mend the cause, then train again."
CANCELED = "Cancelled before the end. To train what is missing, run the same command again."


def train(
    session: Session, build: Build, runs: tuple[Parameters, ...], emit: Emit, detach: bool = False
) -> RunsCompared | None:
    """Launch, follow, compare; None where the caller does not stay.

    Raises RunFailedError where a run ended badly, GateMissedError where none is good enough (both after the table was
    emitted), UnreachableError where the connection stays lost, Interrupted where the session was cancelled.
    """
    launched = launch(session, build, runs, emit)
    if detach:
        emit(LogLine(source="train", text=f"come back with: mlops-tui logs {launched.run_id} --follow"))
        return None
    return _follow(session, launched, emit)


def judge_again(session: Session, build: Build, runs: tuple[Parameters, ...], emit: Emit) -> RunsCompared | None:
    """The table of a build that has been trained already, and its gate; None where its runs are not all tracked.

    Raises GateMissedError where none is good enough.
    """
    tracked = {run.name: run for run in reversed(list_runs(session, build.number, len(runs) * AGAIN))}
    names = named(runs)
    if not all(name in tracked and tracked[name].status == "succeeded" for name in names):
        return None
    text = f"build {build.number} is trained already; to train anew: mlops-tui train"
    emit(LogLine(source="train", text=text))
    compared = compare(build.number, [tracked[name] for name in names], session.project.training)
    emit(compared)
    _judge_gate(compared, next((run.url for run in compared.results if run.best), ""))
    return compared


def read_log(session: Session, run: str, emit: Emit, follow: bool) -> RunsCompared | None:
    """The logs of a job run's runs: as far as they are, or with `follow` until the end, as `train` does."""
    launched = relaunched(session, _number(run))
    emit(Identified(what="build", id=launched.build.number))
    if follow:
        return _follow(session, launched, emit)
    files = _databricks(session).files
    for name in launched.runs:
        log = Segments(files, f"{launched.log_folder}/{name}")
        for lines in (*log.all(), log.rest()):
            for line in lines:
                emit(LogLine(source=name, text=line))
    return None


def cancel(session: Session, run: str, emit: Emit, only: str = "") -> str:
    """Ask for the end of a job run, or of `only` the run of that name in it; a sentence on what was done.

    What has ended already is left as it is. Raises UsageError where there is no run of that name to be ended.
    """
    run_id = _number(run)
    runs = _databricks(session).runs
    target = _iteration(session, run_id, only) if only else runs.get(run_id)
    name = f"{only} of job run {run_id}" if only else f"job run {run_id}"
    if target.ended:
        return f"Nothing to cancel: {name} has ended already ({target.status})."
    runs.cancel(target.run_id)
    emit(LogLine(source=only or "train", text=f"asked {name} to end"))
    return "Cancelled; its other runs go on." if only else "Cancelled."


def _iteration(session: Session, run_id: int, name: str) -> RunInfo:
    """The run of that name. Raises UsageError where it is unknown, or has no number yet to be ended by."""
    launched = relaunched(session, run_id)
    if name not in launched.runs:
        raise UsageError(
            f"Job run {run_id} has no run named {name!r}.",
            problems=tuple(launched.runs),
            hint="Give one of the names above, just as it is written there.",
        )
    runs = _databricks(session).runs
    begun = {each.name: each for task in launched.task_run_ids for each in runs.iterations(task)}
    if name not in begun:
        raise UsageError(
            f"{name} of job run {run_id} has not begun: Databricks can end only what has.",
            hint=f"Wait until it begins, or end the whole sweep: mlops-tui cancel {run_id}",
        )
    return begun[name]


def _follow(session: Session, launched: Launched, emit: Emit) -> RunsCompared:
    databricks = _databricks(session)
    follower = Follower(session, databricks, launched, emit)
    seen = follower.follow()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="results") as pool:
        names = list(launched.runs)
        results = pool.map(lambda name: _outcome(session, launched, name, seen.get(name), follower.status), names)
        compared = compare(launched.build.number, results, session.project.training)
    emit(compared)
    _judge(compared, launched, seen)
    return compared


def _outcome(session: Session, launched: Launched, name: str, run: RunInfo | None, job: RunStatus) -> RunResult:
    """What became of one run: its state from the job, its metrics from the tracked run that it named at its end.

    One that never began shares the end of its job run: canceled, where that was; else it failed.
    """
    parameters: dict[str, float | str] = dict(launched.runs[name])
    if run is None:
        never: RunStatus = "canceled" if job == "canceled" else "failed"
        return RunResult(name, parameters, never, build=launched.build.number, source=launched.build.source)
    metrics: dict[str, float] = {}
    tracked_id = ""
    databricks = _databricks(session)
    if run.status == "succeeded":
        tracked_id = _tracked_id(databricks.runs.output(run.run_id).result)
        found = databricks.experiments.get(tracked_id).metrics if tracked_id else {}
        metrics = {key: found[key] for key in session.project.training.metrics if key in found}
    return RunResult(
        name,
        parameters,
        run.status,
        metrics,
        run.seconds,
        run_id=tracked_id,
        url=run.url,
        build=launched.build.number,
        source=launched.build.source,
        started=run.started,
    )


def _tracked_id(exit_value: str) -> str:
    """The MLflow run that the notebook named when it exited; empty where it named none."""
    try:
        value = json.loads(exit_value)
    except ValueError:
        return ""
    return str(value.get("run_id", "")) if isinstance(value, dict) else ""


def _judge(compared: RunsCompared, launched: Launched, seen: dict[str, RunInfo]) -> None:
    bad = [result for result in compared.results if result.status != "succeeded"]
    if bad:
        first = seen.get(bad[0].name)
        names = ", ".join(f"{result.name} ({result.status})" for result in bad)
        raise RunFailedError(
            f"{len(bad)} of {len(compared.results)} runs did not succeed: {names}.",
            hint=CANCELED if all(result.status == "canceled" for result in bad) else FAILED,
            link=(first.url if first else "") or launched.url,
            raw=first.message if first else "The run never began.",
        )
    _judge_gate(compared, launched.url)


def _judge_gate(compared: RunsCompared, link: str) -> None:
    if not compared.passed:
        found = f"the best run, {compared.best}, is in the table" if compared.best else "no run has that metric"
        raise GateMissedError(
            f"The gate {compared.gate} is missed: {found}.",
            hint="Try other parameters (--grid alpha=0.1:0.5:0.1), or change training.gate in mlops.toml.",
            link=link,
        )


def _databricks(session: Session) -> Databricks:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace"))


def _number(run: str) -> int:
    if not run.isdecimal():
        raise UsageError(
            f"{run!r} is not the number of a job run.", hint="`train` prints it; the jobs page has it, too."
        )
    return int(run)
