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


@dataclass(frozen=True)
class Resource:
    name: str
    location: str


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

    def list(self, subscription_id: str) -> tuple[ResourceGroup, ...]:
        """Those that the caller may see; without the ones that a service manages for itself."""
        with speaking_of("the list of resource groups"):
            found = list(self._arm.resources(subscription_id).resource_groups.list())
        return tuple(_group(one) for one in found if not one.managed_by)

    def resources(self, subscription_id: str, group: str, kind: str) -> tuple[Resource, ...]:
        """Of one type ("Microsoft.…/workspaces") in a group; none where there is no such group."""
        try:
            with speaking_of(f"the resources in {group}"):
                resources = self._arm.resources(subscription_id).resources
                found = list(resources.list_by_resource_group(group, filter=f"resourceType eq '{kind}'"))
        except NotFoundError:
            return ()
        return tuple(Resource(one.name or "", one.location or "") for one in found)

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
