"""The jobs that build a model's container image and deploy it: those that the project's targets need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.delivery.parameters import NOTEBOOKS, TITLES, JobKind, Place, kinds, parameters, place, stage_of
from mlops_tui.events import Change
from mlops_tui.setup import job_notebooks, marks, notebook_job
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_jobs import Settings
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

TASK = "delivery"  # and the last part of where it writes its live log
KNOWN = "delivery_jobs"  # what the session knows once all of them are there
LONGEST_SECONDS = 3 * 3600  # a Kubernetes cluster takes a quarter of an hour to make, an image some minutes
LIBRARIES = (  # what the notebooks import and no runtime has; within what they were written for
    "azure-ai-ml>=1.35,<2",
    "azure-identity>=1.25,<2",
    "azure-mgmt-containerinstance>=10.1,<11",
    "azure-mgmt-containerregistrytasks>=1.0.0b1,<2",
    "azure-mgmt-resource>=25,<27",
)
BY_HAND = Place("https://management.azure.com", "REGISTRY", "DNS_LABEL")


class DeliveryJobs:
    """A step (see `steps.Step`)."""

    name = "delivery-jobs"
    title = "Delivery jobs"
    about = (
        "A trained model helps nobody until programs can ask it. These jobs make that so: one packs the best model "
        "into a container image, a box that runs anywhere; the others let that image answer, first for tests "
        "(staging), then for everybody (production). Making the jobs runs nothing and costs nothing. What they "
        "deploy later costs by the hour; before production you are shown how much, and asked."
    )
    link = "https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online"
    settings: tuple[str, ...] = (
        "model_name",
        "registered_model",
        "container_registry",
        "staging_target",
        "production_target",
        "staging_cpu",
        "staging_memory_gb",
        "aks_cluster",
        "aks_nodes",
        "aks_node_type",
        "managed_instance_type",
        "managed_instances",
    )

    def __init__(self, notebook_source: str = "workspace") -> None:
        where = job_notebooks.needs(notebook_source)
        self.needs: tuple[str, ...] = ("sign-in", "databricks-workspace", *where, "cluster")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return tuple(
            Change("create", notebook_job.what(job_name(project, kind)), _detail(project)) for kind in kinds(project)
        )

    def inspect(self, session: Session) -> Finding:
        project = session.project
        changes = tuple(
            notebook_job.compare(session, known(kind), _wanted(session, kind), _detail(project))
            for kind in kinds(project)
        )
        if any(change.action == "create" for change in changes):
            session.forget(KNOWN)
        else:
            session.learn(KNOWN, "there")
        return Finding(changes)

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        pending = {change.what for change in finding.pending}
        for kind in kinds(session.project):
            if notebook_job.what(job_name(session.project, kind)) in pending:
                stop_if_cancelled(session, self.title)
                notebook_job.bring_in_line(session, known(kind), _wanted(session, kind), report)
        session.learn(KNOWN, "there")

    def remove(self, session: Session, report: Report) -> None:
        """Those of other targets, too: the settings may have changed since they were made."""
        for kind in TITLES:
            notebook_job.remove(session, known(kind), job_name(session.project, kind), report)
        session.forget(KNOWN)

    def by_hand(self, project: Project) -> str:
        put = ".tasks[0].existing_cluster_id"
        made = [
            notebook_job.create_by_hand(_settings(project, kind, BY_HAND, "CLUSTER_ID", job_notebooks.BY_HAND), put)
            for kind in kinds(project)
        ]
        return "\n".join([notebook_job.cluster_by_hand(project), *made])


def job_name(project: Project, kind: JobKind) -> str:
    return f"{project.job_prefix} ({TITLES[kind]})"


def known(kind: JobKind) -> str:
    """What the session knows the job's number by."""
    return f"{kind}_job_id"


def _detail(project: Project) -> str:
    return f"on the cluster {project.cluster.name}"


def _wanted(session: Session, kind: JobKind) -> Settings:
    cluster_id, repository = session.know("cluster_id", "cluster"), job_notebooks.repository(session)
    return _settings(session.project, kind, place(session), cluster_id, repository)


def _settings(project: Project, kind: JobKind, where: Place, cluster_id: str, repository: str) -> Settings:
    """What jobs/create is asked for. One run at a time, the next in a queue: two deployments must not race."""
    defaults = parameters(project, kind, where, stage_of(project, kind))
    given = {name: f"{{{{job.parameters.{name}}}}}" for name in defaults if name != "log_folder"}
    log_path = f"{{{{job.parameters.log_folder}}}}/{{{{job.run_id}}}}/{TASK}"
    task = {
        "task_key": TASK,
        "existing_cluster_id": cluster_id,
        "notebook_task": {
            **job_notebooks.task(project, NOTEBOOKS[kind]),
            "base_parameters": given | {"log_path": log_path},
        },
        "libraries": [{"pypi": {"package": package}} for package in LIBRARIES],
    }
    return {
        "name": job_name(project, kind),
        **job_notebooks.job(project, repository),
        "tags": marks.tags(project),
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "timeout_seconds": LONGEST_SECONDS,
        "parameters": [{"name": name, "default": value} for name, value in defaults.items()],
        "tasks": [task],
    }
