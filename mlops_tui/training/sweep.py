"""A sweep: the runs of one build, and their launch as one run of the project's training job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError
from mlops_tui.events import Identified, LogLine
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.project import Parameters
    from mlops_tui.session import Session
    from mlops_tui.training.builds import Build

LONGEST = 10_000  # characters of a job parameter (Databricks, "Job parameters": 10,000 bytes in all)
ATTEMPTS = 50


@dataclass(frozen=True)
class Launched:
    """A sweep in the cloud."""

    run_id: int  # of the job run
    url: str
    build: Build
    runs: dict[str, Parameters]  # by name, in the order given
    log_folder: str  # each run writes its live log to <log_folder>/<name>
    task_run_ids: tuple[int, ...] = ()  # of the job run's tasks; known of a sweep that is met again


def named(runs: tuple[Parameters, ...]) -> dict[str, Parameters]:
    """Each run under a name that people read and that a file may have: "alpha=0.5,l1_ratio=0.5"."""
    by_name: dict[str, Parameters] = {}
    for parameters in runs:
        plain = ",".join(f"{name}={figure(value)}" for name, value in parameters.items())
        name, number = plain, 1
        while name in by_name:
            number += 1
            name = f"{plain},again={number}"
        by_name[name] = parameters
    return by_name


def inputs(by_name: Mapping[str, Parameters]) -> list[dict[str, str]]:
    """What the job's for-each task iterates over: the job parameter `runs`, as JSON."""
    return [{"name": name} | {key: figure(value) for key, value in run.items()} for name, run in by_name.items()]


def figure(value: float) -> str:
    """As short as people write it, and never another number: "0.5", "0.12345678"."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def launch(session: Session, build: Build, runs: tuple[Parameters, ...], emit: Emit) -> Launched:
    """Start the sweep as one run of the training job.

    The same build with the same runs is the same work: asked again, a run that is under way or has succeeded is taken
    up, and only a failed or cancelled one is started anew.
    """
    training = session.project.training
    by_name = named(runs)
    parameters = what_is_trained(session, runs) | {
        "build_number": build.number,
        "build_source": build.source,
        "log_folder": training.log_folder,
    }
    job_id = int(session.know("train_job_id", "train-job"))
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    others = databricks.runs.active(job_id)
    if session.project.notebook_source == "git-folder" and session.knows("git_folder_behind"):
        behind = session.know("git_folder_behind", "git-folder")
        text = f"the Git folder is not in step ({behind}): this trains what it holds; `mlops-tui setup` brings it there"
        emit(LogLine(source="train", text=text, level="warning"))
    for attempt in range(ATTEMPTS):
        run_id = databricks.jobs.run_now(job_id, parameters, _token(job_id, parameters, attempt))
        run = databricks.runs.get(run_id)
        if run.status not in ("failed", "canceled"):
            break
    for other in others:
        if other.run_id != run_id:  # ours may be one that an interrupted command has begun
            emit(LogLine(source="train", text=f"job run {other.run_id} of this project is under way, too: {other.url}"))
    emit(Identified(what="build", id=build.number))
    emit(Identified(what="job run", id=str(run_id), url=run.url))
    return Launched(run_id, run.url, build, by_name, f"{training.log_folder.rstrip('/')}/{run_id}")


def what_is_trained(session: Session, runs: tuple[Parameters, ...]) -> dict[str, str]:
    """The job parameters that decide what comes out. Raises UsageError where there are too many runs."""
    from mlops_tui.training.builds import notebooks_version

    text = json.dumps(inputs(named(runs)), separators=(",", ":"))
    if len(text) > LONGEST:
        raise UsageError(
            f"{len(runs)} runs are too many for one sweep.",
            hint="Databricks takes 10,000 characters; launch two sweeps.",
        )
    return {
        "runs": text,
        "experiment": session.project.training.experiment,
        "data_path": session.project.training.data_path,
        "notebooks": notebooks_version(session),
    }


def relaunched(session: Session, run_id: int) -> Launched:
    """A sweep that was launched before, from what the cloud says of its job run."""
    from mlops_tui.training.builds import Build

    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    run = databricks.runs.get(run_id)
    given = dict(run.parameters)
    try:
        listed = json.loads(given["runs"])
        runs = {item["name"]: {k: float(v) for k, v in item.items() if k != "name"} for item in listed}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"Job run {run_id} is not a sweep of this project.", problems=(str(error),)) from error
    build = Build(given.get("build_number", ""), given.get("build_source", ""))
    folder = given.get("log_folder") or session.project.training.log_folder
    return Launched(run_id, run.url, build, runs, f"{folder.rstrip('/')}/{run_id}", run.task_run_ids)


def _token(job_id: int, parameters: dict[str, str], attempt: int) -> str:
    """At most 64 characters, as run-now asks."""
    text = json.dumps([job_id, parameters, attempt], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:64]
