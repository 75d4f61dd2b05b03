"""How GitHub's API shows what the runner's documents say (see `pipelines.model`): runs, jobs and their steps.

A job's number is its run's times JOBS plus its place, so that it leads back without a list. Around the steps of the
file stand "Set up job" and "Complete job", as on GitHub. Shapes: GitHub REST API, "Workflow runs" and "jobs".
"""

from __future__ import annotations

from datetime import UTC, datetime

from mlops_tui.sandbox.api import Body

JOBS = 1000  # more than one run can have
CONCLUSIONS = {"succeeded": "success", "failed": "failure", "canceled": "cancelled", "skipped": "skipped", "": None}
STATUSES = {"queued": "queued", "pending": "queued", "running": "in_progress"}
EVENTS = {"manual": "workflow_dispatch", "push": "push"}
SET_UP, COMPLETE = "Set up job", "Complete job"


def jobs_of(run: Body) -> list[Body]:
    return [job for stage in run["stages"] for job in stage["jobs"]]


def job_number(run: Body, job: Body) -> int:
    return int(run["id"]) * JOBS + [one["id"] for one in jobs_of(run)].index(job["id"])


def status(state: str) -> str:
    return STATUSES.get(state, state)  # "waiting" and "completed" are named alike


def time_of(seconds: float) -> str | None:
    """As GitHub writes moments; None for one that has not come."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else None


def run_shown(run: Body, api: str, page: str, actor: Body) -> Body:
    """`api` and `page` are the addresses of its repository."""
    place = f"actions/runs/{run['id']}"
    created = time_of(run["created"])
    return {
        "id": int(run["id"]),
        "name": run["name"],
        "display_title": run["title"],
        "head_branch": run["branch"],
        "head_sha": run["commit"],
        "path": run["file"],
        "run_number": int(run["number"]),
        "run_attempt": 1,
        "event": EVENTS[run["reason"]],
        "status": status(run["state"]),
        "conclusion": CONCLUSIONS[run["result"]],
        "workflow_id": int(run["pipeline"]),
        "url": f"{api}/{place}",
        "html_url": f"{page}/{place}",
        "jobs_url": f"{api}/{place}/jobs",
        "logs_url": f"{api}/{place}/logs",
        "cancel_url": f"{api}/{place}/cancel",
        "artifacts_url": f"{api}/{place}/artifacts",
        "actor": actor,
        "triggering_actor": actor,
        "created_at": created,
        "run_started_at": time_of(run["started"]) or created,
        "updated_at": time_of(run["finished"]) or time_of(run["started"]) or created,
    }


def job_shown(run: Body, job: Body, api: str, page: str) -> Body:
    number = job_number(run, job)
    return {
        "id": number,
        "run_id": int(run["id"]),
        "run_attempt": 1,
        "workflow_name": run["name"],
        "head_branch": run["branch"],
        "head_sha": run["commit"],
        "url": f"{api}/actions/jobs/{number}",
        "html_url": f"{page}/actions/runs/{run['id']}/job/{number}",
        "name": job["title"] or job["name"],
        "status": status(job["state"]),
        "conclusion": CONCLUSIONS[job["result"]],
        "created_at": time_of(run["created"]),
        "started_at": time_of(job["started"]) or time_of(run["created"]),
        "completed_at": time_of(job["finished"]),
        "labels": ["ubuntu-latest"],
        "runner_name": "practice" if job["started"] else "",
        "steps": _steps(job),
    }


def _steps(job: Body) -> list[Body]:
    """None before it begins."""
    if not job["started"] or job["result"] == "skipped":
        return []
    steps = [_frame(SET_UP, 1, job["started"])]
    steps += [_step(step, number) for number, step in enumerate(job["steps"], start=2)]
    if job["state"] == "completed":
        steps.append(_frame(COMPLETE, len(steps) + 1, job["finished"]))
    return steps


def _step(step: Body, number: int) -> Body:
    return {
        "name": step["title"] or step["name"],
        "status": status(step["state"]),
        "conclusion": CONCLUSIONS[step["result"]],
        "number": number,
        "started_at": time_of(step["started"]),
        "completed_at": time_of(step["finished"]),
    }


def _frame(name: str, number: int, moment: float) -> Body:
    at = time_of(moment)
    shown = {"name": name, "status": "completed", "conclusion": "success", "number": number}
    return shown | {"started_at": at, "completed_at": at}


def annotation_shown(issue: Body) -> Body:
    """An error or a warning; one that no file is named for is told of the folder of workflows, as GitHub does."""
    line = issue["line"] or 1
    return {
        "path": issue["file"] or ".github",
        "start_line": line,
        "end_line": line,
        "annotation_level": {"error": "failure"}.get(issue["type"], issue["type"]),
        "title": "",
        "message": issue["message"],
        "raw_details": "",
    }
