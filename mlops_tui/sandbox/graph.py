"""Microsoft Graph 1.0: the signed-in user, the organization, users, and objects by id.

Served under /graph/v1.0 (what `/metadata/endpoints` names) and /v1.0. Applications and service principals have files
of their own. Error codes and wording: Microsoft Graph error responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlops_tui.sandbox import oauth, odata
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Handler, Service
from mlops_tui.sandbox.dialects import GRAPH
from mlops_tui.sandbox.directory import APPLICATION, SERVICE_PRINCIPAL, USER, Directory, Entity
from mlops_tui.sandbox.seed import OWNER_PRINCIPAL_ID

PREFIXES = ("/graph/v1.0", "/v1.0")
PAGE, LARGEST_PAGE = 100, 999
TYPES = {
    USER: "#microsoft.graph.user",
    APPLICATION: "#microsoft.graph.application",
    SERVICE_PRINCIPAL: "#microsoft.graph.servicePrincipal",
}


class GraphService(Service):
    """What the parts of Graph share: both prefixes, collections, errors, and who may do anything at all."""

    dialect = GRAPH

    def at(self, method: str, path: str, handler: Handler) -> list[Endpoint]:
        return [self.on(method, prefix + path, handler) for prefix in PREFIXES]

    @property
    def directory(self) -> Directory:
        return Directory(self.store)

    def check_privileges(self, call: Call) -> None:
        """Members of the directory may read it and register applications; an application needs a Graph permission,
        which here only the sandbox's owner has."""
        if not call.caller.is_user and call.caller.object_id != OWNER_PRINCIPAL_ID:
            raise self.denied()

    def denied(self) -> ApiError:
        message = "Insufficient privileges to complete the operation."
        return self.dialect.error(403, "Authorization_RequestDenied", message)

    def not_found(self, object_id: str) -> ApiError:
        message = (
            f"Resource '{object_id}' does not exist or one of its queried reference-property objects are not present."
        )
        return self.dialect.error(404, "Request_ResourceNotFound", message)

    def already(self, message: str) -> ApiError:
        return self.dialect.error(409, "Request_MultipleObjectsWithSameKeyValue", message)

    def required(self, name: str, kind: str) -> ApiError:
        return self.dialect.malformed(f"A value is required for property '{name}' of resource '{kind}'.")

    def entity(self, call: Call, context: str, entity: Entity) -> Body:
        """One object with its context, cut down by $select."""
        return {"@odata.context": self._context(call, context), **odata.select(entity, call.query.get("$select", ""))}

    def collection(self, call: Call, context: str, entities: Iterable[Entity]) -> Body:
        """$filter, $top with @odata.nextLink, $select and $count over a collection."""
        query = call.query
        try:
            found = odata.matching(entities, query.get("$filter", ""))
        except odata.FilterError as error:
            raise self.dialect.error(400, "BadRequest", f"Invalid filter clause: {error}") from error
        self._check_page(query)
        body = odata.page(found, query, self.sandbox.origin + call.path, PAGE)
        body["value"] = [odata.select(one, query.get("$select", "")) for one in body["value"]]
        if query.get("$count") == "true":
            body["@odata.count"] = len(found)
        return {"@odata.context": self._context(call, context), **body}

    def _check_page(self, query: dict[str, str]) -> None:
        top = query.get("$top", str(PAGE))
        if not top.isdecimal() or not 1 <= int(top) <= LARGEST_PAGE:
            message = f"Invalid page size specified: '{top}'. Must be between 1 and {LARGEST_PAGE} inclusive."
            raise self.dialect.malformed(message)
        if not query.get("$skiptoken", "0").isdecimal():
            raise self.dialect.malformed("The specified page token value has expired and can no longer be used.")

    def _context(self, call: Call, context: str) -> str:
        prefix = next(prefix for prefix in PREFIXES if call.path.startswith(prefix))
        return f"{self.sandbox.origin}{prefix}/$metadata#{context}"


class Graph(GraphService):
    """me, organization, users, directoryObjects."""

    def routes(self) -> list[Endpoint]:
        return [
            *self.at("GET", "/me", self.me),
            *self.at("GET", "/organization", self.organization),
            *self.at("GET", "/domains", self.domains),
            *self.at("GET", "/users", self.users),
            *self.at("GET", "/users/{id}", self.user),
            *self.at("GET", "/directoryObjects/{id}", self.directory_object),
            *self.at("POST", "/directoryObjects/getByIds", self.by_ids),
        ]

    def me(self, call: Call) -> Body:
        if not call.caller.is_user:
            message = "/me request is only valid with delegated authentication flow."
            raise self.dialect.error(400, "BadRequest", message)
        return self.entity(call, "users/$entity", self._user(call.caller.object_id))

    def _user(self, wanted: str) -> Entity:
        for user in self.store.list(USER):
            if wanted.lower() in (user["id"].lower(), user["userPrincipalName"].lower()):
                return user
        raise self.not_found(wanted)

    def organization(self, call: Call) -> Body:
        self.check_privileges(call)
        domain = {"name": oauth.DOMAIN, "isDefault": True, "isInitial": True, "type": "Managed"}
        one = {"id": self.sandbox.tenant_id, "displayName": oauth.TENANT_NAME, "verifiedDomains": [domain]}
        return self.collection(call, "organization", [one])

    def domains(self, call: Call) -> Body:
        self.check_privileges(call)
        one = {"id": oauth.DOMAIN, "isDefault": True, "isInitial": True, "isVerified": True}
        return self.collection(call, "domains", [one])

    def users(self, call: Call) -> Body:
        self.check_privileges(call)
        return self.collection(call, "users", self.store.list(USER))

    def user(self, call: Call) -> Body:
        self.check_privileges(call)
        return self.entity(call, "users/$entity", self._user(call.params["id"]))

    def directory_object(self, call: Call) -> Body:
        self.check_privileges(call)
        found = self.directory.find(call.params["id"])
        if found is None:
            raise self.not_found(call.params["id"])
        return self.entity(call, "directoryObjects/$entity", typed(*found))

    def by_ids(self, call: Call) -> Body:
        """Ids of no object are passed over, as in Graph."""
        self.check_privileges(call)
        ids = call.json().get("ids")
        if not isinstance(ids, list) or not ids:
            raise self.required("ids", "getByIds")
        for one in ids:
            if not re.fullmatch(r"[0-9a-fA-F-]{36}", str(one)):
                raise self.dialect.malformed(f"Invalid GUID:{one}")
        kinds = {f"#microsoft.graph.{kind}".lower() for kind in call.json().get("types") or ()}
        found = [typed(*one) for one in (self.directory.find(str(object_id)) for object_id in ids) if one]
        chosen = [one for one in found if not kinds or one["@odata.type"].lower() in kinds]
        return {"@odata.context": self._context(call, "directoryObjects"), "value": chosen}


def typed(kind: str, entity: Entity) -> Entity:
    """With the annotation that says which type of directory object it is."""
    return {"@odata.type": TYPES[kind], **entity}
