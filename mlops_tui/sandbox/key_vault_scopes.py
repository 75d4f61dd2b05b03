"""Secret scopes that Azure Key Vault backs: Databricks reads the vault, with the right of its own application.

What a scope's creation and its reading need, and how they are refused: Azure Databricks documentation, "Secret scopes".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body, Principal
from mlops_tui.sandbox.arm import RESOURCE
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.directory import Directory
from mlops_tui.sandbox.key_vault_secrets import LIST, READ, KeyVaultSecrets
from mlops_tui.sandbox.key_vaults import TYPE
from mlops_tui.sandbox.sandbox import DATABRICKS_APP
from mlops_tui.sandbox.secret_vault import LostKeyError
from mlops_tui.sandbox.vault_contents import VaultContents

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

BACKEND = "AZURE_KEYVAULT"
NOBODY = Principal("", DATABRICKS_APP, "AzureDatabricks", is_user=False, app_id=DATABRICKS_APP)  # holds no role


class KeyVaultScopes:
    """Reads through scopes' documents (`keyvault_metadata`: resource_id, dns_name) to the vaults behind them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._contents = VaultContents(sandbox)

    def check(self, caller: Principal, metadata: Body) -> None:
        """Whether the caller may back a scope by that vault: to write it is needed, as for its access policies.

        Raises ApiError (400, 403).
        """
        vault = self._find(metadata)
        if vault is None:
            why = f"the resource {metadata['resource_id']} was not found."
            raise DATABRICKS.error(400, "BAD_REQUEST", f"{_cannot_grant(metadata)}: {why}")
        if str(metadata["dns_name"]).rstrip("/").lower() != vault["properties"]["vaultUri"].rstrip("/").lower():
            message = f"The dns_name {metadata['dns_name']} is not that of the vault {vault['id']}."
            raise DATABRICKS.malformed(message)
        authorization, action = self._sandbox.find(Authorization), f"{TYPE}/write"
        if not authorization.allows(caller, action, vault["id"]):
            refused = authorization.forbidden(caller, action, vault["id"])
            why = f"Status code 403, {json.dumps(refused.body)}"
            raise DATABRICKS.error(403, "PERMISSION_DENIED", f"{_cannot_grant(metadata)}: {why}")

    def keys(self, scope: Body) -> list[Body]:
        """The vault's secrets as the scope lists them. Raises ApiError (400, 403)."""
        vault = self._allowed(scope, LIST)
        return [
            {"key": secret["name"], "last_updated_timestamp": secret["versions"][-1]["updated"] * 1000}
            for secret in reversed(self._contents.list(vault["name"]))
        ]

    def value(self, scope: Body, key: str) -> bytes | None:
        """The newest version's; None where the vault has no such secret. Raises ApiError (400, 403), LostKeyError."""
        vault = self._allowed(scope, READ, key)
        secret = self._contents.find(vault["name"], key)
        if secret is None:
            return None
        if not secret["versions"][-1]["enabled"]:
            message = f"{_denied(scope)} Operation get is not allowed on a disabled secret."
            raise DATABRICKS.error(403, "PERMISSION_DENIED", message)
        return self._contents.text(secret["versions"][-1]).encode()

    def texts(self, scope: Body) -> list[str]:
        """All values behind the scope, the older versions' too; none where the vault is gone or its key is lost."""
        vault = self._find(scope["keyvault_metadata"])
        secrets = self._contents.list(vault["name"]) if vault else []
        found = []
        for version in (version for secret in secrets for version in secret["versions"]):
            try:
                found.append(self._contents.text(version))
            except LostKeyError:
                continue  # nobody can read it
        return found

    def _find(self, metadata: Body) -> Body | None:
        found = self._sandbox.store.get(RESOURCE, str(metadata["resource_id"]).lower())
        return found if found and found["type"] == TYPE else None

    def _allowed(self, scope: Body, action: str, key: str = "") -> Body:
        """The vault, where Databricks' own application may do that in it."""
        vault = self._find(scope["keyvault_metadata"])
        if vault is None:
            message = f"The specified KeyVault {scope['keyvault_metadata']['dns_name']} was not found."
            raise DATABRICKS.error(400, "BAD_REQUEST", message)
        directory = Directory(self._sandbox.store)
        found = directory.service_principal_of(DATABRICKS_APP)
        reader = (directory.principal(found["id"]) if found else None) or NOBODY
        try:
            self._sandbox.find(KeyVaultSecrets).require(reader, action, vault, key)
        except ApiError as error:
            message = f"{_denied(scope)} Wrapped Message: Status code {error.status}, {json.dumps(error.body)}"
            raise DATABRICKS.error(403, "PERMISSION_DENIED", message) from error
        return vault


def _denied(scope: Body) -> str:
    return f"Invalid permissions on the specified KeyVault {scope['keyvault_metadata']['dns_name']}."


def _cannot_grant(metadata: Body) -> str:
    return (
        "Unable to grant read/list permission to Databricks service principal to KeyVault "
        f"'{str(metadata['dns_name']).rstrip('/')}'"
    )
