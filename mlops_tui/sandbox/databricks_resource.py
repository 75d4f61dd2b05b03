"""Microsoft.Databricks/workspaces: the workspace as Azure sees it. What is inside answers at its workspaceUrl.

Shapes: Azure REST reference, Databricks 2024-05-01. The practice cloud holds one workspace at a time, whose
workspaceUrl is the sandbox's own host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, answer, empty
from mlops_tui.sandbox.arm import GROUP, NOT_FINAL, RESOURCE, Operation
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.long_running import LongRunning
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.resource_type import ResourceType
from mlops_tui.sandbox.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.Databricks"
TYPE = f"{NAMESPACE}/workspaces"
FIRST_ID = 2814749767106561  # workspace ids are numbers of this length
SKUS = ("standard", "premium", "trial")
FINAL = ("Succeeded", "Failed")
CREATE, UPDATE, DELETE = "create-databricks-workspace", "update-databricks-workspace", "delete-databricks-workspace"


def workspace(store: Store) -> Body | None:
    """The one workspace as an ARM resource; None where there is none."""
    return next((one for one in store.list(RESOURCE) if one["type"] == TYPE), None)


class DatabricksWorkspaces(ResourceType):
    """Create, read, tag and delete; all writes are long-running."""

    type_name = TYPE

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(CREATE, self._ready)
        running.ends(UPDATE, self._ready)
        running.ends(DELETE, self._delete_now)

    def operations(self) -> list[Operation]:
        return [
            *self.lists(),
            self.on_one("GET", self.show),
            self.on_one("HEAD", self.exists),
            self.on_one("PUT", self.put),
            self.on_one("PATCH", self.patch),
            self.on_one("DELETE", self.delete),
        ]

    def show(self, call: Call) -> Response:
        found = self.found(call)
        return answer(found, headers={} if found["properties"]["provisioningState"] in FINAL else NOT_FINAL)

    def put(self, call: Call) -> Response:
        """201 for a new workspace, 200 for a change of the existing one; poll Azure-AsyncOperation."""
        self.group(call)
        wanted = call.json()
        self.sandbox.find(Subscriptions).require_registered(NAMESPACE)
        self._check_name(call.params["name"])
        location = self.sandbox.find(ResourceGroups).check_location(
            wanted, f"resource type '{TYPE}'", "LocationNotAvailableForResourceType"
        )
        sku = self._sku(wanted)
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self.id_of(call).lower())
            if kept is not None:
                return self._change(call, kept, location, sku, wanted)
            self._check_room()
            made = self._new(call, location, sku, wanted)
            self._claim_managed_group(made)
            self.store.put(RESOURCE, made["id"].lower(), made)
            return self._accepted(call, made, CREATE, 201)

    def _accepted(self, call: Call, resource: Body, verb: str, status: int) -> Response:
        running = self.sandbox.find(LongRunning)
        operation_id = running.begin(verb, resource["id"])
        headers = running.status_headers(call, operation_id, NAMESPACE, resource["location"])
        return answer(resource, status, headers)

    def _check_name(self, name: str) -> None:
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
            "provisioningState": "Creating",
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
        self._check_idle(kept)
        kept |= {"sku": {"name": sku}, "tags": wanted.get("tags") or {}}
        properties = kept["properties"]
        properties["publicNetworkAccess"] = asked.get("publicNetworkAccess") or properties["publicNetworkAccess"]
        properties["provisioningState"] = "Updating"
        self.store.put(RESOURCE, kept["id"].lower(), kept)
        return self._accepted(call, kept, UPDATE, 200)

    def _check_idle(self, kept: Body) -> None:
        state = kept["properties"]["provisioningState"]
        if state not in FINAL:
            message = (
                f"Another operation is in progress on the resource '{kept['id']}' (provisioning state '{state}'). "
                "Please retry after it has completed."
            )
            raise self.dialect.error(409, "ConflictingConcurrentWriteNotAllowed", message)

    def patch(self, call: Call) -> Response:
        """Tags."""
        with self.store.transaction():
            kept = self.found(call)
            self._check_idle(kept)
            kept["tags"] = call.json().get("tags", kept["tags"])
            kept["properties"]["provisioningState"] = "Updating"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            return self._accepted(call, kept, UPDATE, 202)

    def delete(self, call: Call) -> Response:
        """202 and a Location to poll; 204 where there is none."""
        if self.store.get(RESOURCE, call.path.lower()) is None:
            return empty(204)
        running = self.sandbox.find(LongRunning)
        with self.store.transaction():
            kept = self.found(call)
            self._check_idle(kept)
            kept["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            operation_id = running.begin(DELETE, kept["id"])
        return empty(202, running.result_headers(call, operation_id))

    def _ready(self, resource_id: str) -> None:
        with self.store.transaction():
            kept = self.store.get(RESOURCE, resource_id.lower())
            if kept and kept["properties"]["provisioningState"] in ("Creating", "Updating"):
                kept["properties"]["provisioningState"] = "Succeeded"
                self.store.put(RESOURCE, resource_id.lower(), kept)

    def _delete_now(self, resource_id: str) -> None:
        if kept := self.store.get(RESOURCE, resource_id.lower()):
            self.sandbox.find(ResourceGroups).discard(kept)

    def removed(self, resource: Body) -> None:
        """With the workspace go its inside and its managed resource group."""
        if resource["type"] != TYPE:
            return
        for service in self.sandbox.services:
            service.forget_workspace()
        if group_id := resource["properties"]["managedResourceGroupId"]:
            self.sandbox.find(Authorization).forget_scope(group_id)
            self.store.delete(GROUP, group_id.lower())
