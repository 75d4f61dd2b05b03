"""Azure Resource Manager: the one front door of all resource providers.

It signs the caller in, asks for an api-version (whatever its value: clients differ), knows the subscription, asks
`Authorization` whether the caller may, and hands over to the resource provider whose operation it is. Paths are
compared without regard to case, as ARM does.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from starlette.responses import JSONResponse, Response

from mlops_tui.sandbox import odata
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Handler, Service
from mlops_tui.sandbox.dialects import ARM

RESOURCE, GROUP, ASSIGNMENT = "resource", "resource-group", "role-assignment"  # kinds of documents
NOT_FINAL = {"x-ms-retry-after-ms": "100"}  # on every answer that a client will poll again


@dataclass(frozen=True)
class Operation:
    """A method and a path with what answers it; `action` is what the caller needs to be allowed, if anything."""

    method: str
    path: re.Pattern[str]
    action: str
    handler: Handler


class ResourceProvider(Service):
    """A service behind the front door. Subclasses list operations in place of routes."""

    dialect = ARM

    def routes(self) -> list[Endpoint]:
        return []

    def operations(self) -> list[Operation]:
        raise NotImplementedError

    def removed(self, resource: Body) -> None:
        """A resource is gone from the store: by its own deletion or with its resource group."""

    def group_removed(self, group_id: str) -> None:
        """A resource group is gone, after all that was in it."""

    def does(self, method: str, path: str, action: str, handler: Handler) -> Operation:
        """`path` names parameters as {name}; {scope} alone may hold slashes, or nothing."""
        pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}").replace("{scope}", "(?P<scope>.*)")
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        return Operation(method, re.compile(pattern, re.IGNORECASE), action, handler)

    def group(self, call: Call) -> Body:
        """The resource group of the path. Raises ResourceGroupNotFound, or says that it is being deleted."""
        name = call.params["group"]
        found = self.store.get(GROUP, f"/subscriptions/{self.sandbox.subscription_id}/resourcegroups/{name}".lower())
        if found is None:
            raise self.dialect.error(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        if call.method in ("PUT", "PATCH", "POST") and found["properties"]["provisioningState"] == "Deleting":
            message = f"The resource group '{name}' is in deprovisioning state and cannot perform this operation."
            raise self.dialect.error(409, "ResourceGroupBeingDeleted", message)
        return found

    def filtered(self, call: Call, entities: Sequence[Body]) -> list[Body]:
        """By the call's $filter. Raises InvalidFilterInQueryString."""
        text = call.query.get("$filter", "")
        try:
            return odata.matching(entities, text)
        except odata.FilterError as error:
            message = f"Invalid $filter '{text}' specified in the query string. {error}"
            raise self.dialect.error(400, "InvalidFilterInQueryString", message) from error


class Arm(Service):
    """/subscriptions…, /providers…, /tenants."""

    dialect = ARM

    def routes(self) -> list[Endpoint]:
        roots = ("/tenants", "/subscriptions", "/subscriptions/{rest:path}", "/providers", "/providers/{rest:path}")
        methods = ("GET", "PUT", "PATCH", "POST", "DELETE")  # GET answers HEAD, too
        return [self.on(method, root, self.answer) for root in roots for method in methods]

    def answer(self, call: Call) -> Response:
        from mlops_tui.sandbox.authorization import Authorization
        from mlops_tui.sandbox.long_running import LongRunning

        if not call.query.get("api-version"):
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise self.dialect.error(400, "MissingApiVersionParameter", message)
        path = "/" + call.path.strip("/")
        self._check_subscription(path)
        operation, params = self._operation(call.method, path)
        if operation.action:
            self.sandbox.find(Authorization).require(call.caller, operation.action, scope_of(path))
        self.sandbox.find(LongRunning).settle()
        result = operation.handler(replace(call, path=path, params=params))
        response = result if isinstance(result, Response) else JSONResponse(result)
        response.headers["x-ms-request-id"] = str(uuid.uuid4())
        return response

    @cached_property
    def _operations(self) -> list[Operation]:
        """Of every resource provider, in the order of the services: where two match, the first wins."""
        providers = (service for service in self.sandbox.services if isinstance(service, ResourceProvider))
        return [operation for provider in providers for operation in provider.operations()]

    def _operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        for operation in self._operations:
            if operation.method == method and (found := operation.path.fullmatch(path)):
                return operation, found.groupdict()
        text = f"The sandbox does not have {method} {path} (yet); nothing was done."
        raise ApiError(501, {"error": {"code": "NotImplemented", "message": text}})

    def _check_subscription(self, path: str) -> None:
        parts = path.split("/")
        if parts[1].lower() != "subscriptions" or len(parts) == 2:
            return
        if parts[2].lower() == self.sandbox.subscription_id:
            return
        try:
            uuid.UUID(parts[2])
        except ValueError as error:
            message = f"The provided subscription identifier '{parts[2]}' is malformed or invalid."
            raise self.dialect.error(400, "InvalidSubscriptionId", message) from error
        raise self.dialect.error(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")


def scope_of(path: str) -> str:
    """What a call is about: the path itself, where it names a thing; its parent, where it names a list or an act.

    "/subscriptions/S/resourceGroups" is about "/subscriptions/S", and so is "/subscriptions/S/providers/N/types".
    """
    head, marker, tail = _cut_provider(path)
    parts = tail.split("/") if marker else head.strip("/").split("/")
    types_and_names = parts[1:] if marker else parts
    if len(types_and_names) % 2:
        types_and_names = types_and_names[:-1]
    if marker:
        return f"{head}{marker}{parts[0]}/{'/'.join(types_and_names)}" if types_and_names else head or "/"
    return "/" + "/".join(types_and_names)


def _cut_provider(path: str) -> tuple[str, str, str]:
    """Around the last "/providers/", however it is written."""
    at = path.lower().rfind("/providers/")
    end = at + len("/providers/")
    return (path[:at], path[at:end], path[end:]) if at >= 0 else (path, "", "")


def is_within(resource_id: str, scope: str) -> bool:
    """Whether the id is the scope's own or below it; both in any case."""
    inner, outer = resource_id.lower().rstrip("/"), scope.lower().rstrip("/")
    return inner == outer or inner.startswith(outer + "/")
