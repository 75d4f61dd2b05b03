"""What resource types have in common whose every write outlasts its request: operations make, change and delete."""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.long_running import LongRunning, is_final, shown
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.resource_type import ResourceType


class LongRunningType(ResourceType):
    """Subclasses give `type_name` and `noun`, answer PUT and PATCH, and say how one that is at work refuses a write."""

    noun: str  # in the verbs of its operations: "databricks-workspace"

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(f"create-{self.noun}", running.succeed)
        running.ends(f"update-{self.noun}", running.succeed)
        running.ends(f"delete-{self.noun}", self._delete_now)

    def operations(self) -> list[Operation]:
        return [
            *self.lists(),
            self.on_one("GET", self.show),
            self.on_one("HEAD", self.exists),
            self.on_one("PUT", self.put),
            self.on_one("PATCH", self.patch),
            self.on_one("DELETE", self.delete),
        ]

    def show(self, call: Call) -> Response:
        return shown(self.found(call))

    def put(self, call: Call) -> Response:
        raise NotImplementedError

    def patch(self, call: Call) -> Response:
        raise NotImplementedError

    def busy(self, kept: Body, state: str) -> ApiError:
        """What a write is told while another operation is in progress."""
        raise NotImplementedError

    def check_idle(self, kept: Body) -> None:
        """One operation at a time. Raises `busy`."""
        if not is_final(kept):
            raise self.busy(kept, kept["properties"]["provisioningState"])

    def check_deletable(self, kept: Body) -> None:
        self.check_idle(kept)

    def creating(self, call: Call, made: Body) -> Response:
        """Keep a new resource and begin its creation; 201, poll Azure-AsyncOperation."""
        return self._writing(call, made, "create", "Creating", 201)

    def updating(self, call: Call, kept: Body, status: int = 200) -> Response:
        """Keep what was changed and begin the change; poll Azure-AsyncOperation."""
        return self._writing(call, kept, "update", "Updating", status)

    def _writing(self, call: Call, resource: Body, verb: str, state: str, status: int) -> Response:
        resource["properties"]["provisioningState"] = state
        self.store.put(RESOURCE, resource["id"].lower(), resource)
        return self.sandbox.find(LongRunning).accepted(call, f"{verb}-{self.noun}", resource, status)

    def delete(self, call: Call) -> Response:
        """202 and a Location to poll; 204 where there is none."""
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self.id_of(call).lower())
            if kept is None:
                return empty(204)
            self.check_deletable(kept)
            kept["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            return self.sandbox.find(LongRunning).accepted_empty(call, f"delete-{self.noun}", kept["id"])

    def _delete_now(self, resource_id: str) -> None:
        if kept := self.store.get(RESOURCE, resource_id.lower()):
            self.sandbox.find(ResourceGroups).discard(kept)
