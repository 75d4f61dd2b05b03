"""What is to be: the project that mlops.toml describes, with everything the steps and the training read."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Literal

Parameters = dict[str, float]


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
class Project:
    """Every value is checked; empty text means "not given"."""

    name: str = "wine-quality"
    cloud: str = "sandbox"
    # who signs in, and how
    sign_in: Literal["auto", "environment", "federated", "cli", "browser", "device-code"] = "auto"
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    federated_token_file: str = ""
    subscription_id: str = ""
    # what must exist
    location: str = "westeurope"
    resource_group: str = "mlops-wine-quality"
    databricks_workspace: str = "mlops-wine-quality"
    databricks_sku: Literal["standard", "premium", "trial"] = "premium"
    databricks_host: str = ""  # given: that workspace is adopted, none is made
    databricks_token: str = field(default="", repr=False)
    ml_workspace: str = "mlops-wine-quality"
    service_principal: str = "MLOps-Databricks"
    role: str = "Contributor"
    secret_days: int = 180  # life of the client secret
    secret_scope: str = "azureml"  # noqa: S105 (a name)
    key_vault: str = ""  # resource id; given: the scope is backed by it
    notebook_folder: str = "/Shared/MLFlow"
    cluster: ClusterSpec = field(default_factory=ClusterSpec)
    job_prefix: str = "Wine Quality"
    training: Training = field(default_factory=Training)
