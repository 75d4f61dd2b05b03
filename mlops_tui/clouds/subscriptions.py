"""Subscriptions: which there are, what is registered in them, how much compute they may use."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_tui.clouds.arm import Arm
from mlops_tui.clouds.translate import speaking_of

USAGES_VERSION = "2024-07-01"  # of Microsoft.Compute/locations/usages


@dataclass(frozen=True)
class Subscription:
    id: str
    name: str
    state: str  # "Enabled", "Warned", "PastDue", "Disabled", "Deleted"

    @property
    def is_usable(self) -> bool:
        """Warned and past-due subscriptions still take new resources."""
        return self.state in ("Enabled", "Warned", "PastDue")


@dataclass(frozen=True)
class Usage:
    """How much of a quota is used; vCPUs, for the families of virtual machines."""

    name: str  # "cores", "standardDSv2Family"
    used: int
    limit: int

    @property
    def free(self) -> int:
        return self.limit - self.used


@dataclass(frozen=True)
class Region:
    name: str  # "westeurope"
    label: str  # "West Europe"
    geography: str  # "Europe"; empty where it is not told


class Subscriptions:
    """Azure Resource Manager, Microsoft.Resources/subscriptions and what hangs on them."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def list(self) -> tuple[Subscription, ...]:
        """Those that the caller has any role in."""
        with speaking_of("the list of subscriptions"):
            found = self._arm.subscriptions().subscriptions.list()
            return tuple(
                Subscription(one.subscription_id or "", one.display_name or "", _text(one.state)) for one in found
            )

    def get(self, subscription_id: str) -> Subscription:
        """Raises NotFoundError, or ForbiddenError where the caller has no role in it."""
        with speaking_of(f"the subscription {subscription_id}"):
            one = self._arm.subscriptions().subscriptions.get(subscription_id)
            return Subscription(one.subscription_id or subscription_id, one.display_name or "", _text(one.state))

    def provider_state(self, subscription_id: str, namespace: str) -> str:
        """ "Registered", "Registering", "NotRegistered", "Unregistered"."""
        with speaking_of(f"the resource provider {namespace}"):
            return self._arm.resources(subscription_id).providers.get(namespace).registration_state or "NotRegistered"

    def register_provider(self, subscription_id: str, namespace: str) -> None:
        """Asks for it; it takes some minutes until `provider_state` says "Registered"."""
        with speaking_of(f"the resource provider {namespace}"):
            self._arm.resources(subscription_id).providers.register(namespace)

    def locations(self, subscription_id: str) -> tuple[Region, ...]:
        """Regions of the subscription that are places, not groups of places."""
        with speaking_of("the list of regions"):
            found = list(self._arm.subscriptions().subscriptions.list_locations(subscription_id))
        return tuple(
            Region(
                one.name or "",
                one.display_name or one.name or "",
                (one.metadata.geography_group if one.metadata else None) or "",
            )
            for one in found
            if one.metadata is None or _text(one.metadata.region_type) in ("", "Physical")
        )

    def locations_of(self, subscription_id: str, namespace: str, kind: str) -> tuple[str, ...]:
        """Where a resource provider has a type of resource ("West Europe"); empty where that is not told."""
        with speaking_of(f"the resource provider {namespace}"):
            types = self._arm.resources(subscription_id).providers.get(namespace).resource_types or []
        return next((tuple(one.locations or ()) for one in types if one.resource_type == kind), ())

    def usages(self, subscription_id: str, location: str) -> dict[str, Usage]:
        """Compute quotas of a region by their name in lower case."""
        path = f"/subscriptions/{subscription_id}/providers/Microsoft.Compute/locations/{location}/usages"
        with speaking_of(f"the compute quotas in {location}"):
            found = self._arm.list(subscription_id, path, USAGES_VERSION)
        usages = [Usage(one["name"]["value"], int(one["currentValue"]), int(one["limit"])) for one in found]
        return {usage.name.lower(): usage for usage in usages}


def _text(value: object) -> str:
    """The SDK's enumerations are strings, some plain and some not."""
    return str(getattr(value, "value", value) or "")
