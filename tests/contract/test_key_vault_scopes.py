"""Notebooks read a key vault's secrets through a secret scope that the vault backs."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
)
from databricks.sdk.service.workspace import ScopeBackendType

from mlops_tui.sandbox import seed
from mlops_tui.sandbox.sandbox import DATABRICKS_APP
from mlops_tui.sandbox.secret_vault import SecretVault
from mlops_tui.sandbox.secrets import Secrets
from tests.contract.azure_fixtures import (
    Azure,
    close_clients,  # noqa: F401 (a fixture)
)
from tests.contract.job_stories import finished, notebook, one_time, result
from tests.contract.vault_stories import (
    OFFICER,
    READER,
    VAULT_CONTRIBUTOR,
    VERSION,
    back,
    data,
    databricks_application,
    entra_member,
    own_vault,
    put,
    refusal,
    vault_owner,
    workspace_in,
)
from tests.contract.workspace_users import client, fresh, inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("key-vault")


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    return vault_owner(live)


@pytest.fixture
def vault(azure: Azure) -> Any:
    return own_vault(azure)


@pytest.fixture
def w(live: LiveSandbox, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from entra_member(live, azure, monkeypatch)


def test_databricks_own_application_is_there_also_in_an_older_sandbox(live: LiveSandbox, azure: Azure) -> None:
    there = azure.graph.call("GET", f"servicePrincipals(appId='{DATABRICKS_APP}')")
    assert there["displayName"] == "AzureDatabricks"
    assert list(azure.graph.list("applications", filter=f"appId eq '{DATABRICKS_APP}'")) == []  # it is Microsoft's
    with inside(live) as sandbox:
        sandbox.store.delete("service-principal", there["id"])  # as in a store from before
        seed.plant(sandbox)
    assert databricks_application(azure) == there["id"]


def test_a_notebooks_output_is_cleared_of_what_its_scopes_vaults_hold(
    live: LiveSandbox, azure: Azure, vault: Any, w: WorkspaceClient
) -> None:
    old, new = fresh("old-value"), fresh("new-value")
    put(azure, vault, "key", old)
    put(azure, vault, "key", new)
    with inside(live) as sandbox:
        assert new not in Secrets(sandbox).values()  # no scope leads there
        back(w, vault)
        assert {old, new} <= set(Secrets(sandbox).values())


@pytest.mark.timeout(240)  # it warms a notebook's process
def test_a_run_reads_the_vault_and_does_not_print_what_it_read(azure: Azure, vault: Any, w: WorkspaceClient) -> None:
    azure.assign(vault.id, databricks_application(azure), READER)
    value = fresh("hunted")
    put(azure, vault, "client-secret", value)
    code = f"value = dbutils.secrets.get('{back(w, vault)}', 'client-secret')\nprint('read', value, len(value))"
    submitted = w.jobs.submit(run_name="key vault", tasks=[one_time(notebook(w, "key-vault", code))])
    run = finished(w, submitted.run_id)
    assert result(run) == "SUCCESS", run
    (only,) = run.tasks or []
    printed = w.jobs.export_run(only.run_id or 0).views or []
    text = str(printed[0].content)
    assert f"[REDACTED] {len(value)}" in text
    assert value not in text


def test_a_disabled_secret_is_not_to_be_had(azure: Azure, vault: Any, w: WorkspaceClient) -> None:
    azure.assign(vault.id, databricks_application(azure), READER)
    put(azure, vault, "key", "value", attributes={"enabled": False, "exp": 4102444800})
    answer = data(azure, "GET", f"{vault.properties['vaultUri']}secrets/key")
    assert refusal(answer) == (403, "Forbidden")
    assert answer.json()["error"]["innererror"] == {"code": "SecretDisabled"}
    with pytest.raises(PermissionDenied, match="disabled secret"):
        w.secrets.get_secret(back(w, vault), "key")


def test_the_first_values_may_come_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly() -> bytes:
        key = made()
        time.sleep(0.05)  # in which the others look whether there is a key
        return key

    made = Fernet.generate_key
    monkeypatch.setattr(Fernet, "generate_key", slowly)

    def close_and_open(number: int) -> bytes:
        closed = SecretVault(tmp_path / "secrets.key").close(b"%d" % number)
        return SecretVault(tmp_path / "secrets.key").open(closed)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(close_and_open, range(8))) == [b"%d" % number for number in range(8)]


def test_a_vault_outlives_the_workspace_that_read_it(azure: Azure, vault: Any, w: WorkspaceClient) -> None:
    put(azure, vault, "key", "value")
    scope = back(w, vault)
    (workspace,) = azure.databricks.workspaces.list_by_subscription()
    group, name = str(workspace.id).split("/")[4], str(workspace.name)
    azure.databricks.workspaces.begin_delete(group, name).result(timeout=30)
    assert data(azure, "GET", f"{vault.properties['vaultUri']}secrets/key").json()["value"] == "value"
    workspace_in(azure)
    assert scope not in {one.name for one in w.secrets.list_scopes()}


def test_a_scope_reads_with_the_right_of_databricks_own_application(
    azure: Azure, vault: Any, w: WorkspaceClient
) -> None:
    put(azure, vault, "client-secret", "S3cret~Ü")
    scope = back(w, vault)
    (listed,) = [one for one in w.secrets.list_scopes() if one.name == scope]
    assert listed.backend_type is ScopeBackendType.AZURE_KEYVAULT
    assert listed.keyvault_metadata is not None
    assert listed.keyvault_metadata.resource_id == vault.id
    for denied in (lambda: w.secrets.get_secret(scope, "client-secret"), lambda: list(w.secrets.list_secrets(scope))):
        with pytest.raises(PermissionDenied, match="Invalid permissions on the specified KeyVault"):
            denied()

    azure.assign(vault.id, databricks_application(azure), READER)
    read = w.secrets.get_secret(scope, "client-secret").value
    assert base64.b64decode(read or "").decode() == "S3cret~Ü"
    assert w.dbutils.secrets.get(scope, "Client-Secret") == "S3cret~Ü"
    (key,) = w.secrets.list_secrets(scope)
    assert key.key == "client-secret"
    assert (key.last_updated_timestamp or 0) > 1_600_000_000_000
    put(azure, vault, "client-secret", "renewed")
    assert w.dbutils.secrets.get(scope, "client-secret") == "renewed"
    with pytest.raises(ResourceDoesNotExist, match=f"Secret does not exist with scope: {scope} and key: nothing"):
        w.secrets.get_secret(scope, "nothing")


def test_databricks_writes_nothing_into_a_vault(azure: Azure, vault: Any, w: WorkspaceClient) -> None:
    azure.assign(vault.id, databricks_application(azure), OFFICER)
    scope = back(w, vault)
    put(azure, vault, "key", "value")
    with pytest.raises(BadRequest, match="Cannot write secrets to Azure KeyVault-backed scope") as caught:
        w.secrets.put_secret(scope, "key", string_value="x")
    assert caught.value.error_code == "BAD_REQUEST"
    with pytest.raises(BadRequest):
        w.secrets.delete_secret(scope, "key")
    w.secrets.delete_scope(scope)
    assert data(azure, "GET", f"{vault.properties['vaultUri']}secrets/key").json()["value"] == "value"


def test_a_scope_needs_a_vault_that_its_maker_may_manage(
    live: LiveSandbox, azure: Azure, vault: Any, w: WorkspaceClient
) -> None:
    vault.properties["vaultUri"], uri = "https://other.vault.azure.net/", vault.properties["vaultUri"]
    with pytest.raises(InvalidParameterValue, match="dns_name"):
        back(w, vault)
    vault.properties["vaultUri"] = uri
    vault.id, place = f"{vault.id}-2", vault.id
    with pytest.raises(BadRequest, match="Unable to grant read/list permission to Databricks service principal"):
        back(w, vault)
    vault.id = place

    member = azure.service_principal("member")
    w.service_principals.create(application_id=member.application["appId"], display_name="A member")
    token = member.azure.credential.get_token(f"{DATABRICKS_APP}/.default").token
    with pytest.raises(PermissionDenied, match=r"Unable to grant read/list permission .*AuthorizationFailed"):
        back(client(live.origin, token), vault)
    azure.assign(vault.id, member.principal["id"], VAULT_CONTRIBUTOR)
    assert back(client(live.origin, token), vault)


def test_a_scope_outlives_its_vault_but_reads_no_more(azure: Azure, vault: Any, w: WorkspaceClient) -> None:
    scope = back(w, vault)
    azure.resources.resources.begin_delete_by_id(vault.id, api_version=VERSION).result(timeout=20)
    with pytest.raises(BadRequest, match=r"The specified KeyVault .* was not found"):
        w.secrets.get_secret(scope, "key")
    w.secrets.delete_scope(scope)
