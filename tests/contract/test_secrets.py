"""A person keeps secrets in scopes: names, limits, who may see what; and nothing readable lies on the disk."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.workspace import AclPermission, AzureKeyVaultSecretScopeMetadata, ScopeBackendType

from tests.contract.workspace_users import fresh, inside, learner, someone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("workspace")


@pytest.fixture
def w(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


@pytest.fixture
def scope(w: WorkspaceClient) -> str:
    name = fresh("scope")
    w.secrets.create_scope(name)
    return name


def text_of(w: WorkspaceClient, scope: str, key: str) -> str:
    return base64.b64decode(w.secrets.get_secret(scope, key).value or "").decode()


def test_a_secret_comes_back_as_it_was_put(w: WorkspaceClient, scope: str) -> None:
    w.secrets.put_secret(scope, "client_secret", string_value="S3cret~Ünïcode")
    w.secrets.put_secret(scope, "blob", bytes_value=base64.b64encode(b"raw bytes").decode())
    assert text_of(w, scope, "client_secret") == "S3cret~Ünïcode"
    assert text_of(w, scope, "blob") == "raw bytes"
    assert w.dbutils.secrets.get(scope, "client_secret") == "S3cret~Ünïcode"
    listed = {one.key: one.last_updated_timestamp for one in w.secrets.list_secrets(scope)}
    assert set(listed) == {"blob", "client_secret"}
    assert all(stamp and stamp > 1_600_000_000_000 for stamp in listed.values())


def test_put_again_replaces_and_delete_removes(w: WorkspaceClient, scope: str) -> None:
    w.secrets.put_secret(scope, "Token", string_value="old")
    w.secrets.put_secret(scope, "token", string_value="new")  # names are the same regardless of case
    assert text_of(w, scope, "TOKEN") == "new"
    w.secrets.delete_secret(scope, "token")
    with pytest.raises(ResourceDoesNotExist, match=f"Secret does not exist with scope: {scope} and key: token"):
        w.secrets.get_secret(scope, "token")
    with pytest.raises(ResourceDoesNotExist):
        w.secrets.delete_secret(scope, "token")


@pytest.mark.parametrize("name", ["", "a/b", "with space", "x" * 129, "naïve"])
def test_scope_names_have_rules(w: WorkspaceClient, name: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Scope name must be non-empty, at most 128 characters"):
        w.secrets.create_scope(name)


def test_a_scope_name_is_taken_once_regardless_of_case(w: WorkspaceClient, scope: str) -> None:
    with pytest.raises(ResourceAlreadyExists, match=f"Scope {scope.upper()} already exists!"):
        w.secrets.create_scope(scope.upper())


def test_a_deleted_scope_takes_its_secrets_along(w: WorkspaceClient, scope: str) -> None:
    w.secrets.put_secret(scope, "key", string_value="value")
    w.secrets.delete_scope(scope)
    assert scope not in {one.name for one in w.secrets.list_scopes()}
    with pytest.raises(ResourceDoesNotExist, match=f"Scope {scope} does not exist!"):
        next(iter(w.secrets.list_secrets(scope)))
    w.secrets.create_scope(scope)
    assert list(w.secrets.list_secrets(scope)) == []


def test_values_have_a_limit_and_keys_have_rules(w: WorkspaceClient, scope: str) -> None:
    w.secrets.put_secret(scope, "largest", string_value="x" * 128 * 1024)
    with pytest.raises(InvalidParameterValue, match="the limit is 131072 bytes"):
        w.secrets.put_secret(scope, "larger", string_value="x" * (128 * 1024 + 1))
    with pytest.raises(InvalidParameterValue, match="Secret key must be"):
        w.secrets.put_secret(scope, "a b", string_value="x")
    with pytest.raises(BadRequest, match="Exactly one of string_value and bytes_value") as both:
        w.secrets.put_secret(scope, "k", string_value="x", bytes_value="eA==")
    assert both.value.error_code == "MALFORMED_REQUEST"


def test_key_vault_scopes_need_the_vault_and_an_entra_sign_in(w: WorkspaceClient) -> None:
    with pytest.raises(InvalidParameterValue, match="must have AzureKeyVaultSecretScopeMetadata defined!"):
        w.secrets.create_scope(fresh("kv"), scope_backend_type=ScopeBackendType.AZURE_KEYVAULT)
    vault = AzureKeyVaultSecretScopeMetadata("/subscriptions/s/…/vaults/v", "https://v.vault.azure.net/")
    with pytest.raises(InvalidParameterValue, match="must have userAADToken defined!"):
        w.secrets.create_scope(
            fresh("kv"), scope_backend_type=ScopeBackendType.AZURE_KEYVAULT, backend_azure_keyvault=vault
        )


def test_each_permission_lets_do_what_it_says(live: LiveSandbox, w: WorkspaceClient, scope: str) -> None:
    other, name = someone(live)
    w.secrets.put_secret(scope, "key", string_value="value")
    with pytest.raises(PermissionDenied, match=f"User {name} does not have READ permission on scope {scope}"):
        other.secrets.get_secret(scope, "key")
    assert scope not in {one.name for one in other.secrets.list_scopes()}

    w.secrets.put_acl(scope, name, AclPermission.READ)
    assert text_of(other, scope, "key") == "value"
    with pytest.raises(PermissionDenied, match="WRITE"):
        other.secrets.put_secret(scope, "key", string_value="mine")

    w.secrets.put_acl(scope, name, AclPermission.WRITE)
    other.secrets.put_secret(scope, "key", string_value="mine")
    with pytest.raises(PermissionDenied, match="MANAGE"):
        list(other.secrets.list_acls(scope))

    w.secrets.put_acl(scope, name, AclPermission.MANAGE)
    assert {one.principal: one.permission for one in other.secrets.list_acls(scope)}[name] is AclPermission.MANAGE
    other.secrets.delete_acl(scope, name)
    with pytest.raises(PermissionDenied):
        other.secrets.delete_scope(scope)


def test_a_scope_for_all_is_everybodys_to_manage(live: LiveSandbox, w: WorkspaceClient) -> None:
    other, _ = someone(live)
    name = fresh("shared")
    w.secrets.create_scope(name, initial_manage_principal="users")
    other.secrets.put_secret(name, "key", string_value="anybody")
    assert text_of(w, name, "key") == "anybody"
    assert w.secrets.get_acl(name, "users").permission is AclPermission.MANAGE
    with pytest.raises(InvalidParameterValue, match="only supported initial_manage_principal"):
        w.secrets.create_scope(fresh("bad"), initial_manage_principal="admins")


def test_permissions_are_for_principals_that_are_there(w: WorkspaceClient, scope: str) -> None:
    with pytest.raises(ResourceDoesNotExist, match="User or Group nobody@nowhere does not exist"):
        w.secrets.put_acl(scope, "nobody@nowhere", AclPermission.READ)
    with pytest.raises(ResourceDoesNotExist):
        w.secrets.get_acl(scope, "nobody@nowhere")


def test_no_file_of_the_sandbox_holds_a_secret_in_clear(live: LiveSandbox, w: WorkspaceClient, scope: str) -> None:
    value = fresh("needle-in-the-haystack")
    w.secrets.put_secret(scope, "key", string_value=value)
    files = [path for path in live.folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("state.sqlite") for path in files)
    for needle in (value.encode(), base64.b64encode(value.encode())):
        assert [path for path in files if needle in path.read_bytes()] == []
    assert stat.S_IMODE((live.folder / "secrets.key").stat().st_mode) == 0o600


def test_the_cloud_itself_knows_all_values_to_hide_them(live: LiveSandbox, w: WorkspaceClient, scope: str) -> None:
    from mlops_tui.sandbox.secrets import Secrets

    value = fresh("to-be-redacted")
    w.secrets.put_secret(scope, "key", string_value=value)
    with inside(live) as sandbox:
        secrets = Secrets(sandbox)
        assert value in secrets.values()
        assert secrets.read(scope.upper(), "KEY") == value
