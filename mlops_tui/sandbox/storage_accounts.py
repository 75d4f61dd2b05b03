"""Microsoft.Storage/storageAccounts: the account as Azure sees it. Its blobs answer at primaryEndpoints.blob.

Shapes and errors: Azure REST reference, Storage 2023-05-01.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, answer
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.resource_type import ResourceType

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.Storage"
TYPE = f"{NAMESPACE}/storageAccounts"
NAME = re.compile(r"[a-z0-9]{3,24}")
SKUS = tuple(
    [f"Standard_{kind}" for kind in ("LRS", "GRS", "RAGRS", "ZRS", "GZRS", "RAGZRS")] + ["Premium_LRS", "Premium_ZRS"]
)
KINDS = ("StorageV2", "Storage", "BlobStorage", "BlockBlobStorage")
KEY_NAMES = ("key1", "key2")


def account_named(store: Store, name: str) -> Body | None:
    """The account as an ARM resource: its name is unique, whatever resource group it is in."""
    return next((one for one in store.list(RESOURCE) if one["type"] == TYPE and one["name"] == name), None)


class StorageAccounts(ResourceType):
    """Create, read, tag, list keys and delete. A deleted account is gone at once, with all its blobs."""

    type_name = TYPE

    def operations(self) -> list[Operation]:
        one = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
        check = f"/subscriptions/{{subscription}}/providers/{NAMESPACE}/checkNameAvailability"
        return [
            *self.lists(),
            self.does("POST", check, f"{NAMESPACE}/checknameavailability/read", self.check_name_availability),
            self.on_one("GET", self.found),
            self.on_one("PUT", self.put),
            self.on_one("PATCH", self.patch),
            self.on_one("DELETE", self.delete),
            self.does("POST", f"{one}/listKeys", f"{TYPE}/listKeys/action", self.list_keys),
            self.does("POST", f"{one}/regenerateKey", f"{TYPE}/regenerateKey/action", self.regenerate_key),
        ]

    def put(self, call: Call) -> Response:
        """200 with the finished account, new or changed: the sandbox has no disks to wait for."""
        own_id, name, wanted = self.id_of(call), call.params["name"], call.json()
        location = self.place_of(call, wanted)
        sku, kind = self._sku(wanted), self._kind(wanted)
        with self.store.transaction():
            there = account_named(self.store, name)
            if there and there["id"].lower() != own_id.lower():
                message = f"The storage account named {name} is already taken."
                raise self.dialect.error(409, "StorageAccountAlreadyTaken", message)
            if there:
                self.check_location(there, location, call.params["group"])
            fixed = there or self._new(own_id, name, location)
            fixed["properties"] |= _settings(wanted.get("properties") or {})
            made: Body = fixed | {"sku": sku, "kind": kind, "tags": wanted.get("tags") or {}}
            BlobStore(self.sandbox).make_account(name)
            self.store.put(RESOURCE, made["id"].lower(), made)
        return answer(made)

    def _new(self, own_id: str, name: str, location: str) -> Body:
        properties = {
            "provisioningState": "Succeeded",
            "creationTime": clock.now(),
            "primaryLocation": location,
            "statusOfPrimary": "available",
            "primaryEndpoints": {"blob": f"{BlobStore(self.sandbox).address(name)}/"},
            "encryption": {"keySource": "Microsoft.Storage", "services": {"blob": {"enabled": True}}},
        }
        return {"id": own_id, "name": name, "type": TYPE, "location": location, "properties": properties}

    def check_name_of(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise self.dialect.error(400, "AccountNameInvalid", _invalid(name))

    def _sku(self, wanted: Body) -> Body:
        name = str((wanted.get("sku") or {}).get("name") or "")
        if name not in SKUS:
            message = f"The sku.name '{name}' is not valid for '{TYPE}'. Allowed values are: {', '.join(SKUS)}."
            raise self.dialect.error(400, "InvalidSku", message)
        return {"name": name, "tier": name.partition("_")[0]}

    def _kind(self, wanted: Body) -> str:
        kind = str(wanted.get("kind") or "")
        if kind not in KINDS:
            message = f"The kind '{kind}' is not valid for '{TYPE}'. Allowed values are: {', '.join(KINDS)}."
            raise self.dialect.error(400, "InvalidKind", message)
        return kind

    def patch(self, call: Call) -> Body:
        """Tags, SKU and settings; what is not given stays."""
        wanted = call.json()
        with self.store.transaction():
            kept = self.found(call)
            kept["tags"] = wanted.get("tags", kept["tags"])
            kept["sku"] = self._sku(wanted) if wanted.get("sku") else kept["sku"]
            given = wanted.get("properties") or {}
            kept["properties"] |= {name: value for name, value in _settings(given).items() if name in given}
            self.store.put(RESOURCE, kept["id"].lower(), kept)
        return kept

    def removed(self, resource: Body) -> None:
        if resource["type"] == TYPE:
            BlobStore(self.sandbox).remove_account(resource["name"])

    def list_keys(self, call: Call) -> Body:
        keys = BlobStore(self.sandbox).accounts.keys(self.found(call)["name"])
        return {"keys": [_key(name, value) for name, value in zip(KEY_NAMES, keys, strict=True)]}

    def regenerate_key(self, call: Call) -> Body:
        """A new key in place of the named one: what the old one signed is refused from now on."""
        name = str(call.need("keyName"))
        if name not in KEY_NAMES:
            raise self.dialect.malformed(f"keyName must be one of {', '.join(KEY_NAMES)}.")
        BlobStore(self.sandbox).accounts.renew(self.found(call)["name"], KEY_NAMES.index(name))
        return self.list_keys(call)

    def check_name_availability(self, call: Call) -> Body:
        name = str(call.need("name"))
        if not NAME.fullmatch(name):
            return {"nameAvailable": False, "reason": "AccountNameInvalid", "message": _invalid(name)}
        if name in BlobStore(self.sandbox).accounts.names():
            message = f"The storage account named {name} is already taken."
            return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
        return {"nameAvailable": True}


def _key(name: str, value: str) -> Body:
    return {"keyName": name, "value": value, "permissions": "FULL"}


def _invalid(name: str) -> str:
    return (
        f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
        "length and use numbers and lower-case letters only."
    )


def _settings(asked: Body) -> Body:
    """What callers choose; the sandbox keeps it, and is on this machine's loopback whatever it says."""
    return {
        "supportsHttpsTrafficOnly": asked.get("supportsHttpsTrafficOnly") is not False,
        "allowBlobPublicAccess": asked.get("allowBlobPublicAccess") is True,
        "minimumTlsVersion": asked.get("minimumTlsVersion") or "TLS1_2",
        "publicNetworkAccess": asked.get("publicNetworkAccess") or "Enabled",
        "accessTier": asked.get("accessTier") or "Hot",
        "isHnsEnabled": False,
    }
