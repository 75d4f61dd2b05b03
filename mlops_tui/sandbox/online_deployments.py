"""Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments: what answers behind an online endpoint.

A deployment is processes of this machine, run from the image of its environment. A change starts others beside them,
which take over once they are ready; a change that fails leaves those before at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.deployment_log import initializer_log, instance_log
from mlops_tui.sandbox.deployment_plan import Planner, whole
from mlops_tui.sandbox.deployment_runs import DeploymentRuns
from mlops_tui.sandbox.generations import Plan
from mlops_tui.sandbox.kubernetes_rules import TYPE as CLUSTER
from mlops_tui.sandbox.long_running import LongRunning, shown
from mlops_tui.sandbox.online_resource import (
    DEPLOYMENT,
    DEPLOYMENT_PATH,
    DEPLOYMENTS_PATH,
    OnlineResource,
    deployments_of,
    endpoints_of,
    system_data,
)
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.scoring_door import ScoringDoor

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

WRITE, DELETE = "write-online-deployment", "delete-online-deployment"
LOG_LINES = 500
LOG_KINDS = ("InferenceServer", "StorageInitializer")


class OnlineDeployments(OnlineResource):
    """Create, change, read, delete, and the logs."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._runs = DeploymentRuns(sandbox)

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(WRITE, self._advance)
        running.ends(DELETE, self._delete_now)

    def operations(self) -> list[Operation]:
        return [
            self.on_path("GET", DEPLOYMENTS_PATH, DEPLOYMENT, self.list_of_endpoint),
            self.on_path("GET", DEPLOYMENT_PATH, DEPLOYMENT, self.show),
            self.on_path("PUT", DEPLOYMENT_PATH, DEPLOYMENT, self.put),
            self.on_path("PATCH", DEPLOYMENT_PATH, DEPLOYMENT, self.patch),
            self.on_path("DELETE", DEPLOYMENT_PATH, DEPLOYMENT, self.delete),
            self.does("POST", f"{DEPLOYMENT_PATH}/getLogs", f"{DEPLOYMENT}/getLogs/action", self.logs),
            self.on_path("GET", f"{DEPLOYMENT_PATH}/skus", DEPLOYMENT, self.list_skus),
        ]

    def list_of_endpoint(self, call: Call) -> Body:
        return {"value": deployments_of(self.store, self.endpoint(call)["id"])}

    def show(self, call: Call) -> Response:
        return shown(self._found(call))

    def _found(self, call: Call) -> Body:
        endpoint = self.endpoint(call)
        found = self.store.get(RESOURCE, self._id(call, endpoint).lower())
        if found is None:
            raise self.user_error(
                f"Deployment {call.params['deployment']} not found in endpoint {endpoint['name']}, workspace "
                f"{call.params['workspace']}.",
                404,
            )
        return found

    def _id(self, call: Call, endpoint: Body) -> str:
        return f"{endpoint['id']}/deployments/{call.params['deployment']}"

    def put(self, call: Call) -> Response:
        """201 for a new deployment, 200 for a change; it goes on until the processes are ready, or do not become so."""
        workspace, endpoint, wanted = self.workspace(call), self.endpoint(call), call.json()
        name = call.params["deployment"]
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self._id(call, endpoint).lower())
            if kept is None:
                self.check_name(name, "a deployment")
            self._check_idle(endpoint, kept, name)
            capacity = (wanted.get("sku") or {}).get("capacity")
            properties, plan = self._planned(workspace, endpoint, wanted.get("properties") or {}, capacity)
            made: Body = kept or {"id": self._id(call, endpoint), "name": name, "type": DEPLOYMENT}
            made |= {
                "location": endpoint["location"],
                "kind": endpoint["kind"],
                "tags": wanted.get("tags") or {},
                "sku": {"name": "Default", "tier": "Standard", "capacity": plan.instances},
                "systemData": system_data(call, kept),
                "properties": properties | {"provisioningState": "Updating" if kept else "Creating"},
            }
            return self._begin(call, made, endpoint, plan, 200 if kept else 201)

    def _planned(self, workspace: Body, endpoint: Body, asked: Body, capacity: object) -> tuple[Body, Plan]:
        try:
            instances = 1 if capacity is None else int(str(capacity))
            properties = whole(asked, endpoint)
            return properties, Planner(self.store).plan(workspace, endpoint, properties, instances)
        except ValueError as error:  # PlanError and what is not a number
            raise self.user_error(str(error)) from error

    def _begin(self, call: Call, made: Body, endpoint: Body, plan: Plan, status: int) -> Response:
        self.store.put(RESOURCE, made["id"].lower(), made)
        self._runs.begin(made, endpoint, plan)
        self.sandbox.find(ScoringDoor).refresh(endpoint["id"])
        return self.sandbox.find(LongRunning).accepted(call, WRITE, made, status)

    def _check_idle(self, endpoint: Body, kept: Body | None, name: str) -> None:
        doing = f"{'update' if kept else 'create'} a deployment in endpoint {endpoint['name']}"
        self.check_idle(endpoint, doing)
        if kept:
            self.check_idle(kept, f"update deployment {name}")

    def patch(self, call: Call) -> Response:
        """Tags and instance count."""
        wanted = call.json()
        if "properties" in wanted:
            raise self.user_error("PATCH changes tags and sku alone: change properties by PUT.")
        workspace, endpoint = self.workspace(call), self.endpoint(call)
        with self.store.transaction():
            kept = self._found(call)
            self._check_idle(endpoint, kept, kept["name"])
            capacity = (wanted.get("sku") or {}).get("capacity", kept["sku"]["capacity"])
            properties, plan = self._planned(workspace, endpoint, kept["properties"], capacity)
            kept |= {"tags": wanted.get("tags", kept["tags"]), "systemData": system_data(call, kept)}
            kept["sku"]["capacity"] = plan.instances
            kept["properties"] = properties | {"provisioningState": "Updating"}
            return self._begin(call, kept, endpoint, plan, 202)

    def _advance(self, deployment_id: str) -> None:
        if self.store.get(RESOURCE, deployment_id.lower()) is None:  # gone with its endpoint
            return
        self._runs.advance(deployment_id)
        self.sandbox.find(LongRunning).succeed(deployment_id)
        self.sandbox.find(ScoringDoor).refresh(_endpoint_id(deployment_id))

    def delete(self, call: Call) -> Response:
        """202; 204 where there is none. One that has traffic stays."""
        endpoint = self.endpoint(call)
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self._id(call, endpoint).lower())
            if kept is None:
                return empty(204)
            self.check_idle(kept, f"delete deployment {kept['name']}")
            self.check_idle(endpoint, f"delete deployment {kept['name']}", f"its endpoint {endpoint['name']}")
            if share := endpoint["properties"]["traffic"].get(kept["name"]):
                raise self._has_traffic(kept["name"], share)
            kept["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            response = self.sandbox.find(LongRunning).accepted_empty(call, DELETE, kept["id"])
        self.sandbox.find(ScoringDoor).refresh(endpoint["id"])
        return response

    def _has_traffic(self, name: str, share: int) -> ApiError:
        return self.user_error(
            f"Deployment {name} cannot be deleted because it has {share}% of the traffic of its endpoint. Move the "
            "traffic to another deployment, or set it to 0, first."
        )

    def _delete_now(self, deployment_id: str) -> None:
        if kept := self.store.get(RESOURCE, deployment_id.lower()):
            self.sandbox.find(ResourceGroups).discard(kept)
            self._take_out_of_traffic(kept)

    def _take_out_of_traffic(self, gone: Body) -> None:
        """The endpoint no longer names it, not even with a share of 0."""
        with self.store.transaction():
            endpoint = self.store.get(RESOURCE, _endpoint_id(gone["id"]).lower())
            if endpoint is None:
                return
            for shares in ("traffic", "mirrorTraffic"):
                endpoint["properties"][shares].pop(gone["name"], None)
            self.store.put(RESOURCE, endpoint["id"].lower(), endpoint)
        self.sandbox.find(ScoringDoor).refresh(endpoint["id"])

    def removed(self, resource: Body) -> None:
        if resource["type"] == DEPLOYMENT:
            self._runs.forget(resource["id"])
        if resource["type"] == CLUSTER:
            self._end_on(resource["id"])

    def _end_on(self, cluster_id: str) -> None:
        """The cluster is no more: what it ran ends, and is nowhere found, though Azure ML still lists it."""
        for endpoint in endpoints_of(self.store):
            compute = self.store.get(RESOURCE, str(endpoint["properties"].get("compute") or "").lower())
            if compute and str(compute["properties"].get("resourceId")).lower() == cluster_id.lower():
                for deployment in deployments_of(self.store, endpoint["id"]):
                    self._runs.forget(deployment["id"])
                self.sandbox.find(ScoringDoor).refresh(endpoint["id"])

    def logs(self, call: Call) -> Body:
        """Of the newest instances, by `containerType` and `tail`."""
        deployment, wanted = self._found(call), call.json()
        kind = str(wanted.get("containerType") or "InferenceServer")
        tail = wanted.get("tail") or LOG_LINES
        if not isinstance(tail, int) or kind not in LOG_KINDS:
            raise self.user_error(f"tail must be a whole number, and containerType one of {', '.join(LOG_KINDS)}.")
        if kind == "StorageInitializer":
            return {"content": initializer_log(deployment)}
        generation = self._runs.newest(deployment["id"])
        found = self._runs.look(generation) if generation else []
        printed = [self.sandbox.find(Containers).logs(one.name, tail) for one in found]
        return {"content": instance_log(generation, found, printed)}

    def list_skus(self, call: Call) -> Body:
        self._found(call)
        capacity = {"default": 1, "minimum": 1, "maximum": 20, "scaleType": "Manual"}
        return {"value": [{"resourceType": DEPLOYMENT, "sku": {"name": "Default"}, "capacity": capacity}]}


def _endpoint_id(deployment_id: str) -> str:
    return deployment_id.rsplit("/", 2)[0]
