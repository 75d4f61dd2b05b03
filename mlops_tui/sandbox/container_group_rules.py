"""What Azure Container Instances accepts, and how it refuses the rest.

Rules: "Resource availability and quota limits for Azure Container Instances", "Naming rules for Azure resources",
"Update containers in Azure Container Instances". Where the sandbox does less than Azure, the refusal says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_tui.sandbox.api import ApiError, Body
from mlops_tui.sandbox.body_shapes import Shape
from mlops_tui.sandbox.dialects import ARM

NAME = re.compile(r"(?!-)(?!.*--)[a-z0-9-]{1,63}(?<!-)")
LABEL = re.compile(r"[a-z][a-z0-9-]{3,61}[a-z0-9]")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
POLICIES = ("Always", "OnFailure", "Never")
MOST_CPU, MOST_MEMORY = 4.0, 16.0  # of one group
CORES_OF_A_REGION = 10.0  # what a new subscription is given
NOT_SUPPORTED = ("volumes", "subnetIds", "initContainers", "extensions", "dnsConfig", "confidentialComputeProperties")
SHAPE: Shape = {
    "tags": {},
    "properties": {
        "containers": [
            {
                "properties": {
                    "command": [str],
                    "ports": [{}],
                    "environmentVariables": [{}],
                    "resources": {"requests": {}},
                }
            }
        ],
        "imageRegistryCredentials": [{}],
        "ipAddress": {"ports": [{}]},
    },
}
UPDATE_REFUSED = (
    "The updates on container group '{name}' are invalid. If you are going to update the os type, restart policy, "
    "network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a "
    "new one."
)


@dataclass(frozen=True)
class WantedContainer:
    """A container as it was asked for; `secure` and `values` are its environment."""

    name: str
    image: str
    cpu: float
    memory: float
    ports: tuple[int, ...]
    command: tuple[str, ...]
    values: dict[str, str]
    secure: dict[str, str] = field(repr=False)


def refuse(code: str, message: str, status: int = 400) -> ApiError:
    return ARM.error(status, code, message)


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        message = (
            f"The container group name '{name}' is invalid. It can contain only lowercase letters, numbers and "
            "hyphens. It cannot begin or end with a hyphen, nor have two hyphens in a row. The value must be between 1 "
            "and 63 characters long."
        )
        raise refuse("InvalidContainerGroupName", message)


def check_group(name: str, asked: Body) -> None:
    """What is said of the group as a whole."""
    if str(asked.get("osType") or "") != "Linux":
        message = f"The osType of container group '{name}' must be 'Linux': the sandbox runs no other containers."
        raise refuse("InvalidOsType", message)
    policy = asked.get("restartPolicy") or "Always"
    if policy not in POLICIES:
        message = (
            f"The restart policy '{policy}' of container group '{name}' is invalid. It can be {', '.join(POLICIES)}."
        )
        raise refuse("InvalidRestartPolicy", message)
    for what in NOT_SUPPORTED:
        if asked.get(what):
            message = f"The sandbox does not have properties.{what} of container groups (yet); nothing was done."
            raise refuse("NotImplemented", message, 501)


def containers_of(name: str, asked: Body) -> list[WantedContainer]:
    """The containers of a group."""
    wanted = asked.get("containers") or []
    if not wanted:
        raise refuse("ContainersNotSpecified", f"The container group '{name}' must have at least one container.")
    found = [_container(name, one) for one in wanted]
    for what, seen in (
        ("name", [one.name for one in found]),
        ("port", [str(port) for one in found for port in one.ports]),
    ):
        if twice := next((one for one in seen if seen.count(one) > 1), None):
            message = f"The {what} '{twice}' is used more than once in container group '{name}'."
            raise refuse(f"DuplicateContainer{what.capitalize()}", message)
    cpu, memory = sum(one.cpu for one in found), sum(one.memory for one in found)
    if cpu > MOST_CPU or memory > MOST_MEMORY:
        message = (
            "The requested resource is not available in the location at this moment. Please retry with a different "
            f"resource request or in another location. Resource requested: '{cpu:g}' CPU '{memory:g}' GB memory "
            f"'Linux' OS. (A container group has at most {MOST_CPU:g} CPU and {MOST_MEMORY:g} GB.)"
        )
        raise refuse("ServiceUnavailable", message, 409)
    return found


def _container(group: str, one: Body) -> WantedContainer:
    name, asked = str(one.get("name") or ""), one.get("properties") or {}
    if not NAME.fullmatch(name):
        message = (
            f"The container name '{name}' in container group '{group}' is invalid. It can contain only lowercase "
            "letters, numbers and hyphens, and must be between 1 and 63 characters long."
        )
        raise refuse("InvalidContainerName", message)
    where = f"container '{name}' of container group '{group}'"
    if not asked.get("image"):
        raise refuse("ImageNotSpecified", f"The image is not specified in {where}.")
    requests = (asked.get("resources") or {}).get("requests") or {}
    if requests.get("gpu"):
        raise refuse("NotImplemented", "The sandbox does not have GPUs; nothing was done.", 501)
    cpu, memory = (_amount(requests.get(what), what, where) for what in ("cpu", "memoryInGB"))
    values, secure = _environment(asked.get("environmentVariables") or [], where)
    return WantedContainer(
        name=name,
        image=str(asked["image"]),
        cpu=cpu,
        memory=memory,
        ports=tuple(_port(port.get("port"), where) for port in asked.get("ports") or []),
        command=tuple(str(word) for word in asked.get("command") or []),
        values=values,
        secure=secure,
    )


def _amount(value: Any, what: str, where: str) -> float:
    if value is None:
        message = f"The resource requests are not specified in {where}: resources.requests.{what} is missing."
        raise refuse("ResourceRequestsNotSpecified", message)
    if not isinstance(value, int | float) or value <= 0:
        message = f"The resource request '{what}' in {where} is invalid: it must be a number above 0, not '{value}'."
        raise refuse("InvalidResourceRequests", message)
    return float(value)


def _port(value: Any, where: str) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise refuse("InvalidPort", f"The port '{value}' in {where} is invalid: it must be between 1 and 65535.")
    return value


def _environment(asked: Iterable[Body], where: str) -> tuple[dict[str, str], dict[str, str]]:
    values: dict[str, str] = {}
    secure: dict[str, str] = {}
    for one in asked:
        name, value, hidden = str(one.get("name") or ""), one.get("value"), one.get("secureValue")
        if not VARIABLE.fullmatch(name):
            message = f"The environment variable name '{name}' in {where} is invalid."
            raise refuse("InvalidEnvironmentVariable", message)
        if (value is None) == (hidden is None):
            message = (
                f"The environment variable '{name}' in {where} must have either a value or a secureValue. (A "
                "secureValue is never given back: bring it along when you update the group.)"
            )
            raise refuse("InvalidEnvironmentVariable", message)
        if hidden is None:
            values[name] = str(value)
        else:
            secure[name] = str(hidden)
    return values, secure


def public_ports(name: str, asked: Body, containers: list[WantedContainer], given: Mapping[int, int]) -> list[int]:
    """The group's ports as containers name them.

    `given` has the port that was asked for by the one that the group was given here: who sends a group's own answer
    back means the former.
    """
    if str(asked.get("type") or "Public") != "Public":
        message = f"The sandbox does not have private addresses (container group '{name}'); nothing was done."
        raise refuse("NotImplemented", message, 501)
    found = [_port(one.get("port"), f"the address of container group '{name}'") for one in asked.get("ports") or []]
    if not found:
        raise refuse(
            "MissingIpAddressPorts", f"The ports in the 'ipAddress' of container group '{name}' cannot be empty."
        )
    open_ports = {port for container in containers for port in container.ports}
    ports = [given.get(port, port) if port not in open_ports else port for port in found]
    if closed := [port for port in ports if port not in open_ports]:
        message = (
            f"Ports '{', '.join(map(str, closed))}' in the 'ipAddress' of container group '{name}' are not exposed by "
            "any of its containers."
        )
        raise refuse("InvalidIpAddressPorts", message)
    for container in containers:
        if len(set(ports) & set(container.ports)) > 1:
            message = f"In the sandbox a container has one public port; '{container.name}' asks for several."
            raise refuse("NotImplemented", message, 501)
    return ports


def check_label(name: str, label: str) -> None:
    if not LABEL.fullmatch(label):
        message = (
            f"The DNS name label '{label}' in container group '{name}' is invalid. It can contain only lowercase "
            "letters, numbers and hyphens. The first character must be a letter. The last character must be a letter "
            "or number. The value must be between 5 and 63 characters long."
        )
        raise refuse("InvalidDnsNameLabel", message)


def check_change(name: str, kept: Body, wanted: Body) -> None:
    """What a group that is there can become."""
    before, after = _fixed(kept), _fixed(wanted)
    if before != after:
        raise refuse("InvalidContainerGroupUpdate", UPDATE_REFUSED.format(name=name))


def _fixed(properties: Body) -> Any:
    """What stays as it is for as long as there is the group."""
    sizes = {}
    for one in properties["containers"]:
        requests = one["properties"]["resources"]["requests"]
        sizes[one["name"]] = (float(requests["cpu"]), float(requests["memoryInGB"]))
    return properties["osType"], properties["restartPolicy"], sizes
