"""What a cluster may be made of: Databricks runtimes and Azure machine sizes; the check of a specification.

Keys and names are those of `clusters/spark-versions` and `clusters/list-node-types` (Databricks REST reference,
Clusters 2.1). Here they change nothing but what is accepted: every cluster is a Python process on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import Body

if TYPE_CHECKING:
    from mlops_tui.sandbox.dialects import Dialect

# Release, Apache Spark, Scala.
RUNTIMES = (
    ("17.3", "4.0.0", "2.13"),
    ("16.4", "3.5.2", "2.12"),
    ("15.4", "3.5.0", "2.12"),
    ("14.3", "3.5.0", "2.12"),
    ("13.3", "3.4.1", "2.12"),
    ("12.2", "3.3.2", "2.12"),
    ("11.3", "3.3.0", "2.12"),
    ("10.4", "3.2.1", "2.12"),
    ("9.1", "3.1.2", "2.12"),
    ("7.3", "3.0.1", "2.12"),
)


@dataclass(frozen=True)
class NodeType:
    """A machine size: virtual cores, memory in MB, and how Databricks files it."""

    name: str
    cores: int
    memory: int
    category: str = "General Purpose"
    disk: int = 0  # GB of local disk


NODE_TYPES = (
    NodeType("Standard_DS3_v2", 4, 14336, disk=28),
    NodeType("Standard_DS4_v2", 8, 28672, disk=56),
    NodeType("Standard_DS5_v2", 16, 57344, disk=112),
    NodeType("Standard_B4ms", 4, 16384),
    NodeType("Standard_D4s_v3", 4, 16384, disk=32),
    NodeType("Standard_D4ds_v5", 4, 16384, disk=150),
    NodeType("Standard_D8ds_v5", 8, 32768, disk=300),
    NodeType("Standard_E4ds_v4", 4, 32768, "Memory Optimized", disk=150),
    NodeType("Standard_F4s", 4, 8192, "Compute Optimized", disk=16),
    NodeType("Standard_L4s", 4, 32768, "Storage Optimized", disk=678),
)
ZONES = ("1", "2", "3")


def spark_versions() -> dict[str, str]:
    """Keys with their names: each release as plain runtime and as machine-learning runtime."""
    versions = {}
    for release, spark, scala in RUNTIMES:
        tail = f"(includes Apache Spark {spark}, Scala {scala})"
        versions[f"{release}.x-cpu-ml-scala{scala}"] = f"{release} LTS ML {tail}"
        versions[f"{release}.x-scala{scala}"] = f"{release} LTS {tail}"
    return versions


def describe(node: NodeType, order: int) -> Body:
    """One item of list-node-types."""
    return {
        "node_type_id": node.name,
        "instance_type_id": node.name,
        "memory_mb": node.memory,
        "num_cores": float(node.cores),
        "num_gpus": 0,
        "description": node.name,
        "category": node.category,
        "is_deprecated": False,
        "is_hidden": False,
        "display_order": order,
        "support_cluster_tags": True,
        "node_info": {"status": [], "available_core_quota": 350, "total_core_quota": 350},
        "node_instance_type": {
            "instance_type_id": node.name,
            "local_disks": 1 if node.disk else 0,
            "local_disk_size_gb": node.disk,
        },
    }


def check_specification(dialect: Dialect, wanted: Body) -> None:
    """Refuse (400) what the platform refuses: unknown runtimes, sizes, worker counts and idle times."""
    if not wanted.get("spark_version"):
        raise dialect.malformed("Missing required field 'spark_version'")
    if wanted["spark_version"] not in spark_versions():
        raise dialect.malformed(f"Invalid spark version {wanted['spark_version']}.")
    if not wanted.get("node_type_id"):
        raise dialect.malformed("Missing required field 'node_type_id'")
    names = [node.name for node in NODE_TYPES]
    for field in ("node_type_id", "driver_node_type_id"):
        if wanted.get(field) and wanted[field] not in names:
            raise dialect.malformed(
                f"Node type {wanted[field]} is not supported. Supported node types: {', '.join(names)}"
            )
    _check_size(dialect, wanted)
    idle = wanted.get("autotermination_minutes", 0)
    if idle and not 10 <= idle <= 10000:
        raise dialect.malformed(
            f"autotermination_minutes ({idle}) must be between 10 and 10000, or 0 to disable automatic termination."
        )


def _check_size(dialect: Dialect, wanted: Body) -> None:
    autoscale: Any = wanted.get("autoscale")
    if autoscale is not None and wanted.get("num_workers"):
        raise dialect.malformed("Only one of num_workers or autoscale may be specified.")
    if autoscale is not None and int(autoscale.get("min_workers", 0)) > int(autoscale.get("max_workers", 0)):
        raise dialect.malformed("min_workers must be less than or equal to max_workers.")
    workers = wanted.get("num_workers")
    single = wanted.get("is_single_node") or "singleNode" in str(wanted.get("spark_conf", {}))
    if autoscale is None and workers is None and not single:
        raise dialect.malformed("Missing required field: size")
    if workers is not None and int(workers) < 0:
        raise dialect.malformed("num_workers must not be negative.")
