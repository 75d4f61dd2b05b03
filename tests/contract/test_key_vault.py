"""A person keeps secrets in an Azure Key Vault, and notebooks read them through a secret scope that the vault backs."""

from __future__ import annotations

import base64
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resource.resources.models import GenericResource
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
)
from databricks.sdk.service.workspace import AzureKeyVaultSecretScopeMetadata, ScopeBackendType

from mlops_tui.sandbox import seed
from mlops_tui.sandbox.sandbox import DATABRICKS_APP
from mlops_tui.sandbox.secret_vault import SecretVault
from mlops_tui.sandbox.secrets import Secrets
from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    credentials,
    owner,
    raw,
    wait_until,
)
from tests.contract.job_stories import finished, notebook, one_time, result
from tests.contract.workspace_users import client, fresh, inside, learner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("key-vault")

OFFICER, READER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "4633458b-17de-408a-b874-0445c86b69e6"
VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"
VERSION = "2023-07-01"


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    """The owner of a subscription that may have key vaults and Databricks workspaces."""
    one = owner(live)
    for namespace in ("Microsoft.KeyVault", "Microsoft.Databricks"):
        one.resources.providers.register(namespace)
    return one


@pytest.fixture
def w(live: LiveSandbox, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
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
    for _ in wait_until(20):
        if poller.done():
            return poller.result()
    return None


def new_name() -> str:
    return f"kv-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def vault(azure: Azure) -> Any:
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


def test_a_vault_is_made_found_listed_and_deleted(azure: Azure) -> None:
    name, group = new_name(), azure.group()
    made = create(azure, name, group)
    assert made.properties["provisioningState"] == "Succeeded"
    assert made.properties["vaultUri"] == f"{azure.live.origin}/keyvault/{name}/"
    found = azure.resources.resources.get_by_id(made.id, api_version=VERSION)
    assert (found.name, found.properties) == (name, made.properties)
    listed = azure.resources.resources.list_by_resource_group(group)
    assert [(one.name, one.type) for one in listed] == [(name, "Microsoft.KeyVault/vaults")]
    azure.resources.resources.begin_delete_by_id(made.id, api_version=VERSION).result(timeout=20)
    with pytest.raises(ResourceNotFoundError):
        azure.resources.resources.get_by_id(made.id, api_version=VERSION)


@pytest.mark.parametrize("name", ["ab", "1vault", "under_score", "ends-", "two--dashes", "x" * 25])
def test_a_vault_has_a_name_that_azure_allows(azure: Azure, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        create(azure, name)
    assert (caught.value.status_code, code_of(caught.value)) == (400, "VaultNameNotValid")


@pytest.mark.parametrize("asked", [{"enableRbacAuthorization": False}, {"enableRbacAuthorization": None}])
def test_a_vault_with_access_policies_is_refused(azure: Azure, asked: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError, match="Access policies are not supported by the sandbox") as caught:
        create(azure, new_name(), **asked)
    assert caught.value.status_code == 400


def test_a_name_is_taken_in_every_resource_group(azure: Azure, vault: Any) -> None:
    with pytest.raises(HttpResponseError) as caught:
        create(azure, vault.name.upper())
    assert (caught.value.status_code, code_of(caught.value)) == (409, "VaultAlreadyExists")


def test_a_secret_comes_back_and_keeps_its_versions(azure: Azure, vault: Any) -> None:
    first = put(azure, vault, "client-secret", "one~Ü", tags={"made": "by test"}, contentType="text/plain")
    second = put(azure, vault, "Client-Secret", "two")
    uri = vault.properties["vaultUri"]
    assert first["id"].startswith(f"{uri}secrets/client-secret/")
    assert first["attributes"]["enabled"] is True
    assert (first["tags"], first["contentType"]) == ({"made": "by test"}, "text/plain")
    newest = data(azure, "GET", f"{uri}secrets/client-secret").json()
    assert (newest["value"], newest["id"]) == ("two", second["id"])
    assert data(azure, "GET", f"{uri}secrets/client-secret/").json()["value"] == "two"  # as the SDKs ask
    assert data(azure, "GET", first["id"]).json()["value"] == "one~Ü"
    versions = data(azure, "GET", f"{uri}secrets/client-secret/versions").json()["value"]
    assert {one["id"] for one in versions} == {first["id"], second["id"]}
    assert refusal(data(azure, "GET", f"{uri}secrets/nothing")) == (404, "SecretNotFound")


def test_a_listing_comes_in_pages_and_without_values(azure: Azure, vault: Any) -> None:
    names = {f"key-{number}" for number in range(7)}
    for name in names:
        put(azure, vault, name, f"hidden {name}")
    link, found = f"{vault.properties['vaultUri']}secrets?maxresults=3", []
    while link:
        answer = data(azure, "GET", link)
        assert "hidden" not in answer.text()
        found.append([one["id"].rsplit("/", 1)[-1] for one in answer.json()["value"]])
        link = answer.json()["nextLink"]
    assert [len(page) for page in found] == [3, 3, 1]
    assert {name for page in found for name in page} == names


def test_a_deleted_secret_holds_its_name_until_it_is_purged(azure: Azure, vault: Any) -> None:
    put(azure, vault, "token", "old")
    uri = vault.properties["vaultUri"]
    gone = data(azure, "DELETE", f"{uri}secrets/token").json()
    assert gone["recoveryId"] == f"{uri}deletedsecrets/token"
    assert gone["scheduledPurgeDate"] > gone["deletedDate"]
    assert refusal(data(azure, "GET", f"{uri}secrets/token")) == (404, "SecretNotFound")
    assert refusal(data(azure, "PUT", f"{uri}secrets/token", {"value": "new"})) == (409, "Conflict")
    assert data(azure, "POST", f"{uri}deletedsecrets/token/recover").status_code == 200
    assert data(azure, "GET", f"{uri}secrets/token").json()["value"] == "old"

    data(azure, "DELETE", f"{uri}secrets/token")
    assert data(azure, "DELETE", f"{uri}deletedsecrets/token").status_code == 204
    assert refusal(data(azure, "GET", f"{uri}deletedsecrets/token")) == (404, "SecretNotFound")
    put(azure, vault, "token", "new")
    assert len(data(azure, "GET", f"{uri}secrets/token/versions").json()["value"]) == 1


def test_what_is_malformed_is_a_bad_parameter(azure: Azure, vault: Any) -> None:
    root = f"{vault.properties['vaultUri']}secrets"
    assert refusal(data(azure, "PUT", f"{root}/client_secret", {"value": "x"})) == (400, "BadParameter")
    assert refusal(data(azure, "PUT", f"{root}/{'x' * 128}", {"value": "x"})) == (400, "BadParameter")
    assert refusal(data(azure, "PUT", f"{root}/name", {})) == (400, "BadParameter")
    assert refusal(data(azure, "PUT", f"{root}/name", {"value": "x" * (25 * 1024 + 1)})) == (400, "BadParameter")
    assert refusal(data(azure, "GET", root, version="")) == (400, "BadParameter")


def test_who_brings_no_token_is_told_where_to_sign_in(azure: Azure, vault: Any) -> None:
    path = vault.properties["vaultUri"].removeprefix(azure.live.origin) + "secrets?api-version=7.4"
    answer = raw(azure.live, "GET", path)
    assert refusal(answer) == (401, "Unauthorized")
    authority = f"{azure.live.origin}/{credentials(azure.live)['tenant_id']}"
    challenge = f'Bearer authorization="{authority}", resource="https://vault.azure.net"'
    assert answer.headers["WWW-Authenticate"] == challenge
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    wrong = raw(azure.live, "GET", path, Authorization=f"Bearer {token}")
    assert refusal(wrong) == (401, "Unauthorized")
    assert "wrong audience" in wrong.json()["error"]["message"]


def test_owner_and_contributor_have_no_say_over_secrets(azure: Azure) -> None:
    made = create(azure, new_name())
    contributor = azure.service_principal("contributor")
    azure.assign(made.id, contributor.principal["id"], CONTRIBUTOR)
    secret = f"{made.properties['vaultUri']}secrets/key"
    vault_contributor = azure.service_principal("vault contributor")
    azure.assign(made.id, vault_contributor.principal["id"], VAULT_CONTRIBUTOR)
    for identity in (azure, contributor.azure, vault_contributor.azure):
        answer = data(identity, "PUT", secret, {"value": "x"})
        assert refusal(answer) == (403, "Forbidden")
        error = answer.json()["error"]
        assert error["innererror"] == {"code": "ForbiddenByRbac"}
        assert error["message"].startswith("Caller is not authorized to perform action on resource.")
        assert "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'" in error["message"]


def test_a_secrets_user_reads_and_an_officer_writes(azure: Azure, vault: Any) -> None:
    put(azure, vault, "key", "value")
    uri = vault.properties["vaultUri"]
    user, officer = azure.service_principal("user"), azure.service_principal("officer")
    azure.assign(vault.id, user.principal["id"], READER)
    azure.assign(vault.id, officer.principal["id"], OFFICER)
    assert data(user.azure, "GET", f"{uri}secrets/key").json()["value"] == "value"
    assert len(data(user.azure, "GET", f"{uri}secrets").json()["value"]) == 1
    assert refusal(data(user.azure, "PUT", f"{uri}secrets/key", {"value": "mine"})) == (403, "Forbidden")
    assert refusal(data(user.azure, "DELETE", f"{uri}secrets/key")) == (403, "Forbidden")
    assert data(officer.azure, "PUT", f"{uri}secrets/key", {"value": "mine"}).status_code == 200
    assert data(officer.azure, "DELETE", f"{uri}secrets/key").status_code == 200
    with pytest.raises(HttpResponseError) as caught:  # what is said of secrets is not said of the vault
        user.azure.resources.resources.begin_delete_by_id(vault.id, api_version=VERSION)
    assert caught.value.status_code == 403


def test_secrets_go_with_their_vault_and_with_its_group(azure: Azure) -> None:
    name, group = new_name(), azure.group()
    officer = azure.service_principal("officer")
    made = create(azure, name, group)
    azure.assign(made.id, officer.principal["id"], OFFICER)
    put(officer.azure, made, "key", "value")
    azure.resources.resource_groups.begin_delete(group).result(timeout=20)
    again = create(azure, name)
    uri = again.properties["vaultUri"]
    assert refusal(data(officer.azure, "GET", f"{uri}secrets")) == (403, "Forbidden")  # nor is the role left
    azure.assign(again.id, officer.principal["id"], OFFICER)
    assert data(officer.azure, "GET", f"{uri}secrets").json()["value"] == []


def test_no_file_of_the_sandbox_holds_a_secret_in_clear(live: LiveSandbox, azure: Azure, vault: Any) -> None:
    value = fresh("needle-in-the-haystack")
    put(azure, vault, "key", value)
    files = [path for path in live.folder.rglob("*") if path.is_file()]
    assert [path for path in files if value.encode() in path.read_bytes()] == []


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


def test_the_first_values_may_come_all_at_once(tmp_path: Path) -> None:
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
