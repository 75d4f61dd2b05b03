"""Secret scopes and what is in them (Databricks REST reference, Secrets 2.0)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui import redaction
from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks

EVERYBODY = "users"  # the group of all members; the only one that a standard-tier workspace lets manage a scope


@dataclass(frozen=True)
class Scope:
    name: str
    backend: str  # "DATABRICKS" or "AZURE_KEYVAULT"
    vault_id: str = ""  # of the key vault behind it


class Secrets:
    """The scopes of one workspace. A secret that is read is registered for redaction before it is returned."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def scope(self, name: str) -> Scope | None:
        return next((scope for scope in self.scopes() if scope.name == name), None)

    def scopes(self) -> list[Scope]:
        """All that the caller may read."""
        with speaking_of("the secret scopes"):
            return [
                Scope(
                    scope.name or "",
                    scope.backend_type.value if scope.backend_type else "DATABRICKS",
                    scope.keyvault_metadata.resource_id if scope.keyvault_metadata else "",
                )
                for scope in self._databricks.client.secrets.list_scopes()
            ]

    def create_scope(self, name: str, for_everybody: bool = False, vault: tuple[str, str] | None = None) -> None:
        """Backed by Databricks or by a `vault` (its id and address); a scope of that name that is there is kept.

        Managed by its maker alone or, `for_everybody`, by all users: a workspace of the standard tier allows no other.
        """
        manager = EVERYBODY if for_everybody else None
        try:
            with speaking_of(f"the secret scope {name}"):
                self._databricks.client.secrets.create_scope(name, initial_manage_principal=manager, **_backing(vault))
        except ConflictError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def delete_scope(self, name: str) -> bool:
        """False where there was none."""
        try:
            with speaking_of(f"the secret scope {name}"):
                self._databricks.client.secrets.delete_scope(name)
        except NotFoundError:
            return False
        return True

    def keys(self, scope: str) -> frozenset[str]:
        with speaking_of(f"the secret scope {scope}"):
            listed = self._databricks.client.secrets.list_secrets(scope)
            return frozenset(secret.key for secret in listed if secret.key)

    def read(self, scope: str, key: str, known: str = "") -> str | None:
        """The value; None where there is no such key. Raises ForbiddenError for those who may not read it.

        It is registered as a secret, unless it is what is `known` already: a scope holds ids and names as well, and
        hiding those would blot them out everywhere.
        """
        try:
            with speaking_of(f"the secret {scope}/{key}"):
                answer = self._databricks.client.secrets.get_secret(scope, key)
        except NotFoundError:
            return None
        value = base64.b64decode(answer.value or "").decode("utf-8", "replace")
        if value != known:
            redaction.register(value)
        return value

    def put(self, scope: str, key: str, value: str) -> None:
        """Set it, whether or not it was there."""
        with speaking_of(f"the secret {scope}/{key}"):
            self._databricks.client.secrets.put_secret(scope, key, string_value=value)


def _backing(vault: tuple[str, str] | None) -> dict[str, Any]:
    """What Databricks wants to know of the vault behind a scope."""
    if vault is None:
        return {}
    from databricks.sdk.service.workspace import AzureKeyVaultSecretScopeMetadata, ScopeBackendType

    resource_id, uri = vault
    return {
        "scope_backend_type": ScopeBackendType.AZURE_KEYVAULT,
        "backend_azure_keyvault": AzureKeyVaultSecretScopeMetadata(resource_id=resource_id, dns_name=f"{uri}/"),
    }
