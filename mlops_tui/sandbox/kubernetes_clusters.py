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
from mlops_tui.sandbox.api import ApiError, Body, Call
from mlops_tui.sandbox.arm import GROUP, RESOURCE, Operation
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.body_shapes import check_shape
from mlops_tui.sandbox.kubernetes_rules import TYPE
from mlops_tui.sandbox.long_running_type import LongRunningType
from mlops_tui.sandbox.resource_groups import ResourceGroups

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
VERSION = "1.31.7"  # of Kubernetes, where none is asked for


def cluster_at(store: Store, resource_id: str) -> Body | None:
    """The cluster with that id, in any case."""
    found = store.get(RESOURCE, resource_id.rstrip("/").lower())
    return found if found and found["type"] == TYPE else None


class KubernetesClusters(LongRunningType):
    """Create, scale, read, tag and delete; all writes are long-running."""

    type_name, noun = TYPE, "kubernetes-cluster"

    def operations(self) -> list[Operation]:
        pools = f"{ONE}/agentPools"
        return [
            *super().operations(),
            self.does("GET", pools, f"{TYPE}/agentPools/read", self.pools),
            self.does("GET", f"{pools}/{{pool}}", f"{TYPE}/agentPools/read", self.pool),
            *(
                self.does("POST", f"{ONE}/{act}", f"{TYPE}/{act}/action", self.credentials)
                for act in ("listClusterUserCredential", "listClusterAdminCredential")
            ),
        ]

    def check_name_of(self, name: str) -> None:
        rules.check_name(name)

    def put(self, call: Call) -> Response:
        """201 for a new cluster, 200 for a change; poll Azure-AsyncOperation."""
        own_id, wanted = self.id_of(call), call.json()
        check_shape(wanted, rules.SHAPE)
        location = self.place_of(call, wanted)
        asked = wanted.get("properties") or {}
        rules.check_identity(wanted)
        pools = rules.pools_of(asked, location)
        prefix = str(asked.get("dnsPrefix") or "")
        with self.store.transaction():
            there = self.store.get(RESOURCE, own_id.lower())
            rules.check_prefix(prefix)
            if there:
                self.check_location(there, location, call.params["group"])
                self.check_idle(there)
                rules.check_change(there["properties"], prefix, pools)
            rules.check_quota(location, pools, rules.pools_in(self.store, location, besides=own_id))
            made = there or self._new(call, own_id, location, prefix, wanted)
            made["tags"] = wanted.get("tags") or {}
            version = {"kubernetesVersion": asked["kubernetesVersion"]} if asked.get("kubernetesVersion") else {}
            made["properties"] |= version | {"agentPoolProfiles": [_in_state(pool, "Succeeded") for pool in pools]}
            return self.updating(call, made) if there else self.creating(call, made)

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

    def busy(self, kept: Body, state: str) -> ApiError:
        message = (
            f"Operation is not allowed because there's an in progress {state.lower()} managed cluster operation on "
            f"the managed cluster {kept['name']}. Please wait until it has completed."
        )
        return rules.refuse("OperationNotAllowed", message, 409)

    def patch(self, call: Call) -> Response:
        """Tags."""
        check_shape(call.json(), {"tags": {}})
        with self.store.transaction():
            cluster = self.found(call)
            self.check_idle(cluster)
            cluster["tags"] = call.json().get("tags") or {}
            return self.updating(call, cluster)

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
