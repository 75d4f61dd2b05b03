"""What the notebooks of delivery are told: the parameters of their jobs, which are the notebooks' widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlops_tui.delivery import names
from mlops_tui.events import Stage
from mlops_tui.settings import plain

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session

JobKind = Literal["build", "aci", "aks", "managed"]
TITLES: dict[JobKind, str] = {
    "build": "Build Container Image",
    "aci": "Deploy To ACI",
    "aks": "Deploy To AKS",
    "managed": "Deploy To Managed Endpoint",
}
NOTEBOOKS: dict[JobKind, str] = {
    "build": "serving_build_container_image",
    "aci": "serving_deploy_to_aci",
    "aks": "serving_deploy_to_aks",
    "managed": "serving_deploy_to_managed_endpoint",
}


@dataclass(frozen=True)
class Place:
    """Where the project's things are: what the settings alone do not tell."""

    resource_manager: str  # "https://management.azure.com"
    registry: str
    dns_label: str


def place(session: Session) -> Place:
    return Place(session.cloud.resource_manager, names.registry_name(session), names.dns_label(session))


def kinds(project: Project) -> tuple[JobKind, ...]:
    """The jobs that the project's targets need."""
    targets: dict[str, JobKind] = {"aci": "aci", "aks": "aks", "managed": "managed"}
    needed = (targets[project.delivery.staging_target], targets[project.delivery.production_target])
    return ("build", *dict.fromkeys(needed))


def stage_of(project: Project, kind: JobKind) -> Stage:
    """The stage that a job deploys to where nobody says otherwise."""
    return "staging" if project.delivery.staging_target == kind else "production"


def parameters(project: Project, kind: JobKind, where: Place, stage: Stage = "staging") -> dict[str, str]:
    """All of a job, with what holds where nobody says otherwise; builds and images are named by each run."""
    common = {
        "build_number": "",
        "build_source": "manual",
        "secret_scope": project.secret_scope,
        "resource_manager": where.resource_manager,
        "location": project.location,
        "log_folder": project.training.log_folder,
    }
    if kind == "build":
        return common | _of_build(project, where)
    deployed = {"model_image_id": "", "service": names.service_name(project, stage)}
    return common | deployed | _of_target(project, kind, where, stage)


def _of_build(project: Project, where: Place) -> dict[str, str]:
    training = project.training
    return {
        "experiment": training.experiment,
        "metric": training.best_metric,
        "best_is": training.best_is,
        "gate": f"{training.gate.metric} {training.gate.comparison} {plain(training.gate.threshold)}",
        "metrics": ",".join(training.metrics),
        "model": project.delivery.model_name,
        "registered_model": project.delivery.registered,
        "registry": where.registry,
    }


def _of_target(project: Project, kind: JobKind, where: Place, stage: Stage) -> dict[str, str]:
    delivery = project.delivery
    if kind == "aci":
        return {
            "dns_label": where.dns_label,
            "cpu": plain(delivery.staging_cpu),
            "memory_gb": plain(delivery.staging_memory_gb),
        }
    if kind == "aks":
        return {
            "compute": delivery.aks_cluster,
            "nodes": str(delivery.aks_nodes),
            "node_type": delivery.aks_node_type,
            "force": "",
        }
    return {
        "instance_type": delivery.managed_instance_type,
        "instances": str(delivery.managed_instances),
        "stage": stage,
        "force": "",
    }
