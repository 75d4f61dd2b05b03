"""Microsoft.ContainerService/managedClusters: Kubernetes clusters (AKS) as Azure sees them.

Shapes: Azure REST reference, AKS 2024-09-01. There is no Kubernetes inside: what Azure Machine Learning deploys to a
cluster runs as processes of this machine (`containers`).
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import kubernetes_rules as rules
from mlops_tui.sandbox.api import Body, Call, answer, empty
from mlops_tui.sandbox.arm import GROUP, NOT_FINAL, RESOURCE, Operation
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.body_shapes import check_shape
from mlops_tui.sandbox.kubernetes_rules import TYPE
from mlops_tui.sandbox.long_running import LongRunning
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.resource_type import ResourceType
from mlops_tui.sandbox.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.ContainerService"
ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
VERSION = "1.31.7"  # of Kubernetes, where none is asked for
CREATE, UPDATE, DELETE = "create-kubernetes-cluster", "update-kubernetes-cluster", "delete-kubernetes-cluster"
FINAL = ("Succeeded", "Failed")


def cluster_at(store: Store, resource_id: str) -> Body | None:
    """The cluster with that id, in any case."""
    found = store.get(RESOURCE, resource_id.rstrip("/").lower())
    return found if found and found["type"] == TYPE else None


class KubernetesClusters(ResourceType):
    """Create, scale, read, tag and delete; all writes are long-running."""

    type_name = TYPE

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(CREATE, self._ready)
        running.ends(UPDATE, self._ready)
        running.ends(DELETE, self._delete_now)

    def operations(self) -> list[Operation]:
        pools = f"{ONE}/agentPools"
        return [
            *self.lists(),
            self.on_one("GET", self.show),
            self.on_one("HEAD", self.exists),
            self.on_one("PUT", self.put),
            self.on_one("PATCH", self.patch),
            self.on_one("DELETE", self.delete),
            self.does("GET", pools, f"{TYPE}/agentPools/read", self.pools),
            self.does("GET", f"{pools}/{{pool}}", f"{TYPE}/agentPools/read", self.pool),
            *(
                self.does("POST", f"{ONE}/{act}", f"{TYPE}/{act}/action", self.credentials)
                for act in ("listClusterUserCredential", "listClusterAdminCredential")
            ),
        ]

    def show(self, call: Call) -> Response:
        found = self.found(call)
        return answer(found, headers={} if _is_final(found) else NOT_FINAL)

    def put(self, call: Call) -> Response:
        """201 for a new cluster, 200 for a change; poll Azure-AsyncOperation."""
        own_id, wanted = self.id_of(call), call.json()
        check_shape(wanted, rules.SHAPE)
        self.sandbox.find(Subscriptions).require_registered(NAMESPACE)
        rules.check_name(call.params["name"])
        location = self.sandbox.find(ResourceGroups).check_location(
            wanted, f"resource type '{TYPE}'", "LocationNotAvailableForResourceType"
        )
        asked = wanted.get("properties") or {}
        rules.check_identity(wanted)
        pools = rules.pools_of(asked, location)
        prefix = str(asked.get("dnsPrefix") or "")
        with self.store.transaction():
            there = self.store.get(RESOURCE, own_id.lower())
            rules.check_prefix(prefix)
            if there:
                self.check_location(there, location, call.params["group"])
                self._check_idle(there)
                rules.check_change(there["properties"], prefix, pools)
            rules.check_quota(location, pools, rules.pools_in(self.store, location, besides=own_id))
            made = there or self._new(call, own_id, location, prefix, wanted)
            made["tags"] = wanted.get("tags") or {}
            version = {"kubernetesVersion": asked["kubernetesVersion"]} if asked.get("kubernetesVersion") else {}
            made["properties"] |= version | {"agentPoolProfiles": [_in_state(pool, "Succeeded") for pool in pools]}
            return self._accepted(call, made, UPDATE if there else CREATE)

    def _accepted(self, call: Call, cluster: Body, verb: str) -> Response:
        cluster["properties"]["provisioningState"] = "Creating" if verb == CREATE else "Updating"
        self.store.put(RESOURCE, cluster["id"].lower(), cluster)
        running = self.sandbox.find(LongRunning)
        headers = running.status_headers(call, running.begin(verb, cluster["id"]), NAMESPACE, cluster["location"])
        return answer(cluster, 201 if verb == CREATE else 200, headers)

    def _new(self, call: Call, own_id: str, location: str, prefix: str, wanted: Body) -> Body:
        """With the resource group of its machines."""
        name, asked = call.params["name"], wanted["properties"]
        nodes = str(asked.get("nodeResourceGroup") or f"MC_{call.params['group']}_{name}_{location}"[:80])
        groups = self.sandbox.find(ResourceGroups)
        if self.store.get(GROUP, groups.key(nodes)):
            message = f"The nodeResourceGroup '{nodes}' exists already: it must be a new one, which the cluster makes."
            raise rules.refuse("NodeResourceGroupAlreadyExists", message, 409)
        tags = {"aks-managed-cluster-name": name, "aks-managed-cluster-rg": call.params["group"]}
        groups.make(nodes, location, tags)
        host = f"{prefix}-{hashlib.sha256(own_id.lower().encode()).hexdigest()[:8]}"
        kind = (wanted.get("identity") or {}).get("type") or "SystemAssigned"
        return {
            "id": own_id,
            "name": name,
            "type": TYPE,
            "location": location,
            "sku": wanted.get("sku") or {"name": "Base", "tier": "Free"},
            "identity": {"type": kind, "principalId": str(uuid.uuid4()), "tenantId": self.sandbox.tenant_id},
            "properties": {
                "powerState": {"code": "Running"},
                "kubernetesVersion": VERSION,
                "dnsPrefix": prefix,
                "fqdn": f"{host}.hcp.{location}.azmk8s.io",
                "nodeResourceGroup": nodes,
                "enableRBAC": True,
                "maxAgentPools": 100,
                "networkProfile": asked.get("networkProfile")
                or {"networkPlugin": "azure", "loadBalancerSku": "standard"},
                "servicePrincipalProfile": {"clientId": "msi"},
            },
        }

    def _check_idle(self, cluster: Body) -> None:
        state = cluster["properties"]["provisioningState"]
        if state not in FINAL:
            message = (
                f"Operation is not allowed because there's an in progress {state.lower()} managed cluster operation on "
                f"the managed cluster {cluster['name']}. Please wait until it has completed."
            )
            raise rules.refuse("OperationNotAllowed", message, 409)

    def patch(self, call: Call) -> Response:
        """Tags."""
        check_shape(call.json(), {"tags": {}})
        with self.store.transaction():
            cluster = self.found(call)
            self._check_idle(cluster)
            cluster["tags"] = call.json().get("tags") or {}
            return self._accepted(call, cluster, UPDATE)

    def delete(self, call: Call) -> Response:
        """202 and a Location to poll; 204 where there is none."""
        running = self.sandbox.find(LongRunning)
        with self.store.transaction():
            cluster = self.store.get(RESOURCE, self.id_of(call).lower())
            if cluster is None:
                return empty(204)
            self._check_idle(cluster)
            cluster["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, cluster["id"].lower(), cluster)
            operation_id = running.begin(DELETE, cluster["id"])
        return empty(202, running.result_headers(call, operation_id))

    def _ready(self, cluster_id: str) -> None:
        with self.store.transaction():
            cluster = self.store.get(RESOURCE, cluster_id.lower())
            if cluster and cluster["properties"]["provisioningState"] in ("Creating", "Updating"):
                cluster["properties"]["provisioningState"] = "Succeeded"
                self.store.put(RESOURCE, cluster_id.lower(), cluster)

    def _delete_now(self, cluster_id: str) -> None:
        if cluster := self.store.get(RESOURCE, cluster_id.lower()):
            self.sandbox.find(ResourceGroups).discard(cluster)

    def removed(self, resource: Body) -> None:
        """With the cluster goes the resource group of its machines."""
        if resource["type"] == TYPE:
            key = self.sandbox.find(ResourceGroups).key(resource["properties"]["nodeResourceGroup"])
            self.sandbox.find(Authorization).forget_scope(key)
            self.store.delete(GROUP, key)

    def pools(self, call: Call) -> Body:
        cluster = self.found(call)
        return {"value": [_pool_of(cluster, pool) for pool in cluster["properties"]["agentPoolProfiles"]]}

    def pool(self, call: Call) -> Body:
        cluster = self.found(call)
        for pool in cluster["properties"]["agentPoolProfiles"]:
            if pool["name"] == call.params["pool"].lower():
                return _pool_of(cluster, pool)
        raise rules.refuse("NotFound", f"Could not find the agent pool '{call.params['pool']}'.", 404)

    def credentials(self, call: Call) -> Response:
        self.found(call)
        message = "The sandbox has no Kubernetes behind its clusters: there is nothing that kubectl could talk to."
        raise rules.refuse("NotImplemented", message, 501)


def _is_final(cluster: Body) -> bool:
    return cluster["properties"]["provisioningState"] in FINAL


def _in_state(pool: Body, state: str) -> Body:
    return pool | {"provisioningState": state, "powerState": {"code": "Running"}}


def _pool_of(cluster: Body, pool: Body) -> Body:
    """A node pool as a resource of its own."""
    properties = {name: value for name, value in pool.items() if name != "name"}
    return {
        "id": f"{cluster['id']}/agentPools/{pool['name']}",
        "name": pool["name"],
        "type": f"{TYPE}/agentPools",
        "properties": properties,
    }
