"""The job that trains one build: one run of it is one sweep over the parameter sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlops_tui.events import Change
from mlops_tui.setup import job_notebooks, marks, notebook_job
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_jobs import Job, Settings
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

MAX_CONCURRENT_RUNS = 3  # builds side by side
NOTEBOOK = "train"
KNOWN = "train_job_id"  # what the session knows the job's number by


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
    settings: tuple[str, ...] = (
        "notebook_source",
        "job_prefix",
        "experiment",
        "data_path",
        "parallel",
        "timeout_seconds",
        "log_folder",
    )

    def __init__(self, notebook_source: str = "workspace") -> None:
        self.needs: tuple[str, ...] = ("databricks-workspace", *job_notebooks.needs(notebook_source), "cluster")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        runs = f"{project.training.parallel} runs side by side on the cluster {project.cluster.name}"
        return (Change("create", notebook_job.what(_job_name(project)), runs),)

    def inspect(self, session: Session) -> Finding:
        project = session.project
        if find(session) is None:  # told even where the cluster is still to be made
            session.forget(KNOWN)
            return Finding(self.wanted(project))
        wanted = _wanted(session)
        return Finding((notebook_job.compare(session, KNOWN, wanted, ""),))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        notebook_job.bring_in_line(session, KNOWN, _wanted(session), report)

    def remove(self, session: Session, report: Report) -> None:
        notebook_job.remove(session, KNOWN, _job_name(session.project), report)

    def by_hand(self, project: Project) -> str:
        put = ".tasks[0].for_each_task.task.existing_cluster_id"
        made = notebook_job.create_by_hand(_settings(project, "CLUSTER_ID", job_notebooks.BY_HAND), put)
        return f"{notebook_job.cluster_by_hand(project)}\n{made}"


def find(session: Session) -> Job | None:
    """The project's job, whatever it is made of; None before it is made."""
    return notebook_job.find(session, _job_name(session.project))


def _job_name(project: Project) -> str:
    return f"{project.job_prefix} (Train)"


def _wanted(session: Session) -> Settings:
    return _settings(session.project, session.know("cluster_id", "cluster"), job_notebooks.repository(session))


def _settings(project: Project, cluster_id: str, repository: str) -> Settings:
    """What jobs/create is asked for (Jobs 2.2: for_each_task, job parameters, dynamic value references)."""
    from mlops_tui.training.sweep import inputs, named

    training = project.training
    defaults = {
        "runs": json.dumps(inputs(named(training.runs))),  # what a run that is started by hand in the workspace trains
        "build_number": "",
        "build_source": "manual",
        "experiment": training.experiment,
        "data_path": training.data_path,
        "notebooks": "",  # their digest, by which a later command knows whether the same was trained
        "log_folder": training.log_folder,
    }
    iteration = {
        "task_key": "train_iteration",
        "existing_cluster_id": cluster_id,
        "notebook_task": {
            **job_notebooks.task(project, NOTEBOOK),
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
        **job_notebooks.job(project, repository),
        "tags": marks.tags(project),
        "max_concurrent_runs": MAX_CONCURRENT_RUNS,
        "timeout_seconds": training.timeout_seconds,
        "parameters": [{"name": name, "default": value} for name, value in defaults.items()],
        "tasks": [{"task_key": "train", "for_each_task": sweep}],
    }
