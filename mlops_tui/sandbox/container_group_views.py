"""A container group as Azure shows it: what was asked for, with the state of the containers behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import Body

if TYPE_CHECKING:
    from mlops_tui.sandbox.container_state import Container, Ended, Event

WAITS = {
    "CrashLoopBackOff": "CrashLoopBackOff: Back-off restarting failed",
    "ImagePullBackOff": "ImagePullBackOff: Back-off pulling image",
}


def shown(group: Body, containers: Mapping[str, Container]) -> Body:
    """The group's document with instance views; `containers` by their names in the group."""
    properties = {name: value for name, value in group["properties"].items() if name != "stopped"}
    properties["containers"] = [_with_view(one, containers.get(one["name"])) for one in properties["containers"]]
    properties["instanceView"] = {"events": [], "state": state_of(group, list(containers.values()))}
    if address := properties.get("ipAddress"):
        ports = [one | {"port": actual(group, containers, one["port"])} for one in address["ports"]]
        properties["ipAddress"] = address | {"ports": ports}
    return group | {"properties": properties}


def actual(group: Body, containers: Mapping[str, Container], port: int) -> int:
    """Where that port of the group answers: the sandbox has one address, so every group has a port of its own."""
    for one in group["properties"]["containers"]:
        container = containers.get(one["name"])
        if container and container.port and any(open_["port"] == port for open_ in one["properties"].get("ports", [])):
            return container.port
    return port


def state_of(group: Body, containers: list[Container]) -> str:
    """Pending, Running, Succeeded, Failed or Stopped."""
    if group["properties"].get("stopped"):
        return "Stopped"
    if not containers or any(is_being_made(one) or "ImagePull" in one.detail for one in containers):
        return "Pending"
    if any(one.status != "terminated" for one in containers):
        return "Running"
    return "Succeeded" if all(one.exit_code == 0 for one in containers) else "Failed"


def is_being_made(container: Container) -> bool:
    """Whether its process has yet to be started."""
    return container.status == "waiting" and container.detail == "ContainerCreating"


def _with_view(one: Body, container: Container | None) -> Body:
    if container is None:
        return one
    view: Body = {
        "restartCount": container.restarts,
        "currentState": _state(container),
        "events": [_event(event) for event in container.events],
    }
    if container.previous:
        view["previousState"] = _ended(container.previous)
    return one | {"properties": one["properties"] | {"instanceView": view}}


def _state(container: Container) -> Body:
    if ended := container.ended():
        return _ended(ended)
    if container.status == "running":
        return {"state": "Running", "startTime": container.started_at, "detailStatus": ""}
    return {"state": "Waiting", "detailStatus": WAITS.get(container.detail, container.detail)}


def _ended(ended: Ended) -> Body:
    state: dict[str, Any] = {"state": "Terminated", "exitCode": ended.exit_code, "detailStatus": ended.detail}
    if ended.started_at:
        state["startTime"] = ended.started_at
    if ended.finished_at:
        state["finishTime"] = ended.finished_at
    return state


def _event(event: Event) -> Body:
    return {
        "count": event.count,
        "firstTimestamp": event.first_at,
        "lastTimestamp": event.last_at,
        "name": event.name,
        "message": event.message,
        "type": event.type,
    }
