"""A person keeps secrets in an Azure Key Vault: who may, what comes back, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    credentials,
    raw,
)
from tests.contract.vault_stories import (
    OFFICER,
    READER,
    VAULT_CONTRIBUTOR,
    VERSION,
    create,
    data,
    new_name,
    own_vault,
    put,
    refusal,
    vault_owner,
)
from tests.contract.workspace_users import fresh

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("key-vault")


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    return vault_owner(live)


@pytest.fixture
def vault(azure: Azure) -> Any:
    return own_vault(azure)


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
