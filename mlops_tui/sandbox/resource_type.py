"""What resources of every ARM type have in common: their paths, lists, and the errors of one that is not there."""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Handler, empty
from mlops_tui.sandbox.arm import RESOURCE, Operation, ResourceProvider
from mlops_tui.sandbox.resource_groups import ResourceGroups
from mlops_tui.sandbox.subscriptions import Subscriptions


class ResourceType(ResourceProvider):
    """One type of resource below resource groups. Subclasses give `type_name` and answer what they list themselves."""

    type_name: str  # "Microsoft.KeyVault/vaults"

    def on_one(self, method: str, handler: Handler) -> Operation:
        """The operation on a resource by its name; the action follows from the method."""
        path = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type_name}/{{name}}"
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method, "read")
        return self.does(method, path, f"{self.type_name}/{verb}", handler)

    def lists(self) -> list[Operation]:
        """Of the subscription and of a resource group."""
        all_of, read = f"providers/{self.type_name}", f"{self.type_name}/read"
        group = "/subscriptions/{subscription}/resourceGroups/{group}"
        return [
            self.does("GET", f"/subscriptions/{{subscription}}/{all_of}", read, self.list_all),
            self.does("GET", f"{group}/{all_of}", read, self.list_in_group),
        ]

    def list_all(self, call: Call) -> Body:
        return {"value": [one for one in self.store.list(RESOURCE) if one["type"] == self.type_name]}

    def list_in_group(self, call: Call) -> Body:
        prefix = self.group(call)["id"].lower() + "/"
        return {"value": [one for one in self.store.list(RESOURCE, prefix) if one["type"] == self.type_name]}

    def exists(self, call: Call) -> Response:
        return empty(204 if self.store.get(RESOURCE, call.path.lower()) else 404)

    def delete(self, call: Call) -> Response:
        """200, and gone at once with all that is in it; 204 where there is none."""
        with self.store.transaction():
            found = self.store.get(RESOURCE, self.id_of(call).lower())
            if found is None:
                return empty(204)
            self.sandbox.find(ResourceGroups).discard(found)
        return empty(200)

    def id_of(self, call: Call) -> str:
        """Of the resource that the path names. Raises as `group` does."""
        return f"{self.group(call)['id']}/providers/{self.type_name}/{call.params['name']}"

    def found(self, call: Call) -> Body:
        """The resource that the path names. Raises ResourceNotFound."""
        found = self.store.get(RESOURCE, self.id_of(call).lower())
        if found is None:
            message = (
                f"The Resource '{self.type_name}/{call.params['name']}' under resource group "
                f"'{self.group(call)['name']}' was not found. For more details please go to "
                "https://aka.ms/ARMResourceNotFoundFix"
            )
            raise self.dialect.error(404, "ResourceNotFound", message)
        return found

    def check_name_of(self, name: str) -> None:
        """Raises where the name is not valid for this type."""
        raise NotImplementedError

    def place_of(self, call: Call, wanted: Body) -> str:
        """Where the resource is to be. Raises for an unregistered namespace, an invalid name or an unknown region."""
        self.sandbox.find(Subscriptions).require_registered(self.type_name.partition("/")[0])
        self.check_name_of(call.params["name"])
        return self.sandbox.find(ResourceGroups).check_location(
            wanted, f"resource type '{self.type_name}'", "LocationNotAvailableForResourceType"
        )

    def check_location(self, kept: Body, location: str, group: str) -> None:
        """A resource stays where it was made. Raises InvalidResourceLocation."""
        if kept["location"] != location:
            message = (
                f"The resource '{kept['name']}' already exists in location '{kept['location']}' in resource group "
                f"'{group}'. A resource with the same name cannot be created in location '{location}'. Please select "
                "a new resource name."
            )
            raise self.dialect.error(409, "InvalidResourceLocation", message)
