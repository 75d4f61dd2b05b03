"""Service connections of Azure DevOps to Azure, and the tokens by which a job proves that it may use one.

Shapes: Azure DevOps REST, ServiceEndpoint (endpoints) and DistributedTask (oidctoken). Issuer and subject are those of
connections since 2025 ("Entra-issued tokens"): the tenant's issuer, and
/eid1/c/pub/t/{tenant id}/a/{Azure DevOps' application id}/sc/{organisation's id}/{connection's id}, the first two as
base64url of their 16 bytes.
"""

from __future__ import annotations

import base64
import time
import uuid
from copy import deepcopy

from starlette.responses import Response

from mlops_tui.sandbox import devops_dialect
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, empty
from mlops_tui.sandbox.devops_environments import PERMISSION, Environments
from mlops_tui.sandbox.devops_service import PROJECT, DevOpsService, listed
from mlops_tui.sandbox.host_tokens import HostTokens
from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN
from mlops_tui.sandbox.sandbox import DEVOPS_APP

ENDPOINT = "devops-endpoint"  # by "{project's id}/{id}"
AUDIENCE = "api://AzureADTokenExchange"
LIFETIME = 600  # seconds of a job's token for a connection
HIDDEN = ("serviceprincipalkey", "apitoken", "password")
CREATE = "Create service connection"


class Connections(DevOpsService):
    def routes(self) -> list[Endpoint]:
        place, one = "/serviceendpoint/endpoints", "/serviceendpoint/endpoints/{id}"
        token = "/distributedtask/hubs/build/plans/{plan}/jobs/{job}/oidctoken"  # noqa: S105 (a path)
        return [
            self.in_project("GET", place, self.list),
            self.in_project("GET", one, self.show),
            self.at("POST", f"/_apis{place}", self.create, CREATE, "administrator"),
            self.at("PUT", f"/_apis{one}", self.update, CREATE, "administrator"),
            self.at("DELETE", f"/_apis{one}", self.delete, "Administer service connection", "administrator"),
            self.in_project("POST", token, self.token),
        ]

    def find(self, project: Body, wanted: str) -> Body | None:
        """By name or id."""
        kept = self.store.list(ENDPOINT, project["id"] + "/")
        return next((one for one in kept if wanted.lower() in (one["id"], one["name"].lower())), None)

    def list(self, call: Call) -> Body:
        kept = self.store.list(ENDPOINT, self.project(call)["id"] + "/")
        names = call.query.get("endpointNames", "").lower()
        return listed([_shown(one) for one in kept if not names or one["name"].lower() in names.split(",")])

    def show(self, call: Call) -> Body | Response:
        """Null where there is none: this service says so with 200."""
        found = self.store.get(ENDPOINT, f"{self.project(call)['id']}/{call.params['id']}")
        return _shown(found) if found else Response("null", media_type="application/json")

    def create(self, call: Call) -> Body:
        """In the first of serviceEndpointProjectReferences; issuer and subject are in the answer."""
        wanted = call.json()
        project = self._project_of(call, wanted)
        with self.store.transaction():
            if self.find(project, wanted["name"]):
                text = (
                    f"Service connection with name {wanted['name']} already exists. Only a user having Administrator/"
                    f"User role permissions on service connection {wanted['name']} can see it."
                )
                raise self.dialect.error(409, "DuplicateServiceConnectionException", text)
            made = self._made(call, wanted, str(uuid.uuid4()))
            self.store.put(ENDPOINT, f"{project['id']}/{made['id']}", made)
        return _shown(made)

    def update(self, call: Call) -> Body:
        wanted = call.json()
        project = self._project_of(call, wanted)
        before = self._needed(project, call.params["id"])
        made = self._made(call, wanted, before["id"])
        self.store.put(ENDPOINT, f"{project['id']}/{made['id']}", made)
        return _shown(made)

    def delete(self, call: Call) -> Response:
        for number in self.asked(call, "projectIds").split(","):
            project = self.find_project(self.organization(call), number)
            if project is None:
                raise self.no_project(number)
            self.store.delete(ENDPOINT, f"{project['id']}/{call.params['id']}")
            self.store.delete(PERMISSION, f"{project['id']}/endpoint/{call.params['id']}")
        return empty(204)

    def _needed(self, project: Body, wanted: str) -> Body:
        found = self.find(project, wanted)
        if found is None:
            text = f"Service connection {wanted} does not exist in the project {project['name']}."
            raise self.dialect.error(404, "ServiceEndpointNotFoundException", text)
        return found

    def _project_of(self, call: Call, wanted: Body) -> Body:
        """Checks the shape, too."""
        references = wanted.get("serviceEndpointProjectReferences") or []
        if not wanted.get("name") or not references:
            raise self.dialect.malformed("A service connection needs name and serviceEndpointProjectReferences.")
        if wanted.get("type") != "azurerm":
            raise self.dialect.malformed("The sandbox has service connections of the type azurerm only.")
        number = str((references[0].get("projectReference") or {}).get("id") or "")
        project = self.store.get(PROJECT, f"{self.organization(call)['id']}/{number}")
        if project is None:
            raise self.no_project(number)
        return project

    def _made(self, call: Call, wanted: Body, own_id: str) -> Body:
        authorization = deepcopy(wanted.get("authorization") or {})
        parameters = authorization.setdefault("parameters", {})
        if not parameters.get("tenantid") or not parameters.get("serviceprincipalid"):
            raise self.dialect.malformed("authorization.parameters needs tenantid and serviceprincipalid.")
        if authorization.get("scheme") == "WorkloadIdentityFederation":
            parameters["workloadIdentityFederationIssuer"] = f"{self.sandbox.origin}/{self.sandbox.tenant_id}/v2.0"
            parameters["workloadIdentityFederationSubject"] = self._subject(call, own_id)
        elif authorization.get("scheme") != "ServicePrincipal":
            raise self.dialect.malformed(f"The authorization scheme {authorization.get('scheme')} is not supported.")
        kept = ("name", "type", "url", "description", "data", "isShared", "serviceEndpointProjectReferences")
        return {name: wanted.get(name) for name in kept} | {
            "id": own_id,
            "authorization": authorization,
            "createdBy": self.identity(call),
            "isReady": True,
            "owner": "Library",
        }

    def _subject(self, call: Call, own_id: str) -> str:
        tenant, app = _short(self.sandbox.tenant_id), _short(DEVOPS_APP)
        return f"/eid1/c/pub/t/{tenant}/a/{app}/sc/{self.organization(call)['id']}/{own_id}"

    def token(self, call: Call) -> Body:
        """For the job that asks, while it runs, and for a connection that its pipeline may use."""
        scopes = HostTokens(self.store).scopes(devops_dialect.credential(call))
        run = self.store.get(PIPELINE_RUN, call.params["plan"])
        if scopes[2:] != (call.params["plan"], call.params["job"]) or run is None or run["state"] == "completed":
            raise self.denied(call.caller, "Use service connection")
        project = self.project(call)
        endpoint = self._needed(project, self.asked(call, "serviceConnectionId"))
        if int(run["pipeline"]) not in self.sandbox.find(Environments).permitted(project, "endpoint", endpoint["id"]):
            raise self._not_authorized(endpoint)
        parameters = endpoint["authorization"]["parameters"]
        if "workloadIdentityFederationSubject" not in parameters:
            raise self.dialect.malformed(f"The service connection {endpoint['name']} has a secret, and no federation.")
        now = int(time.time())
        claims = {
            "iss": parameters["workloadIdentityFederationIssuer"],
            "sub": parameters["workloadIdentityFederationSubject"],
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": str(uuid.uuid4()),
        }
        return {"oidcToken": self.sandbox.tokens.sign(claims)}

    def _not_authorized(self, endpoint: Body) -> ApiError:
        text = (
            f"The service connection {endpoint['name']} could not be found. The service connection does not exist, "
            "has been disabled or has not been authorized for use. For authorization details, refer to "
            "https://aka.ms/yamlauthz."
        )
        return self.dialect.error(404, "ServiceEndpointNotFoundException", text)


def _short(guid: str) -> str:
    return base64.urlsafe_b64encode(uuid.UUID(guid).bytes_le).rstrip(b"=").decode()


def _shown(endpoint: Body) -> Body:
    """Secrets are null in every answer."""
    shown = deepcopy(endpoint)
    parameters = shown["authorization"]["parameters"]
    for name in HIDDEN:
        if name in parameters:
            parameters[name] = None
    return shown
