"""All-purpose clusters and the libraries on them (Databricks REST reference, Clusters 2.1 and Libraries 2.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.databricks_errors import made_once, speaking_of
from mlops_tui.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from databricks.sdk.service.compute import ClusterEvent, NodeType

    from mlops_tui.clouds.databricks import Databricks

Spec = dict[str, Any]  # a cluster as clusters/create and clusters/get spell it

# What clusters/edit takes of what clusters/get gives: it replaces the whole specification, so the rest must come along.
EDITABLE = (
    "autoscale",
    "autotermination_minutes",
    "azure_attributes",
    "cluster_log_conf",
    "cluster_name",
    "custom_tags",
    "data_security_mode",
    "docker_image",
    "driver_instance_pool_id",
    "driver_node_type_id",
    "enable_elastic_disk",
    "enable_local_disk_encryption",
    "init_scripts",
    "instance_pool_id",
    "is_single_node",
    "kind",
    "node_type_id",
    "num_workers",
    "policy_id",
    "runtime_engine",
    "single_user_name",
    "spark_conf",
    "spark_env_vars",
    "spark_version",
    "ssh_public_keys",
    "use_ml_runtime",
    "workload_type",
)

EVENTS = {
    "CREATING": "is being created",
    "STARTING": "is starting",
    "RESTARTING": "is restarting",
    "RUNNING": "is running",
    "TERMINATING": "is stopping",
    "EDITED": "was changed",
    "UPSIZE_COMPLETED": "has more workers now",
    "DRIVER_HEALTHY": "its driver is up",
    "DRIVER_NOT_RESPONDING": "its driver does not answer",
    "INIT_SCRIPTS_STARTED": "runs its init scripts",
    "INIT_SCRIPTS_FINISHED": "has run its init scripts",
    "AUTOSCALING_STATS_REPORT": "",
}


@dataclass(frozen=True)
class Cluster:
    """One cluster; `state` as the platform names it: PENDING, RUNNING, TERMINATING, TERMINATED, ERROR, …"""

    id: str
    name: str
    state: str
    message: str
    created: int  # milliseconds since 1970
    tags: dict[str, str]


@dataclass(frozen=True)
class ClusterState:
    state: str
    message: str


@dataclass(frozen=True)
class Happening:
    """One event of a cluster; `text` completes "the cluster …"."""

    at: int  # milliseconds since 1970
    kind: str
    text: str


@dataclass(frozen=True)
class Offer:
    """What a workspace has to make clusters of: runtime versions and node types with their names for people."""

    spark_versions: dict[str, str]
    node_types: dict[str, str]


@dataclass(frozen=True)
class Machine:
    """A node type; Databricks counts cores in fractions."""

    id: str
    cores: float
    memory_mb: int
    gpus: int


class Clusters:
    """The all-purpose clusters of one workspace."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def named(self, name: str) -> list[Cluster]:
        """All of exactly that name, oldest first; names need not be unique. Clusters of job runs are left out."""
        return [cluster for cluster in self.all() if cluster.name == name]

    def all(self) -> list[Cluster]:
        """Those that people have made, oldest first."""
        from databricks.sdk.service.compute import ClusterSource, ListClustersFilterBy

        people_made = ListClustersFilterBy(cluster_sources=[ClusterSource.API, ClusterSource.UI])
        with speaking_of("the clusters"):
            listed = list(self._databricks.client.clusters.list(filter_by=people_made))
        found = [_cluster(details.as_dict()) for details in listed if details.cluster_source is not ClusterSource.JOB]
        return sorted(found, key=lambda cluster: (cluster.created, cluster.id))

    def spec(self, cluster_id: str) -> Spec:
        """As clusters/get gives it. Raises NotFoundError."""
        with speaking_of(f"the cluster {cluster_id}"):
            return self._ask("GET", "2.1/clusters/get", query={"cluster_id": cluster_id})

    def state(self, cluster_id: str) -> ClusterState:
        """Raises NotFoundError."""
        spec = self.spec(cluster_id)
        return ClusterState(str(spec.get("state", "UNKNOWN")), str(spec.get("state_message", "")))

    def events(self, cluster_id: str, since: int = 0) -> list[Happening]:
        """What happened from `since` on (milliseconds since 1970), oldest first. Raises NotFoundError."""
        from databricks.sdk.service.compute import GetEventsOrder

        with speaking_of(f"the events of the cluster {cluster_id}"):
            listed = self._databricks.client.clusters.events(
                cluster_id, order=GetEventsOrder.ASC, start_time=since or None
            )
            told = [_happening(event) for event in listed]
        return [happening for happening in told if happening.text and happening.at >= since]

    def offer(self) -> Offer:
        client = self._databricks.client
        with speaking_of("the runtimes and node types of the workspace"):
            versions = client.clusters.spark_versions().versions or []
            nodes = client.clusters.list_node_types().node_types or []
        return Offer(
            {str(version.key): str(version.name) for version in versions},
            {node.node_type_id: node.description for node in _usable(nodes)},
        )

    def machines(self) -> list[Machine]:
        """Node types that a new cluster can have; without those that are on their way out."""
        with speaking_of("the node types of the workspace"):
            nodes = self._databricks.client.clusters.list_node_types().node_types or []
        return [
            Machine(node.node_type_id, node.num_cores, node.memory_mb, node.num_gpus or 0)
            for node in _usable(nodes)
            if not node.is_deprecated
        ]

    def create(self, spec: Spec) -> str:
        """Its id; the platform starts it at once.

        Where the connection breaks before the answer, looks whether it was made: a second one would cost twice.
        """
        name = str(spec["cluster_name"])
        before = {cluster.id for cluster in self.named(name)}

        def ask() -> str:
            with speaking_of(f"the cluster {name}"):
                return str(self._ask("POST", "2.1/clusters/create", body=spec)["cluster_id"])

        return made_once(ask, lambda: next((each.id for each in self.named(name) if each.id not in before), None))

    def edit(self, cluster_id: str, wanted: Spec) -> None:
        """Change what `wanted` names and keep the rest. The platform restarts it where it runs.

        Raises ConflictError unless it is RUNNING or TERMINATED.
        """
        spec = self.spec(cluster_id)
        body = {name: spec[name] for name in EDITABLE if name in spec} | wanted | {"cluster_id": cluster_id}
        body.pop("num_workers" if "autoscale" in wanted else "autoscale", None)
        with speaking_of(f"the cluster {cluster_id}"):
            self._ask("POST", "2.1/clusters/edit", body=body)

    def start(self, cluster_id: str) -> None:
        """Ask for its start; one that is up or on its way is left alone."""
        try:
            with speaking_of(f"the cluster {cluster_id}"):
                self._ask("POST", "2.1/clusters/start", body={"cluster_id": cluster_id})
        except ConflictError as error:
            if error.code != "INVALID_STATE":
                raise

    def delete(self, cluster_id: str) -> bool:
        """Stop it and forget it for good; False where it is gone already."""
        try:
            with speaking_of(f"the cluster {cluster_id}"):
                self._ask("POST", "2.1/clusters/permanent-delete", body={"cluster_id": cluster_id})
        except NotFoundError:
            return False
        return True

    def packages(self, cluster_id: str) -> dict[str, str]:
        """PyPI packages set for it: name without version -> PENDING, INSTALLED, FAILED, …"""
        with speaking_of(f"the libraries of the cluster {cluster_id}"):
            statuses = list(self._databricks.client.libraries.cluster_status(cluster_id))
        found = {}
        for status in statuses:
            pypi = status.library.pypi if status.library else None
            if pypi is not None and status.status is not None:
                found[_package(pypi.package)] = status.status.value
        return found

    def install(self, cluster_id: str, packages: list[str]) -> None:
        """Set PyPI packages for it; they are installed while it runs, or when it starts."""
        from databricks.sdk.service.compute import Library, PythonPyPiLibrary

        libraries = [Library(pypi=PythonPyPiLibrary(package=package)) for package in packages]
        with speaking_of(f"the libraries of the cluster {cluster_id}"):
            self._databricks.client.libraries.install(cluster_id, libraries)

    def _ask(self, method: str, path: str, body: Spec | None = None, query: Spec | None = None) -> Spec:
        answer = self._databricks.client.api_client.do(method, f"/api/{path}", body=body, query=query)
        return answer if isinstance(answer, dict) else {}


def _usable(nodes: list[NodeType]) -> list[NodeType]:
    """Without what the region or the subscription lacks."""
    return [node for node in nodes if not (node.node_info and node.node_info.status)]


def _cluster(details: Spec) -> Cluster:
    return Cluster(
        id=str(details["cluster_id"]),
        name=str(details["cluster_name"]),
        state=str(details.get("state", "UNKNOWN")),
        message=str(details.get("state_message", "")),
        created=int(details.get("start_time", 0)),
        tags=dict(details.get("custom_tags", {})),
    )


def _happening(event: ClusterEvent) -> Happening:
    kind = event.type.value if event.type else ""
    text = EVENTS.get(kind, kind.lower().replace("_", " "))
    details = event.details
    if details and details.reason and details.reason.code:
        text += f" ({details.reason.code.value.lower().replace('_', ' ')})"
    if details and details.current_num_workers is not None and kind == "RUNNING":
        workers = details.current_num_workers
        text += f" with {workers} worker{'' if workers == 1 else 's'}"
    return Happening(event.timestamp or 0, kind, text)


def _package(requirement: str) -> str:
    """The name in "scikit-learn==1.5.2", as PyPI compares names."""
    for mark in "=<>!~[; ":
        requirement = requirement.split(mark, 1)[0]
    return requirement.strip().lower().replace("_", "-")
