"""The clients of every service: each made when first asked for, once, for all threads of a command."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from mlops_tui.clouds import preload
from mlops_tui.clouds.identity import Identity, Prompt
from mlops_tui.clouds.patience import trust
from mlops_tui.errors import UsageError

if TYPE_CHECKING:
    from mlops_tui.clouds.arm import Arm
    from mlops_tui.clouds.arm_resources import ArmResources
    from mlops_tui.clouds.azure_devops import AzureDevOps
    from mlops_tui.clouds.ci_host import CiHost
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.container_groups import ContainerGroups
    from mlops_tui.clouds.container_images import ContainerImages
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_workspaces import DatabricksWorkspaces
    from mlops_tui.clouds.directory import Directory
    from mlops_tui.clouds.github import GitHub
    from mlops_tui.clouds.key_vault import KeyVaults
    from mlops_tui.clouds.ml_models import MlModels
    from mlops_tui.clouds.online_endpoints import OnlineEndpoints
    from mlops_tui.clouds.resource_groups import ResourceGroups
    from mlops_tui.clouds.rest import Rest
    from mlops_tui.clouds.roles import Roles
    from mlops_tui.clouds.scoring import Scoring
    from mlops_tui.clouds.subscriptions import Subscriptions
    from mlops_tui.project import Project

AClient = TypeVar("AClient")


class Clients:
    """One identity on one cloud. Making it calls nothing; a service's SDK is imported by its first use."""

    def __init__(self, project: Project, cloud: Cloud, prompt: Prompt | None = None) -> None:
        trust(cloud)
        preload.in_background()
        self.cloud = cloud
        self._project = project
        self._databricks_token = project.databricks_token
        self.identity = Identity(project, cloud, prompt=prompt)
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}
        self._closing: list[Callable[[], None]] = []

    @property
    def subscriptions(self) -> Subscriptions:
        from mlops_tui.clouds.subscriptions import Subscriptions

        return self._once("subscriptions", lambda: Subscriptions(self._arm))

    @property
    def groups(self) -> ResourceGroups:
        from mlops_tui.clouds.resource_groups import ResourceGroups

        return self._once("groups", lambda: ResourceGroups(self._arm))

    @property
    def roles(self) -> Roles:
        from mlops_tui.clouds.roles import Roles

        return self._once("roles", lambda: Roles(self._arm))

    @property
    def workspaces(self) -> DatabricksWorkspaces:
        """Databricks workspaces as Azure resources."""
        from mlops_tui.clouds.databricks_workspaces import DatabricksWorkspaces

        return self._once("workspaces", lambda: DatabricksWorkspaces(self._arm))

    @property
    def key_vaults(self) -> KeyVaults:
        from mlops_tui.clouds.key_vault import KeyVaults

        return self._once("key vaults", lambda: KeyVaults(self._arm, self._key_vault))

    @property
    def resources(self) -> ArmResources:
        """Any Azure resource by its id."""
        from mlops_tui.clouds.arm_resources import ArmResources

        return self._once("resources", lambda: ArmResources(self._arm))

    @property
    def models(self) -> MlModels:
        """Registered models of an Azure ML workspace."""
        from mlops_tui.clouds.ml_models import MlModels

        return self._once("models", lambda: MlModels(self.resources))

    @property
    def container_groups(self) -> ContainerGroups:
        from mlops_tui.clouds.container_groups import ContainerGroups

        return self._once("container groups", lambda: ContainerGroups(self.resources))

    @property
    def online_endpoints(self) -> OnlineEndpoints:
        from mlops_tui.clouds.online_endpoints import OnlineEndpoints

        return self._once("online endpoints", lambda: OnlineEndpoints(self.resources))

    @property
    def container_images(self) -> ContainerImages:
        """What container registries hold."""

        def make() -> ContainerImages:
            from mlops_tui.clouds.container_images import ContainerImages

            made = ContainerImages(self.identity, self.cloud)
            self._closing.append(made.close)
            return made

        return self._once("container images", make)

    @property
    def scoring(self) -> Scoring:
        """What models answer."""

        def make() -> Scoring:
            from mlops_tui.clouds.scoring import Scoring

            made = Scoring(self.cloud)
            self._closing.append(made.close)
            return made

        return self._once("scoring", make)

    @property
    def directory(self) -> Directory:
        def make() -> Directory:
            from mlops_tui.clouds.directory import Directory
            from mlops_tui.clouds.graph import Graph

            graph = Graph(self.identity, self.cloud)
            self._closing.append(graph.close)
            return Directory(graph)

        return self._once("directory", make)

    @property
    def ci_host(self) -> CiHost:
        """The project's. Raises UsageError where it has none, SignInError where its token is missing."""
        if self._project.ci.host == "github":
            return self.github
        if self._project.ci.host == "azure-devops":
            return self.azure_devops
        hint = "Set ci.host to azure-devops or github, and ci.organization to whose it is."
        raise UsageError("The project has no host for its pipeline.", hint=hint)

    @property
    def github(self) -> GitHub:
        """With more than every CI host has."""

        def make() -> GitHub:
            from mlops_tui.clouds.github import GitHub

            made = GitHub(self._project, self.cloud, self.identity)
            self._closing.append(made.close)
            return made

        return self._once("github", make)

    @property
    def azure_devops(self) -> AzureDevOps:
        """With more than every CI host has."""

        def make() -> AzureDevOps:
            from mlops_tui.clouds.azure_devops import AzureDevOps

            made = AzureDevOps(self._project, self.cloud, self.identity)
            self._closing.append(made.close)
            return made

        return self._once("azure devops", make)

    def databricks(self, host: str) -> Databricks:
        """What is inside the workspace at `host` ("https://…")."""

        def make() -> Databricks:
            from mlops_tui.clouds.databricks import Databricks

            preload.databricks_sdk()
            made = Databricks(host, self.identity, self.cloud, self._databricks_token)
            self._closing.append(made.close)
            return made

        return self._once(f"databricks {host}", make)

    def close(self) -> None:
        """Close all connections; safe to call twice."""
        with self._lock:
            for close in reversed(self._closing):
                close()
            self._closing.clear()
            self._made.clear()
            self.identity.close()

    def _key_vault(self, uri: str) -> Rest:
        """The connection to what is in the vault at `uri` ("https://…")."""

        def make() -> Rest:
            from mlops_tui.clouds.rest import Rest

            made = Rest(self.identity, self.cloud, uri, self.cloud.key_vault_scope)
            self._closing.append(made.close)
            return made

        return self._once(f"key vault {uri}", make)

    @property
    def _arm(self) -> Arm:
        def make() -> Arm:
            from mlops_tui.clouds.arm import Arm

            made = Arm(self.identity, self.cloud)
            self._closing.append(made.close)
            return made

        return self._once("arm", make)

    def _once(self, name: str, make: Callable[[], AClient]) -> AClient:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            client: AClient = self._made[name]
            return client
