"""The data plane of the key vaults: secrets, at a vault's vaultUri (Key Vault REST API reference 7.4).

Who may do what is decided by roles at the vault, or at one of its secrets, that grant data actions; those of an Owner
or a Contributor do not. Any api-version will do, but there must be one: clients differ.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Handler, Principal, Service, empty
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.dialects import KEY_VAULT
from mlops_tui.sandbox.key_vaults import vault_named
from mlops_tui.sandbox.paging import page, whole_number
from mlops_tui.sandbox.secret_vault import LostKeyError
from mlops_tui.sandbox.vault_contents import DELETED, VaultContents

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
ACTIONS = "Microsoft.KeyVault/vaults/secrets"
READ, LIST, SET = f"{ACTIONS}/getSecret/action", f"{ACTIONS}/readMetadata/action", f"{ACTIONS}/setSecret/action"
DELETE, PURGE, RECOVER = f"{ACTIONS}/delete", f"{ACTIONS}/purge/action", f"{ACTIONS}/recover/action"
VALUE_LIMIT = 25 * 1024  # characters in one secret
PAGE = 25  # secrets, at most
RETENTION = 90 * 24 * 3600  # seconds for which a deleted secret can be recovered


class KeyVaultSecrets(Service):
    """/keyvault/{vault}/secrets… and /keyvault/{vault}/deletedsecrets…"""

    dialect = KEY_VAULT

    def routes(self) -> list[Endpoint]:
        root = "/keyvault/{vault}"
        return [
            *self._at("GET", f"{root}/secrets", self.list),
            *self._at("PUT", f"{root}/secrets/{{name}}", self.set),
            *self._at("GET", f"{root}/secrets/{{name}}", self.get),
            *self._at("DELETE", f"{root}/secrets/{{name}}", self.delete),
            *self._at("GET", f"{root}/secrets/{{name}}/versions", self.list_versions),
            *self._at("GET", f"{root}/secrets/{{name}}/{{version}}", self.get),
            *self._at("GET", f"{root}/deletedsecrets", self.list_deleted),
            *self._at("GET", f"{root}/deletedsecrets/{{name}}", self.get_deleted),
            *self._at("DELETE", f"{root}/deletedsecrets/{{name}}", self.purge),
            *self._at("POST", f"{root}/deletedsecrets/{{name}}/recover", self.recover),
        ]

    def _at(self, method: str, path: str, handler: Handler) -> list[Endpoint]:
        """With and without a slash at the end: SDKs ask for the version "" of a secret where they mean the newest."""
        return [self.on(method, path, handler), self.on(method, f"{path}/", handler)]

    @property
    def _contents(self) -> VaultContents:
        return VaultContents(self.sandbox)

    def _vault(self, call: Call, action: str) -> Body:
        """The vault of the path, where the caller may do that. Raises ApiError (400, 403, 404)."""
        if not call.query.get("api-version"):
            raise self.dialect.malformed("The request URI lacks the api-version query parameter.")
        vault = vault_named(self.store, call.params["vault"])
        if vault is None:
            raise self.dialect.error(404, "VaultNotFound", f"There is no vault named {call.params['vault']}.")
        name = call.params.get("name", "")
        if name and not NAME.fullmatch(name):
            raise self.dialect.malformed(f"The request URI contains an invalid name: {name}")
        self.require(call.caller, action, vault, name)
        return vault

    def require(self, caller: Principal, action: str, vault: Body, name: str = "") -> None:
        """Raises Forbidden where no role lets the caller do that to the secret, or to all of the vault."""
        resource = f"{vault['id']}/secrets/{name}" if name else vault["id"]
        if self.sandbox.find(Authorization).allows_data(caller, action, resource):
            return
        issuer = f"{self.sandbox.origin}/{self.sandbox.tenant_id}/v2.0"
        message = (
            "Caller is not authorized to perform action on resource.\r\n"
            "If role assignments, deny assignments or role definitions were changed recently, please observe "
            "propagation time.\r\n"
            f"Caller: appid={caller.app_id};oid={caller.object_id};iss={issuer}\r\n"
            f"Action: '{action}'\r\n"
            f"Resource: '{resource.lower()}'\r\n"
            "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
            f"Vault: {vault['name']};location={vault['location']}\r\n"
        )
        raise self._refused(403, "Forbidden", message, "ForbiddenByRbac")

    def _refused(self, status: int, code: str, message: str, inner: str) -> ApiError:
        body: Body = {"code": code, "message": message, "innererror": {"code": inner}}
        return ApiError(status, {"error": body})

    def set(self, call: Call) -> Body:
        """A new version, which from now on is what the name stands for."""
        vault, name = self._vault(call, SET), call.params["name"]
        wanted = call.json()
        value = wanted.get("value")
        if not isinstance(value, str):
            raise self.dialect.malformed("The property 'value' must be given, and be a string.")
        if len(value) > VALUE_LIMIT:
            raise self.dialect.malformed(f"The secret value is longer than {VALUE_LIMIT} characters.")
        with self.store.transaction():
            if self._contents.find(vault["name"], name, DELETED):
                message = (
                    f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                    "this state, the secret can only be recovered or purged."
                )
                raise self._refused(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
            secret = self._contents.add(vault["name"], name, value, self._facts(wanted))
        return self._bundle(vault, secret, secret["versions"][-1]) | {"value": value}

    def _facts(self, wanted: Body) -> dict[str, Any]:
        """What a caller may say of a version besides its value."""
        attributes = wanted.get("attributes") or {}
        facts: dict[str, Any] = {"enabled": attributes.get("enabled") is not False}
        facts |= {key: attributes[key] for key in ("nbf", "exp") if attributes.get(key) is not None}
        facts |= {key: wanted[key] for key in ("contentType", "tags") if wanted.get(key)}
        return facts

    def get(self, call: Call) -> Body:
        """The newest version, or the one of the path."""
        vault, name, wanted = self._vault(call, READ), call.params["name"], call.params.get("version", "")
        secret = self._contents.find(vault["name"], name)
        versions = secret["versions"] if secret else []
        chosen = [one for one in versions if wanted in ("", one["version"])]
        if secret is None or not chosen:
            raise self._missing(f"{name}/{wanted}" if wanted else name)
        if not chosen[-1]["enabled"]:
            message = "Operation get is not allowed on a disabled secret."
            raise self._refused(403, "Forbidden", message, "SecretDisabled")
        try:
            value = self._contents.text(chosen[-1])
        except LostKeyError as error:
            message = f"The sandbox cannot read the secret: {error}."
            raise self.dialect.error(500, "InternalServerError", message) from error
        return {"value": value} | self._bundle(vault, secret, chosen[-1])

    def _missing(self, name: str) -> ApiError:
        message = (
            f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you "
            "may be able to recover it using the correct recovery command. For help resolving this issue, please see "
            "https://go.microsoft.com/fwlink/?linkid=2125182"
        )
        return self.dialect.error(404, "SecretNotFound", message)

    def _bundle(self, vault: Body, secret: Body, version: Body, whole: bool = True) -> Body:
        """A version as the API shows it, its value aside; in lists the id does not name the version."""
        place = f"{vault['properties']['vaultUri']}secrets/{secret['name']}"
        attributes = {key: version[key] for key in ("enabled", "nbf", "exp", "created", "updated") if key in version}
        shown: Body = {
            "id": f"{place}/{version['version']}" if whole else place,
            "attributes": attributes | {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90},
        }
        return shown | {key: version[key] for key in ("contentType", "tags") if key in version}

    def _deleted_bundle(self, vault: Body, secret: Body, whole: bool = True) -> Body:
        return self._bundle(vault, secret, secret["versions"][-1], whole) | {
            "recoveryId": f"{vault['properties']['vaultUri']}deletedsecrets/{secret['name']}",
            "deletedDate": secret["deleted"],
            "scheduledPurgeDate": secret["deleted"] + RETENTION,
        }

    def list(self, call: Call) -> Body:
        vault = self._vault(call, LIST)
        secrets = self._contents.list(vault["name"])
        shown, link = self._page(call, vault, "secrets", secrets, lambda one: str(one["name"]).lower())
        bundles = [self._bundle(vault, one, one["versions"][-1], whole=False) for one in shown]
        return {"value": bundles, "nextLink": link}

    def list_deleted(self, call: Call) -> Body:
        vault = self._vault(call, LIST)
        secrets = self._contents.list(vault["name"], DELETED)
        shown, link = self._page(call, vault, "deletedsecrets", secrets, lambda one: str(one["name"]).lower())
        return {"value": [self._deleted_bundle(vault, one, whole=False) for one in shown], "nextLink": link}

    def list_versions(self, call: Call) -> Body:
        vault, name = self._vault(call, LIST), call.params["name"]
        secret = self._contents.find(vault["name"], name)
        if secret is None:
            raise self._missing(name)
        versions = sorted(secret["versions"], key=lambda one: str(one["version"]), reverse=True)
        shown, link = self._page(call, vault, f"secrets/{name}/versions", versions, lambda one: str(one["version"]))
        return {"value": [self._bundle(vault, secret, one) for one in shown], "nextLink": link}

    def _page(self, call: Call, vault: Body, path: str, rows: Any, key: Any) -> tuple[Any, str | None]:
        """The page that the call asks for, and the address of the next one."""
        size = whole_number(self.dialect, call.query, "maxresults", PAGE, 1, PAGE)
        shown, token = page(rows, size, call.query.get("$skiptoken", ""), key, self.dialect)
        version = call.query["api-version"]
        link = f"{vault['properties']['vaultUri']}{path}?api-version={version}&$skiptoken={token}&maxresults={size}"
        return shown, link if token else None

    def delete(self, call: Call) -> Body:
        """It can be recovered, and its name is not free, until it is purged."""
        vault, name = self._vault(call, DELETE), call.params["name"]
        gone = self._contents.delete(vault["name"], name)
        if gone is None:
            raise self._missing(name)
        return self._deleted_bundle(vault, gone)

    def get_deleted(self, call: Call) -> Body:
        vault, name = self._vault(call, LIST), call.params["name"]
        found = self._contents.find(vault["name"], name, DELETED)
        if found is None:
            raise self._missing(name)
        return self._deleted_bundle(vault, found)

    def purge(self, call: Call) -> Response:
        vault, name = self._vault(call, PURGE), call.params["name"]
        if self._contents.purge(vault["name"], name) is None:
            raise self._missing(name)
        return empty(204)

    def recover(self, call: Call) -> Body:
        vault, name = self._vault(call, RECOVER), call.params["name"]
        back = self._contents.recover(vault["name"], name)
        if back is None:
            raise self._missing(name)
        return self._bundle(vault, back, back["versions"][-1])
