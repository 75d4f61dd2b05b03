"""What a pipeline of Azure DevOps needs around it: service connection, environments with checks, permissions.

Calls: Azure DevOps REST 7.1, ServiceEndpoint, DistributedTask, Approvals and checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui.clouds.azure_devops_rest import PREVIEW, DevOpsRest
from mlops_tui.clouds.ci_host import Account
from mlops_tui.clouds.cloud import AZURE, PUBLIC_CLOUDS
from mlops_tui.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.project import Project

Body = dict[str, Any]
FEDERATION = "WorkloadIdentityFederation"
APPROVAL = ("8c6f20a7-a545-4486-9777-f762fafe0d4d", "Approval")
LOCK = ("2ef31ad6-baa0-403a-8b45-2cbc9b4e5563", "ExclusiveLock")  # one run at a time
LONGEST_WAIT = 43_200  # minutes: 30 days


@dataclass(frozen=True)
class Place:
    """The project there, as far as it matters."""

    id: str
    is_ours: bool


@dataclass(frozen=True)
class Connection:
    """A service connection to Azure. Issuer and subject are whom an application must trust for it."""

    id: str
    name: str
    client_id: str
    tenant_id: str
    scheme: str
    issuer: str
    subject: str
    is_ours: bool


@dataclass(frozen=True)
class Environment:
    id: str
    name: str
    is_ours: bool


@dataclass(frozen=True)
class Check:
    """A guard of an environment; approvers by id and by name."""

    id: str
    kind: str
    approvers: Mapping[str, str] = field(default_factory=dict)


class DevOpsWires:
    """Every call may raise what `ci_host` names, and NotFoundError where the project is not there."""

    def __init__(self, rest: DevOpsRest, identities: DevOpsRest, project: Project, cloud: Cloud) -> None:
        self._rest, self._identities, self._cloud = rest, identities, cloud
        self._project, self._name = project.ci_project, project.name
        self.visibility = project.ci.visibility
        self.mark = f"made by mlops-tui for {project.name}"  # in the description of what we make

    def find_project(self) -> Place | None:
        try:
            with self._rest.speaking_of(f"the project {self._project} in Azure DevOps"):
                found = self._rest.call("GET", f"_apis/projects/{quote(self._project)}")
        except NotFoundError:
            return None
        return Place(found["id"], found.get("description") == self.mark)

    def find_identity(self, name: str) -> Account | None:
        """A member, by e-mail address or name. Raises UsageError where several fit."""
        asked = {"searchFilter": "General", "filterValue": name, "queryMembership": "None"}
        with self._rest.speaking_of(f"the member {name}"):
            found = self._identities.values("_apis/identities", **asked)
        if len(found) > 1:
            exact = [one for one in found if _account_name(one).lower() == name.lower()]
            if len(exact) != 1:
                hint = "Name the e-mail address in ci.approvers."
                raise UsageError(f"{len(found)} members of the organisation are known as {name!r}.", hint=hint)
            found = exact
        return Account(found[0]["id"], _account_name(found[0]), found[0]["providerDisplayName"]) if found else None

    # Service connection

    def find_connection(self, name: str) -> Connection | None:
        with self._rest.speaking_of(f"the service connection {name}"):
            found = self._rest.values(self._at("serviceendpoint/endpoints"), endpointNames=name)
        return self._connection(found[0]) if found else None

    def put_connection(
        self, name: str, application: Mapping[str, str], subscription: Mapping[str, str], own_id: str = ""
    ) -> Connection:
        """By federation, without a secret. `application` has tenantid and serviceprincipalid, `subscription` id, name.

        With `own_id` that one is changed. Raises ConflictError where the name is taken by one that is not shown.
        """
        place = self.find_project()
        if place is None:
            raise NotFoundError(f"There is no project {self._project} in Azure DevOps.")
        body: Body = {
            "name": name,
            "type": "azurerm",
            "url": f"{self._cloud.resource_manager}/",
            "description": self.mark,
            "isShared": False,
            "authorization": {"scheme": FEDERATION, "parameters": dict(application)},
            "data": {
                "environment": self._cloud.name if self._cloud.name in PUBLIC_CLOUDS else AZURE.name,
                "scopeLevel": "Subscription",
                "creationMode": "Manual",
                "subscriptionId": subscription["id"],
                "subscriptionName": subscription["name"],
            },
            "serviceEndpointProjectReferences": [
                {"projectReference": {"id": place.id, "name": self._project}, "name": name, "description": self.mark}
            ],
        }
        with self._rest.speaking_of(f"the service connection {name}"):
            if own_id:
                made = self._rest.call("PUT", f"_apis/serviceendpoint/endpoints/{own_id}", body | {"id": own_id})
            else:
                made = self._rest.call("POST", "_apis/serviceendpoint/endpoints", body)
        return self._connection(made)

    def delete_connection(self, connection: Connection) -> None:
        place = self.find_project()
        if place is not None:
            with self._rest.speaking_of(f"the service connection {connection.name}"):
                self._rest.call("DELETE", f"_apis/serviceendpoint/endpoints/{connection.id}", projectIds=place.id)

    def _connection(self, found: Body) -> Connection:
        parameters = found["authorization"].get("parameters") or {}
        return Connection(
            id=found["id"],
            name=found["name"],
            client_id=str(parameters.get("serviceprincipalid") or ""),
            tenant_id=str(parameters.get("tenantid") or ""),
            scheme=str(found["authorization"].get("scheme") or ""),
            issuer=str(parameters.get("workloadIdentityFederationIssuer") or ""),
            subject=str(parameters.get("workloadIdentityFederationSubject") or ""),
            is_ours=found.get("description") == self.mark,
        )

    # Environments and their checks

    def find_environment(self, name: str) -> Environment | None:
        with self._rest.speaking_of(f"the environment {name}"):
            found = self._rest.values(
                self._at("distributedtask/environments"), **{"name": name, "api-version": PREVIEW}
            )
        return next((self._environment(one) for one in found if one["name"].lower() == name.lower()), None)

    def make_environment(self, name: str) -> Environment:
        body = {"name": name, "description": self.mark}
        with self._rest.speaking_of(f"the environment {name}"):
            made = self._rest.call("POST", self._at("distributedtask/environments"), body, **{"api-version": PREVIEW})
        return self._environment(made)

    def delete_environment(self, environment: Environment) -> None:
        place = self._at(f"distributedtask/environments/{environment.id}")
        with self._rest.speaking_of(f"the environment {environment.name}"):
            self._rest.call("DELETE", place, **{"api-version": PREVIEW})

    def _environment(self, found: Body) -> Environment:
        return Environment(str(found["id"]), found["name"], found.get("description") == self.mark)

    def checks(self, environment: Environment) -> tuple[Check, ...]:
        asked = {"resourceType": "environment", "resourceId": environment.id, "$expand": "settings"}
        with self._rest.speaking_of(f"the checks of the environment {environment.name}"):
            found = self._rest.values(self._at("pipelines/checks/configurations"), **asked, **{"api-version": PREVIEW})
        return tuple(_check(one) for one in found)

    def put_approval(self, environment: Environment, approvers: Sequence[Account], own_id: str = "") -> None:
        """One of them must say yes, whoever has asked for the run. With `own_id` that check is changed."""
        settings = {
            "approvers": [{"id": one.id} for one in approvers],
            "executionOrder": "anyOrder",
            "minRequiredApprovers": 1,
            "requesterCannotBeApprover": False,
            "instructions": f"Shall this build of {self._name} go into production?",
            "blockedApprovers": [],
        }
        self._put_check(environment, APPROVAL, settings, own_id)

    def put_lock(self, environment: Environment) -> None:
        """One run at a time; the pipeline's file says what becomes of the others (lockBehavior)."""
        self._put_check(environment, LOCK, {}, "")

    def _put_check(self, environment: Environment, kind: tuple[str, str], settings: Body, own_id: str) -> None:
        body: Body = {
            "type": {"id": kind[0], "name": kind[1]},
            "settings": settings,
            "timeout": LONGEST_WAIT,
            "resource": {"type": "environment", "id": environment.id, "name": environment.name},
        }
        method, place = "POST", self._at("pipelines/checks/configurations")
        if own_id:
            method, place, body = "PATCH", f"{place}/{own_id}", body | {"id": int(own_id)}
        with self._rest.speaking_of(f"the checks of the environment {environment.name}"):
            self._rest.call(method, place, body, **{"api-version": PREVIEW})

    # Which pipelines may use a resource ("endpoint", "environment", "queue")

    def permitted(self, kind: str, number: str) -> frozenset[int]:
        with self._rest.speaking_of(f"the permissions of the {kind} {number}"):
            found = self._rest.call("GET", self._permissions(kind, number), None, **{"api-version": PREVIEW})
        return frozenset(int(one["id"]) for one in found.get("pipelines") or [] if one.get("authorized"))

    def permit(self, kind: str, number: str, pipeline: int) -> None:
        body = {"pipelines": [{"id": pipeline, "authorized": True}]}
        with self._rest.speaking_of(f"the permissions of the {kind} {number}"):
            self._rest.call("PATCH", self._permissions(kind, number), body, **{"api-version": PREVIEW})

    def _permissions(self, kind: str, number: str) -> str:
        return self._at(f"pipelines/pipelinepermissions/{kind}/{number}")

    def _at(self, path: str) -> str:
        return f"{quote(self._project)}/_apis/{path}"


def _account_name(found: Body) -> str:
    return str((found.get("properties") or {}).get("Account", {}).get("$value") or found.get("providerDisplayName"))


def _check(found: Body) -> Check:
    approvers = (found.get("settings") or {}).get("approvers") or []
    named = {one["id"]: one.get("uniqueName") or one.get("displayName") or one["id"] for one in approvers}
    return Check(str(found["id"]), str(found["type"]["id"]).lower(), named)
