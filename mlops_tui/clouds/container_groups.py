"""Container groups of Azure Container Instances: how they are, what they print, another image for one.

Azure never gives back what is secret in a group (a registry's password, secure variables): who puts a group anew must
bring them along.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui.clouds.translate import speaking_of

if TYPE_CHECKING:
    from mlops_tui.clouds.arm_resources import ArmResources, Operation

API_VERSION = "2023-05-01"
READ_ONLY = ("provisioningState", "instanceView")


@dataclass(frozen=True)
class ContainerState:
    """One container as Azure sees it."""

    name: str
    image: str
    state: str  # "Running", "Waiting", "Terminated"; empty before it is known
    detail: str  # "CrashLoopBackOff: …"
    restarts: int = 0
    exit_code: int | None = None  # of its last end
    started: str = ""  # as Azure writes times
    events: tuple[str, ...] = ()  # the last ones: "Failed: Failed to pull image …"


@dataclass(frozen=True)
class ContainerGroup:
    id: str
    name: str
    provisioning: str  # "Succeeded", "Creating", "Failed"
    state: str  # of the instance: "Running", "Pending", "Stopped"
    host: str  # its name in the DNS, else its address
    ports: tuple[int, ...]
    containers: tuple[ContainerState, ...]
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Without a path; empty before it has an address."""
        return f"http://{self.host}:{self.ports[0]}" if self.host and self.ports else ""


class ContainerGroups:
    def __init__(self, resources: ArmResources) -> None:
        self._resources = resources

    def get(self, group_id: str) -> ContainerGroup | None:
        found = self._resources.get(group_id, API_VERSION, _what(group_id))
        return _group(found) if found else None

    def logs(self, group_id: str, container: str, tail: int) -> str:
        """The last lines that a container has printed. Raises NotFoundError."""
        path = f"{group_id}/containers/{quote(container)}/logs?tail={tail}"
        with speaking_of(f"the log of {_what(group_id)}"):
            answer = self._resources.send("GET", path, API_VERSION)
            return str(answer.json().get("content") or "") if answer.content else ""

    def put_image(
        self,
        group_id: str,
        image: str,
        tags: Mapping[str, str],
        secure: Mapping[str, str],
        password: str,
    ) -> Operation | None:
        """The same group with another image; None where there is no such group.

        `secure` are its containers' secure variables, `password` the one of its registry: neither can be read back.
        """
        there = self._resources.get(group_id, API_VERSION, _what(group_id))
        if there is None:
            return None
        body = renewed(there, image, secure, password)
        body["tags"] = dict(tags)
        return self._resources.put(group_id, API_VERSION, body, _what(group_id))


def renewed(group: Mapping[str, Any], image: str, secure: Mapping[str, str], password: str) -> dict[str, Any]:
    """A group's answer as a request: processors, memory, ports and names as they are, without what Azure adds."""
    body = {name: copy.deepcopy(group[name]) for name in ("location", "identity", "zones", "sku") if group.get(name)}
    properties = {name: copy.deepcopy(value) for name, value in group["properties"].items() if name not in READ_ONLY}
    for container in properties.get("containers", []):
        given = container["properties"]
        given.pop("instanceView", None)
        given["image"] = image
        for variable in given.get("environmentVariables") or []:
            if variable["name"] in secure:
                variable.pop("value", None)
                variable["secureValue"] = secure[variable["name"]]
    for registry in properties.get("imageRegistryCredentials") or []:
        registry["password"] = password
    address = properties.get("ipAddress") or {}
    for name in ("ip", "fqdn"):
        address.pop(name, None)
    return {**body, "properties": properties}


def _what(group_id: str) -> str:
    return f"the container group {group_id.rpartition('/')[2]}"


def _group(found: Mapping[str, Any]) -> ContainerGroup:
    properties = found.get("properties") or {}
    address = properties.get("ipAddress") or {}
    return ContainerGroup(
        str(found["id"]),
        str(found["name"]),
        str(properties.get("provisioningState") or ""),
        str((properties.get("instanceView") or {}).get("state") or ""),
        str(address.get("fqdn") or address.get("ip") or ""),
        tuple(int(port["port"]) for port in address.get("ports") or []),
        tuple(_container(one) for one in properties.get("containers") or []),
        {str(name): str(value) for name, value in (found.get("tags") or {}).items()},
    )


def _container(one: Mapping[str, Any]) -> ContainerState:
    properties = one.get("properties") or {}
    view = properties.get("instanceView") or {}
    now, before = view.get("currentState") or {}, view.get("previousState") or {}
    code = now.get("exitCode") if now.get("state") == "Terminated" else before.get("exitCode")
    events = sorted(view.get("events") or [], key=lambda event: str(event.get("lastTimestamp") or ""))
    return ContainerState(
        str(one.get("name") or ""),
        str(properties.get("image") or ""),
        str(now.get("state") or ""),
        str(now.get("detailStatus") or ""),
        int(view.get("restartCount") or 0),
        int(code) if code is not None else None,
        str(now.get("startTime") or ""),
        tuple(f"{event.get('name')}: {event.get('message')}" for event in events[-5:]),
    )
