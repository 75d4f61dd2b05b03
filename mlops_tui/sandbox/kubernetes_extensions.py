"""Microsoft.KubernetesConfiguration/extensions: what is installed on Kubernetes clusters. Azure ML's alone is known.

Shapes: Azure REST reference, Extensions 2023-05-01. Settings: "Deploy Azure Machine Learning extension on AKS".
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, empty
from mlops_tui.sandbox.arm import Operation, ResourceProvider
from mlops_tui.sandbox.body_shapes import Shape, check_shape
from mlops_tui.sandbox.kubernetes_clusters import ONE, cluster_at
from mlops_tui.sandbox.kubernetes_rules import TYPE as CLUSTER_TYPE
from mlops_tui.sandbox.kubernetes_rules import refuse
from mlops_tui.sandbox.long_running import LongRunning, is_final, shown
from mlops_tui.sandbox.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.KubernetesConfiguration"
TYPE = f"{NAMESPACE}/extensions"
AZURE_ML = "Microsoft.AzureML.Kubernetes"
ALL = f"{ONE}/providers/{TYPE}"
KIND = "kubernetes-extension"  # not a "resource": no resource group lists extensions
VERSION = "1.1.85"
SHAPE: Shape = {
    "identity": {},
    "properties": {"scope": {}, "configurationSettings": {}, "configurationProtectedSettings": {}},
}
CREATE, DELETE = "create-kubernetes-extension", "delete-kubernetes-extension"


def azure_ml_extension(store: Store, cluster_id: str) -> Body | None:
    """Azure ML's extension of a cluster, ready or not."""
    found = store.list(KIND, f"{cluster_id}/providers/{TYPE}/".lower())
    return next((one for one in found if one["properties"]["extensionType"] == AZURE_ML), None)


class KubernetesExtensions(ResourceProvider):
    """Install, read and remove; long-running."""

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(CREATE, self._installed)
        running.ends(DELETE, self._delete_now)

    def operations(self) -> list[Operation]:
        one = f"{ALL}/{{extension}}"
        return [
            self.does("GET", ALL, f"{TYPE}/read", self.list_all),
            self.does("GET", one, f"{TYPE}/read", self.show),
            self.does("PUT", one, f"{TYPE}/write", self.put),
            self.does("DELETE", one, f"{TYPE}/delete", self.delete),
        ]

    def _cluster(self, call: Call) -> Body:
        cluster = cluster_at(self.store, f"{self.group(call)['id']}/providers/{CLUSTER_TYPE}/{call.params['name']}")
        if cluster is None:
            message = (
                f"Failed to perform '{call.method}' on a resource of type '{TYPE}', because the parent resource "
                f"'{CLUSTER_TYPE}/{call.params['name']}' could not be found."
            )
            raise refuse("ParentResourceNotFound", message, 404)
        return cluster

    def _id(self, call: Call) -> str:
        return f"{self._cluster(call)['id']}/providers/{TYPE}/{call.params['extension']}"

    def list_all(self, call: Call) -> Body:
        return {"value": self.store.list(KIND, f"{self._cluster(call)['id']}/".lower())}

    def show(self, call: Call) -> Response:
        found = self.store.get(KIND, self._id(call).lower())
        if found is None:
            name = call.params["extension"]
            raise refuse("ExtensionNotFound", f"The extension '{name}' was not found on the cluster.", 404)
        return shown(found)

    def put(self, call: Call) -> Response:
        """201 for a new one, 200 for a change; poll Azure-AsyncOperation."""
        own_id, wanted, cluster = self._id(call), call.json(), self._cluster(call)
        check_shape(wanted, SHAPE)
        self.sandbox.find(Subscriptions).require_registered(NAMESPACE)
        asked = wanted.get("properties") or {}
        kind = str(asked.get("extensionType") or "")
        if kind.lower() != AZURE_ML.lower():
            region = cluster["location"]
            message = f"Extension type '{kind}' is not registered in region {region}. The sandbox has {AZURE_ML}."
            raise refuse("ExtensionTypeRegistrationGetFailed", message)
        if cluster["properties"]["provisioningState"] != "Succeeded":
            message = (
                f"The cluster '{cluster['name']}' is not ready (provisioning state "
                f"'{cluster['properties']['provisioningState']}'). Please retry when it is."
            )
            raise refuse("ClusterNotReady", message, 409)
        with self.store.transaction():
            there = self.store.get(KIND, own_id.lower())
            other = azure_ml_extension(self.store, cluster["id"])
            if other and other["id"].lower() != own_id.lower():
                message = f"The extension '{AZURE_ML}' is on the cluster already, as '{other['name']}'."
                raise refuse("ExtensionAlreadyInstalled", message, 409)
            if there and not is_final(there):
                raise refuse("OperationInProgress", "Another operation on the extension is in progress.", 409)
            made = self._made(own_id, call.params["extension"], asked, there)
            self.store.put(KIND, own_id.lower(), made)
            running = self.sandbox.find(LongRunning)
            return running.accepted(call, CREATE, made, 200 if there else 201, cluster["location"])

    def _made(self, own_id: str, name: str, asked: Body, there: Body | None) -> Body:
        now = clock.now()
        identity = {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": self.sandbox.tenant_id}
        return {
            "id": own_id,
            "name": name,
            "type": TYPE,
            "identity": there["identity"] if there else identity,
            "systemData": {"createdAt": there["systemData"]["createdAt"] if there else now, "lastModifiedAt": now},
            "properties": {
                "extensionType": AZURE_ML,
                "autoUpgradeMinorVersion": asked.get("autoUpgradeMinorVersion", True),
                "releaseTrain": asked.get("releaseTrain") or "stable",
                "version": asked.get("version"),
                "currentVersion": asked.get("version") or VERSION,
                "scope": asked.get("scope") or {"cluster": {"releaseNamespace": "azureml"}},
                "provisioningState": "Updating" if there else "Creating",
                "configurationSettings": asked.get("configurationSettings") or {},
                # What is protected never comes back.
                "configurationProtectedSettings": dict.fromkeys(asked.get("configurationProtectedSettings") or {}, ""),
                "statuses": [],
                "isSystemExtension": False,
            },
        }

    def _installed(self, extension_id: str) -> None:
        """Raises, as the installation on a cluster fails, where the settings do not fit together."""
        with self.store.transaction():
            found = self.store.get(KIND, extension_id.lower())
            if found is None or is_final(found):
                return
            why_not = _why_not(found["properties"])
            found["properties"]["provisioningState"] = "Failed" if why_not else "Succeeded"
            if why_not:
                status = {"code": "InstallationFailed", "level": "Error", "message": why_not, "time": clock.now()}
                found["properties"]["statuses"] = [status]
            self.store.put(KIND, extension_id.lower(), found)
        if why_not:
            raise refuse(
                "ExtensionOperationFailed", f"The extension operation failed with the following error: {why_not}"
            )

    def delete(self, call: Call) -> Response:
        """202 and a Location to poll; 204 where there is none."""
        with self.store.transaction():
            found = self.store.get(KIND, self._id(call).lower())
            if found is None:
                return empty(204)
            found["properties"]["provisioningState"] = "Deleting"
            self.store.put(KIND, found["id"].lower(), found)
            return self.sandbox.find(LongRunning).accepted_empty(call, DELETE, found["id"])

    def _delete_now(self, extension_id: str) -> None:
        self.store.delete(KIND, extension_id.lower())

    def removed(self, resource: Body) -> None:
        if resource["type"] == CLUSTER_TYPE:
            for key, _ in self.store.items(KIND, f"{resource['id']}/".lower()):
                self.store.delete(KIND, key)


def _why_not(properties: Body) -> str:
    """Why Azure ML's extension does not come up with these settings; empty where it does."""
    settings = {name: str(value).lower() for name, value in properties["configurationSettings"].items()}
    protected = properties["configurationProtectedSettings"]
    if "true" not in (settings.get("enableTraining"), settings.get("enableInference")):
        return "at least one of enableTraining and enableInference must be True."
    if settings.get("enableInference") != "true":
        return ""
    if not settings.get("inferenceRouterServiceType"):
        return (
            "inferenceRouterServiceType must be set (loadBalancer, nodePort or clusterIP) when enableInference is True."
        )
    certificate = settings.get("sslSecret") or {"sslCertPemFile", "sslKeyPemFile"} <= set(protected)
    if not certificate and settings.get("allowInsecureConnections") != "true":
        return (
            "provide a certificate (sslSecret, or sslCertPemFile and sslKeyPemFile), or set allowInsecureConnections."
        )
    return ""
