"""What deployments cost a month, roughly: an estimate by a small table, which `[delivery.prices]` overrides.

List prices in USD without tax, pay as you go, Linux, region westeurope, rounded. They change, differ from region to
region, and leave traffic aside; the pages that have them exactly:

- virtual machines: https://azure.microsoft.com/pricing/details/virtual-machines/linux/
- their disks (128 GB, premium): https://azure.microsoft.com/pricing/details/managed-disks/
- the cluster's load balancer and address: https://azure.microsoft.com/pricing/details/load-balancer/
- Azure Container Instances: https://azure.microsoft.com/pricing/details/container-instances/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.events import Stage

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.project_parts import Delivery

DATE = "2025-06-01"  # of the table
HOURS = 730  # of a month
AN_HOUR = {
    "aci_vcpu": 0.0486,
    "aci_gb": 0.0053,
    "Standard_B2ms": 0.096,
    "Standard_B4ms": 0.192,
    "Standard_B8ms": 0.384,
    "Standard_D2s_v3": 0.12,
    "Standard_D4s_v3": 0.24,
    "Standard_D2s_v5": 0.115,
    "Standard_D4s_v5": 0.23,
    "Standard_DS1_v2": 0.068,
    "Standard_DS2_v2": 0.136,
    "Standard_DS3_v2": 0.272,
    "Standard_DS4_v2": 0.544,
    "Standard_F2s_v2": 0.097,
    "Standard_F4s_v2": 0.194,
}
A_MONTH = {"node_disk": 21.7, "load_balancer": 22.0}


def monthly(project: Project, stage: Stage) -> float | None:
    """Of what a stage's target is made of; None where the price of its machines is not known."""
    delivery, target = project.delivery, names.target(project, stage)
    if target == names.ACI:
        hour = delivery.staging_cpu * _price(delivery, "aci_vcpu") + delivery.staging_memory_gb * _price(
            delivery, "aci_gb"
        )
        return hour * HOURS
    kind, number = _machines(delivery, target)
    if kind not in delivery.prices and kind not in AN_HOUR:
        return None
    machines = number * _price(delivery, kind) * HOURS
    if target == names.MANAGED:
        return machines
    return machines + number * _price(delivery, "node_disk") + _price(delivery, "load_balancer")


def in_words(amount: float | None) -> str:
    """Of one change: "about 507 USD a month (estimate)"."""
    if amount is None:
        return "not known: put its price into [delivery.prices]"
    return f"about {amount:,.0f} USD a month (estimate)"


def total(amounts: Iterable[float | None]) -> str:
    """Of all: with the table's date, and whether something is missing in it."""
    given = list(amounts)
    known = sum(amount for amount in given if amount is not None)
    more = ", and what has no price here" if None in given else ""
    return f"about {known:,.0f} USD a month{more} (estimate, list prices of {DATE})"


def machines_in_words(project: Project, stage: Stage) -> str:
    delivery, target = project.delivery, names.target(project, stage)
    if target == names.ACI:
        return f"{delivery.staging_cpu:g} vCPU, {delivery.staging_memory_gb:g} GB"
    kind, number = _machines(delivery, target)
    return f"{number} × {kind}"


def _machines(delivery: Delivery, target: str) -> tuple[str, int]:
    if target == names.AKS:
        return delivery.aks_node_type, delivery.aks_nodes
    return delivery.managed_instance_type, delivery.managed_instances


def _price(delivery: Delivery, name: str) -> float:
    return delivery.prices.get(name, AN_HOUR[name] if name in AN_HOUR else A_MONTH.get(name, 0.0))
