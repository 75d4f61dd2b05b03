"""A job of delivery: started once for a request, followed live, its outcome read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.databricks_runs import RunOutput
from mlops_tui.delivery.follower import Follower
from mlops_tui.errors import CloudError, DeliveryFailedError, UsageError
from mlops_tui.events import Identified, Lane, LogLine
from mlops_tui.setup.delivery_jobs import TASK, known
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_runs import RunInfo
    from mlops_tui.delivery.parameters import JobKind
    from mlops_tui.session import Session

RECENT = 24  # runs of a job among which one that is under way is looked for: they queue, so it is a new one
TRACE_LINES = 30  # of a notebook's error, the last ones
_KIND = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit):\s*")  # "ValueError: "
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Launched:
    """A run of a delivery job."""

    run_id: int
    url: str
    lane: Lane
    log_folder: str
    started: float | None = None  # seconds since 1970; what its cluster went through before is no news


def run(session: Session, emit: Emit, lane: Lane, kind: JobKind, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Have the job done with these parameters, tell what it prints, and give what its notebook returns.

    Raises DeliveryFailedError with the notebook's own sentence, UnreachableError where the connection stays lost,
    Interrupted where the session was cancelled: the run goes on then, and the same request takes it up.
    """
    launched = _launch(session, emit, lane, kind, parameters)
    ended = Follower(session, _databricks(session), launched, emit).follow()
    return _outcome(_databricks(session), launched, ended)


def read_log(session: Session, run_id: int, emit: Emit, follow: bool) -> None:
    """What a run of a delivery job has printed: up to now, or to its end. Raises UsageError where it is none."""
    databricks = _databricks(session)
    run = databricks.runs.get(run_id)
    given = dict(run.parameters)
    folder = given.get("log_folder", "")
    if "registry" not in given and "model_image_id" not in given:
        raise UsageError(f"Job run {run_id} is not of this project's jobs.")
    launched = Launched(run_id, run.url, _lane_of(given), _log_folder(folder, run_id), run.started)
    follower = Follower(session, databricks, launched, emit)
    if follow:
        _outcome(databricks, launched, follower.follow())
    else:
        follower.read_up_to_now()


def is_sweep(session: Session, run_id: int) -> bool:
    """Whether a job run is a training; else it may be one of delivery."""
    return "runs" in dict(_databricks(session).runs.get(run_id).parameters)


def _launch(session: Session, emit: Emit, lane: Lane, kind: JobKind, parameters: Mapping[str, str]) -> Launched:
    """Start the job, unless a run with the very same parameters is under way: then take that up.

    One that has ended is not taken up: whoever asks has looked, and what it made is not there (any more). The token
    names the run before, so that a repeat of a call whose answer was lost starts no second one.
    """
    job_id = int(session.know(known(kind), "delivery-jobs"))
    databricks = _databricks(session)
    recent = databricks.runs.of_job(job_id, RECENT)
    same = [one for one in recent if parameters.items() <= dict(one.parameters).items()]
    under_way = next((one for one in same if not one.ended), None)
    if under_way is not None:
        emit(LogLine(source=lane, text=f"job run {under_way.run_id} does that already: taking it up"))
        run_id = under_way.run_id
    else:
        run_id = databricks.jobs.run_now(job_id, parameters, _token(job_id, parameters, same))
    for other in recent:
        if not other.ended and other.run_id != run_id:
            emit(LogLine(source=lane, text=f"job run {other.run_id} is at work on this first: {other.url}"))
    launched = databricks.runs.get(run_id)
    emit(Identified(what=f"{lane} job run", id=str(run_id), url=launched.url))
    return Launched(run_id, launched.url, lane, _log_folder(parameters["log_folder"], run_id), launched.started)


def _token(job_id: int, parameters: Mapping[str, str], before: list[RunInfo]) -> str:
    """At most 64 characters, as run-now asks."""
    newest = max((one.run_id for one in before), default=0)
    text = json.dumps([job_id, dict(parameters), newest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:64]


def _outcome(databricks: Databricks, launched: Launched, ended: RunInfo) -> dict[str, Any]:
    if ended.status == "canceled":
        raise DeliveryFailedError(
            f"Job run {launched.run_id} was cancelled before its end.",
            hint="Run the same command again: it looks at what is there and does the rest.",
            link=launched.url,
        )
    task = ended.task_run_ids[-1] if ended.task_run_ids else launched.run_id
    if ended.status == "failed":
        try:
            output = databricks.runs.output(task)
        except CloudError as error:  # it failed before its notebook began: the run itself says why
            output = RunOutput("", "", f"{ended.message}\n{error.message}")
        raise _failed(output, ended, launched)
    output = databricks.runs.output(task)
    try:
        value = json.loads(output.result)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DeliveryFailedError(
            "The notebook ended without telling what it has made.",
            hint="Its last line must be dbutils.notebook.exit(json.dumps({…})), as in the program's own notebooks.",
            link=launched.url,
            raw=output.result,
        )
    return value


def _failed(output: RunOutput, ended: RunInfo, launched: Launched) -> DeliveryFailedError:
    """The notebook's own sentence, which is the last line of its error."""
    lines = _COLOURS.sub("", output.error).strip().splitlines()
    sentence = _KIND.sub("", lines[-1].strip()) if lines else ended.message
    trace = _COLOURS.sub("", output.trace or output.error or ended.message).rstrip().splitlines()
    return DeliveryFailedError(
        sentence or f"Job run {launched.run_id} has failed.",
        hint="Its log above says more. Mend the cause, then run the same command again: it does what is missing.",
        link=launched.url,
        raw="\n".join(trace[-TRACE_LINES:]),
    )


def _log_folder(folder: str, run_id: int) -> str:
    return f"{folder.rstrip('/')}/{run_id}/{TASK}"


def _lane_of(given: Mapping[str, str]) -> Lane:
    if "registry" in given:
        return "image"
    return "production" if given.get("stage") == "production" or "compute" in given else "staging"


def _databricks(session: Session) -> Databricks:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
