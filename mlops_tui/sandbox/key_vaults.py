"""Microsoft.KeyVault/vaults: the vault as Azure sees it. What is inside answers at its vaultUri.

Shapes: Azure REST reference, Key Vault 2023-07-01. Every vault decides by Azure RBAC who may read it; the older access
policies are not there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, answer
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.resource_type import ResourceType
from mlops_tui.sandbox.vault_contents import VaultContents

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

TYPE = "Microsoft.KeyVault/vaults"
NAME = re.compile(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]")
SKUS = ("standard", "premium")


def vault_named(store: Store, name: str) -> Body | None:
    """The vault as an ARM resource: its name is unique, whatever resource group it is in."""
    wanted = name.lower()
    return next((one for one in store.list(RESOURCE) if one["type"] == TYPE and one["name"].lower() == wanted), None)


class KeyVaults(ResourceType):
    """Create, read, tag and delete. A deleted vault is gone at once: it cannot be recovered, and its name is free."""

    type_name = TYPE

    def operations(self) -> list[Operation]:
        return [
            *self.lists(),
            self.on_one("GET", self.found),
            self.on_one("PUT", self.put),
            self.on_one("DELETE", self.delete),
        ]

    def put(self, call: Call) -> Response:
        """201 for a new vault, whose address is being registered until it is asked for again; 200 for a change."""
        own_id, name, wanted = self.id_of(call), call.params["name"], call.json()
        location = self.place_of(call, wanted)
        properties = self._properties(wanted.get("properties") or {})
        with self.store.transaction():
            there = vault_named(self.store, name)
            if there and there["id"].lower() != own_id.lower():
                raise self._taken(name)
            if there:
                self.check_location(there, location, call.params["group"])
            fixed = there or {"id": own_id, "name": name, "type": TYPE, "location": location}
            made: Body = fixed | {
                "tags": wanted.get("tags") or {},
                "properties": properties | {"vaultUri": self.uri(fixed["name"])},
            }
            self.store.put(RESOURCE, made["id"].lower(), made)
        if there:
            return answer(made)
        return answer(made | {"properties": made["properties"] | {"provisioningState": "RegisteringDns"}}, 201)

    def uri(self, name: str) -> str:
        """Where the data plane of a vault answers; on Azure, https://NAME.vault.azure.net/."""
        return f"{self.sandbox.origin}/keyvault/{name}/"

    def check_name_of(self, name: str) -> None:
        if not NAME.fullmatch(name):
            message = (
                f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The "
                "name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. "
                "Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742"
            )
            raise self.dialect.error(400, "VaultNameNotValid", message)

    def _properties(self, asked: Body) -> Body:
        """Those of the vault to be. Raises BadRequest for a tenant, SKU or permission model that cannot be."""
        if str(asked.get("tenantId") or "").lower() != self.sandbox.tenant_id:
            message = (
                f"properties.tenantId must be the tenant of the subscription, '{self.sandbox.tenant_id}'; it is "
                f"'{asked.get('tenantId') or ''}'."
            )
            raise self.dialect.malformed(message)
        sku = asked.get("sku") or {}
        if str(sku.get("name") or "").lower() not in SKUS:
            raise self.dialect.malformed(f"properties.sku.name must be one of {', '.join(SKUS)}.")
        if asked.get("enableRbacAuthorization") is not True:
            message = (
                "Access policies are not supported by the sandbox: create the vault with "
                "properties.enableRbacAuthorization true (az keyvault create --enable-rbac-authorization true)."
            )
            raise self.dialect.malformed(message)
        return {
            "sku": {"family": "A", "name": str(sku["name"]).lower()},
            "tenantId": self.sandbox.tenant_id,
            "accessPolicies": [],
            "enabledForDeployment": bool(asked.get("enabledForDeployment")),
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": asked.get("softDeleteRetentionInDays") or 90,
            "enableRbacAuthorization": True,
            "provisioningState": "Succeeded",
            "publicNetworkAccess": asked.get("publicNetworkAccess") or "Enabled",
        }

    def _taken(self, name: str) -> Exception:
        message = (
            f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the "
            "name is already taken."
        )
        return self.dialect.error(409, "VaultAlreadyExists", message)

    def removed(self, resource: Body) -> None:
        if resource["type"] == TYPE:
            VaultContents(self.sandbox).forget(resource["name"])
