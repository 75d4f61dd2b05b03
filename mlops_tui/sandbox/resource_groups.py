"""Resource groups, and what Resource Manager itself knows of the resources in them.

Shapes and errors: Azure REST reference, Resources 2024-03-01.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, answer, empty
from mlops_tui.sandbox.arm import GROUP, RESOURCE, Operation, ResourceProvider, is_within
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.long_running import LongRunning
from mlops_tui.sandbox.regions import REGIONS, normal

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

ALL = "/subscriptions/{subscription}/resourceGroups"
ONE = f"{ALL}/{{group}}"
ACTION = "Microsoft.Resources/subscriptions/resourceGroups"
DELETE = "delete-resource-group"
LISTED = ("id", "name", "type", "location", "kind", "managedBy", "sku", "tags", "identity")  # of a resource in a list


class ResourceGroups(ResourceProvider):
    """Groups are documents of kind "resource-group", resources of kind "resource"; keys are ids in lower case."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._root = f"/subscriptions/{sandbox.subscription_id}"

    def start(self) -> None:
        self.sandbox.find(LongRunning).ends(DELETE, self._delete_now)

    def operations(self) -> list[Operation]:
        return [
            self.does("GET", ALL, "", self.list_groups),
            self.does("GET", ONE, f"{ACTION}/read", self.show),
            self.does("HEAD", ONE, f"{ACTION}/read", self.exists),
            self.does("PUT", ONE, f"{ACTION}/write", self.put),
            self.does("PATCH", ONE, f"{ACTION}/write", self.patch),
            self.does("DELETE", ONE, f"{ACTION}/delete", self.delete),
            self.does("GET", f"{ONE}/resources", f"{ACTION}/resources/read", self.list_in_group),
            self.does("GET", "/subscriptions/{subscription}/resources", "", self.list_resources),
        ]

    def key(self, name: str) -> str:
        return f"{self._root}/resourcegroups/{name}".lower()

    def list_groups(self, call: Call) -> Body:
        """Those that the caller may read; AuthorizationFailed for one who holds no role at all."""
        return {"value": self._readable(call, self.store.list(GROUP), f"{ACTION}/read")}

    def _readable(self, call: Call, documents: list[Body], action: str) -> list[Body]:
        authorization = self.sandbox.find(Authorization)
        if not authorization.sees(call.caller, self._root):
            raise authorization.forbidden(call.caller, action, self._root)
        if not authorization.allows(call.caller, action, self._root):
            documents = [one for one in documents if authorization.allows(call.caller, action, one["id"])]
        return documents

    def show(self, call: Call) -> Body:
        return self.group(call)

    def exists(self, call: Call) -> Response:
        return empty(204 if self.store.get(GROUP, self.key(call.params["group"])) else 404)

    def put(self, call: Call) -> Response:
        """201 for a new group, 200 for an existing one, whose location cannot change."""
        name, wanted = call.params["group"], call.json()
        self._check_name(name)
        location = self.check_location(wanted, "resource group", "LocationNotAvailableForResourceGroup")
        with self.store.transaction():
            kept = self.store.get(GROUP, self.key(name))
            if kept is None:
                made = self.make(name, location, wanted.get("tags"), str(wanted.get("managedBy") or ""))
                return answer(made, 201)
            if kept["location"] != location:
                message = (
                    f"Invalid resource group location '{location}'. The Resource group already exists in location "
                    f"'{kept['location']}'."
                )
                raise self.dialect.error(409, "InvalidResourceGroupLocation", message)
            self.group(call)
            kept["tags"] = wanted.get("tags") or {}
            self.store.put(GROUP, self.key(name), kept)
        return answer(kept)

    def make(self, name: str, location: str, tags: Body | None = None, managed_by: str = "") -> Body:
        """A new group in the store."""
        made: Body = {
            "id": f"{self._root}/resourceGroups/{name}",
            "name": name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": location,
            "tags": tags or {},
            "properties": {"provisioningState": "Succeeded"},
        }
        if managed_by:
            made["managedBy"] = managed_by
        self.store.put(GROUP, self.key(name), made)
        return made

    def _check_name(self, name: str) -> None:
        if len(name) > 90:
            message = f"The provided resource group name '{name}' exceeds the maximum length of '90' characters."
            raise self.dialect.error(400, "InvalidResourceGroup", message)
        if strange := sorted(set(re.findall(r"[^\w.()-]", name))):
            message = (
                f"The provided resource group name '{name}' has these invalid characters: '{''.join(strange)}'. The "
                "name can only be a letter, digit, '-', '.', '(', ')' or '_'."
            )
            raise self.dialect.error(400, "InvalidResourceGroup", message)
        if name.endswith("."):
            message = f"The provided resource group name '{name}' is invalid. The name cannot end with a period."
            raise self.dialect.error(400, "InvalidResourceGroup", message)

    def check_location(self, wanted: Body, what: str, code: str) -> str:
        """The wanted region in its plain form. Raises LocationRequired, or `code` with the list of regions."""
        if not wanted.get("location"):
            message = "The location property is required for this definition."
            raise self.dialect.error(400, "LocationRequired", message)
        location = normal(str(wanted["location"]))
        if location not in REGIONS:
            message = (
                f"The provided location '{location}' is not available for {what}. List of available regions is "
                f"'{','.join(REGIONS)}'."
            )
            raise self.dialect.error(400, code, message)
        return location

    def patch(self, call: Call) -> Body:
        """Tags only."""
        with self.store.transaction():
            kept = self.group(call)
            kept["tags"] = call.json().get("tags", kept["tags"])
            self.store.put(GROUP, self.key(call.params["group"]), kept)
        return kept

    def delete(self, call: Call) -> Response:
        """202, with all that is in it; one that a Databricks workspace manages goes with its workspace alone."""
        running = self.sandbox.find(LongRunning)
        with self.store.transaction():
            kept = self.group(call)
            if kept.get("managedBy"):
                raise self._denied(call, kept)
            kept["properties"]["provisioningState"] = "Deleting"
            self.store.put(GROUP, self.key(kept["name"]), kept)
            return running.accepted_empty(call, DELETE, kept["id"])

    def _denied(self, call: Call, kept: Body) -> ApiError:
        message = (
            f"The client '{call.caller.name}' with object id '{call.caller.object_id}' has permission to perform "
            f"action '{ACTION}/delete' on scope '{call.path}'; however, the access is denied because of the deny "
            f"assignment with name 'System deny assignment created by Azure Databricks {kept['managedBy']}' at scope "
            f"'{kept['id']}'."
        )
        return self.dialect.error(403, "DenyAssignmentAuthorizationFailed", message)

    def _delete_now(self, group_id: str) -> None:
        for key, resource in self.store.items(RESOURCE, group_id.lower() + "/"):
            if self.store.get(RESOURCE, key):  # not gone with one before it
                self.discard(resource)
        for service in self.sandbox.services:
            if isinstance(service, ResourceProvider):
                service.group_removed(group_id)
        self.sandbox.find(Authorization).forget_scope(group_id)
        self.store.delete(GROUP, group_id.lower())

    def discard(self, resource: Body) -> None:
        """Remove a resource and what lies below it, with their role assignments, and tell the resource providers.

        They hear of it first: a sandbox killed in between still has the document, and does it all again.
        """
        gone = [one for _, one in self.store.items(RESOURCE, resource["id"].lower()) if _below(one, resource)]
        for one in reversed(gone):
            for service in self.sandbox.services:
                if isinstance(service, ResourceProvider):
                    service.removed(one)
            self.store.delete(RESOURCE, one["id"].lower())
        self.sandbox.find(Authorization).forget_scope(resource["id"])

    def list_in_group(self, call: Call) -> Body:
        prefix = self.group(call)["id"].lower() + "/"
        return self._listing(call, self.store.list(RESOURCE, prefix))

    def list_resources(self, call: Call) -> Body:
        documents = self.store.list(RESOURCE)
        return self._listing(call, self._readable(call, documents, "Microsoft.Resources/subscriptions/resources/read"))

    def _listing(self, call: Call, documents: list[Body]) -> Body:
        """$filter knows resourceType, name, location, resourceGroup, tagName and tagValue."""
        shown = []
        for one in (document | {"name": _full_name(document)} for document in documents):
            tags = one.get("tags") or {}
            extra = {"resourceType": one["type"], "resourceGroup": one["id"].split("/")[4], "provisioningState": ""}
            shown.append(one | extra | {"tagName": next(iter(tags), None), "tagValue": next(iter(tags.values()), None)})
        chosen = self.filtered(call, shown)
        return {"value": [{name: one[name] for name in LISTED if name in one} for one in chosen]}


def _full_name(resource: Body) -> str:
    """As lists spell it: what lies below another resource begins with that one's name."""
    path: str = resource["id"].rpartition("/providers/")[2]
    return "/".join(path.split("/")[2::2])


def _below(one: Body, resource: Body) -> bool:
    return is_within(one["id"], resource["id"])


class AnyResource(ResourceProvider):
    """Reading a resource by its id, whatever its type. The last in the list: its path fits every other's."""

    def operations(self) -> list[Operation]:
        path = f"{ONE}/providers/{{namespace}}/{{scope}}"
        return [self.does("GET", path, "", self.show), self.does("HEAD", path, "", self.exists)]

    def show(self, call: Call) -> Body:
        found = self._find(call)
        if found is None:
            kind, name = self._type(call), call.path.rsplit("/", 1)[-1]
            message = (
                f"The Resource '{kind}/{name}' under resource group '{call.params['group']}' was not found. For more "
                "details please go to https://aka.ms/ARMResourceNotFoundFix"
            )
            raise self.dialect.error(404, "ResourceNotFound", message)
        return found

    def exists(self, call: Call) -> Response:
        return empty(204 if self._find(call) else 404)

    def _find(self, call: Call) -> Body | None:
        tail = call.params["scope"].split("/")
        if len(tail) % 2:  # a list of a type that the sandbox does not have
            text = f"The sandbox does not have {call.method} {call.path} (yet); nothing was done."
            raise ApiError(501, {"error": {"code": "NotImplemented", "message": text}})
        self.sandbox.find(Authorization).require(call.caller, f"{self._type(call)}/read", call.path)
        self.group(call)
        return self.store.get(RESOURCE, call.path.lower())

    def _type(self, call: Call) -> str:
        return "/".join([call.params["namespace"], *call.params["scope"].split("/")[::2]])
