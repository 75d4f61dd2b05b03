"""Resource groups."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlops_tui.clouds.arm import Arm
from mlops_tui.clouds.long_operation import LongOperation
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import NotFoundError


@dataclass(frozen=True)
class ResourceGroup:
    id: str
    name: str
    location: str
    state: str  # "Succeeded", "Deleting"
    tags: dict[str, str] = field(default_factory=dict)


class ResourceGroups:
    """Azure Resource Manager, Microsoft.Resources/resourceGroups."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def get(self, subscription_id: str, name: str) -> ResourceGroup | None:
        """None where there is none."""
        try:
            with speaking_of(f"the resource group {name}"):
                return _group(self._arm.resources(subscription_id).resource_groups.get(name))
        except NotFoundError:
            return None

    def create(self, subscription_id: str, name: str, location: str, tags: dict[str, str]) -> ResourceGroup:
        """Makes it, or leaves it as it is where it is in that region."""
        with speaking_of(f"the resource group {name}"):
            groups = self._arm.resources(subscription_id).resource_groups
            return _group(groups.create_or_update(name, {"location": location, "tags": tags}))

    def delete(self, subscription_id: str, name: str) -> LongOperation[None]:
        """With everything in it. Raises NotFoundError."""
        what = f"the resource group {name}"
        with speaking_of(what):
            poller = self._arm.resources(subscription_id).resource_groups.begin_delete(name)
        return LongOperation(poller, what, lambda _: None)


def _group(one: object) -> ResourceGroup:
    properties = getattr(one, "properties", None)
    state = str(getattr(properties, "provisioning_state", "") or "")
    name = str(getattr(one, "name", ""))
    location = str(getattr(one, "location", ""))
    return ResourceGroup(str(getattr(one, "id", "")), name, location, state, dict(getattr(one, "tags", None) or {}))
