"""A job of the workspace that runs a notebook: found by its name, compared with what it must be, brought in line."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.namesakes import choose, remove_ours
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_jobs import Job, Jobs, Settings
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report


def compare(session: Session, known: str, wanted: Settings, detail: str) -> Change:
    """The job as it is beside `wanted`; `detail` tells of a new one. The session learns its number as `known`."""
    project, name = session.project, str(wanted["name"])
    jobs = _jobs(session)
    job, spare = _choose(jobs.named(name), project, name)
    if job is None:
        session.forget(known)
        return Change("create", what(name), detail)
    session.learn(known, str(job.id))
    details = differences(jobs.settings(job.id), wanted)
    if details and not marks.is_ours(job.tags, project):
        details.insert(0, "takes over a job that somebody else has made")
    if spare:
        details.append(f"remove {len(spare)} more of that name that an interrupted run has left")
    return Change("update" if details else "keep", what(name), "; ".join(details))


def bring_in_line(session: Session, known: str, wanted: Settings, report: Report) -> None:
    """Make or change it, and leave no other of ours of that name."""
    project, name = session.project, str(wanted["name"])
    jobs = _jobs(session)
    job, spare = _choose(jobs.named(name), project, name)
    if job is None:
        job_id = jobs.create(wanted)
        report.log(f"created the job {name}")
    else:
        job_id = job.id
        if differences(jobs.settings(job_id), wanted):
            jobs.reset(job_id, wanted)
            report.log(f"changed the job {name}")
    session.learn(known, str(job_id))
    report.identified(what(name), str(job_id), f"{_host(session)}/jobs/{job_id}")
    for more in spare:
        stop_if_cancelled(session, what(name))
        jobs.delete(more.id)
        report.log(f"deleted the job {more.id}, which an interrupted run had left")


def remove(session: Session, known: str, name: str, report: Report) -> None:
    """Take it away, if it is ours."""
    try:
        jobs = _jobs(session)
    except NotYetKnown:
        report.log(f"there is no workspace, so no {what(name)} either")
        return
    remove_ours(jobs.named(name), session.project, what(name), lambda job: jobs.delete(job.id), report)
    session.forget(known)


def find(session: Session, name: str) -> Job | None:
    """The project's job of that name, whatever it is made of; None before it is made."""
    job, _ = _choose(_jobs(session).named(name), session.project, name)
    return job


def what(name: str) -> str:
    return f"job {name}"


def cluster_by_hand(project: Project) -> str:
    """A shell line that finds the cluster."""
    of_that_name = f".[] | select(.cluster_name == {json.dumps(project.cluster.name)}).cluster_id"
    return f"CLUSTER_ID=$(databricks clusters list -o json | jq -r {shlex.quote(of_that_name)})"


def create_by_hand(wanted: Settings, place: str) -> str:
    """A shell command that makes it; the cluster is put in at `place` (jq)."""
    text = json.dumps(wanted, indent=2)
    put_in = f"{place} = $id"
    return f"databricks jobs create --json \"$(jq --arg id \"$CLUSTER_ID\" '{put_in}' <<'JSON'\n{text}\nJSON\n)\""


def differences(there: Any, wanted: Any, path: str = "") -> list[str]:
    """Where `there` is not as `wanted`, by the path to it. What only `there` has was added by the platform."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return [
            difference
            for name, value in wanted.items()
            for difference in differences(there.get(name), value, f"{path}.{name}" if path else name)
        ]
    if isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        pairs = zip(sorted(there, key=_name_of), sorted(wanted, key=_name_of), strict=True)
        return [each for one, other in pairs for each in differences(one, other, f"{path}.{_name_of(other)}")]
    return [] if there == wanted else [path]


def _name_of(entry: dict[str, Any]) -> str:
    """Parameters, tasks and libraries are lists of things with names."""
    return str(entry.get("name") or entry.get("task_key") or (entry.get("pypi") or {}).get("package"))


def _choose(found: list[Job], project: Project, name: str) -> tuple[Job | None, list[Job]]:
    """The one to use, and those of ours that are one too many. Raises ConflictError where only a person can choose."""
    hint = "Rename or delete all but one, or choose another databricks.job_prefix."
    return choose(found, project, f"jobs are named {name}", hint)


def _host(session: Session) -> str:
    return session.know("databricks_host", "databricks-workspace")


def _jobs(session: Session) -> Jobs:
    return session.clients.databricks(_host(session)).jobs
