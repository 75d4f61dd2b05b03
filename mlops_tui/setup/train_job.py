"""The job that trains one build: one run of it is one sweep over the parameter sets."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.namesakes import choose, remove_ours
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_jobs import Job, Jobs, Settings
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

MAX_CONCURRENT_RUNS = 3  # builds side by side
NOTEBOOK = "train"


class TrainJob:
    """A step (see `steps.Step`)."""

    name = "train-job"
    title = "Training job"
    about = (
        "A job tells Databricks which notebook to run, on which cluster, with which numbers. This one trains a "
        "model for each set of numbers (alpha and l1_ratio), several side by side, and keeps what each has printed "
        "and how well it did. Making the job runs nothing and costs nothing; a training costs the cluster's "
        "minutes. If a training fails, the others go on, and you can start it again."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/jobs/for-each"
    needs: tuple[str, ...] = ("databricks-workspace", "notebooks", "cluster")
    settings: tuple[str, ...] = ("job_prefix", "experiment", "data_path", "parallel", "timeout_seconds", "log_folder")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        runs = f"{project.training.parallel} runs side by side on the cluster {project.cluster.name}"
        return (Change("create", _what(project), runs),)

    def inspect(self, session: Session) -> Finding:
        project = session.project
        jobs = _jobs(session)
        job, spare = _choose(jobs.named(_job_name(project)), project)
        if job is None:
            session.forget("train_job_id")
            return Finding(self.wanted(project))
        session.learn("train_job_id", str(job.id))
        details = _differences(jobs.settings(job.id), _settings(project, _cluster_id(session)))
        if details and not marks.is_ours(job.tags, project):
            details.insert(0, "takes over a job that somebody else has made")
        if spare:
            details.append(f"remove {len(spare)} more of that name that an interrupted run has left")
        return Finding((Change("update" if details else "keep", _what(project), "; ".join(details)),))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        jobs = _jobs(session)
        settings = _settings(project, _cluster_id(session))
        job, spare = _choose(jobs.named(_job_name(project)), project)
        if job is None:
            job_id = jobs.create(settings)
            report.log(f"created the job {settings['name']}")
        else:
            job_id = job.id
            if _differences(jobs.settings(job_id), settings):
                jobs.reset(job_id, settings)
                report.log(f"changed the job {settings['name']}")
        session.learn("train_job_id", str(job_id))
        report.identified(_what(project), str(job_id), f"{_host(session)}/jobs/{job_id}")
        for more in spare:
            stop_if_cancelled(session, self.title)
            jobs.delete(more.id)
            report.log(f"deleted the job {more.id}, which an interrupted run had left")

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        try:
            jobs = _jobs(session)
        except NotYetKnown:
            report.log("there is no workspace, so no job either")
            return
        found = jobs.named(_job_name(project))
        remove_ours(found, project, _what(project), lambda job: jobs.delete(job.id), report)
        session.forget("train_job_id")

    def by_hand(self, project: Project) -> str:
        settings = json.dumps(_settings(project, "CLUSTER_ID"), indent=2)
        of_that_name = f".[] | select(.cluster_name == {json.dumps(project.cluster.name)}).cluster_id"
        put_in = ".tasks[0].for_each_task.task.existing_cluster_id = $id"
        return (
            f"CLUSTER_ID=$(databricks clusters list -o json | jq -r {shlex.quote(of_that_name)})\n"
            f"databricks jobs create --json \"$(jq --arg id \"$CLUSTER_ID\" '{put_in}' <<'JSON'\n{settings}\nJSON\n)\""
        )


def find(session: Session) -> Job | None:
    """The project's job, whatever it is made of; None before it is made."""
    job, _ = _choose(_jobs(session).named(_job_name(session.project)), session.project)
    return job


def _host(session: Session) -> str:
    return session.know("databricks_host", "databricks-workspace")


def _jobs(session: Session) -> Jobs:
    return session.clients.databricks(_host(session)).jobs


def _cluster_id(session: Session) -> str:
    return session.know("cluster_id", "cluster")


def _job_name(project: Project) -> str:
    return f"{project.job_prefix} (Train)"


def _what(project: Project) -> str:
    return f"job {_job_name(project)}"


def _choose(found: list[Job], project: Project) -> tuple[Job | None, list[Job]]:
    """The one to use, and those of ours that are one too many. Raises ConflictError where only a person can choose."""
    hint = "Rename or delete all but one, or choose another databricks.job_prefix."
    return choose(found, project, f"jobs are named {_job_name(project)}", hint)


def _settings(project: Project, cluster_id: str) -> Settings:
    """What jobs/create is asked for (Jobs 2.2: for_each_task, job parameters, dynamic value references)."""
    from mlops_tui.training.sweep import inputs, named

    training = project.training
    defaults = {
        "runs": json.dumps(inputs(named(training.runs))),  # what a run that is started by hand in the workspace trains
        "build_number": "",
        "build_source": "manual",
        "experiment": training.experiment,
        "data_path": training.data_path,
        "log_folder": training.log_folder,
    }
    iteration = {
        "task_key": "train_iteration",
        "existing_cluster_id": cluster_id,
        "notebook_task": {
            "notebook_path": f"{project.notebook_folder}/{NOTEBOOK}",
            "source": "WORKSPACE",
            "base_parameters": {
                "alpha": "{{input.alpha}}",
                "l1_ratio": "{{input.l1_ratio}}",
                "run_name": "{{input.name}}",
                "build_number": "{{job.parameters.build_number}}",
                "build_source": "{{job.parameters.build_source}}",
                "experiment": "{{job.parameters.experiment}}",
                "data_path": "{{job.parameters.data_path}}",
                "log_path": "{{job.parameters.log_folder}}/{{job.run_id}}/{{input.name}}",
            },
        },
    }
    sweep = {"inputs": "{{job.parameters.runs}}", "concurrency": training.parallel, "task": iteration}
    return {
        "name": _job_name(project),
        "tags": marks.tags(project),
        "max_concurrent_runs": MAX_CONCURRENT_RUNS,
        "timeout_seconds": training.timeout_seconds,
        "parameters": [{"name": name, "default": value} for name, value in defaults.items()],
        "tasks": [{"task_key": "train", "for_each_task": sweep}],
    }


def _differences(there: Any, wanted: Any, path: str = "") -> list[str]:
    """Where `there` is not as `wanted`, by the path to it. What only `there` has was added by the platform."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return [
            difference
            for name, value in wanted.items()
            for difference in _differences(there.get(name), value, f"{path}.{name}" if path else name)
        ]
    if isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        pairs = zip(sorted(there, key=_name_of), sorted(wanted, key=_name_of), strict=True)
        return [each for one, other in pairs for each in _differences(one, other, f"{path}.{_name_of(other)}")]
    return [] if there == wanted else [path]


def _name_of(entry: dict[str, Any]) -> str:
    """Parameters and tasks are lists of things with names."""
    return str(entry.get("name") or entry.get("task_key"))
