"""The parts of a project (see `project`): its cluster, its training, its delivery, its repository and pipeline."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.run_parameters import Parameters


@dataclass(frozen=True)
class ClusterSpec:
    name: str = "ML"
    spark_version: str = "17.3.x-cpu-ml-scala2.13"
    node_type: str = "Standard_DS3_v2"
    min_workers: int = 1
    max_workers: int = 4
    autotermination_minutes: int = 15


@dataclass(frozen=True)
class Gate:
    """What a run must reach to be worth deploying: `metric` `comparison` `threshold`."""

    metric: str = "rmse"
    comparison: Literal["<", "<=", ">", ">="] = "<"
    threshold: float = 0.8

    def passes(self, metrics: dict[str, float]) -> bool | None:
        """None where the run has no such metric."""
        value = metrics.get(self.metric)
        if value is None:
            return None
        compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[self.comparison]
        return bool(compare(value, self.threshold))

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.threshold:g}"


@dataclass(frozen=True)
class Training:
    experiment: str = "/Shared/WineQuality"
    data_path: str = "/databricks-datasets/wine-quality/winequality-red.csv"
    runs: tuple[Parameters, ...] = ()
    parallel: int = 3  # runs side by side
    timeout_seconds: int = 86_400
    metrics: tuple[str, ...] = ("rmse", "mae", "r2")  # columns of the table, in order
    best_metric: str = "rmse"
    best_is: Literal["lowest", "highest"] = "lowest"
    gate: Gate = field(default_factory=Gate)
    log_folder: str = "dbfs:/mlops-tui/logs"  # where runs write their live log: /Volumes/… or dbfs:/…


@dataclass(frozen=True)
class Delivery:
    """How a model gets from a run to those who ask it. What is empty is derived (see `delivery.names`)."""

    model_name: str = "winequality"  # in Azure ML, and the image's repository in the container registry
    registered_model: str = ""  # in MLflow's registry; empty: the model's name
    container_registry: str = ""  # empty: derived from the resource group
    staging_target: Literal["aci", "managed"] = "aci"
    production_target: Literal["aks", "managed"] = "aks"
    staging_cpu: float = 1.0
    staging_memory_gb: float = 1.5
    aks_cluster: str = "myaks"
    aks_nodes: int = 3
    aks_node_type: str = "Standard_B4ms"
    managed_instance_type: str = "Standard_DS2_v2"
    managed_instances: int = 1
    tolerance: float = 1e-6  # how far a served metric may be from the trained one
    prices: Mapping[str, float] = field(default_factory=dict)  # in place of those of `delivery.prices`

    @property
    def registered(self) -> str:
        """The model's name in MLflow's registry."""
        return self.registered_model or self.model_name


@dataclass(frozen=True)
class Ci:
    """Where the repository and the pipeline are. What is empty is named as the project (see `Project`)."""

    host: Literal["none", "azure-devops", "github"] = "none"
    organization: str = ""  # by name: "contoso"; on GitHub the owner
    project: str = ""  # of Azure DevOps
    repository: str = ""
    branch: str = "main"
    visibility: Literal["private", "public"] = "private"
    authentication: Literal["federated", "token"] = "federated"
    approvers: str = ""  # e-mail addresses or logins, with commas between; empty: whoever sets it up
    pool: str = ""  # agents of one's own; empty: the host's
    token_days: int = 30
    azure_devops_token: str = field(default="", repr=False)
    github_token: str = field(default="", repr=False)

    @property
    def token(self) -> str:
        """Of the host that is meant; empty where there is none."""
        return {"azure-devops": self.azure_devops_token, "github": self.github_token}.get(self.host, "")
