"""Microsoft.Databricks/workspaces: the workspace as Azure sees it. What is inside answers at its workspaceUrl.

Shapes: Azure REST reference, Databricks 2024-05-01. The practice cloud holds one workspace at a time, whose
workspaceUrl is the sandbox's own host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import GROUP, RESOURCE
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.long_running_type import LongRunningType
from mlops_tui.sandbox.resource_groups import ResourceGroups

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

TYPE = "Microsoft.Databricks/workspaces"
FIRST_ID = 2814749767106561  # workspace ids are numbers of this length
SKUS = ("standard", "premium", "trial")


def workspace(store: Store) -> Body | None:
    """The one workspace as an ARM resource; None where there is none."""
    return next((one for one in store.list(RESOURCE) if one["type"] == TYPE), None)


class DatabricksWorkspaces(LongRunningType):
    """Create, read, tag and delete; all writes are long-running."""

    type_name, noun = TYPE, "databricks-workspace"

    def put(self, call: Call) -> Response:
        """201 for a new workspace, 200 for a change of the existing one; poll Azure-AsyncOperation."""
        self.group(call)
        wanted = call.json()
        location = self.place_of(call, wanted)
        sku = self._sku(wanted)
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self.id_of(call).lower())
            if kept is not None:
                return self._change(call, kept, location, sku, wanted)
            self._check_room()
            made = self._new(call, location, sku, wanted)
            self._claim_managed_group(made)
            return self.creating(call, made)

    def check_name_of(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{3,64}", name):
            message = (
                f"The workspace name '{name}' is invalid. A workspace name must be between 3 and 64 characters long "
                "and can only contain alphanumeric characters, underscores and hyphens."
            )
            raise self.dialect.error(400, "InvalidWorkspaceName", message)

    def _sku(self, wanted: Body) -> str:
        sku = str((wanted.get("sku") or {}).get("name") or "premium").lower()
        if sku not in SKUS:
            message = f"The SKU '{sku}' is not valid for '{TYPE}'. Allowed values are: {', '.join(SKUS)}."
            raise self.dialect.error(400, "InvalidSku", message)
        return sku

    def _check_room(self) -> None:
        if there := workspace(self.store):
            message = (
                "Operation could not be completed as it results in exceeding the approved quota. The practice cloud "
                f"holds one Databricks workspace at a time (limit 1, current usage 1): '{there['id']}'. Use that one, "
                "or delete it first."
            )
            raise self.dialect.error(409, "QuotaExceeded", message)

    def _new(self, call: Call, location: str, sku: str, wanted: Body) -> Body:
        number = self.store.next_number("databricks-workspace", FIRST_ID)
        asked = wanted.get("properties") or {}
        caller = {"oid": call.caller.object_id, "puid": None, "applicationId": call.caller.app_id or None}
        parameters = {"enableNoPublicIp": {"type": "Bool", "value": True}} | (asked.get("parameters") or {})
        properties: dict[str, Any] = {
            "computeMode": asked.get("computeMode") or "Hybrid",
            "managedResourceGroupId": self._managed_group_id(asked),
            "parameters": parameters,
            "createdBy": caller,
            "updatedBy": caller,
            "createdDateTime": clock.now(),
            "publicNetworkAccess": asked.get("publicNetworkAccess") or "Enabled",
            "isUcEnabled": True,
            "workspaceId": str(number),
            "workspaceUrl": self.sandbox.origin.removeprefix("https://"),
        }
        return {
            "id": self.id_of(call),
            "name": call.params["name"],
            "type": TYPE,
            "location": location,
            "sku": {"name": sku},
            "tags": wanted.get("tags") or {},
            "properties": properties,
        }

    def _managed_group_id(self, asked: Body) -> str | None:
        """Of a Hybrid workspace it must be given; a Serverless one has none."""
        wanted = str(asked.get("managedResourceGroupId") or "")
        if asked.get("computeMode") == "Serverless":
            return None
        root = f"/subscriptions/{self.sandbox.subscription_id}/resourceGroups/"
        if not wanted.lower().startswith(root.lower()) or not re.fullmatch(r"[\w.()-]{1,90}", wanted[len(root) :]):
            message = (
                f"The managed resource group id '{wanted}' is invalid. properties.managedResourceGroupId must name a "
                f"resource group of this subscription, as in '{root}databricks-rg'."
            )
            raise self.dialect.error(400, "InvalidManagedResourceGroupId", message)
        return root + wanted[len(root) :]

    def _claim_managed_group(self, made: Body) -> None:
        """Make the managed resource group; one of that name that is there already belongs to somebody else."""
        group_id = made["properties"]["managedResourceGroupId"]
        if group_id is None:
            return
        if self.store.get(GROUP, group_id.lower()) is not None:
            message = (
                f"Managed Resource group for the workspace: '{group_id}' doesn't have managed by property referring "
                "to Databricks workspace resource"
            )
            raise self.dialect.error(409, "ManagedResourceGroupConflict", message)
        groups = self.sandbox.find(ResourceGroups)
        groups.make(group_id.rsplit("/", 1)[-1], made["location"], made["tags"], made["id"])

    def _change(self, call: Call, kept: Body, location: str, sku: str, wanted: Body) -> Response:
        """SKU, tags and network access can change; place and managed resource group cannot."""
        self.check_location(kept, location, call.params["group"])
        asked = wanted.get("properties") or {}
        managed = asked.get("managedResourceGroupId")
        if managed and managed.lower() != str(kept["properties"]["managedResourceGroupId"]).lower():
            message = "The property 'managedResourceGroupId' of an existing workspace cannot be changed."
            raise self.dialect.error(409, "PropertyChangeNotAllowed", message)
        self.check_idle(kept)
        kept |= {"sku": {"name": sku}, "tags": wanted.get("tags") or {}}
        properties = kept["properties"]
        properties["publicNetworkAccess"] = asked.get("publicNetworkAccess") or properties["publicNetworkAccess"]
        return self.updating(call, kept)

    def busy(self, kept: Body, state: str) -> ApiError:
        message = (
            f"Another operation is in progress on the resource '{kept['id']}' (provisioning state '{state}'). "
            "Please retry after it has completed."
        )
        return self.dialect.error(409, "ConflictingConcurrentWriteNotAllowed", message)

    def patch(self, call: Call) -> Response:
        """Tags."""
        with self.store.transaction():
            kept = self.found(call)
            self.check_idle(kept)
            kept["tags"] = call.json().get("tags", kept["tags"])
            return self.updating(call, kept, 202)

    def delete(self, call: Call) -> Response:
        """204 also where there is no such resource group: it may have gone with the workspace."""
        return super().delete(call) if self.store.get(RESOURCE, call.path.lower()) else empty(204)

    def removed(self, resource: Body) -> None:
        """With the workspace go its inside and its managed resource group."""
        if resource["type"] != TYPE:
            return
        for service in self.sandbox.services:
            service.forget_workspace()
        if group_id := resource["properties"]["managedResourceGroupId"]:
            self.sandbox.find(Authorization).forget_scope(group_id)
            self.store.delete(GROUP, group_id.lower())
