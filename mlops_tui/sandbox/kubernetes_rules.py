"""What Azure Kubernetes Service accepts: names, node pools, quotas.

Rules: "Naming rules for Azure resources", "Quotas, virtual machine size restrictions and region availability in Azure
Kubernetes Service". Wording of refusals: as reported by users of the service.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body
from mlops_tui.sandbox.arm import RESOURCE
from mlops_tui.sandbox.body_shapes import Shape
from mlops_tui.sandbox.dialects import ARM
from mlops_tui.sandbox.regions import FAMILIES, TOTAL_CORES
from mlops_tui.sandbox.vm_sizes import vm_size

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

TYPE = "Microsoft.ContainerService/managedClusters"
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
POOL = re.compile(r"[a-z][a-z0-9]{0,11}")
PREFIX = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,52}[A-Za-z0-9])?")
SHAPE: Shape = {
    "tags": {},
    "identity": {},
    "sku": {},
    "properties": {"agentPoolProfiles": [{}], "networkProfile": {}, "servicePrincipalProfile": {}},
}
MOST_NODES = 1000
USUAL_SIZE = "Standard_DS2_v2"  # where none is asked for
FEWEST_CORES = 2  # of a machine that system pods run on


def refuse(code: str, message: str, status: int = 400) -> ApiError:
    return ARM.error(status, code, message)


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        message = (
            f"The name of the managed cluster, '{name}', is invalid. It must be 1 to 63 letters, digits, underscores "
            "and hyphens, and begin and end with a letter or digit."
        )
        raise refuse("InvalidResourceName", message)


def check_identity(wanted: Body) -> None:
    kind = str((wanted.get("identity") or {}).get("type") or "")
    if kind not in ("SystemAssigned", "UserAssigned") and not (wanted.get("properties") or {}).get(
        "servicePrincipalProfile"
    ):
        message = "Required parameter servicePrincipalProfile is missing (null), and there is no identity."
        raise refuse("InvalidParameter", message)


def check_prefix(prefix: str) -> None:
    if not PREFIX.fullmatch(prefix):
        message = (
            f"The dnsPrefix '{prefix}' is invalid. It must be 1 to 54 letters, digits and hyphens, and begin and end "
            "with a letter or digit."
        )
        raise refuse("InvalidParameter", message)


def pools_of(asked: Body, location: str) -> list[Body]:
    """The node pools as they are kept."""
    wanted = asked.get("agentPoolProfiles") or []
    if not any(one.get("mode") == "System" for one in wanted):
        raise refuse("InvalidParameter", "A managed cluster needs at least one agent pool with the mode System.")
    pools = [_pool(one, location) for one in wanted]
    names = [pool["name"] for pool in pools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise refuse("InvalidParameter", f"The agent pool name '{twice}' is used more than once.")
    return pools


def _pool(one: Body, location: str) -> Body:
    name, count = str(one.get("name") or ""), one.get("count", 3)
    if not POOL.fullmatch(name):
        message = (
            f"The agent pool name '{name}' is invalid. It must begin with a lowercase letter, contain only lowercase "
            "letters and digits, and be 1 to 12 characters long."
        )
        raise refuse("InvalidParameter", message)
    if not isinstance(count, int) or not 1 <= count <= MOST_NODES:
        raise refuse("InvalidParameter", f"The count of agent pool '{name}' must be from 1 to {MOST_NODES}: {count}.")
    size = vm_size(str(one.get("vmSize") or USUAL_SIZE))
    if size is None:
        message = (
            f"The VM size of {one.get('vmSize')} is not allowed in your subscription in location '{location}'. Choose "
            "one such as Standard_B4ms, Standard_DS2_v2 or Standard_D4s_v3."
        )
        raise refuse("BadRequest", message)
    if one.get("mode") == "System" and size.cores < FEWEST_CORES:
        message = f"The VM SKU '{size.name}' of system pool '{name}' has fewer than {FEWEST_CORES} vCPUs."
        raise refuse("SystemPoolSkuTooLow", message)
    return {
        "name": name,
        "count": count,
        "vmSize": size.name,
        "osDiskSizeGB": one.get("osDiskSizeGB") or 128,
        "osDiskType": one.get("osDiskType") or "Managed",
        "maxPods": one.get("maxPods") or 110,
        "type": one.get("type") or "VirtualMachineScaleSets",
        "enableAutoScaling": bool(one.get("enableAutoScaling")),
        "mode": one.get("mode") or "User",
        "osType": one.get("osType") or "Linux",
        "osSKU": one.get("osSKU") or "Ubuntu",
    }


def check_change(kept: Body, prefix: str, pools: list[Body]) -> None:
    """The DNS prefix and the machines of a pool stay."""
    if kept["dnsPrefix"] != prefix:
        raise refuse("PropertyChangeNotAllowed", "Changing property 'dnsPrefix' is not allowed.", 409)
    before = {pool["name"]: pool["vmSize"].lower() for pool in kept["agentPoolProfiles"]}
    for pool in pools:
        if before.get(pool["name"], pool["vmSize"].lower()) != pool["vmSize"].lower():
            raise refuse("PropertyChangeNotAllowed", "Changing property 'properties.vmSize' is not allowed.", 409)


def pools_in(store: Store, location: str, besides: str = "") -> list[Body]:
    """The node pools of all clusters of a region but one."""
    return [
        pool
        for one in store.list(RESOURCE)
        if one["type"] == TYPE and one["location"] == location and one["id"].lower() != besides.lower()
        for pool in one["properties"]["agentPoolProfiles"]
    ]


def check_quota(location: str, pools: Iterable[Body], others: Iterable[Body]) -> None:
    """The vCPUs of a region, of each family and all together. `others`: the pools of the other clusters there."""
    wanted, used = cores_by_family(pools), cores_by_family(others)
    for family, cores in wanted.items():
        left = FAMILIES[family][1] - used[family]
        if cores > left:
            raise _no_quota(cores, left, f"family {family}", location)
    left = TOTAL_CORES - used.total()
    if wanted.total() > left:
        raise _no_quota(wanted.total(), left, "all families together", location)


def _no_quota(wanted: int, left: int, what: str, location: str) -> ApiError:
    message = (
        f"Insufficient vcpu quota requested {wanted}, remaining {left} for {what} for region {location}. Choose fewer "
        "or smaller nodes, or request a quota increase: https://aka.ms/aks/error-code-insufficientvcpuquota"
    )
    return refuse("ErrCode_InsufficientVCPUQuota", message)


def cores_by_family(pools: Iterable[Body]) -> Counter[str]:
    """vCPUs of node pools."""
    found: Counter[str] = Counter()
    for pool in pools:
        if size := vm_size(pool["vmSize"]):
            found[size.family] += size.cores * int(pool["count"])
    return found
