"""The documents of runs (see `model`): how they begin, and how they change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN, Body, RunRequest
from mlops_tui.sandbox.pipelines.plan import Job, Plan, Stage, Step

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

ISSUES_SHOWN = 10  # of each type, of one step: as many as GitHub shows


class PipelineRuns:
    """Reads and writes them. Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, run: Body) -> None:
        self._store.put(PIPELINE_RUN, run["id"], run)

    def get(self, run_id: str) -> Body:
        """Raises LookupError."""
        run = self._store.get(PIPELINE_RUN, run_id)
        if run is None:
            raise LookupError(f"There is no run {run_id}.")
        return run

    def unfinished(self) -> list[Body]:
        return [run for run in self._store.list(PIPELINE_RUN) if run["state"] != "completed"]

    def change(self, run_id: str, part_id: str = "", **changes: Any) -> None:
        """Of the run itself, or of a stage, job or step of it."""
        self.edit(run_id, lambda run: part(run, part_id).update(changes))

    def issue(self, run_id: str, part_id: str, issue: Body) -> None:
        """Note it with a step and its job, or with a job, or with the run. Too many of a kind are not kept."""

        def note(run: Body) -> None:
            found = part(run, part_id)
            if sum(one["type"] == issue["type"] for one in found["issues"]) >= ISSUES_SHOWN:
                return
            found["issues"].append(issue)
            if part_id.count(".") == 2:
                part(run, part_id.rpartition(".")[0])["issues"].append(issue)

        self.edit(run_id, note)

    def edit(self, run_id: str, change: Callable[[Body], object]) -> Body:
        with self._store.transaction():
            run = self.get(run_id)
            change(run)
            self._store.put(PIPELINE_RUN, run_id, run)
        return run


def part(run: Body, part_id: str) -> Body:
    """The run itself for "". Raises StopIteration."""
    numbers = part_id.split(".") if part_id else []
    found = run
    for depth, kind in zip(range(1, len(numbers) + 1), ("stages", "jobs", "steps"), strict=False):
        wanted = ".".join(numbers[:depth])
        found = next(one for one in found[kind] if one["id"] == wanted)
    return found


def jobs(run: Body) -> Iterator[tuple[Body, Body]]:
    """Each job, with its stage."""
    for stage in run["stages"]:
        for job in stage["jobs"]:
            yield stage, job


def issue(kind: str, message: str, file: str = "", line: int = 0) -> Body:
    return {"type": kind, "message": message, "file": file, "line": line}


def made(run_id: str, request: RunRequest, plan: Plan, number: str, title: str) -> Body:
    """How a run begins."""
    return {
        "id": run_id,
        "host": request.host,
        "owner": request.owner,
        "pipeline": request.pipeline,
        "name": request.name,
        "number": number,
        "title": title,
        "file": request.file,
        "repository": str(request.repository),
        "clone_url": request.clone_url,
        "branch": request.branch,
        "commit": request.commit,
        "reason": request.reason,
        "requested_by": dict(request.requested_by),
        "parameters": dict(request.parameters),
        "state": "queued",
        "result": "",
        "created": time.time(),
        "started": 0,
        "finished": 0,
        "canceled": False,
        "issues": [],
        "stages": [_stage(str(number), stage) for number, stage in enumerate(plan.stages, 1)],
    }


def _part(part_id: str, name: str, title: str) -> Body:
    return {
        "id": part_id,
        "name": name,
        "title": title,
        "state": "pending",
        "result": "",
        "started": 0,
        "finished": 0,
    }


def _stage(part_id: str, stage: Stage) -> Body:
    return {
        **_part(part_id, stage.name, stage.title),
        "needs": list(stage.needs),
        "jobs": [_job(f"{part_id}.{number}", job) for number, job in enumerate(stage.jobs, 1)],
    }


def _job(part_id: str, job: Job) -> Body:
    return {
        **_part(part_id, job.name, job.title),
        "needs": list(job.needs),
        "environment": job.environment,
        "approval": None,
        "permissions": dict(job.permissions),
        "connections": list(job.connections),
        "pool": job.pool,
        "issues": [],
        "outputs": {},
        "steps": [_step(f"{part_id}.{number}", step) for number, step in enumerate(job.steps, 1)],
    }


def _step(part_id: str, step: Step) -> Body:
    return {**_part(part_id, step.name, step.title), "issues": [], "lines": 0}
