"""Secret scopes and secrets (Databricks REST reference, Secrets 2.0). Names are compared regardless of case.

A scope backed by Azure Key Vault is kept by name and vault alone: its secrets are the vault's (see `key_vault_scopes`),
and cannot be written through Databricks.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.key_vault_scopes import BACKEND, KeyVaultScopes
from mlops_tui.sandbox.roster import USERS
from mlops_tui.sandbox.secret_acls import SecretAcls
from mlops_tui.sandbox.secret_vault import LostKeyError, SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SCOPE, SECRET = "secret-scope", "secret"
SCOPE_NAME = re.compile(r"[A-Za-z0-9\-_@.]{1,128}")
SECRET_KEY = re.compile(r"[A-Za-z0-9\-_.]{1,128}")
SCOPES, SECRETS_EACH = 1000, 1000
VALUE_LIMIT = 128 * 1024  # bytes in one secret


class Secrets(Service):
    """/api/2.0/secrets/…"""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._vault = SecretVault(sandbox.folder / "secrets.key")
        self._acls = SecretAcls(sandbox)
        self._key_vaults = KeyVaultScopes(sandbox)

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/api/2.0/secrets/scopes/create", self.create_scope),
            self.on("POST", "/api/2.0/secrets/scopes/delete", self.delete_scope),
            self.on("GET", "/api/2.0/secrets/scopes/list", self.list_scopes),
            self.on("POST", "/api/2.0/secrets/put", self.put),
            self.on("POST", "/api/2.0/secrets/delete", self.delete),
            self.on("GET", "/api/2.0/secrets/list", self.list_keys),
            self.on("GET", "/api/2.0/secrets/get", self.get),
            self.on("POST", "/api/2.0/secrets/acls/put", self.put_acl),
            self.on("POST", "/api/2.0/secrets/acls/delete", self.delete_acl),
            self.on("GET", "/api/2.0/secrets/acls/get", self.get_acl),
            self.on("GET", "/api/2.0/secrets/acls/list", self.list_acls),
        ]

    def create_scope(self, call: Call) -> Body:
        wanted = call.json()
        name = str(wanted.get("scope", ""))
        if not SCOPE_NAME.fullmatch(name):
            message = (
                "Scope name must be non-empty, at most 128 characters, and consist of alphanumeric characters, "
                f"dashes, underscores, @ and periods only: '{name[:200]}'"
            )
            raise call.dialect.malformed(message)
        manager = self._first_manager(call, wanted)
        backend = self._backend(call, wanted)
        with self.store.transaction():
            if self.store.get(SCOPE, name.lower()):
                raise call.dialect.error(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
            if len(self.store.items(SCOPE)) >= SCOPES:
                message = f"The limit of {SCOPES} secret scopes in a workspace is reached."
                raise call.dialect.error(400, "RESOURCE_LIMIT_EXCEEDED", message)
            self.store.put(SCOPE, name.lower(), {"name": name, "acls": {manager: "MANAGE"}} | backend)
        return {}

    def _first_manager(self, call: Call, wanted: Body) -> str:
        manager = wanted.get("initial_manage_principal")
        if manager not in (None, "", USERS):
            raise call.dialect.malformed('The only supported initial_manage_principal is "users".')
        workspace = self.sandbox.members.workspace() or {}
        if not manager and str(workspace.get("sku", {}).get("name", "premium")).lower() == "standard":
            message = (
                "Premium Tier is disabled in this workspace. Secret scopes can only be created with "
                'initial_manage_principal "users".'
            )
            raise call.dialect.error(400, "BAD_REQUEST", message)
        return str(manager or call.caller.name)

    def _backend(self, call: Call, wanted: Body) -> Body:
        kind = str(wanted.get("scope_backend_type") or "DATABRICKS")
        if kind == "DATABRICKS":
            return {"backend_type": kind}
        if kind != BACKEND:
            raise call.dialect.malformed(f"Scope backend type {kind} is not known.")
        vault = wanted.get("backend_azure_keyvault")
        if not isinstance(vault, dict) or not vault:
            message = "Scope with Azure KeyVault must have AzureKeyVaultSecretScopeMetadata defined!"
            raise call.dialect.malformed(message)
        if missing := [name for name in ("resource_id", "dns_name") if not vault.get(name)]:
            names = ", ".join(f"backend_azure_keyvault.{name}" for name in missing)
            raise call.dialect.malformed(f"Missing required fields: {names}")
        if "dapi" in call.headers.get("authorization", "")[:12]:
            raise call.dialect.malformed("Scope with Azure KeyVault must have userAADToken defined!")
        metadata = {name: str(vault[name]) for name in ("resource_id", "dns_name")}
        self._key_vaults.check(call.caller, metadata)
        return {"backend_type": kind, "keyvault_metadata": metadata}

    def delete_scope(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "MANAGE")
        with self.store.transaction():
            for key, _ in self.store.items(SECRET, f"{scope['name'].lower()}/"):
                self.store.delete(SECRET, key)
            self.store.delete(SCOPE, scope["name"].lower())
        return {}

    def list_scopes(self, call: Call) -> Body:
        seen = [scope for scope in self.store.list(SCOPE) if self._acls.allow(call.caller, scope, "READ")]
        return {"scopes": [{k: v for k, v in scope.items() if k != "acls"} for scope in seen]} if seen else {}

    def put(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "WRITE")
        key = str(call.need("key"))
        if not SECRET_KEY.fullmatch(key):
            message = (
                "Secret key must be at most 128 characters and consist of alphanumeric characters, dashes, "
                f"underscores and periods only: '{key[:200]}'"
            )
            raise call.dialect.malformed(message)
        self._require_own(call, scope)
        value = _value_of(call)
        if len(value) > VALUE_LIMIT:
            raise call.dialect.malformed(f"The secret value is {len(value)} bytes; the limit is {VALUE_LIMIT} bytes.")
        place = _place(scope, key)
        with self.store.transaction():
            others = len(self.store.items(SECRET, f"{scope['name'].lower()}/"))
            if others >= SECRETS_EACH and not self.store.get(SECRET, place):
                message = f"The limit of {SECRETS_EACH} secrets in scope {scope['name']} is reached."
                raise call.dialect.error(400, "RESOURCE_LIMIT_EXCEEDED", message)
            now = int(time.time() * 1000)
            closed = self._vault.close(value)
            self.store.put(SECRET, place, {"key": key, "last_updated_timestamp": now, "closed": closed})
        return {}

    def delete(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "WRITE")
        self._require_own(call, scope)
        key = str(call.need("key"))
        if self.store.delete(SECRET, _place(scope, key)) is None:
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", _missing(scope, key))
        return {}

    def list_keys(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "READ")
        if scope["backend_type"] == BACKEND:
            keys = self._key_vaults.keys(scope)
            return {"secrets": keys} if keys else {}
        kept = self.store.list(SECRET, f"{scope['name'].lower()}/")
        secrets = [{k: v for k, v in secret.items() if k != "closed"} for secret in kept]
        return {"secrets": secrets} if secrets else {}

    def get(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "READ")
        key = str(call.need("key"))
        return {"key": key, "value": base64.b64encode(self._open(scope, key)).decode()}

    def read(self, scope_name: str, key: str) -> str:
        """A secret's text, for the cloud's own use; raises ApiError (404) where there is none."""
        scope = self.store.get(SCOPE, scope_name.lower())
        if scope is None:
            raise self.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Scope {scope_name} does not exist!")
        return self._open(scope, key).decode("utf-8", "replace")

    def values(self) -> list[str]:
        """The texts of all secrets, so that what notebooks print can be cleared of them."""
        texts = []
        for secret in self.store.list(SECRET):
            try:
                texts.append(self._vault.open(secret["closed"]).decode("utf-8", "replace"))
            except LostKeyError:
                continue  # a notebook cannot read it either
        scopes = [scope for scope in self.store.list(SCOPE) if scope["backend_type"] == BACKEND]
        return texts + [text for scope in scopes for text in self._key_vaults.texts(scope)]

    def _open(self, scope: Body, key: str) -> bytes:
        try:
            value = self._value(scope, key)
        except LostKeyError as error:
            raise self.dialect.error(500, "INTERNAL_ERROR", f"The sandbox cannot read the secret: {error}.") from error
        if value is None:
            raise self.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", _missing(scope, key))
        return value

    def _value(self, scope: Body, key: str) -> bytes | None:
        if scope["backend_type"] == BACKEND:
            return self._key_vaults.value(scope, key)
        secret = self.store.get(SECRET, _place(scope, key))
        return self._vault.open(secret["closed"]) if secret else None

    def _scope(self, call: Call, name: str, level: str) -> Body:
        """The scope, where the caller has that level on it; ApiError (404, 403) otherwise."""
        scope = self.store.get(SCOPE, name.lower())
        if scope is None:
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Scope {name} does not exist!")
        if not self._acls.allow(call.caller, scope, level):
            message = f"User {call.caller.name} does not have {level} permission on scope {name}."
            raise call.dialect.error(403, "PERMISSION_DENIED", message)
        return scope

    def _require_own(self, call: Call, scope: Body) -> None:
        if scope["backend_type"] == BACKEND:
            message = f"Cannot write secrets to Azure KeyVault-backed scope {scope['name']}; use the vault itself."
            raise call.dialect.error(400, "BAD_REQUEST", message)

    def put_acl(self, call: Call) -> Body:
        principal, permission = str(call.need("principal")), str(call.need("permission"))
        with self.store.transaction():
            scope = self._scope(call, str(call.need("scope")), "MANAGE")
            self.store.put(SCOPE, scope["name"].lower(), self._acls.with_entry(scope, principal, permission))
        return {}

    def delete_acl(self, call: Call) -> Body:
        with self.store.transaction():
            scope = self._scope(call, str(call.need("scope")), "MANAGE")
            changed = self._acls.without_entry(scope, str(call.need("principal")))
            self.store.put(SCOPE, scope["name"].lower(), changed)
        return {}

    def get_acl(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "MANAGE")
        return self._acls.entry(scope, str(call.need("principal")))

    def list_acls(self, call: Call) -> Body:
        scope = self._scope(call, str(call.need("scope")), "MANAGE")
        return {"items": [{"principal": name, "permission": level} for name, level in sorted(scope["acls"].items())]}

    def forget_workspace(self) -> None:
        for kind in (SCOPE, SECRET):
            for key, _ in self.store.items(kind):
                self.store.delete(kind, key)


def _place(scope: Body, key: str) -> str:
    return f"{scope['name']}/{key}".lower()


def _missing(scope: Body, key: str) -> str:
    return f"Secret does not exist with scope: {scope['name']} and key: {key}"


def _value_of(call: Call) -> bytes:
    """string_value as UTF-8, or bytes_value from base64: exactly one of them."""
    wanted = call.json()
    text, encoded = wanted.get("string_value"), wanted.get("bytes_value")
    if (text is None) == (encoded is None):
        message = "Exactly one of string_value and bytes_value must be given."
        raise call.dialect.error(400, "MALFORMED_REQUEST", message)
    if text is not None:
        return str(text).encode()
    try:
        return base64.b64decode(str(encoded), validate=True)
    except binascii.Error as error:
        raise call.dialect.error(400, "MALFORMED_REQUEST", "bytes_value is not valid base64.") from error
