"""The real Azure clients, pointed at a live sandbox, for the contract tests of its Azure side."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import jwt
import pytest
from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment, RoleAssignmentCreateParameters
from azure.mgmt.databricks import AzureDatabricksManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

from tests.conftest import LiveSandbox
from tests.credentials import of_owner

STRANGER = "11111111-1111-4111-8111-111111111111"  # nobody, nothing
LEARNER = "00000000-0000-4000-8000-000000001ea4"
CONTRIBUTOR, READER = "b24988ac-6180-42a0-ab88-20f7382dd24c", "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class SupportsClose(Protocol):
    def close(self) -> None: ...


AClient = TypeVar("AClient", bound=SupportsClose)
OPEN: list[SupportsClose] = []  # what the test at work has opened


def closed_later(client: AClient) -> AClient:
    """The client, which `close_clients` will close: an open connection keeps a stopping server waiting."""
    OPEN.append(client)
    return client


@pytest.fixture(autouse=True)
def close_clients() -> Iterator[None]:
    """Modules import it, and it works in each of their tests."""
    yield
    while OPEN:
        OPEN.pop().close()


def credentials(live: LiveSandbox) -> dict[str, str]:
    """What the sandbox has written down for its owner."""
    return of_owner(live.folder)


def sign_in_options(live: LiveSandbox) -> dict[str, Any]:
    return {"authority": live.origin, "disable_instance_discovery": True, "connection_verify": str(live.ca)}


def secret_credential(live: LiveSandbox, client_id: str, value: str) -> ClientSecretCredential:
    tenant = credentials(live)["tenant_id"]
    return closed_later(ClientSecretCredential(tenant, client_id, value, **sign_in_options(live)))


def raw(
    live: LiveSandbox, method: str, path: str, form: dict[str, str] | None = None, json: Any = None, **headers: str
) -> Any:
    """An answer as it is on the wire, without any client's help."""
    client: PipelineClient[Any, Any] = PipelineClient(live.origin, policies=[policies.ContentDecodePolicy()])
    request = HttpRequest(method, live.origin + path, data=form, json=json, headers=headers)
    with client:
        response = client.send_request(request, connection_verify=str(live.ca))
        response.read()
    return response


class GraphClient:
    """Microsoft Graph as azure-core speaks it."""

    def __init__(self, live: LiveSandbox, credential: TokenCredential, root: str) -> None:
        self._root = root
        self._options: dict[str, Any] = {"connection_verify": str(live.ca)}
        self._client: PipelineClient[Any, Any] = PipelineClient(
            root,
            policies=[
                policies.BearerTokenCredentialPolicy(credential, f"{live.origin}/graph/.default"),
                policies.ContentDecodePolicy(),
            ],
        )
        closed_later(self._client)

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The JSON of the answer; raises azure-core's HttpResponseError with Graph's code and message."""
        url = path if path.startswith("https:") else f"{self._root}/{path}"
        request = HttpRequest(method, url, json=body, params={f"${name}": value for name, value in query.items()})
        response = self._client.send_request(request, **self._options)
        if response.status_code >= 400:
            raise HttpResponseError(response=response)
        return response.json() if response.status_code != 204 else None

    def list(self, path: str, **query: str) -> Iterator[Any]:
        page = self.call("GET", path, **query)
        yield from page["value"]
        while link := page.get("@odata.nextLink"):
            page = self.call("GET", link)
            yield from page["value"]


@dataclass
class Azure:
    """One identity with every client it needs."""

    live: LiveSandbox
    credential: TokenCredential

    @property
    def subscription(self) -> str:
        return credentials(self.live)["subscription_id"]

    @property
    def root(self) -> str:
        return f"/subscriptions/{self.subscription}"

    @property
    def _options(self) -> dict[str, Any]:
        origin = self.live.origin
        scopes = [f"{origin}/.default"]
        return {"base_url": origin, "credential_scopes": scopes, "connection_verify": str(self.live.ca)}

    @cached_property
    def resources(self) -> ResourceManagementClient:
        return closed_later(ResourceManagementClient(self.credential, self.subscription, **self._options))

    @cached_property
    def roles(self) -> AuthorizationManagementClient:
        return closed_later(AuthorizationManagementClient(self.credential, self.subscription, **self._options))

    @cached_property
    def databricks(self) -> AzureDatabricksManagementClient:
        return closed_later(AzureDatabricksManagementClient(self.credential, self.subscription, **self._options))

    @cached_property
    def subscriptions(self) -> SubscriptionClient:
        return closed_later(SubscriptionClient(self.credential, **self._options))

    @cached_property
    def graph(self) -> GraphClient:
        return GraphClient(self.live, self.credential, f"{self.live.origin}/graph/v1.0")

    def group(self, prefix: str = "rg") -> str:
        """A new resource group's name."""
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        self.resources.resource_groups.create_or_update(name, {"location": "westeurope"})
        return name

    def assign(self, scope: str, principal_id: str, role: str) -> RoleAssignment:
        """Give a service principal a role; `role` is its id. (The SDK says "User" where the type is not given.)"""
        definition = f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        wanted = RoleAssignmentCreateParameters(
            role_definition_id=definition, principal_id=principal_id, principal_type="ServicePrincipal"
        )
        made: RoleAssignment = self.roles.role_assignments.create(scope, str(uuid.uuid4()), wanted)
        return made

    def service_principal(self, name: str) -> ServicePrincipal:
        """A new application with its principal and a client secret, as `az ad sp create-for-rbac` makes them."""
        application = self.graph.call("POST", "applications", {"displayName": name})
        principal = self.graph.call("POST", "servicePrincipals", {"appId": application["appId"]})
        made = self.graph.call("POST", f"applications/{application['id']}/addPassword", {})
        credential = secret_credential(self.live, application["appId"], made["secretText"])
        return ServicePrincipal(application, principal, made["secretText"], Azure(self.live, credential))


@dataclass
class ServicePrincipal:
    application: dict[str, Any]
    principal: dict[str, Any]
    secret: str
    azure: Azure  # signed in as this principal


def owner(live: LiveSandbox) -> Azure:
    kept = credentials(live)
    return Azure(live, secret_credential(live, kept["client_id"], kept["client_secret"]))


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def code_of(error: HttpResponseError) -> str:
    """The error code in an answer of ARM or Graph."""
    assert error.error is not None
    return str(error.error.code)


def wait_until(seconds: float = 5.0) -> Iterator[None]:
    """Turns of a loop until it breaks; fails the test when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)
    raise AssertionError(f"it did not happen within {seconds} s")
