"""Online endpoints of an Azure ML workspace, managed or on Kubernetes (Azure ML REST API, Online Endpoints)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui import redaction
from mlops_tui.errors import CloudError, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.arm_resources import ArmResources, Operation

API_VERSION = "2024-04-01"
READ_ONLY = ("scoringUri", "swaggerUri", "provisioningState")
CONTAINER = "InferenceServer"  # the one that runs the model; the other fetches it


@dataclass(frozen=True)
class OnlineEndpoint:
    id: str
    name: str
    state: str  # "Succeeded", "Updating", "Failed"
    url: str  # where predictions are asked for; empty before there is one
    traffic: dict[str, int]  # per cent by deployment
    kubernetes: bool  # else managed
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OnlineDeployment:
    name: str
    state: str
    tags: dict[str, str] = field(default_factory=dict)


class OnlineEndpoints:
    def __init__(self, resources: ArmResources) -> None:
        self._resources = resources

    def get(self, workspace_id: str, name: str) -> OnlineEndpoint | None:
        found = self._resources.get(_id(workspace_id, name), API_VERSION, _what(name))
        return _endpoint(found) if found else None

    def deployments(self, workspace_id: str, name: str) -> tuple[OnlineDeployment, ...]:
        """Sorted by name; none where there is no such endpoint."""
        path = f"{_id(workspace_id, name)}/deployments"
        found = self._resources.list(path, API_VERSION, f"the deployments of {_what(name)}")
        return tuple(sorted((_deployment(one) for one in found), key=lambda one: one.name))

    def key(self, workspace_id: str, name: str) -> str:
        """The first of its two keys; registered as a secret. Raises NotFoundError."""
        answer = self._resources.post(_id(workspace_id, name), "listKeys", API_VERSION, _what(name)).result()
        key = str(answer.get("primaryKey") or "")
        redaction.register(key)
        if not key:
            raise CloudError(
                f"Azure gave no key for {_what(name)}.", hint="Its authentication must be by key: see it in the studio."
            )
        return key

    def set_traffic(self, endpoint: OnlineEndpoint, traffic: Mapping[str, int], tags: Mapping[str, str]) -> Operation:
        """Share the requests out anew, and set these tags; all else stays as it is. Raises NotFoundError."""
        there = self._resources.get(endpoint.id, API_VERSION, _what(endpoint.name))
        if there is None:
            raise NotFoundError(f"There is no {_what(endpoint.name).removeprefix('the ')} any more.")
        body = {name: there[name] for name in ("location", "kind", "sku") if there.get(name)}
        if identity := there.get("identity"):
            kept = {"type": identity.get("type")}
            if users := identity.get("userAssignedIdentities"):
                kept["userAssignedIdentities"] = {name: {} for name in users}
            body["identity"] = kept
        properties = {name: value for name, value in there["properties"].items() if name not in READ_ONLY}
        properties["traffic"] = dict(traffic)
        body |= {"properties": properties, "tags": {**(there.get("tags") or {}), **tags}}
        return self._resources.put(endpoint.id, API_VERSION, body, _what(endpoint.name))

    def logs(self, workspace_id: str, name: str, deployment: str, tail: int) -> str:
        """The last lines that a deployment has printed. Raises NotFoundError."""
        path = f"{_id(workspace_id, name)}/deployments/{quote(deployment)}"
        asked = {"containerType": CONTAINER, "tail": tail}
        what = f"the log of {deployment} behind {_what(name)}"
        return str(self._resources.post(path, "getLogs", API_VERSION, what, asked).result().get("content") or "")


def _id(workspace_id: str, name: str) -> str:
    return f"{workspace_id}/onlineEndpoints/{quote(name)}"


def _what(name: str) -> str:
    return f"the online endpoint {name}"


def _endpoint(found: Mapping[str, Any]) -> OnlineEndpoint:
    properties = found.get("properties") or {}
    return OnlineEndpoint(
        str(found["id"]),
        str(found["name"]),
        str(properties.get("provisioningState") or ""),
        str(properties.get("scoringUri") or ""),
        {str(name): int(share) for name, share in (properties.get("traffic") or {}).items()},
        bool(properties.get("compute")),
        _tags(found),
    )


def _deployment(found: Mapping[str, Any]) -> OnlineDeployment:
    state = (found.get("properties") or {}).get("provisioningState")
    return OnlineDeployment(str(found["name"]), str(state or ""), _tags(found))


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (found.get("tags") or {}).items()}
