"""How Azure DevOps shows a run of the runner (see `pipelines.model`): as a build, and as the records of its timeline.

Shapes: Azure DevOps REST, Build (builds, timeline, logs). A stage has a checkpoint where its environment is guarded,
and phases; a phase has a job, a job has tasks. The record of an approval bears the approval's id. The log of a task is
there once the task has ended: agents upload it in pages of 8 MB or at the end (microsoft/azure-pipelines-agent,
PagingLogger).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body

STATES = {"pending": "pending", "waiting": "pending", "running": "inProgress", "completed": "completed"}
BUILD_STATES = {"queued": "notStarted", "running": "inProgress", "waiting": "inProgress", "completed": "completed"}
REASONS = {"manual": "manual", "push": "individualCI"}


def moment(seconds: float) -> str | None:
    return clock.text(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def jobs(run: Body) -> Iterator[tuple[Body, Body]]:
    """Each with its stage."""
    for stage in run["stages"]:
        for job in stage["jobs"]:
            yield stage, job


def log_numbers(run: Body) -> dict[str, int]:
    """The number of each step's log, and behind them that of its job's, by the part's id."""
    parts = [part["id"] for _, job in jobs(run) for part in (*job["steps"], job)]
    return {part: number for number, part in enumerate(parts, 1)}


def records(run: Body) -> list[Body]:
    numbers = log_numbers(run)
    made: list[Body] = []
    for order, stage in enumerate(run["stages"], 1):
        made.append(_record("Stage", stage, None, order, identifier=stage["name"]))
        for place, job in enumerate(stage["jobs"], 1):
            made += _checkpoint(stage, job) + _job(stage, job, place, numbers)
    return made


def _job(stage: Body, job: Body, order: int, numbers: dict[str, int]) -> list[Body]:
    identifier = f"{stage['name']}.{job['name']}"
    phase = str(uuid.uuid5(uuid.NAMESPACE_OID, f"phase of {job['id']}"))
    made = [_record("Phase", job | {"id": phase, "issues": []}, stage["id"], order, identifier=identifier)]
    if job["state"] in ("pending", "waiting") or job["result"] == "skipped":
        return made  # an agent's job comes into being when it starts
    shown = _record("Job", job, phase, 1, identifier=f"{identifier}.__default")
    shown["log"] = _log(numbers[job["id"]]) if job["state"] == "completed" and job["steps"] else None
    made.append(shown)
    for place, step in enumerate(job["steps"], 1):
        task = _record("Task", step, job["id"], place, task={"name": step["name"]})
        has_log = step["state"] == "completed" and step["lines"]
        made.append(task | {"log": _log(numbers[step["id"]]) if has_log else None})
    return made


def _checkpoint(stage: Body, job: Body) -> list[Body]:
    approval = job.get("approval")
    if not approval:
        return []
    over = approval["state"] != "pending" or job["state"] == "completed"
    result = {"approved": "succeeded", "rejected": "failed"}.get(approval["state"], "canceled" if over else None)
    part: Body = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"checkpoint of {approval['id']}")),
        "name": "Checkpoint",
        "title": "",
        "state": "completed" if over else "running",
        "result": result or "",
        "started": approval["asked"],
        "finished": approval["at"],
        "issues": [],
    }
    asked = part | {"id": approval["id"], "name": "Checkpoint.Approval"}
    return [
        _record("Checkpoint", part, stage["id"], 1),
        _record("Checkpoint.Approval", asked, part["id"], 1),
    ]


def _record(kind: str, part: Body, parent: str | None, order: int, **more: Any) -> Body:
    issues = [_issue(one) for one in part.get("issues") or []]
    return {
        "id": part["id"],
        "parentId": parent,
        "type": kind,
        "name": part.get("title") or part["name"],
        "startTime": moment(part["started"]),
        "finishTime": moment(part["finished"]),
        "state": STATES[part["state"]],
        "result": part["result"] or None,
        "order": order,
        "errorCount": sum(one["type"] == "error" for one in issues),
        "warningCount": sum(one["type"] == "warning" for one in issues),
        "issues": issues,
        "log": None,
        "attempt": 1,
        **more,
    }


def _issue(issue: Body) -> Body:
    data = {"sourcepath": issue["file"], "linenumber": str(issue["line"])} if issue.get("file") else {}
    return {"type": issue["type"], "category": "General", "message": issue["message"], "data": data}


def _log(number: int) -> Body:
    return {"id": number, "type": "Container"}
