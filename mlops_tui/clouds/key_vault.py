"""Key vaults: the vault as an Azure resource, and the secrets in it (Key Vault REST API reference 7.4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tui import redaction
from mlops_tui.clouds.rest import Entity, Rest
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import ConflictError, ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.arm import Arm

VAULTS_VERSION = "2023-07-01"
SECRETS_VERSION = "7.4"
SECRETS = "Microsoft.KeyVault/vaults/secrets"  # how its data actions begin
OFFICER = "Key Vault Secrets Officer"
LINK = "https://learn.microsoft.com/azure/key-vault/general/rbac-guide"
RECOVER_SECONDS = 60.0  # how long a deleted secret may take to come back
RECOVER_PAUSE = 2.0


@dataclass(frozen=True)
class Vault:
    """A vault as an Azure resource."""

    id: str
    name: str
    uri: str  # where its secrets are, without a trailing slash
    uses_roles: bool  # else access policies of its own say who may do what
    location: str = ""

    @property
    def group(self) -> str:
        """The resource group that it is in."""
        return self.id.split("/")[4]


@dataclass(frozen=True)
class VaultSecret:
    value: str = field(repr=False)
    tags: Mapping[str, str]


class KeyVaults:
    """Vaults are looked up, never made or removed: each is somebody's safe."""

    def __init__(self, arm: Arm, open_rest: Callable[[str], Rest]) -> None:
        self._arm = arm
        self._open_rest = open_rest  # the connection to a vault at that address

    def get(self, vault_id: str) -> Vault | None:
        """None where there is none. Raises ForbiddenError for those without a role on it."""
        subscription_id, name = vault_id.split("/")[2], vault_id.rpartition("/")[2]
        try:
            with speaking_of(f"the key vault {name}"):
                found = self._arm.resources(subscription_id).resources.get_by_id(vault_id, api_version=VAULTS_VERSION)
        except NotFoundError:
            return None
        return _vault(found.id or vault_id, found.name or name, found.location or "", dict(found.properties or {}))

    def list(self, subscription_id: str) -> tuple[Vault, ...]:
        """Those that the caller may see."""
        path = f"/subscriptions/{subscription_id}/providers/Microsoft.KeyVault/vaults"
        with speaking_of("the list of key vaults"):
            found = self._arm.list(subscription_id, path, VAULTS_VERSION)
        return tuple(_vault(one["id"], one["name"], one.get("location", ""), one["properties"]) for one in found)

    def secrets(self, vault: Vault) -> VaultSecrets:
        return VaultSecrets(vault, self._open_rest(vault.uri), self._arm.identity.caller().object_id)


class VaultSecrets:
    """What is in one vault. A secret that is read is registered for redaction before it is returned."""

    def __init__(self, vault: Vault, rest: Rest, caller_id: str) -> None:
        self._vault = vault
        self._rest = rest
        self._caller_id = caller_id

    def read(self, name: str, known: str = "") -> VaultSecret | None:
        """None where there is no such secret. It is registered as one, unless its value is what is `known` already."""
        try:
            with self._speaking_of(name):
                found = self._call("GET", f"secrets/{name}")
        except NotFoundError:
            return None
        value = str(found["value"])
        if value != known:
            redaction.register(value)
        return VaultSecret(value, found.get("tags") or {})

    def put(self, name: str, value: str, tags: Mapping[str, str]) -> None:
        """A new version. One that was deleted keeps its name for 90 days, so that it is brought back first."""
        body: Entity = {"value": value, "tags": dict(tags)}
        deadline = time.monotonic() + RECOVER_SECONDS
        recovering = False
        while True:
            try:
                with self._speaking_of(name):
                    self._call("PUT", f"secrets/{name}", body)
                return
            except ConflictError:
                if time.monotonic() > deadline:
                    raise
            if recovering:
                time.sleep(RECOVER_PAUSE)
            else:
                self._recover(name)
                recovering = True

    def delete(self, name: str) -> bool:
        """False where there was none. The vault keeps it restorable for a while."""
        try:
            with self._speaking_of(name):
                self._call("DELETE", f"secrets/{name}")
        except NotFoundError:
            return False
        return True

    def _recover(self, name: str) -> None:
        try:
            with self._speaking_of(name):
                self._call("POST", f"deletedsecrets/{name}/recover")
        except (ConflictError, NotFoundError):
            return  # it is coming back already, or is there: the next attempt to set it shows

    def _call(self, method: str, path: str, body: Entity | None = None) -> Entity:
        return self._rest.call(method, f"{path}?api-version={SECRETS_VERSION}", body)

    @contextmanager
    def _speaking_of(self, name: str) -> Iterator[None]:
        """Raises ForbiddenError that says what to do: give a role, open the firewall, enable the secret."""
        try:
            with speaking_of(f"the secret {name} in the key vault {self._vault.name}"):
                yield
        except ForbiddenError as error:
            text = error.raw.lower()
            if "disabled secret" in text:
                hint = f"az keyvault secret set-attributes --vault-name {self._vault.name} --name {name} --enabled true"
            elif "client address" in text or "public network access" in text:
                hint = "The vault's firewall keeps this machine out: add its address (az keyvault network-rule add)."
            else:
                raise not_an_officer(self._vault, self._caller_id, raw=error.raw, code=error.code) from error
            raise ForbiddenError(error.message, hint=hint, link=LINK, raw=error.raw, code=error.code) from error


def _vault(vault_id: str, name: str, location: str, properties: Mapping[str, Any]) -> Vault:
    uri = str(properties["vaultUri"]).rstrip("/")
    return Vault(vault_id, name, uri, properties.get("enableRbacAuthorization") is True, location)


def not_an_officer(vault: Vault, caller_id: str, *, raw: str = "", code: str = "") -> ForbiddenError:
    """Whoever owns a vault may not read what is in it: that takes a role of its own."""
    return ForbiddenError(
        f"Not allowed: read and write the secrets of the key vault {vault.name}. Being its owner is not enough.",
        hint=f'Give this account the role (and a few minutes): az role assignment create --role "{OFFICER}" '
        f'--assignee "{caller_id}" --scope "{vault.id}"',
        link=LINK,
        raw=raw,
        code=code,
    )
