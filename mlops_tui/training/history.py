"""What has been trained before: tracked runs of any build, and the sweeps they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_tui.events import JobRun, RunResult, RunStatus
from mlops_tui.training.selection import compare

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_experiments import TrackedRun
    from mlops_tui.clouds.databricks_runs import RunInfo
    from mlops_tui.project import Training
    from mlops_tui.session import Session

TRACKED: dict[str, RunStatus] = {
    "FINISHED": "succeeded",
    "FAILED": "failed",
    "KILLED": "canceled",
    "RUNNING": "running",
}


def list_runs(session: Session, build: str = "", limit: int = 50) -> tuple[RunResult, ...]:
    """Tracked runs of the project's experiment, newest first; the best of each build is marked."""
    rule = session.project.training
    tags = {"build_number": build} if build else {}
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    tracked = databricks.experiments.runs(rule.experiment, tags, limit)
    results = [as_result(run, rule, databricks.host) for run in tracked]
    best = _best_of_builds(results, rule)
    return tuple(replace(result, best=result.run_id in best) for result in results)


def _best_of_builds(results: list[RunResult], rule: Training) -> set[str]:
    """Ids of the tracked runs; those without a build number count as one build."""
    builds: dict[str, list[RunResult]] = {}
    for result in results:
        builds.setdefault(result.build, []).append(result)
    compared = [compare(build, runs, rule) for build, runs in builds.items()]
    return {result.run_id for one in compared for result in one.results if result.best}


def list_job_runs(session: Session, job_id: int, limit: int = 20) -> tuple[JobRun, ...]:
    """The job's runs that the workspace remembers, newest first."""
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    return tuple(_job_run(run) for run in databricks.runs.of_job(job_id, limit))


def as_result(run: TrackedRun, rule: Training, host: str) -> RunResult:
    """The run as a line of the table."""
    status = TRACKED.get(run.status, "pending")
    metrics = {key: run.metrics[key] for key in rule.metrics if key in run.metrics}
    return RunResult(
        run.name,
        {key: as_figure(run.parameters[key]) for key in ("alpha", "l1_ratio") if key in run.parameters},
        status,
        metrics,
        run.seconds,
        passed=rule.gate.passes(metrics) if status == "succeeded" else None,
        run_id=run.run_id,
        url=f"{host}/ml/experiments/{run.experiment_id}/runs/{run.run_id}",
        build=run.tags.get("build_number", ""),
        source=run.tags.get("build_source", ""),
        started=run.started or None,
    )


def _job_run(run: RunInfo) -> JobRun:
    given = dict(run.parameters)
    return JobRun(
        id=str(run.run_id),
        url=run.url,
        state=run.status,
        build=given.get("build_number", ""),
        runs=_names(given),
        started=run.started,
    )


def _names(given: Mapping[str, str]) -> tuple[str, ...]:
    """Of the runs in a sweep; none where the job was run with something else in their place."""
    try:
        return tuple(str(item["name"]) for item in json.loads(given.get("runs", "")))
    except (ValueError, TypeError, KeyError):
        return ()


def as_figure(text: str) -> float | str:
    """MLflow keeps parameters as text."""
    try:
        return float(text)
    except ValueError:
        return text
