"""What the stories of key vaults share: an owner, a workspace, vaults, and calls to their data plane."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from azure.mgmt.resource.resources.models import GenericResource
from databricks.sdk.service.workspace import AzureKeyVaultSecretScopeMetadata, ScopeBackendType

from mlops_tui.sandbox.sandbox import DATABRICKS_APP
from tests.contract.azure_fixtures import (
    Azure,
    credentials,
    owner,
    raw,
)
from tests.contract.workspace_users import client, fresh, learner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

OFFICER, READER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "4633458b-17de-408a-b874-0445c86b69e6"
VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"
VERSION = "2023-07-01"


def vault_owner(live: LiveSandbox) -> Azure:
    """The owner of a subscription that may have key vaults and Databricks workspaces."""
    one = owner(live)
    for namespace in ("Microsoft.KeyVault", "Microsoft.Databricks"):
        one.resources.providers.register(namespace)
    return one


def entra_member(live: LiveSandbox, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    """The owner in the workspace, signed in through Entra: a personal token can back no scope with a vault."""
    workspace_in(azure)
    sessions = learner(live, monkeypatch)
    next(sessions)
    yield client(live.origin, azure.credential.get_token(f"{DATABRICKS_APP}/.default").token)
    next(sessions, None)


def workspace_in(azure: Azure) -> None:
    if list(azure.databricks.workspaces.list_by_subscription()):
        return
    group = azure.group()
    properties = {"managedResourceGroupId": f"{azure.root}/resourceGroups/{group}-managed", "computeMode": "Hybrid"}
    wanted: Any = {"location": "westeurope", "sku": {"name": "premium"}, "properties": properties}
    azure.databricks.workspaces.begin_create_or_update(group, "practice", wanted).result(timeout=30)


def wanted_vault(azure: Azure, **properties: Any) -> GenericResource:
    tenant = credentials(azure.live)["tenant_id"]
    facts = {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
    return GenericResource(location="westeurope", properties=facts | properties)


def create(azure: Azure, name: str, group: str = "", **properties: Any) -> Any:
    """The vault as Azure answers it, once it is ready."""
    place = f"{azure.root}/resourceGroups/{group or azure.group()}/providers/Microsoft.KeyVault/vaults/{name}"
    poller = azure.resources.resources.begin_create_or_update_by_id(
        place, wanted_vault(azure, **properties), api_version=VERSION
    )
    return poller.result(timeout=20)


def new_name() -> str:
    return f"kv-{uuid.uuid4().hex[:12]}"


def own_vault(azure: Azure) -> Any:
    """A new vault, whose secrets the owner may write."""
    made = create(azure, new_name())
    kept = credentials(azure.live)
    owners = azure.graph.call("GET", f"servicePrincipals(appId='{kept['client_id']}')")
    azure.assign(made.id, owners["id"], OFFICER)
    return made


def data(azure: Azure, method: str, url: str, body: Any = None, version: str = "7.4") -> Any:
    """An answer of the data plane to this identity."""
    token = azure.credential.get_token("https://vault.azure.net/.default").token
    path = url.removeprefix(azure.live.origin)
    separator = "&" if "?" in path else "?"
    path += "" if "api-version=" in path or not version else f"{separator}api-version={version}"
    return raw(azure.live, method, path, json=body, Authorization=f"Bearer {token}")


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def put(azure: Azure, vault: Any, name: str, value: str, **facts: Any) -> Any:
    answer = data(azure, "PUT", f"{vault.properties['vaultUri']}secrets/{name}", {"value": value} | facts)
    assert answer.status_code == 200, answer.text()
    return answer.json()


def databricks_application(azure: Azure) -> str:
    """The object id of AzureDatabricks' service principal."""
    found: str = azure.graph.call("GET", f"servicePrincipals(appId='{DATABRICKS_APP}')")["id"]
    return found


def back(w: WorkspaceClient, vault: Any) -> str:
    """A new scope, backed by the vault."""
    name = fresh("kv")
    metadata = AzureKeyVaultSecretScopeMetadata(vault.id, vault.properties["vaultUri"])
    w.secrets.create_scope(name, scope_backend_type=ScopeBackendType.AZURE_KEYVAULT, backend_azure_keyvault=metadata)
    return name
