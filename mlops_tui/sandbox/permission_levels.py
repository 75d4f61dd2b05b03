"""The kinds of objects that have permissions, and their levels (Databricks REST reference, Permissions 2.0)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectType:
    """One kind of object, by the name it has in paths (`jobs`)."""

    plural: str
    name: str  # in answers: "job"
    levels: dict[str, str]  # weakest first, each includes those before it; with what it allows
    has_owner: bool = False


RUN_LIKE = {
    "CAN_READ": "Can view",
    "CAN_RUN": "Can view and run",
    "CAN_EDIT": "Can view, run and edit",
    "CAN_MANAGE": "Can view, run, edit and change permissions",
}
JOB = {
    "CAN_VIEW": "Can view the job and its runs",
    "CAN_MANAGE_RUN": "Can view, run and cancel runs of the job",
    "CAN_MANAGE": "Can view, run, edit and change permissions of the job",
    "IS_OWNER": "Is the owner of the job",
}
CLUSTER = {
    "CAN_ATTACH_TO": "Can attach to the cluster",
    "CAN_RESTART": "Can attach to and restart the cluster",
    "CAN_MANAGE": "Can attach to, restart, edit and change permissions of the cluster",
}
EXPERIMENT = {
    "CAN_READ": "Can view the experiment",
    "CAN_EDIT": "Can view and log runs in the experiment",
    "CAN_MANAGE": "Can view, edit, delete and change permissions of the experiment",
}
MODEL = {
    "CAN_READ": "Can view the model",
    "CAN_EDIT": "Can edit the model and add versions",
    "CAN_MANAGE_STAGING_VERSIONS": "Can manage the model's staging versions",
    "CAN_MANAGE_PRODUCTION_VERSIONS": "Can manage the model's production versions",
    "CAN_MANAGE": "Can edit, delete and change permissions of the model",
}

TYPES = {
    kind.plural: kind
    for kind in (
        ObjectType("jobs", "job", JOB, has_owner=True),
        ObjectType("clusters", "cluster", CLUSTER),
        ObjectType("notebooks", "notebook", RUN_LIKE),
        ObjectType("directories", "directory", RUN_LIKE),
        ObjectType("files", "file", RUN_LIKE),
        ObjectType("repos", "repo", RUN_LIKE),
        ObjectType("experiments", "mlflowExperiment", EXPERIMENT),
        ObjectType("registered-models", "registered-model", MODEL),
    )
}
