"""Secret scopes and what is in them (Databricks REST reference, Secrets 2.0)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


class Secrets:
    """The scopes of one workspace. A secret that is read is registered for redaction before it is returned."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def scope(self, name: str) -> Scope | None:
        with speaking_of("the secret scopes"):
            for scope in self._databricks.client.secrets.list_scopes():
                if scope.name == name:
                    return Scope(name, scope.backend_type.value if scope.backend_type else "DATABRICKS")
        return None

    def create_scope(self, name: str, for_everybody: bool = False) -> None:
        """Backed by Databricks; a scope of that name that is there already is kept.

        Managed by its maker alone or, `for_everybody`, by all users: a workspace of the standard tier allows no other.
        """
        manager = EVERYBODY if for_everybody else None
        try:
            with speaking_of(f"the secret scope {name}"):
                self._databricks.client.secrets.create_scope(name, initial_manage_principal=manager)
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
