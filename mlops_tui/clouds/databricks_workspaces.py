"""Azure Databricks workspaces as Azure resources; what is inside them is `databricks`'."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.arm import Arm
from mlops_tui.clouds.long_operation import LongOperation
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from azure.mgmt.databricks.models import Workspace


@dataclass(frozen=True)
class DatabricksWorkspace:
    id: str  # the Azure resource's
    name: str
    location: str
    sku: str  # "standard", "premium", "trial"
    state: str  # "Succeeded", "Failed", "Deleting", or on the way there
    host: str  # https://…; empty until it has one
    managed_group_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The resource group that it is in."""
        return self.id.split("/")[4]


@dataclass(frozen=True)
class WorkspaceSpec:
    """What to make, or what to make of the one there is: then with its own place, managed group and tags."""

    name: str
    location: str
    sku: str
    tags: dict[str, str]
    managed_group_id: str = ""  # empty: one of its own


class DatabricksWorkspaces:
    """Azure Resource Manager, Microsoft.Databricks/workspaces."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def get(self, subscription_id: str, group: str, name: str) -> DatabricksWorkspace | None:
        """None where there is none, or no such group."""
        try:
            with speaking_of(f"the Databricks workspace {name}"):
                return _workspace(self._arm.databricks(subscription_id).workspaces.get(group, name))
        except NotFoundError:
            return None

    def find(self, subscription_id: str, host: str) -> DatabricksWorkspace | None:
        """The one of this subscription that answers at `host`; None where it is somebody else's."""
        return next((one for one in self.list(subscription_id) if one.host.lower() == host.lower()), None)

    def list(self, subscription_id: str) -> tuple[DatabricksWorkspace, ...]:
        """Those that the caller may see."""
        with speaking_of("the list of Databricks workspaces"):
            found = self._arm.databricks(subscription_id).workspaces.list_by_subscription()
            return tuple(_workspace(one) for one in found)

    def create(self, subscription_id: str, group: str, spec: WorkspaceSpec) -> LongOperation[DatabricksWorkspace]:
        """Makes it, or changes the tier of the one there is; some three minutes."""
        from azure.mgmt.databricks.models import Workspace

        managed = spec.managed_group_id or managed_group_id(subscription_id, group, spec.name)
        body: dict[str, Any] = {
            "location": spec.location,
            "sku": {"name": spec.sku},
            "tags": spec.tags,
            "properties": {"computeMode": "Hybrid", "managedResourceGroupId": managed},
        }
        what = f"the Databricks workspace {spec.name}"
        with speaking_of(what):
            workspaces = self._arm.databricks(subscription_id).workspaces
            return LongOperation(workspaces.begin_create_or_update(group, spec.name, Workspace(body)), what, _workspace)

    def delete(self, subscription_id: str, group: str, name: str) -> LongOperation[None]:
        """With everything in it, managed resource group included. Raises NotFoundError."""
        what = f"the Databricks workspace {name}"
        with speaking_of(what):
            poller = self._arm.databricks(subscription_id).workspaces.begin_delete(group, name)
        return LongOperation(poller, what, lambda _: None)


def managed_group_id(subscription_id: str, group: str, name: str) -> str:
    """The group that Databricks keeps its machines in; named alike each time, so that a repeat asks for the same."""
    scope = f"/subscriptions/{subscription_id}/resourceGroups"
    suffix = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{group}/{name}".lower()).hex[:8]
    return f"{scope}/databricks-rg-{name}-{suffix}"


def _workspace(one: Workspace) -> DatabricksWorkspace:
    properties = one.properties
    state = getattr(properties.provisioning_state, "value", properties.provisioning_state)
    url = properties.workspace_url
    return DatabricksWorkspace(
        id=one.id or "",
        name=one.name or "",
        location=one.location,
        sku=one.sku.name if one.sku else "",
        state=str(state or ""),
        host=f"https://{url}" if url else "",
        managed_group_id=properties.managed_resource_group_id or "",
        tags=dict(one.tags or {}),
    )
