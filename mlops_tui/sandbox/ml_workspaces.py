"""Microsoft.MachineLearningServices/workspaces: the workspace as Azure sees it. Its assets and datastores stand below.

Shapes and errors: Azure Machine Learning REST reference, Workspaces 2024-10-01.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.long_running_type import LongRunningType

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

TYPE = "Microsoft.MachineLearningServices/workspaces"
ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{workspace}}"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
# What a workspace is made with: the property, the type of the resource, and whether it must be given.
DEPENDENCIES = {
    "storageAccount": ("Microsoft.Storage/storageAccounts", True),
    "keyVault": ("Microsoft.KeyVault/vaults", True),
    "applicationInsights": ("Microsoft.Insights/components", False),
    "containerRegistry": ("Microsoft.ContainerRegistry/registries", False),
}
CHANGEABLE = ("description", "friendlyName", "publicNetworkAccess", "imageBuildCompute", "systemDatastoresAuthMode")
LATER = ("applicationInsights", "containerRegistry")  # that an existing workspace may be given


def default_container(workspace: Body) -> str:
    """The blob container behind the default datastore."""
    return f"azureml-blobstore-{workspace['properties']['workspaceId']}"


def storage_of(workspace: Body) -> str:
    """The name of its storage account."""
    return str(workspace["properties"]["storageAccount"]).rsplit("/", 1)[-1]


def children(store: Store, kind: str, workspace_id: str, below: str) -> list[Body]:
    """Documents of a kind that belong to a workspace; keys are their ids in lower case."""
    return store.list(kind, f"{workspace_id}/{below}".lower())


class MlWorkspaces(LongRunningType):
    """Create, read, change and delete; creating and deleting are long-running."""

    type_name, noun = TYPE, "ml-workspace"

    def operations(self) -> list[Operation]:
        one = ONE.replace("{workspace}", "{name}")
        return [
            *super().operations(),
            self.does("POST", f"{one}/listKeys", f"{TYPE}/listKeys/action", self.list_keys),
        ]

    def workspace(self, call: Call) -> Body:
        """The workspace that a path below one names as {workspace}. Raises ResourceNotFound."""
        name = call.params["workspace"]
        found = self.store.get(RESOURCE, f"{self.group(call)['id']}/providers/{TYPE}/{name}".lower())
        if found is None:
            message = (
                f"The Resource '{TYPE}/{name}' under resource group '{call.params['group']}' was not found. For more "
                "details please go to https://aka.ms/ARMResourceNotFoundFix"
            )
            raise self.dialect.error(404, "ResourceNotFound", message)
        return found

    def put(self, call: Call) -> Response:
        """201 for a new workspace, 200 for a change; poll Azure-AsyncOperation."""
        own_id, wanted = self.id_of(call), call.json()
        location = self.place_of(call, wanted)
        asked = wanted.get("properties") or {}
        with self.store.transaction():
            kept = self.store.get(RESOURCE, own_id.lower())
            if kept:
                self.check_location(kept, location, call.params["group"])
                return self._change(call, kept, wanted | {"tags": wanted.get("tags") or {}}, 200)
            made = self._new(call, own_id, location, wanted, self._dependencies(asked))
            self._make_containers(made)
            return self.creating(call, made)

    def check_name_of(self, name: str) -> None:
        if not NAME.fullmatch(name):
            message = (
                f"Workspace name '{name}' is invalid. It must be between 3 and 33 characters long. Its first character "
                "has to be alphanumeric, and the rest may contain hyphens and underscores. No whitespace is allowed."
            )
            raise self.dialect.error(400, "ValidationError", message)

    def _dependencies(self, asked: Body) -> Body:
        """The resources that it is made with, which must be there. Raises ValidationError."""
        found: Body = {}
        for name, (kind, is_needed) in DEPENDENCIES.items():
            given = str(asked.get(name) or "")
            if not given and is_needed:
                message = f"Missing dependent resources in workspace json: properties.{name}."
                raise self.dialect.error(400, "ValidationError", message)
            there = self.store.get(RESOURCE, given.lower()) if given else None
            if given and (there is None or there["type"] != kind):
                message = f"The {name} '{given}' of the workspace was not found; it must be a resource '{kind}'."
                raise self.dialect.error(400, "ValidationError", message)
            found[name] = there["id"] if there else None
        return found

    def _new(self, call: Call, own_id: str, location: str, wanted: Body, dependencies: Body) -> Body:
        asked, workspace_id, host = wanted.get("properties") or {}, str(uuid.uuid4()), self.sandbox.origin
        properties: Body = {
            "friendlyName": asked.get("friendlyName") or call.params["name"],
            "description": asked.get("description") or "",
            **dependencies,
            "hbiWorkspace": str(asked.get("hbiWorkspace")).lower() == "true",
            "publicNetworkAccess": asked.get("publicNetworkAccess") or "Enabled",
            "imageBuildCompute": asked.get("imageBuildCompute") or "",
            "systemDatastoresAuthMode": asked.get("systemDatastoresAuthMode") or "accesskey",
            "creationTime": clock.now(),
            "tenantId": self.sandbox.tenant_id,
            "workspaceId": workspace_id,
            "discoveryUrl": f"{host}/discovery",
            "mlFlowTrackingUri": f"azureml://{host.removeprefix('https://')}/mlflow/v1.0{own_id}",
            "allowPublicAccessWhenBehindVnet": False,
            "managedNetwork": {"isolationMode": "Disabled", "outboundRules": {}},
            "enableDataIsolation": False,
            "v1LegacyMode": False,
        }
        return {
            "id": own_id,
            "name": call.params["name"],
            "type": TYPE,
            "location": location,
            "kind": "Default" if str(wanted.get("kind") or "default").lower() == "default" else wanted["kind"],
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {
                "type": "SystemAssigned",
                "principalId": str(uuid.uuid4()),
                "tenantId": self.sandbox.tenant_id,
            },
            "tags": wanted.get("tags") or {},
            "properties": properties,
            "systemData": made_by(call),
        }

    def _make_containers(self, made: Body) -> None:
        for container in (default_container(made), "azureml"):
            BlobStore(self.sandbox).make_container(storage_of(made), container)

    def patch(self, call: Call) -> Response:
        """Tags and some properties; what is not given stays."""
        with self.store.transaction():
            kept, wanted = self.found(call), call.json()
            return self._change(call, kept, wanted | {"tags": wanted.get("tags", kept["tags"])}, 202)

    def _change(self, call: Call, kept: Body, wanted: Body, status: int) -> Response:
        self.check_idle(kept)
        asked = wanted.get("properties") or {}
        for name, (kind, is_fixed) in DEPENDENCIES.items():
            given = asked.get(name)
            if given and is_fixed and given.lower() != str(kept["properties"][name]).lower():
                message = f"The property '{name}' of an existing workspace cannot be changed ('{kind}')."
                raise self.dialect.error(400, "ValidationError", message)
        later = {name: asked[name] for name in LATER if asked.get(name)}
        found = self._dependencies({name: kept["properties"][name] for name in DEPENDENCIES} | later) if later else {}
        given = {name: asked[name] for name in CHANGEABLE if asked.get(name) is not None}
        kept["properties"] |= given | found
        kept["tags"] = wanted["tags"]
        kept["systemData"] |= changed_by(call)
        return self.updating(call, kept, status)

    def busy(self, kept: Body, state: str) -> ApiError:
        message = (
            f"Another operation is in progress on the workspace '{kept['name']}' (provisioning state '{state}'). "
            "Try again when it has ended."
        )
        return self.dialect.error(409, "Conflict", message)

    def list_keys(self, call: Call) -> Body:
        """Of what the workspace was made with."""
        properties = self.found(call)["properties"]
        insights = self.store.get(RESOURCE, str(properties["applicationInsights"]).lower())
        keys = BlobStore(self.sandbox).accounts.keys(storage_of({"properties": properties}))
        return {
            "userStorageResourceId": properties["storageAccount"],
            "userStorageKey": keys[0] if keys else None,
            "appInsightsInstrumentationKey": insights["properties"]["InstrumentationKey"] if insights else None,
            "containerRegistryCredentials": None,
            "notebookAccessKeys": None,
        }


def made_by(call: Call) -> Body:
    """systemData of what the call makes."""
    who = {"createdBy": call.caller.display_name, "createdByType": _kind(call), "createdAt": clock.now()}
    return who | changed_by(call)


def changed_by(call: Call) -> Body:
    return {
        "lastModifiedBy": call.caller.display_name,
        "lastModifiedByType": _kind(call),
        "lastModifiedAt": clock.now(),
    }


def _kind(call: Call) -> str:
    return "User" if call.caller.is_user else "Application"
