"""A storage account of a test's own, with the real clients of Azure Blob Storage."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient

from tests.contract.azure_fixtures import (
    Azure,
    closed_later,
    raw,
)

VERSION = "2023-05-01"
TYPE = "Microsoft.Storage/storageAccounts"
DATA_CONTRIBUTOR, DATA_READER = "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
LATER = timedelta(hours=1)


class Account:
    """A storage account of a test's own."""

    def __init__(self, azure: Azure) -> None:
        self.azure, self.name = azure, f"acct{uuid.uuid4().hex[:12]}"
        azure.resources.providers.register("Microsoft.Storage")
        self.id = f"{azure.root}/resourceGroups/{azure.group()}/providers/{TYPE}/{self.name}"
        self.url = make(azure, self.id).properties["primaryEndpoints"]["blob"]
        self.options: dict[str, Any] = {"connection_verify": str(azure.live.ca), "retry_total": 0}

    def keys(self) -> list[str]:
        return [one["value"] for one in post(self.azure, f"{self.id}/listKeys").json()["keys"]]

    def credential(self) -> dict[str, str]:
        return {"account_name": self.name, "account_key": self.keys()[0]}

    def client(self, credential: Any = None) -> BlobServiceClient:
        return closed_later(BlobServiceClient(self.url, credential=credential or self.credential(), **self.options))

    def container(self, name: str = "data-one") -> ContainerClient:
        return self.client().create_container(name)


def make(azure: Azure, own_id: str, **changes: Any) -> Any:
    wanted: Any = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"} | changes
    resources = azure.resources.resources
    return resources.begin_create_or_update_by_id(own_id, api_version=VERSION, parameters=wanted).result(timeout=20)


def post(azure: Azure, path: str, body: Any = None) -> Any:
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    return raw(azure.live, "POST", f"{path}?api-version={VERSION}", json=body, Authorization=f"Bearer {token}")


def error_code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", "")
    return str(getattr(code, "value", code))
