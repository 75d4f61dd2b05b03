"""How runs of GitHub Actions read as runs of a pipeline: states, jobs and steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun
from mlops_tui.events.pipelines import PipelineState

# GitHub REST API, "Workflow runs": `status` until it is completed, then `conclusion`.
STATES: dict[str, PipelineState] = {
    "queued": "queued",
    "requested": "queued",
    "pending": "queued",
    "waiting": "waiting",
    "in_progress": "running",
}
ENDS: dict[str, PipelineState] = {
    "success": "succeeded",
    "neutral": "succeeded",
    "failure": "failed",
    "timed_out": "failed",
    "startup_failure": "failed",
    "action_required": "waiting",
    "cancelled": "canceled",
    "stale": "canceled",
    "skipped": "skipped",
}
EXIT = re.compile(r"Process completed with exit code \d+\.")
NAMED = re.compile(r"Build (\S+)")  # by our workflow's `run-name`


def state_of(shown: Mapping[str, Any]) -> PipelineState:
    if shown["status"] == "completed":
        return ENDS.get(str(shown.get("conclusion")), "failed")
    return STATES.get(str(shown["status"]), "running")


def run_of(shown: Mapping[str, Any]) -> PipelineRun:
    state, ended = state_of(shown), shown["status"] == "completed"
    named = NAMED.fullmatch(str(shown.get("display_title") or ""))
    reason = {"workflow_dispatch": "manual"}.get(str(shown.get("event")), str(shown.get("event") or ""))
    return PipelineRun(
        id=str(shown["id"]),
        number=named[1] if named else str(shown["run_number"]),
        state=state,
        url=str(shown.get("html_url") or ""),
        branch=str(shown.get("head_branch") or ""),
        commit=str(shown.get("head_sha") or ""),
        reason=reason,
        queued=seconds(shown.get("created_at")),
        started=None if state == "queued" else seconds(shown.get("run_started_at")),
        finished=seconds(shown.get("updated_at")) if ended else None,
        detail="the workflow's file cannot be run" if shown.get("conclusion") == "startup_failure" else "",
    )


def detail_of(annotations: Iterable[Mapping[str, Any]]) -> str:
    """The errors and warnings of a job, a line each, with the file where there is one. That a program has failed
    GitHub notes each time; it says nothing of why."""
    lines = []
    for one in annotations:
        told = one["annotation_level"] in ("failure", "warning")
        if told and not EXIT.fullmatch(str(one.get("message") or "").strip()):
            path = str(one.get("path") or "")
            place = f"{path}:{one.get('start_line')}: " if path not in ("", ".github") else ""
            lines.append(f"{place}{' '.join(str(one.get('message') or '').split())}")
    return "\n".join(lines)


def parts_of(job: Mapping[str, Any], detail: str = "") -> list[PipelinePart]:
    """A job, and behind it its steps. GitHub gives logs once the job has ended."""
    number, state = str(job["id"]), state_of(job)
    ended = job["status"] == "completed" and state != "skipped"
    parts = [
        PipelinePart(
            id=number,
            kind="job",
            name=str(job["name"]),
            state=state,
            started=seconds(job.get("started_at")) if job.get("steps") else None,
            finished=seconds(job.get("completed_at")),
            detail=detail,
            has_log=ended and bool(job.get("steps")),
        )
    ]
    for step in job.get("steps") or ():
        step_state = state_of(step)
        parts.append(
            PipelinePart(
                id=f"{number}/{step['number']}",
                kind="step",
                name=str(step["name"]),
                state=step_state,
                parent=number,
                started=seconds(step.get("started_at")),
                finished=seconds(step.get("completed_at")),
                has_log=ended and step_state != "skipped",
            )
        )
    return parts


def approval_of(run_id: str, pending: Mapping[str, Any], stage: str) -> PipelineApproval:
    """`stage` is the job that waits."""
    environment = pending["environment"]
    names = [one["reviewer"].get("login") or one["reviewer"].get("name") for one in pending.get("reviewers") or ()]
    return PipelineApproval(
        id=str(environment["id"]),
        run=run_id,
        stage=stage,
        environment=str(environment["name"]),
        approvers=tuple(str(name) for name in names if name),
        mine=bool(pending.get("current_user_can_approve")),
        since=seconds(pending.get("wait_timer_started_at")),
    )


def seconds(written: Any) -> float | None:
    return datetime.fromisoformat(written).timestamp() if written else None
