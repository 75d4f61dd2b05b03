"""The table's part on delivery: the model, its image, and where it answers."""

from __future__ import annotations

from mlops_tui.settings import rules
from mlops_tui.settings.setting import Setting

DELIVERY: tuple[Setting, ...] = (
    Setting(
        "model_name",
        "delivery.model_name",
        "the model in Azure ML, and its image in the container registry",
        "winequality",
        rules.model_name,
        place="delivery.model_name",
    ),
    Setting(
        "registered_model",
        "delivery.registered_model",
        "the model in MLflow's registry (catalog.schema.name: Unity Catalog); empty: as in Azure ML",
        "",
        rules.registered_model,
        place="delivery.registered_model",
    ),
    Setting(
        "container_registry",
        "delivery.container_registry",
        "name of the container registry, unique in Azure; empty: one is derived",
        "",
        rules.container_registry,
        place="delivery.container_registry",
    ),
    Setting(
        "staging_target",
        "delivery.staging_target",
        "what answers in staging: a container group or a managed endpoint",
        "aci",
        choices=("aci", "managed"),
        place="delivery.staging_target",
    ),
    Setting(
        "production_target",
        "delivery.production_target",
        "what answers in production: Kubernetes or a managed endpoint",
        "aks",
        choices=("aks", "managed"),
        place="delivery.production_target",
    ),
    Setting(
        "staging_cpu",
        "delivery.staging_cpu",
        "processors of the container group",
        1.0,
        rules.between(0.1, 32),
        place="delivery.staging_cpu",
    ),
    Setting(
        "staging_memory_gb",
        "delivery.staging_memory_gb",
        "memory of the container group, in GB",
        1.5,
        rules.between(0.1, 256),
        place="delivery.staging_memory_gb",
    ),
    Setting(
        "aks_cluster",
        "delivery.aks_cluster",
        "name of the Kubernetes cluster, in Azure and as Azure ML's compute",
        "myaks",
        rules.compute_name,
        place="delivery.aks_cluster",
    ),
    Setting(
        "aks_nodes",
        "delivery.aks_nodes",
        "machines of the Kubernetes cluster",
        3,
        rules.between(1, 100),
        place="delivery.aks_nodes",
    ),
    Setting(
        "aks_node_type",
        "delivery.aks_node_type",
        "virtual machines of the Kubernetes cluster",
        "Standard_B4ms",
        place="delivery.aks_node_type",
    ),
    Setting(
        "managed_instance_type",
        "delivery.managed_instance_type",
        "virtual machines of a managed endpoint",
        "Standard_DS2_v2",
        place="delivery.managed_instance_type",
    ),
    Setting(
        "managed_instances",
        "delivery.managed_instances",
        "machines of a managed endpoint's deployment",
        1,
        rules.between(1, 100),
        place="delivery.managed_instances",
    ),
    Setting(
        "tolerance",
        "delivery.tolerance",
        "how far a metric may be from the trained one when staging is validated",
        1e-6,
        rules.between(0),
        place="delivery.tolerance",
    ),
)
