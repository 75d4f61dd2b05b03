"""Graph's applications: registration, client secrets, federated credentials and owners.

Shapes: Microsoft Graph REST reference 1.0, application, passwordCredential, federatedIdentityCredential.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, answer, empty
from mlops_tui.sandbox.directory import APPLICATION, FEDERATED, SERVICE_PRINCIPAL, Entity, default_end
from mlops_tui.sandbox.graph import GraphService, typed

READ_ONLY = ("id", "appId", "createdDateTime", "publisherDomain", "deletedDateTime")
MOST_FEDERATED = 20
OWNER_OF = "application-owner"


class Applications(GraphService):
    """/applications, each one by its object id or as applications(appId='…')."""

    def routes(self) -> list[Endpoint]:
        federated = "/federatedIdentityCredentials"
        return [
            *self.at("GET", "/applications", self.list),
            *self.at("POST", "/applications", self.create),
            *self._on_one("GET", "", self.show),
            *self._on_one("PATCH", "", self.update),
            *self._on_one("DELETE", "", self.delete),
            *self._on_one("POST", "/addPassword", self.add_password),
            *self._on_one("POST", "/removePassword", self.remove_password),
            *self._on_one("GET", "/owners", self.owners),
            *self._on_one("POST", "/owners/$ref", self.add_owner),
            *self._on_one("GET", federated, self.list_federated),
            *self._on_one("POST", federated, self.create_federated),
            *self._on_one("GET", federated + "/{credential}", self.show_federated),
            *self._on_one("PATCH", federated + "/{credential}", self.update_federated),
            *self._on_one("DELETE", federated + "/{credential}", self.delete_federated),
        ]

    def _on_one(self, method: str, path: str, handler: Handler) -> list[Endpoint]:
        by_client_id = self.at(method, f"/applications(appId='{{app_id}}'){path}", handler)
        return by_client_id + self.at(method, f"/applications/{{id}}{path}", handler)

    def _find(self, call: Call) -> Entity:
        """The application of the path. Raises Request_ResourceNotFound; reading needs the privilege, too."""
        self.check_privileges(call)
        if app_id := call.params.get("app_id"):
            found = self.directory.application_of(app_id)
        else:
            found = self.store.get(APPLICATION, call.params["id"].lower())
        if found is None:
            raise self.not_found(app_id or call.params["id"])
        return found

    def list(self, call: Call) -> Body:
        self.check_privileges(call)
        return self.collection(call, "applications", self.store.list(APPLICATION))

    def create(self, call: Call) -> Response:
        """201; display names need not be unique, as in Entra."""
        self.check_privileges(call)
        wanted = self._checked(call.json(), new=True)
        with self.store.transaction():
            made = self.directory.register_application(wanted)
            owner = {"application": made["id"], "owner": call.caller.object_id}
            self.store.put(OWNER_OF, f"{made['id']}/{call.caller.object_id}", owner)
        return answer(self.entity(call, "applications/$entity", made), 201)

    def _checked(self, wanted: Body, new: bool) -> Body:
        """Without annotations. Raises Request_BadRequest for what may not be set or makes no sense."""
        wanted = {name: value for name, value in wanted.items() if not name.startswith("@")}
        if new and not wanted.get("displayName"):
            raise self.required("displayName", "Application")
        for name in READ_ONLY:
            if name in wanted:
                raise self.dialect.malformed(f"Property '{name}' is read-only and cannot be set.")
        if "displayName" in wanted and not 1 <= len(str(wanted["displayName"] or "")) <= 256:
            message = "Invalid value specified for property 'displayName' of resource 'Application'."
            raise self.dialect.malformed(message)
        if wanted.pop("passwordCredentials", None):
            message = "passwordCredentials cannot be set on this request. Use addPassword to create a client secret."
            raise self.dialect.malformed(message)
        return wanted

    def show(self, call: Call) -> Body:
        return self.entity(call, "applications/$entity", self._find(call))

    def update(self, call: Call) -> Response:
        application = self._find(call)
        wanted = self._checked(call.json(), new=False)
        with self.store.transaction():
            self.store.put(APPLICATION, application["id"], self._find(call) | wanted)
            principal = self.directory.service_principal_of(application["appId"])
            if principal and "displayName" in wanted:
                name = {"displayName": wanted["displayName"], "appDisplayName": wanted["displayName"]}
                self.store.put(SERVICE_PRINCIPAL, principal["id"], principal | name)
        return empty(204)

    def delete(self, call: Call) -> Response:
        """And its service principal with it."""
        application = self._find(call)
        with self.store.transaction():
            self.directory.remove_application(application)
            for key, _ in self.store.items(OWNER_OF, application["id"] + "/"):
                self.store.delete(OWNER_OF, key)
        return empty(204)

    def add_password(self, call: Call) -> Body:
        """The one answer that has the secret's value."""
        application = self._find(call)
        wanted = call.json().get("passwordCredential") or {}
        try:
            start = clock.parse(wanted["startDateTime"]) if wanted.get("startDateTime") else datetime.now(UTC)
            end = clock.parse(wanted["endDateTime"]) if wanted.get("endDateTime") else default_end(start)
        except (TypeError, ValueError) as error:
            message = "Cannot convert a value to target type 'Edm.DateTimeOffset' because of conversion error."
            raise self.dialect.malformed(message) from error
        if end <= start:
            raise self.dialect.malformed("Key credential end date is invalid.")
        made = self.directory.add_secret(application, wanted.get("displayName"), start, end)
        return self.entity(call, "microsoft.graph.passwordCredential", made)

    def remove_password(self, call: Call) -> Response:
        application = self._find(call)
        key_id = call.json().get("keyId")
        if not key_id:
            raise self.required("keyId", "PasswordCredential")
        if not self.directory.remove_secret(application, str(key_id).lower()):
            raise self.dialect.malformed(f"No password credential found with keyId '{key_id}'.")
        return empty(204)

    def owners(self, call: Call) -> Body:
        application = self._find(call)
        kept = self.store.list(OWNER_OF, application["id"] + "/")
        found = (self.directory.find(one["owner"]) for one in kept)
        return self.collection(call, "directoryObjects", [typed(*one) for one in found if one])

    def add_owner(self, call: Call) -> Response:
        application = self._find(call)
        object_id = str(call.json().get("@odata.id", "")).rstrip("/").rsplit("/", 1)[-1]
        if self.directory.find(object_id) is None:
            raise self.not_found(object_id)
        key = f"{application['id']}/{object_id}"
        if self.store.get(OWNER_OF, key):
            message = (
                "One or more added object references already exist for the following modified properties: 'owners'."
            )
            raise self.dialect.malformed(message)
        self.store.put(OWNER_OF, key, {"application": application["id"], "owner": object_id})
        return empty(204)

    def list_federated(self, call: Call) -> Body:
        application = self._find(call)
        context = f"applications('{application['id']}')/federatedIdentityCredentials"
        return self.collection(call, context, self.directory.federated_credentials(application))

    def create_federated(self, call: Call) -> Response:
        """201; name, and issuer with subject, are unique within the application."""
        application = self._find(call)
        wanted = call.json()
        for name in ("name", "issuer", "subject", "audiences"):
            if not wanted.get(name):
                raise self.required(name, "FederatedIdentityCredential")
        self._check_federated(wanted)
        made: dict[str, Any] = {"id": str(uuid.uuid4()), "description": None}
        made |= {name: wanted[name] for name in ("name", "issuer", "subject", "audiences")}
        made["description"] = wanted.get("description")
        with self.store.transaction():
            self._check_unique(application, made)
            self.store.put(FEDERATED, f"{application['id']}/{made['id']}", made)
        context = f"applications('{application['id']}')/federatedIdentityCredentials/$entity"
        return answer(self.entity(call, context, made), 201)

    def _check_federated(self, wanted: Body) -> None:
        if "name" in wanted and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", str(wanted["name"])):
            message = f"FederatedIdentityCredential name '{wanted['name']}' must be 3 to 120 URL friendly characters."
            raise self.dialect.malformed(message)
        if "audiences" in wanted and (not isinstance(wanted["audiences"], list) or len(wanted["audiences"]) != 1):
            raise self.dialect.malformed("FederatedIdentityCredential must have exactly one audience.")

    def _check_unique(self, application: Entity, wanted: Entity) -> None:
        others = [one for one in self.directory.federated_credentials(application) if one["id"] != wanted["id"]]
        if len(others) >= MOST_FEDERATED:
            message = f"An application cannot have more than {MOST_FEDERATED} federated identity credentials."
            raise self.dialect.malformed(message)
        for one in others:
            if one["name"] == wanted["name"]:
                raise self.already(f"FederatedIdentityCredential with name {wanted['name']} already exists.")
            if (one["issuer"], one["subject"]) == (wanted["issuer"], wanted["subject"]):
                message = f"FederatedIdentityCredential with issuer {one['issuer']} and subject {one['subject']} "
                raise self.already(message + "already exists.")

    def _federated(self, call: Call) -> tuple[Entity, Entity]:
        application, wanted = self._find(call), call.params["credential"]
        for one in self.directory.federated_credentials(application):
            if wanted in (one["id"], one["name"]):
                return application, one
        raise self.not_found(wanted)

    def show_federated(self, call: Call) -> Body:
        application, found = self._federated(call)
        context = f"applications('{application['id']}')/federatedIdentityCredentials/$entity"
        return self.entity(call, context, found)

    def update_federated(self, call: Call) -> Response:
        """Everything but the name."""
        application, found = self._federated(call)
        wanted = call.json()
        if wanted.get("name", found["name"]) != found["name"]:
            raise self.dialect.malformed("Property 'name' is read-only and cannot be set.")
        self._check_federated(wanted)
        changed = found | {
            key: wanted[key] for key in ("issuer", "subject", "audiences", "description") if key in wanted
        }
        with self.store.transaction():
            self._check_unique(application, changed)
            self.store.put(FEDERATED, f"{application['id']}/{found['id']}", changed)
        return empty(204)

    def delete_federated(self, call: Call) -> Response:
        application, found = self._federated(call)
        self.store.delete(FEDERATED, f"{application['id']}/{found['id']}")
        return empty(204)
