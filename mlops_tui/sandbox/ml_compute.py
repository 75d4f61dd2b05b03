"""Microsoft.MachineLearningServices/workspaces/computes: Kubernetes clusters that are attached to a workspace.

Shapes: Azure Machine Learning REST reference, Compute 2024-10-01. Computes of other types are not there.
"""

from __future__ import annotations

import re

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import RESOURCE, Operation, ResourceProvider
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.body_shapes import Shape, check_shape
from mlops_tui.sandbox.kubernetes_clusters import cluster_at
from mlops_tui.sandbox.kubernetes_extensions import azure_ml_extension
from mlops_tui.sandbox.kubernetes_rules import TYPE as CLUSTER_TYPE
from mlops_tui.sandbox.long_running import LongRunning, is_final, shown
from mlops_tui.sandbox.ml_workspaces import TYPE as WORKSPACE
from mlops_tui.sandbox.ml_workspaces import MlWorkspaces
from mlops_tui.sandbox.resource_groups import ResourceGroups

TYPE = f"{WORKSPACE}/computes"
ALL = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{WORKSPACE}/{{workspace}}/computes"
NAME = re.compile(r"[A-Za-z](?=.{1,15}$)[A-Za-z0-9-]*[A-Za-z0-9]")
SPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SHAPE: Shape = {"tags": {}, "identity": {}, "properties": {"resourceId": str, "properties": {"instanceTypes": {}}}}
ATTACH, DETACH = "attach-compute", "detach-compute"


class MlComputes(ResourceProvider):
    """Attach, read, list and detach; attaching and detaching are long-running."""

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(ATTACH, self._attached)
        running.ends(DETACH, self._detached)

    def operations(self) -> list[Operation]:
        one = f"{ALL}/{{name}}"
        return [
            self.does("GET", ALL, f"{TYPE}/read", self.list_all),
            self.does("GET", one, f"{TYPE}/read", self.show),
            self.does("PUT", one, f"{TYPE}/write", self.put),
            self.does("DELETE", one, f"{TYPE}/delete", self.delete),
        ]

    def _workspace(self, call: Call) -> Body:
        return self.sandbox.find(MlWorkspaces).workspace(call)

    def _id(self, call: Call) -> str:
        return f"{self._workspace(call)['id']}/computes/{call.params['name']}"

    def list_all(self, call: Call) -> Body:
        documents = self.store.list(RESOURCE, f"{self._workspace(call)['id']}/computes/".lower())
        return {"value": [one for one in documents if one["type"] == TYPE]}

    def show(self, call: Call) -> Response:
        found = self.store.get(RESOURCE, self._id(call).lower())
        if found is None:
            message = f"The specified compute '{call.params['name']}' could not be found in the workspace."
            raise self.dialect.error(404, "ResourceNotFound", message)
        return shown(found)

    def put(self, call: Call) -> Response:
        """201 for a new compute, 200 for the same again; poll Azure-AsyncOperation."""
        workspace, own_id, wanted = self._workspace(call), self._id(call), call.json()
        check_shape(wanted, SHAPE)
        asked = wanted.get("properties") or {}
        self._check(call.params["name"], asked)
        cluster = self._cluster(call, str(asked.get("resourceId") or ""))
        with self.store.transaction():
            there = self.store.get(RESOURCE, own_id.lower())
            if there:
                self._check_same(there, cluster)
            made = self._made(own_id, workspace, wanted, cluster, there)
            self.store.put(RESOURCE, own_id.lower(), made)
            return self.sandbox.find(LongRunning).accepted(call, ATTACH, made, 200 if there else 201)

    def _refused(self, message: str, status: int = 400) -> ApiError:
        return self.dialect.error(status, "UserError", message)

    def _check(self, name: str, asked: Body) -> None:
        if asked.get("computeType") != "Kubernetes":
            message = (
                f"The sandbox does not have computes of type '{asked.get('computeType')}' (yet); nothing was done."
            )
            raise self.dialect.error(501, "NotImplemented", message)
        if not NAME.fullmatch(name):
            message = (
                f"Compute name '{name}' is invalid. It can include letters, digits and dashes. It must start with a "
                "letter, end with a letter or digit, and be between 2 and 16 characters in length."
            )
            raise self._refused(message)
        namespace = str((asked.get("properties") or {}).get("namespace") or "default")
        if not SPACE.fullmatch(namespace):
            raise self._refused(f"The Kubernetes namespace '{namespace}' is invalid.")

    def _cluster(self, call: Call, cluster_id: str) -> Body:
        """The cluster, where it can be attached."""
        cluster = cluster_at(self.store, cluster_id)
        if cluster is None:
            message = (
                f"ClusterNotFound: Cannot find Kubernetes cluster '{cluster_id}'. Check that it is there, and that "
                f"resourceId is the id of a {CLUSTER_TYPE}."
            )
            raise self._refused(message)
        self.sandbox.find(Authorization).require(call.caller, f"{CLUSTER_TYPE}/read", cluster["id"])
        if (state := cluster["properties"]["provisioningState"]) != "Succeeded":
            message = (
                f"ClusterNotReachable: The Kubernetes cluster '{cluster['name']}' is not ready (provisioning state "
                f"'{state}')."
            )
            raise self._refused(message, 409)
        extension = azure_ml_extension(self.store, cluster["id"])
        if extension is None or extension["properties"]["provisioningState"] != "Succeeded":
            state = (
                f"is in provisioning state '{extension['properties']['provisioningState']}'" if extension else "is not"
            )
            message = (
                f"The Azure Machine Learning extension (Microsoft.AzureML.Kubernetes) {state} on the Kubernetes "
                f"cluster '{cluster['name']}'. Install it, then attach the cluster: "
                "https://learn.microsoft.com/azure/machine-learning/how-to-deploy-kubernetes-extension"
            )
            raise self._refused(message)
        return cluster

    def _check_same(self, there: Body, cluster: Body) -> None:
        if there["properties"]["resourceId"].lower() != cluster["id"].lower():
            message = (
                f"There is a compute '{there['name']}' already, attached to '{there['properties']['resourceId']}'. "
                "Detach it first, or choose another name."
            )
            raise self._refused(message, 409)
        if not is_final(there):
            raise self._refused(f"Another operation on compute '{there['name']}' is in progress. Please retry.", 409)

    def _made(self, own_id: str, workspace: Body, wanted: Body, cluster: Body, there: Body | None) -> Body:
        asked, now = wanted["properties"], clock.now()
        extension = azure_ml_extension(self.store, cluster["id"]) or {}
        own = asked.get("properties") or {}
        identity = wanted.get("identity") or {"type": "SystemAssigned"}
        return {
            "id": own_id,
            "name": own_id.rsplit("/", 1)[-1],
            "type": TYPE,
            "location": workspace["location"],
            "tags": wanted.get("tags") or {},
            "identity": identity | {"tenantId": self.sandbox.tenant_id},
            "properties": {
                "computeType": "Kubernetes",
                "computeLocation": cluster["location"],
                "description": asked.get("description"),
                "resourceId": cluster["id"],
                "createdOn": there["properties"]["createdOn"] if there else now,
                "modifiedOn": now,
                "provisioningState": "Updating" if there else "Creating",
                "provisioningErrors": None,
                "isAttachedCompute": True,
                "disableLocalAuth": False,
                "properties": {
                    "namespace": own.get("namespace") or "default",
                    "defaultInstanceType": own.get("defaultInstanceType") or "defaultinstancetype",
                    "instanceTypes": own.get("instanceTypes") or {},
                    "extensionPrincipalId": extension.get("identity", {}).get("principalId"),
                    "extensionInstanceReleaseTrain": "stable",
                    "vcName": None,
                },
            },
        }

    def _attached(self, compute_id: str) -> None:
        with self.store.transaction():
            found = self.store.get(RESOURCE, compute_id.lower())
            if found is None:
                return
            if cluster_at(self.store, found["properties"]["resourceId"]) is None:
                raise self._refused("ClusterNotFound: The Kubernetes cluster was deleted meanwhile.")
            found["properties"]["provisioningState"] = "Succeeded"
            self.store.put(RESOURCE, compute_id.lower(), found)

    def delete(self, call: Call) -> Response:
        """202 and a Location to poll, for underlyingResourceAction=Detach alone; 204 where there is none."""
        with self.store.transaction():
            found = self.store.get(RESOURCE, self._id(call).lower())
            if found is None:
                return empty(204)
            if call.query.get("underlyingResourceAction", "").lower() != "detach":
                message = (
                    "An attached Kubernetes cluster cannot be deleted through the workspace: use the action Detach."
                )
                raise self._refused(message)
            found["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, found["id"].lower(), found)
            return self.sandbox.find(LongRunning).accepted_empty(call, DETACH, found["id"])

    def _detached(self, compute_id: str) -> None:
        if found := self.store.get(RESOURCE, compute_id.lower()):
            self.sandbox.find(ResourceGroups).discard(found)

    def removed(self, resource: Body) -> None:
        """A compute whose cluster is gone stays, and says so; attached to a new one of that name it works again."""
        if resource["type"] != CLUSTER_TYPE:
            return
        message = f"Cannot find Kubernetes cluster '{resource['id']}': it was deleted."
        problem = {"error": {"code": "ClusterNotFound", "message": message}}
        with self.store.transaction():
            for key, one in self.store.items(RESOURCE):
                if one["type"] == TYPE and one["properties"]["resourceId"].lower() == resource["id"].lower():
                    one["properties"] |= {"provisioningState": "Failed", "provisioningErrors": [problem]}
                    self.store.put(RESOURCE, key, one)
