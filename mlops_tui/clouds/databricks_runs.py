"""Job runs in a workspace (Databricks REST reference, Jobs 2.2): state, iterations, output, cancel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import CloudError
from mlops_tui.events import RunStatus

if TYPE_CHECKING:
    from databricks.sdk.service import jobs

    from mlops_tui.clouds.databricks import Databricks


@dataclass(frozen=True)
class RunInfo:
    """A job run, a task's run or one iteration of a for-each task."""

    run_id: int
    name: str  # the iteration's run_name parameter; the job's or task's name otherwise
    status: RunStatus
    message: str  # the platform's own words on the state
    url: str
    seconds: float | None  # of work, without waiting for a cluster, where the platform tells it; once ended
    task_run_ids: tuple[int, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()  # of the job run
    started: float | None = None  # seconds since 1970

    @property
    def ended(self) -> bool:
        return self.status in ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class RunOutput:
    """What a notebook left: its exit value, or its error and trace."""

    result: str
    error: str
    trace: str


class Runs:
    """Runs by their numbers."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def get(self, run_id: int) -> RunInfo:
        with speaking_of(f"the job run {run_id}"):
            run = self._databricks.client.jobs.get_run(run_id)
        tasks = tuple(task.run_id for task in run.tasks or [] if task.run_id)
        return _info(run, run.run_name or "", tasks, _given(run))

    def iterations(self, task_run_id: int) -> tuple[RunInfo, ...]:
        """The iterations of a for-each task's run that have begun so far, named by their parameter run_name."""
        with speaking_of(f"the task run {task_run_id}"):
            run = self._databricks.client.jobs.get_run(task_run_id, include_resolved_values=True)
        return tuple(_info(iteration, _name_of(iteration)) for iteration in run.iterations or [])

    def output(self, run_id: int) -> RunOutput:
        """Of a task's or iteration's run that has ended."""
        with speaking_of(f"the output of run {run_id}"):
            output = self._databricks.client.jobs.get_run_output(run_id)
        result = output.notebook_output.result if output.notebook_output else None
        return RunOutput(result or "", output.error or "", output.error_trace or "")

    def cancel(self, run_id: int) -> None:
        """Ask for the end; runs that have ended stay as they are."""
        with speaking_of(f"the job run {run_id}"):
            self._databricks.client.jobs.cancel_run(run_id)

    def active(self, job_id: int) -> tuple[RunInfo, ...]:
        with speaking_of(f"the runs of job {job_id}"):
            runs = list(self._databricks.client.jobs.list_runs(job_id=job_id, active_only=True))
        return tuple(_info(run, run.run_name or "") for run in runs)

    def of_job(self, job_id: int, limit: int) -> tuple[RunInfo, ...]:
        """With their parameters, newest first; the platform remembers 60 days."""
        with speaking_of(f"the runs of job {job_id}"):
            listed = self._databricks.client.jobs.list_runs(job_id=job_id, limit=min(limit, PAGE))
            return tuple(
                _info(run, run.run_name or "", parameters=_given(run)) for run in itertools.islice(listed, limit)
            )


PAGE = 24  # runs in one answer, at most
ENDED: dict[str, RunStatus] = {"SUCCESS": "succeeded", "CANCELED": "canceled", "UPSTREAM_CANCELED": "canceled"}


def _info(
    run: jobs.Run | jobs.BaseRun | jobs.RunTask,
    name: str,
    tasks: tuple[int, ...] = (),
    parameters: tuple[tuple[str, str], ...] = (),
) -> RunInfo:
    if run.run_id is None:
        raise CloudError("Databricks described a run without its number.", raw=str(run.as_dict()))
    seconds = None
    if run.start_time and run.end_time:
        seconds = (run.execution_duration or max(run.end_time - run.start_time, 0)) / 1000
    status, message = _status(run)
    started = run.start_time / 1000 if run.start_time else None
    return RunInfo(run.run_id, name, status, message, run.run_page_url or "", seconds, tasks, parameters, started)


def _given(run: jobs.Run | jobs.BaseRun) -> tuple[tuple[str, str], ...]:
    return tuple((item.name or "", item.value or item.default or "") for item in run.job_parameters or [])


def _status(run: Any) -> tuple[RunStatus, str]:
    state = run.state
    if state is None or state.life_cycle_state is None:
        return "pending", ""
    message = state.state_message or ""
    life = state.life_cycle_state.value
    if life in ("PENDING", "QUEUED", "BLOCKED", "WAITING_FOR_RETRY"):
        return "pending", message
    if life in ("RUNNING", "TERMINATING"):
        return "running", message
    if life in ("SKIPPED", "INTERNAL_ERROR") or state.result_state is None:
        return "failed", message or life
    return ENDED.get(state.result_state.value, "failed"), message


def _name_of(iteration: jobs.RunTask) -> str:
    resolved = iteration.resolved_values.notebook_task if iteration.resolved_values else None
    given = (resolved.base_parameters if resolved else None) or (
        iteration.notebook_task.base_parameters if iteration.notebook_task else None
    )
    return (given or {}).get("run_name") or iteration.task_key
