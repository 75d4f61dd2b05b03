"""What things of delivery are called, and their ids in Azure: derived from the project, the same in every command."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from mlops_tui.events import Lane, Stage

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session

ACI, AKS, MANAGED = "aci", "aks", "managed"
TARGETS = {
    ACI: "Azure Container Instances",
    AKS: "Kubernetes online endpoint",
    MANAGED: "managed online endpoint",
}
LONGEST = 32  # characters of an online endpoint's name (Azure ML); a container group may have 63
REGISTRY_DIGITS = 13  # of the hash: "mlops" and these are a registry's name
LABEL_DIGITS = 8
STAGING_KEY = "staging_key"  # of the secret scope: what callers of a container group must show


def target(project: Project, stage: Stage) -> str:
    """ "aci", "aks" or "managed"."""
    return project.delivery.staging_target if stage == "staging" else project.delivery.production_target


def target_title(project: Project, stage: Stage) -> str:
    """As people say it: "Azure Container Instances"."""
    return TARGETS[target(project, stage)]


def lane_title(project: Project, lane: Lane) -> str:
    if lane == "staging" or lane == "production":
        return f"{lane.capitalize()} on {_with_article(target_title(project, lane))}"
    return {"image": "Container image", "validation": "Validation of staging", "approval": "Approval"}[lane]


def service_name(project: Project, stage: Stage) -> str:
    """ "wine-quality-aci": lower case letters, digits and dashes, 3 to 32 characters, a letter first.

    Whatever the project is called: where the name is too long, it is cut, and four digits of its hash keep it apart.
    """
    kind = target(project, stage)
    ending = f"-{MANAGED}-{stage}" if kind == MANAGED else f"-{kind}"
    plain = re.sub(r"[^a-z0-9]+", "-", project.name.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"ml-{plain}".rstrip("-")
    room = LONGEST - len(ending)
    if len(plain) > room:
        digits = hashlib.sha256(project.name.encode()).hexdigest()[:4]
        plain = f"{plain[: room - 5].rstrip('-')}-{digits}"
    return plain + ending


def resource_group_id(session: Session) -> str:
    subscription = session.know("subscription_id", "sign-in")
    return f"/subscriptions/{subscription}/resourceGroups/{session.project.resource_group}"


def ml_workspace_id(session: Session) -> str:
    return _resource(session, "Microsoft.MachineLearningServices/workspaces", session.project.ml_workspace)


def container_group_id(session: Session, stage: Stage = "staging") -> str:
    return _resource(session, "Microsoft.ContainerInstance/containerGroups", service_name(session.project, stage))


def aks_cluster_id(session: Session) -> str:
    return _resource(session, "Microsoft.ContainerService/managedClusters", session.project.delivery.aks_cluster)


def registry_id(session: Session) -> str:
    return _resource(session, "Microsoft.ContainerRegistry/registries", registry_name(session))


def registry_name(session: Session) -> str:
    """Of the container registry: that of the settings, else derived, for it must be unique in all of Azure."""
    return registry_of(session.project, resource_group_id(session))


def registry_of(project: Project, group_id: str) -> str:
    return project.delivery.container_registry or f"mlops{_digits(group_id)[:REGISTRY_DIGITS]}"


def dns_label(session: Session, stage: Stage = "staging") -> str:
    """The first part of a container group's address; unique in its region."""
    return label_of(session.project, resource_group_id(session), stage)


def label_of(project: Project, group_id: str, stage: Stage = "staging") -> str:
    return f"{service_name(project, stage)}-{_digits(group_id)[:LABEL_DIGITS]}"


def image_repository(image_id: str) -> str:
    """ "localhost:8443/mlops1a2b3c/winequality" of "localhost:8443/mlops1a2b3c/winequality@sha256:…"."""
    return image_id.partition("@")[0]


def short_image(image_id: str) -> str:
    """As people can compare it: "winequality@sha256:0123456789ab"."""
    repository, _, digest = image_id.partition("@")
    return f"{repository.rpartition('/')[2]}@{digest[:19]}" if digest else repository


def is_image(text: str) -> bool:
    """Whether it names an image by its digest."""
    return bool(re.fullmatch(r"[^\s@]+/[^\s@/]+@sha256:[0-9a-f]{64}", text))


def _with_article(title: str) -> str:
    return title if title == TARGETS[ACI] else f"a {title}"


def _resource(session: Session, kind: str, name: str) -> str:
    return f"{resource_group_id(session)}/providers/{kind}/{name}"


def _digits(group_id: str) -> str:
    return hashlib.sha256(group_id.lower().encode()).hexdigest()
