"""Graph's service principals: an application's presence in the tenant, to which roles are assigned.

Shapes: Microsoft Graph REST reference 1.0, servicePrincipal.
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, answer, empty
from mlops_tui.sandbox.directory import SERVICE_PRINCIPAL, Entity
from mlops_tui.sandbox.graph import GraphService


class ServicePrincipals(GraphService):
    """/servicePrincipals, each one by its object id or as servicePrincipals(appId='…')."""

    def routes(self) -> list[Endpoint]:
        return [
            *self.at("GET", "/servicePrincipals", self.list),
            *self.at("POST", "/servicePrincipals", self.create),
            *self._on_one("GET", self.show),
            *self._on_one("DELETE", self.delete),
        ]

    def _on_one(self, method: str, handler: Handler) -> list[Endpoint]:
        by_client_id = self.at(method, "/servicePrincipals(appId='{app_id}')", handler)
        return by_client_id + self.at(method, "/servicePrincipals/{id}", handler)

    def _find(self, call: Call) -> Entity:
        self.check_privileges(call)
        if app_id := call.params.get("app_id"):
            found = self.directory.service_principal_of(app_id)
        else:
            found = self.store.get(SERVICE_PRINCIPAL, call.params["id"].lower())
        if found is None:
            raise self.not_found(app_id or call.params["id"])
        return found

    def list(self, call: Call) -> Body:
        self.check_privileges(call)
        return self.collection(call, "servicePrincipals", self.store.list(SERVICE_PRINCIPAL))

    def create(self, call: Call) -> Response:
        """201; one to an application."""
        self.check_privileges(call)
        app_id = str(call.json().get("appId") or "")
        if not app_id:
            raise self.required("appId", "ServicePrincipal")
        with self.store.transaction():
            application = self.directory.application_of(app_id)
            if application is None:
                message = (
                    f"The appId '{app_id}' of the service principal does not reference a valid application object."
                )
                raise self.dialect.malformed(message)
            if self.directory.service_principal_of(app_id):
                message = (
                    "The service principal cannot be created, updated, or restored because the service principal name "
                    f"{app_id} is already in use."
                )
                raise self.already(message)
            made = self.directory.add_service_principal(application, self.sandbox.tenant_id)
        return answer(self.entity(call, "servicePrincipals/$entity", made), 201)

    def show(self, call: Call) -> Body:
        return self.entity(call, "servicePrincipals/$entity", self._find(call))

    def delete(self, call: Call) -> Response:
        """The application stays."""
        self.store.delete(SERVICE_PRINCIPAL, self._find(call)["id"])
        return empty(204)
