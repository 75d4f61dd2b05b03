"""What online endpoints and their deployments have in common: where they stand, and what keeps one from being changed.

Shapes: Azure Machine Learning REST reference 2024-10-01, as azure-ai-ml 1.35 reads and writes them. Words of errors
whose exact text Microsoft does not publish are ours; their codes and statuses are those of "Troubleshoot online
endpoint deployment and scoring".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call, Handler
from mlops_tui.sandbox.arm import RESOURCE, Operation, ResourceProvider
from mlops_tui.sandbox.long_running import is_final
from mlops_tui.sandbox.ml_workspaces import MlWorkspaces

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.MachineLearningServices"
WORKSPACE = f"{NAMESPACE}/workspaces"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints"
DEPLOYMENT = f"{ENDPOINT}/deployments"
WORKSPACE_PATH = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{WORKSPACE}/{{workspace}}"
ENDPOINTS_PATH = f"{WORKSPACE_PATH}/onlineEndpoints"
ENDPOINT_PATH = f"{ENDPOINTS_PATH}/{{endpoint}}"
DEPLOYMENTS_PATH = f"{ENDPOINT_PATH}/deployments"
DEPLOYMENT_PATH = f"{DEPLOYMENTS_PATH}/{{deployment}}"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")


def endpoints_of(store: Store, workspace_id: str = "") -> list[Body]:
    """Of a workspace, or all there are."""
    prefix = f"{workspace_id}/onlineendpoints/".lower() if workspace_id else ""
    return [one for one in store.list(RESOURCE, prefix) if one["type"] == ENDPOINT]


def deployments_of(store: Store, endpoint_id: str) -> list[Body]:
    return store.list(RESOURCE, f"{endpoint_id}/deployments/".lower())


def is_kubernetes(endpoint: Body) -> bool:
    return bool(endpoint["properties"].get("compute"))


class OnlineResource(ResourceProvider):
    """Subclasses answer the operations of one of the two types."""

    def on_path(self, method: str, path: str, kind: str, handler: Handler) -> Operation:
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method, "read")
        return self.does(method, path, f"{kind}/{verb}", handler)

    def workspace(self, call: Call) -> Body:
        """The Azure ML workspace of the path. Raises ResourceNotFound."""
        return self.sandbox.find(MlWorkspaces).workspace(call)

    def endpoint_id(self, call: Call) -> str:
        return f"{self.workspace(call)['id']}/onlineEndpoints/{call.params['endpoint']}"

    def endpoint(self, call: Call) -> Body:
        """The endpoint of the path. Raises ResourceNotFound."""
        found = self.store.get(RESOURCE, self.endpoint_id(call).lower())
        if found is None:
            raise self._not_found(
                call, f"{WORKSPACE}/{call.params['workspace']}/onlineEndpoints/{call.params['endpoint']}"
            )
        return found

    def _not_found(self, call: Call, what: str) -> ApiError:
        message = (
            f"The Resource '{what}' under resource group '{self.group(call)['name']}' was not found. For more details "
            "please go to https://aka.ms/ARMResourceNotFoundFix"
        )
        return self.dialect.error(404, "ResourceNotFound", message)

    def user_error(self, message: str, status: int = 400) -> ApiError:
        """As Azure ML says whatever the caller can put right."""
        return self.dialect.error(status, "UserError", message)

    def check_name(self, name: str, what: str) -> None:
        if not NAME.fullmatch(name):
            raise self.user_error(
                f"The name '{name}' is not valid for {what}: it must be between 3 and 32 characters long, start with "
                "a letter, go on with letters, digits or '-', and end with a letter or digit."
            )

    def check_idle(self, resource: Body, doing: str, what: str = "it") -> None:
        """One operation at a time. Raises Conflict."""
        if not is_final(resource):
            state = resource["properties"]["provisioningState"]
            raise self.dialect.error(
                409,
                "Conflict",
                f"Cannot {doing} because {what} is in {state} provisioning state: an operation is already in progress. "
                "Please retry after it has completed.",
            )


def system_data(call: Call, kept: Body | None) -> Body:
    """Who made a resource and who changed it last, when."""
    kind = "User" if call.caller.is_user else "Application"
    now = clock.now()
    last = {"lastModifiedAt": now, "lastModifiedBy": call.caller.name, "lastModifiedByType": kind}
    made = {"createdAt": now, "createdBy": call.caller.name, "createdByType": kind}
    return (kept["systemData"] if kept else made) | last
