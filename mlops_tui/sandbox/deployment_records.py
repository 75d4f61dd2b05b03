"""What is kept of a deployment: its resources, what each of them answered, and how far it is.

No thread follows a deployment: whoever asks has its state worked out from those of its resources (`settled`), after a
restart of the sandbox, too.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.arm import RESOURCE

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.store import Store
    from mlops_tui.sandbox.templates import Planned

DEPLOYMENT = "deployment"  # a kind of documents, by their ids in lower case
TYPE = "Microsoft.Resources/deployments"
SECONDS = 0.1  # that one takes at least: a client sees it at work
FINAL = ("Succeeded", "Failed", "Canceled")
FAILED = (
    "At least one resource deployment operation failed. Please list deployment operations for details. Please see "
    "https://aka.ms/arm-deployment-operations for usage details."
)
STATUS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 501: "NotImplemented"}


def new_deployment(own_id: str, parameters: Body, planned: Sequence[Planned]) -> Body:
    started, operations = time.time(), [_operation(one) for one in planned]
    properties = {
        "provisioningState": "Running",
        "mode": "Incremental",
        "parameters": parameters,
        "timestamp": clock.text(datetime.fromtimestamp(started, UTC)),
        "duration": "PT0S",
        "correlationId": str(uuid.uuid4()),
        "outputs": {},
        "outputResources": [{"id": one["id"]} for one in operations],
    }
    name = own_id.rsplit("/", 1)[-1]
    return {"id": own_id, "name": name, "type": TYPE, "properties": properties} | {
        "operation": uuid.uuid4().hex,
        "operations": operations,
        "started": started,
    }


def shown(kept: Body) -> Body:
    return {name: kept[name] for name in ("id", "name", "type", "properties")}


def _operation(one: Planned) -> Body:
    own = {"id": one.id, "type": one.type, "name": one.name, "operation": uuid.uuid4().hex[:16].upper()}
    return own | {"status": 201, "error": None, "skipped": False, "state": "Running"}


def shown_operation(deployment: Body, operation: Body) -> Body:
    place = f"{deployment['id']}/operations/{operation['operation']}"
    properties = {
        "provisioningOperation": "Create",
        "provisioningState": operation["state"],
        "timestamp": deployment["properties"]["timestamp"],
        "duration": deployment["properties"]["duration"],
        "trackingId": operation["operation"],
        "serviceRequestId": operation["operation"],
        "statusCode": STATUS.get(operation["status"], "Created"),
        "targetResource": {
            "id": operation["id"],
            "resourceType": operation["type"],
            "resourceName": operation["name"],
        },
    }
    if operation["error"]:
        properties["statusMessage"] = {"status": "Failed", "error": operation["error"]}
    return {"id": place, "operationId": operation["operation"], "properties": properties}


def settled(store: Store, kept: Body) -> Body:
    """With its state brought up to date, by those of its resources; once it is final it stays."""
    properties = kept["properties"]
    if properties["provisioningState"] in FINAL:
        return kept
    states = [_state(store, operation) for operation in kept["operations"]]
    for operation, state in zip(kept["operations"], states, strict=True):
        operation["state"] = state
    if "Running" in states or time.time() < kept["started"] + SECONDS:
        return kept | {"properties": properties | {"duration": _duration(kept["started"])}}
    errors = [operation["error"] for operation in kept["operations"] if operation["error"]]
    properties["provisioningState"] = "Failed" if "Failed" in states else "Succeeded"
    properties["duration"] = _duration(kept["started"])
    if "Failed" in states:
        properties["error"] = {"code": "DeploymentFailed", "message": FAILED, "details": errors}
    store.put(DEPLOYMENT, kept["id"].lower(), kept)
    return kept


def _state(store: Store, operation: Body) -> str:
    if operation["error"] or operation["skipped"]:
        return "Failed" if operation["error"] else "Skipped"
    there = store.get(RESOURCE, operation["id"].lower())  # None for what is no resource: a role assignment
    state = (there or {}).get("properties", {}).get("provisioningState") or "Succeeded"
    if state == "Failed":
        operation["error"] = {"code": "ResourceDeploymentFailure", "message": f"'{operation['id']}' has failed."}
    return state if state in FINAL else "Running"


def _duration(started: float) -> str:
    return f"PT{time.time() - started:.3f}S"
