"""Microsoft.ContainerInstance/containerGroups: groups of containers with one address.

Shapes: Azure REST reference, Container Instances 2023-05-01. The address of every group is 127.0.0.1 (with a DNS name
label: localhost), so the port of its address is a free one of this machine, and not the one that was asked for:
`ipAddress.ports` says which. A container is a process (`containers`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import container_group_rules as rules
from mlops_tui.sandbox.api import Body, Call, answer, empty
from mlops_tui.sandbox.arm import NOT_FINAL, RESOURCE, Operation
from mlops_tui.sandbox.body_shapes import check_shape
from mlops_tui.sandbox.container_group_documents import TYPE, cores_of, made_of
from mlops_tui.sandbox.container_group_views import is_being_made, shown, state_of
from mlops_tui.sandbox.container_registries import registry_named
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.images import Images
from mlops_tui.sandbox.long_running import LongRunning, NotYet, is_final
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.resource_type import ResourceType

if TYPE_CHECKING:
    from mlops_tui.sandbox.container_group_rules import WantedContainer
    from mlops_tui.sandbox.container_state import Container
    from mlops_tui.sandbox.images import Image

NAMESPACE = "Microsoft.ContainerInstance"
ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
CREATE, START = "create-container-group", "start-container-group"
ALIVE = ("Pending", "Running")


class ContainerGroups(ResourceType):
    """Create, change, read, tag and delete; start, stop and restart; what the containers have printed."""

    type_name = TYPE

    def start(self) -> None:
        running = self.sandbox.find(LongRunning)
        running.ends(CREATE, self._started)
        running.ends(START, self._started)

    def operations(self) -> list[Operation]:
        container = f"{ONE}/containers/{{container}}"
        return [
            *self.lists(),
            self.on_one("GET", self.show),
            self.on_one("HEAD", self.exists),
            self.on_one("PUT", self.put),
            self.on_one("PATCH", self.patch),
            self.on_one("DELETE", self.delete),
            self.does("POST", f"{ONE}/start", f"{TYPE}/start/action", self.start_group),
            self.does("POST", f"{ONE}/stop", f"{TYPE}/stop/action", self.stop_group),
            self.does("POST", f"{ONE}/restart", f"{TYPE}/restart/action", self.restart_group),
            self.does("GET", f"{container}/logs", f"{TYPE}/containers/logs/read", self.logs),
            self.does("POST", f"{container}/exec", f"{TYPE}/containers/exec/action", self.enter),
            self.does("POST", f"{container}/attach", f"{TYPE}/containers/attach/action", self.enter),
        ]

    def show(self, call: Call) -> Response:
        found = self.found(call)
        return answer(self._shown(found), headers={} if is_final(found) else NOT_FINAL)

    def list_all(self, call: Call) -> Body:
        return {"value": [self._shown(one) for one in super().list_all(call)["value"]]}

    def list_in_group(self, call: Call) -> Body:
        return {"value": [self._shown(one) for one in super().list_in_group(call)["value"]]}

    def _shown(self, group: Body) -> Body:
        return shown(group, self._containers(group))

    def _containers(self, group: Body) -> dict[str, Container]:
        """By their names in the group."""
        runtime = self.sandbox.find(Containers)
        names = [one["name"] for one in group["properties"]["containers"]]
        found = {name: runtime.look(_runtime_name(group["id"], name)) for name in names}
        return {name: container for name, container in found.items() if container}

    def put(self, call: Call) -> Response:
        """201 for a new group, 200 for a change, which starts anew what differs; poll Azure-AsyncOperation."""
        own_id, name, wanted = self.id_of(call), call.params["name"], call.json()
        check_shape(wanted, rules.SHAPE)
        location = self.place_of(call, wanted)
        asked = wanted.get("properties") or {}
        rules.check_group(name, asked)
        containers = rules.containers_of(name, asked)
        images = [self._image(name, one, asked.get("imageRegistryCredentials") or []) for one in containers]
        running = self.sandbox.find(LongRunning)
        with self.store.transaction():
            there = self.store.get(RESOURCE, own_id.lower())
            made = made_of(own_id, location, wanted, containers, there, self._containers(there) if there else {})
            self._check_label_is_free(made)
            if there:
                self.check_location(there, location, call.params["group"])
                self._check_idle(there)
                if state_of(there, list(self._containers(there).values())) in ALIVE:  # else it is deployed anew
                    rules.check_change(name, there["properties"], made["properties"])
            self._check_room(made)
            self.store.put(RESOURCE, own_id.lower(), made)
            self._run(made, containers, images, there)
            operation_id = running.begin(CREATE, own_id)
        headers = running.status_headers(call, operation_id, NAMESPACE, location)
        return answer(self._shown(made), 200 if there else 201, headers)

    def check_name_of(self, name: str) -> None:
        rules.check_name(name)

    def _image(self, group: str, container: WantedContainer, credentials: list[Body]) -> Image:
        """The image, where it is there and the credentials open its registry. Raises InaccessibleImage."""
        images = Images(self.sandbox)
        found = images.find(container.image)
        if found is not None:
            registry = registry_named(self.store, found.registry)
            if registry and registry["properties"].get("anonymousPullEnabled"):
                return found
            for one in credentials:
                server = str(one.get("server") or "").removeprefix("https://").rstrip("/")
                given = str(one.get("username") or ""), str(one.get("password") or "")
                if container.image.lower().startswith(f"{server.lower()}/") and images.may_pull(server, *given):
                    return found
        message = (
            f"The image '{container.image}' in container group '{group}' is not accessible. Please check the image and "
            "registry credential."
        )
        raise rules.refuse("InaccessibleImage", message)

    def _check_label_is_free(self, made: Body) -> None:
        label = made["properties"].get("ipAddress", {}).get("dnsNameLabel")
        others = [one["properties"].get("ipAddress", {}).get("dnsNameLabel") for one in self._others(made)]
        if label and label in others:
            message = (
                f"The DNS name label '{label}' in container group '{made['name']}' not available. Try using a "
                "different label."
            )
            raise rules.refuse("DnsNameLabelNotAvailable", message, 409)

    def _others(self, group: Body) -> list[Body]:
        """The other groups of the region."""
        own = group["id"].lower()
        groups = [one for one in self.store.list(RESOURCE) if one["type"] == TYPE and one["id"].lower() != own]
        return [one for one in groups if one["location"] == group["location"]]

    def _check_idle(self, group: Body) -> None:
        if not is_final(group):
            message = f"The container group '{group['name']}' is still transitioning, please retry later."
            raise rules.refuse("ContainerGroupTransitioning", message, 409)

    def _check_room(self, made: Body) -> None:
        """The cores of a region, of which stopped groups take none."""
        used = sum(cores_of(one) for one in self._others(made) if not one["properties"].get("stopped"))
        if used + cores_of(made) > rules.CORES_OF_A_REGION:
            message = (
                f"Resource type '{TYPE}' container group quota 'StandardCores' exceeded in region "
                f"'{made['location']}'. Limit: '{rules.CORES_OF_A_REGION:g}', Usage: '{used:g}' Requested: "
                f"'{cores_of(made):g}'."
            )
            raise rules.refuse("ContainerGroupQuotaReached", message, 409)

    def _run(self, group: Body, containers: list[WantedContainer], images: list[Image], there: Body | None) -> None:
        runtime = self.sandbox.find(Containers)
        for one, image in zip(containers, images, strict=True):
            image = replace(image, command=one.command or image.command)
            name = _runtime_name(group["id"], one.name)
            runtime.run(name, image, one.values | one.secure, policy=group["properties"]["restartPolicy"])
        kept = {one.name for one in containers}
        for gone in [one["name"] for one in (there or group)["properties"]["containers"] if one["name"] not in kept]:
            runtime.remove(_runtime_name(group["id"], gone))

    def _started(self, group_id: str) -> None:
        """Ends a creation or a start once every container has been started, whatever came of it."""
        group = self.store.get(RESOURCE, group_id.lower())
        if group is None:
            return
        containers = self._containers(group)
        for name, one in containers.items():
            if one.detail in ("ErrImagePull", "ImagePullBackOff"):
                message = f"Failed to pull image '{one.image}' of container '{name}'. Please check the image."
                raise rules.refuse("ImagePullFailed", message)
        if any(is_being_made(one) for one in containers.values()):
            raise NotYet
        with self.store.transaction():
            if group := self.store.get(RESOURCE, group_id.lower()):
                group["properties"]["provisioningState"] = "Succeeded"
                self.store.put(RESOURCE, group_id.lower(), group)

    def patch(self, call: Call) -> Body:
        """Tags only."""
        check_shape(call.json(), {"tags": {}})
        with self.store.transaction():
            group = self.found(call)
            group["tags"] = call.json().get("tags") or {}
            self.store.put(RESOURCE, group["id"].lower(), group)
        return self._shown(group)

    def delete(self, call: Call) -> Response:
        """200 with what was, or 204 where there was nothing."""
        with self.store.transaction():
            found = self.store.get(RESOURCE, self.id_of(call).lower())
            if found is None:
                return empty(204)
            last = self._shown(found)
            self.sandbox.find(ResourceGroups).discard(found)
        return answer(last)

    def removed(self, resource: Body) -> None:
        if resource["type"] == TYPE:
            for one in resource["properties"]["containers"]:
                self.sandbox.find(Containers).remove(_runtime_name(resource["id"], one["name"]))

    def start_group(self, call: Call) -> Response:
        """202; one that runs goes on running."""
        running = self.sandbox.find(LongRunning)
        with self.store.transaction():
            group = self.found(call)
            if group["properties"].pop("stopped", False):
                self._check_room(group)
                group["properties"]["provisioningState"] = "Pending"
                self.store.put(RESOURCE, group["id"].lower(), group)
                self._restart(group)
            return running.accepted_empty(call, START, group["id"])

    def stop_group(self, call: Call) -> Response:
        with self.store.transaction():
            group = self.found(call)
            group["properties"]["stopped"] = True
            self.store.put(RESOURCE, group["id"].lower(), group)
        for one in group["properties"]["containers"]:
            self.sandbox.find(Containers).halt(_runtime_name(group["id"], one["name"]))
        return empty(204)

    def restart_group(self, call: Call) -> Response:
        with self.store.transaction():
            group = self.found(call)
            if group["properties"].get("stopped"):
                message = f"The container group '{group['name']}' is stopped: start it."
                raise rules.refuse("ContainerGroupStopped", message, 409)
        self._restart(group)
        return empty(204)

    def _restart(self, group: Body) -> None:
        for one in group["properties"]["containers"]:
            self.sandbox.find(Containers).restart(_runtime_name(group["id"], one["name"]))

    def logs(self, call: Call) -> Body:
        """The last `tail` lines, or all that are kept."""
        group, name = self._container_of(call)
        tail = call.query.get("tail", "")
        if tail and not tail.isdecimal():
            raise rules.refuse("InvalidTail", f"The value of 'tail' must be a whole number, not '{tail}'.")
        stamps = call.query.get("timestamps", "").lower() == "true"
        runtime = self.sandbox.find(Containers)
        return {"content": runtime.logs(_runtime_name(group["id"], name), int(tail) if tail else None, stamps)}

    def enter(self, call: Call) -> Response:
        self._container_of(call)
        what = call.path.rsplit("/", 1)[-1]
        message = (
            f"The sandbox cannot {what} (yet): a container here is a process of this machine. Its logs can be read."
        )
        raise rules.refuse("NotImplemented", message, 501)

    def _container_of(self, call: Call) -> tuple[Body, str]:
        group, name = self.found(call), call.params["container"]
        if all(one["name"] != name for one in group["properties"]["containers"]):
            message = f"The container '{name}' was not found in container group '{group['name']}'."
            raise rules.refuse("ContainerNotFound", message, 404)
        return group, name


def _runtime_name(group_id: str, container: str) -> str:
    return f"{group_id.lower()}/{container}"
