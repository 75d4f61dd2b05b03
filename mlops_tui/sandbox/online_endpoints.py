"""Microsoft.MachineLearningServices/workspaces/onlineEndpoints: managed, or on an attached Kubernetes cluster.

What they answer with is their deployments' (`online_deployments`); who asks them comes through `scoring_door`.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.endpoint_keys import NAMES, EndpointKeys
from mlops_tui.sandbox.endpoint_traffic import TrafficError, check_mirror, check_traffic
from mlops_tui.sandbox.long_running import LongRunning, shown
from mlops_tui.sandbox.online_resource import (
    ENDPOINT,
    ENDPOINT_PATH,
    ENDPOINTS_PATH,
    NAMESPACE,
    OnlineResource,
    deployments_of,
    endpoints_of,
    is_kubernetes,
    system_data,
)
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.scoring_door import ScoringDoor
from mlops_tui.sandbox.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

WRITE, DELETE = "write-online-endpoint", "delete-online-endpoint"
RENEW = {name: f"renew-{name}-endpoint-key" for name in NAMES}
MODES = ("Key", "AMLToken")


class OnlineEndpoints(OnlineResource):
    """Create, change (traffic, tags), read and delete; keys and tokens."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._keys = EndpointKeys(sandbox)

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(WRITE, running.succeed)
        running.ends(DELETE, self._delete_now)
        for name, verb in RENEW.items():
            running.ends(verb, partial(self._renew_now, name))

    def operations(self) -> list[Operation]:
        return [
            self.on_path("GET", ENDPOINTS_PATH, ENDPOINT, self.list_in_workspace),
            self.on_path("GET", ENDPOINT_PATH, ENDPOINT, self.show),
            self.on_path("PUT", ENDPOINT_PATH, ENDPOINT, self.put),
            self.on_path("PATCH", ENDPOINT_PATH, ENDPOINT, self.patch),
            self.on_path("DELETE", ENDPOINT_PATH, ENDPOINT, self.delete),
            self.does("POST", f"{ENDPOINT_PATH}/listKeys", f"{ENDPOINT}/listKeys/action", self.list_keys),
            self.does("POST", f"{ENDPOINT_PATH}/regenerateKeys", f"{ENDPOINT}/regenerateKeys/action", self.renew_key),
            self.does("POST", f"{ENDPOINT_PATH}/token", f"{ENDPOINT}/token/action", self.token),
        ]

    def list_in_workspace(self, call: Call) -> Body:
        return {"value": endpoints_of(self.store, self.workspace(call)["id"])}

    def show(self, call: Call) -> Response:
        return shown(self.endpoint(call))

    def put(self, call: Call) -> Response:
        """201 for a new endpoint, 200 for a change; traffic moves with the answer."""
        workspace, wanted = self.workspace(call), call.json()
        self.sandbox.find(Subscriptions).require_registered(NAMESPACE)
        location = self.sandbox.find(ResourceGroups).check_location(
            {"location": wanted.get("location") or workspace["location"]},
            f"resource type '{ENDPOINT}'",
            "LocationNotAvailableForResourceType",
        )
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self.endpoint_id(call).lower())
            properties = self._properties(workspace, wanted.get("properties") or {}, kept)
            if kept is None:
                made = self._new(call, location, properties)
                self._keys.make(made["id"], (wanted.get("properties") or {}).get("keys") or {})
            else:
                self._check_idle_all(kept, f"update endpoint {kept['name']}")
                made = kept
            made["tags"] = wanted.get("tags") or {}
            made["identity"] = self._identity(wanted.get("identity") or {}, kept)
            made["systemData"] = system_data(call, kept)
            made["properties"] |= properties | {"provisioningState": "Updating" if kept else "Creating"}
            self.store.put(RESOURCE, made["id"].lower(), made)
            response = self.sandbox.find(LongRunning).accepted(call, WRITE, made, 200 if kept else 201)
        self.sandbox.find(ScoringDoor).refresh(made["id"])
        return response

    def _new(self, call: Call, location: str, properties: Body) -> Body:
        name = call.params["endpoint"]
        self.check_name(name, "an endpoint")
        on_kubernetes = "compute" in properties
        for other in endpoints_of(self.store):
            if other["name"].lower() == name.lower() and is_kubernetes(other) == on_kubernetes:
                raise self._taken(name, on_kubernetes)
        endpoint_id = self.endpoint_id(call)
        uri = self.sandbox.find(ScoringDoor).uri(name, on_kubernetes)
        fixed = {
            "scoringUri": f"{uri}/score",
            "swaggerUri": f"{uri}/swagger.json",
            "publicNetworkAccess": "Enabled",
            "traffic": {},
            "mirrorTraffic": {},
            "properties": {"azureml.onlineendpointid": endpoint_id.lower()},
        }
        kind = "K8S" if on_kubernetes else "Managed"
        return {"id": endpoint_id, "name": name, "type": ENDPOINT, "location": location, "kind": kind} | {
            "properties": fixed
        }

    def _taken(self, name: str, on_kubernetes: bool) -> ApiError:
        """On Azure a managed endpoint's name is unique in its region, another's in its cluster."""
        if on_kubernetes:
            message = (
                f"The endpoint '{name}' already exists in your cluster. The endpoint name should be unique per "
                "workspace and per cluster, so create an endpoint with another name."
            )
            return self.dialect.error(409, "EndpointAlreadyExists", message)
        message = (
            f"There is already an endpoint with the name '{name}'. Endpoint names must be unique within a region: "
            "create an endpoint with another name."
        )
        return self.user_error(message, 409)

    def _properties(self, workspace: Body, asked: Body, kept: Body | None) -> Body:
        """What a PUT may set, checked; what it leaves out stays as it was."""
        before = kept["properties"] if kept else {}
        mode = str(asked.get("authMode") or before.get("authMode") or "")
        mode = next((one for one in MODES if one.lower() == mode.lower()), mode)
        if mode not in MODES:
            raise self.user_error(
                f"The authentication mode '{mode}' is not supported: authMode must be one of {', '.join(MODES)}. (The "
                "sandbox has no AADToken.)"
            )
        properties: dict[str, Any] = {"authMode": mode, "description": asked.get("description")}
        if compute := self._compute(workspace, asked, before):
            properties["compute"] = compute
        if asked.get("publicNetworkAccess"):
            properties["publicNetworkAccess"] = asked["publicNetworkAccess"]
        deployments = deployments_of(self.store, kept["id"]) if kept else []
        try:
            if asked.get("traffic") is not None:
                properties["traffic"] = check_traffic(asked["traffic"], deployments, before.get("traffic") or {})
            if asked.get("mirrorTraffic") is not None:
                properties["mirrorTraffic"] = check_mirror(asked["mirrorTraffic"], deployments)
        except TrafficError as error:
            raise self.user_error(str(error)) from error
        own = before.get("properties") or {}
        return properties | {"properties": own | (asked.get("properties") or {})} if kept else properties

    def _compute(self, workspace: Body, asked: Body, before: Body) -> str:
        """The id of the attached cluster; "" for a managed endpoint. It cannot change."""
        wanted = str(asked.get("compute") or "").removeprefix("azureml:").rstrip("/")
        name = wanted.rsplit("/", 1)[-1]
        place = f"{workspace['id']}/computes/{name}" if name else ""
        if before and place.lower() != str(before.get("compute") or "").lower() and (wanted or "compute" not in before):
            raise self.user_error("The compute of an existing endpoint cannot be changed.")
        if before or not name:
            return str(before.get("compute") or "")
        found = self.store.get(RESOURCE, place.lower())
        if found is None:
            raise self.user_error(f"The compute '{name}' was not found in workspace {workspace['name']}.", 404)
        facts = found["properties"]
        if facts.get("computeType") != "Kubernetes" or facts.get("provisioningState") != "Succeeded":
            raise self.user_error(
                f"The compute '{name}' must be an attached Kubernetes cluster that is ready (computeType Kubernetes, "
                f"provisioningState Succeeded); it is {facts.get('computeType')}, {facts.get('provisioningState')}."
            )
        return str(found["id"])

    def _identity(self, asked: Body, kept: Body | None) -> Body:
        kind = str(asked.get("type") or (kept or {}).get("identity", {}).get("type") or "SystemAssigned")
        identity: Body = {"type": kind, "tenantId": self.sandbox.tenant_id}
        if "SystemAssigned" in kind:
            known = (kept or {}).get("identity", {}).get("principalId")
            identity["principalId"] = known or str(uuid.uuid4())
        if users := asked.get("userAssignedIdentities"):
            identity["userAssignedIdentities"] = {one: value or {} for one, value in users.items()}
        return identity

    def _check_idle_all(self, kept: Body, doing: str) -> None:
        """Neither the endpoint nor a deployment of it may be at work: on Kubernetes always, else for its deletion."""
        self.check_idle(kept, doing)
        if is_kubernetes(kept) or doing.startswith("delete"):
            for deployment in deployments_of(self.store, kept["id"]):
                self.check_idle(deployment, doing, f"its deployment {deployment['name']}")

    def patch(self, call: Call) -> Response:
        """Tags and identity, as in Azure; all else by PUT."""
        wanted = call.json()
        if "properties" in wanted:
            raise self.user_error("PATCH changes tags and identity alone: change properties, such as traffic, by PUT.")
        with self.store.transaction():
            kept = self.endpoint(call)
            self._check_idle_all(kept, f"update endpoint {kept['name']}")
            kept["tags"] = wanted.get("tags", kept["tags"])
            kept["identity"] = self._identity(wanted.get("identity") or {}, kept)
            kept["systemData"] = system_data(call, kept)
            kept["properties"]["provisioningState"] = "Updating"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            return self.sandbox.find(LongRunning).accepted(call, WRITE, kept, 202)

    def delete(self, call: Call) -> Response:
        """202 with all its deployments; 204 where there is none. It answers nobody from now on."""
        with self.store.transaction():
            kept = self.store.get(RESOURCE, self.endpoint_id(call).lower())
            if kept is None:
                return empty(204)
            self._check_idle_all(kept, f"delete endpoint {kept['name']}")
            kept["properties"]["provisioningState"] = "Deleting"
            self.store.put(RESOURCE, kept["id"].lower(), kept)
            response = self.sandbox.find(LongRunning).accepted_empty(call, DELETE, kept["id"])
        self.sandbox.find(ScoringDoor).refresh(kept["id"])
        return response

    def _delete_now(self, endpoint_id: str) -> None:
        if kept := self.store.get(RESOURCE, endpoint_id.lower()):
            self.sandbox.find(ResourceGroups).discard(kept)

    def removed(self, resource: Body) -> None:
        if resource["type"] == ENDPOINT:
            self._keys.forget(resource["id"])
            self.sandbox.find(ScoringDoor).close(resource)

    def _with_keys(self, call: Call) -> Body:
        kept = self.endpoint(call)
        if kept["properties"]["authMode"] != "Key":
            raise self.user_error(f"Endpoint {kept['name']} does not use keys for authentication.")
        return kept

    def list_keys(self, call: Call) -> Body:
        primary, secondary = self._keys.read(self._with_keys(call)["id"])
        return {"primaryKey": primary, "secondaryKey": secondary}

    def renew_key(self, call: Call) -> Response:
        """202; the old one opens nothing as soon as that operation is done."""
        name = str(call.need("keyType")).lower()
        if name not in NAMES:
            raise self.user_error("keyType must be Primary or Secondary.")
        kept = self._with_keys(call)
        self.check_idle(kept, f"regenerate the keys of endpoint {kept['name']}")
        return self.sandbox.find(LongRunning).accepted_empty(call, RENEW[name], kept["id"])

    def _renew_now(self, name: str, endpoint_id: str) -> None:
        if self.store.get(RESOURCE, endpoint_id.lower()):
            self._keys.renew(endpoint_id, name)
            self.sandbox.find(ScoringDoor).refresh(endpoint_id)

    def token(self, call: Call) -> Body:
        kept = self.endpoint(call)
        if kept["properties"]["authMode"] != "AMLToken":
            raise self.user_error(f"Endpoint {kept['name']} does not use tokens for authentication.")
        return self._keys.token(kept["id"])
