"""The one table of all scalars of a `Project`: keys, variables, flags, defaults and rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_tui.settings import rules

Value = str | int | float
AMBIENT = ("ARM_", "AZURE_")  # what Terraform and databricks-sdk read; what azure-identity reads


@dataclass(frozen=True)
class Setting:
    """One scalar of a `Project`."""

    name: str  # "resource_group", "cluster_node_type"; the flag and our own variable are made from it
    key: str  # where it stands in mlops.toml: "azure.resource_group"
    help: str
    default: Value = ""  # its type is the setting's type; empty text: not given
    rule: rules.Rule = rules.word
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # variables that other tools read for the same thing
    secret: bool = False
    place: str = ""  # where it stands in a Project, if not under its name: "training.gate.threshold"

    @property
    def attribute(self) -> str:
        return self.place or self.name

    @property
    def flag(self) -> str:
        """Empty for a secret: what stands on a command line can be read by every process."""
        return "" if self.secret else f"--{self.name.replace('_', '-')}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Our own first."""
        return (f"MLOPS_TUI_{self.name.upper()}", *self.also)

    @property
    def type(self) -> str:
        if self.choices:
            return "choice"
        return type(self.default).__name__


def _named(ending: str) -> tuple[str, ...]:
    return tuple(prefix + ending for prefix in AMBIENT)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "project_name",
        "project.name",
        "the project's name, a tag on what it makes",
        "wine-quality",
        rules.project_name,
        place="name",
    ),
    Setting(
        "notebooks",
        "project.notebooks",
        "folder of your own notebooks; empty: those that come with the program",
        "",
        rules.one_line(4096),
    ),
    Setting(
        "cloud",
        "cloud",
        "where to work; the sandbox is on this machine",
        "sandbox",
        rules.cloud,
        choices=("sandbox", "AzureCloud", "AzureUSGovernment", "AzureChinaCloud"),
    ),
    Setting(
        "sign_in",
        "azure.sign_in",
        "how to sign in; auto takes the first way that is prepared",
        "auto",
        choices=("auto", "environment", "federated", "cli", "browser", "device-code"),
    ),
    Setting(
        "tenant_id", "azure.tenant_id", "the directory to sign in to, by id", "", rules.guid, also=_named("TENANT_ID")
    ),
    Setting("client_id", "azure.client_id", "the application that signs in", "", rules.guid, also=_named("CLIENT_ID")),
    Setting(
        "client_secret",
        "azure.client_secret",
        "the secret of that application",
        "",
        rules.one_line(4096),
        also=_named("CLIENT_SECRET"),
        secret=True,
    ),
    Setting(
        "federated_token_file",
        "azure.federated_token_file",
        "file with the CI host's token, in place of a secret",
        "",
        rules.one_line(4096),
        also=("ARM_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
    ),
    Setting(
        "subscription_id",
        "azure.subscription_id",
        "the subscription that pays, by id; needed where there are several",
        "",
        rules.guid,
        also=_named("SUBSCRIPTION_ID"),
    ),
    Setting("location", "azure.location", "the Azure region", "westeurope", rules.location, also=("AZURE_LOCATION",)),
    Setting(
        "resource_group",
        "azure.resource_group",
        "the resource group that holds everything",
        "mlops-wine-quality",
        rules.resource_group,
        also=("AZURE_RESOURCE_GROUP",),
    ),
    Setting(
        "databricks_workspace",
        "databricks.workspace",
        "name of the Databricks workspace",
        "mlops-wine-quality",
        rules.databricks_name,
    ),
    Setting(
        "databricks_sku",
        "databricks.sku",
        "pricing tier of the Databricks workspace",
        "premium",
        choices=("standard", "premium", "trial"),
    ),
    Setting(
        "databricks_host",
        "databricks.host",
        "URL of a workspace that is there already; then none is made",
        "",
        rules.host,
        also=("DATABRICKS_HOST",),
    ),
    Setting(
        "databricks_token",
        "databricks.token",
        "a personal access token for that workspace",
        "",
        rules.one_line(4096),
        also=("DATABRICKS_TOKEN",),
        secret=True,
    ),
    Setting(
        "secret_scope", "databricks.secret_scope", "the secret scope that notebooks read", "azureml", rules.scope_name
    ),
    Setting(
        "key_vault",
        "databricks.key_vault",
        "resource id of an existing key vault (with RBAC) that keeps the secrets; empty: Databricks keeps them",
        "",
        rules.key_vault,
    ),
    Setting(
        "notebook_folder",
        "databricks.notebook_folder",
        "workspace folder for the notebooks",
        "/Shared/MLFlow",
        rules.folder("/"),
    ),
    Setting("job_prefix", "databricks.job_prefix", "how the jobs' names begin", "Wine Quality", rules.one_line(1000)),
    Setting(
        "cluster_name",
        "databricks.cluster.name",
        "name of the cluster",
        "ML",
        rules.one_line(100),
        place="cluster.name",
    ),
    Setting(
        "cluster_spark_version",
        "databricks.cluster.spark_version",
        "runtime of the cluster",
        "17.3.x-cpu-ml-scala2.13",
        place="cluster.spark_version",
    ),
    Setting(
        "cluster_node_type",
        "databricks.cluster.node_type",
        "virtual machines of the cluster",
        "Standard_DS3_v2",
        place="cluster.node_type",
    ),
    Setting(
        "cluster_min_workers",
        "databricks.cluster.min_workers",
        "fewest workers of the cluster",
        1,
        rules.between(1, 100_000),
        place="cluster.min_workers",
    ),
    Setting(
        "cluster_max_workers",
        "databricks.cluster.max_workers",
        "most workers of the cluster",
        4,
        rules.between(1, 100_000),
        place="cluster.max_workers",
    ),
    Setting(
        "cluster_autotermination_minutes",
        "databricks.cluster.autotermination_minutes",
        "minutes without work until the cluster stops; 0: never",
        15,
        rules.autotermination,
        place="cluster.autotermination_minutes",
    ),
    Setting(
        "service_principal",
        "service_principal.name",
        "name of the application that notebooks act as",
        "MLOps-Databricks",
        rules.one_line(256),
    ),
    Setting(
        "role",
        "service_principal.role",
        "role of that application on the resource group",
        "Contributor",
        rules.one_line(512),
    ),
    Setting(
        "secret_days",
        "service_principal.secret_days",
        "days until the secret of that application expires",
        180,
        rules.between(1, 730),
    ),
    Setting("ml_workspace", "ml.workspace", "name of the Azure ML workspace", "mlops-wine-quality", rules.ml_name),
    Setting(
        "experiment",
        "training.experiment",
        "the MLflow experiment",
        "/Shared/WineQuality",
        rules.folder("/"),
        place="training.experiment",
    ),
    Setting(
        "data_path",
        "training.data_path",
        "the training data",
        "/databricks-datasets/wine-quality/winequality-red.csv",
        rules.one_line(1024),
        place="training.data_path",
    ),
    Setting("parallel", "training.parallel", "runs side by side", 3, rules.between(1, 100), place="training.parallel"),
    Setting(
        "timeout_seconds",
        "training.timeout_seconds",
        "seconds until a training is given up",
        86_400,
        rules.between(1),
        place="training.timeout_seconds",
    ),
    Setting(
        "best_metric",
        "training.best_metric",
        "the metric that decides which run is best",
        "rmse",
        place="training.best_metric",
    ),
    Setting(
        "best_is",
        "training.best_is",
        "which end of that metric is best",
        "lowest",
        choices=("lowest", "highest"),
        place="training.best_is",
    ),
    Setting(
        "log_folder",
        "training.log_folder",
        "where runs write their live log",
        "dbfs:/mlops-tui/logs",
        rules.folder("/Volumes/", "dbfs:/"),
        place="training.log_folder",
    ),
    Setting(
        "gate_metric",
        "training.gate.metric",
        "the metric that a run is judged by",
        "rmse",
        place="training.gate.metric",
    ),
    Setting(
        "gate_comparison",
        "training.gate.comparison",
        "how that metric must compare with the threshold",
        "<",
        choices=("<", "<=", ">", ">="),
        place="training.gate.comparison",
    ),
    Setting(
        "gate_threshold",
        "training.gate.threshold",
        "the value that a run must reach to be deployed",
        0.8,
        rules.between(-math.inf),
        place="training.gate.threshold",
    ),
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
