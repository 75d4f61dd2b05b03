"""The keys of the storage accounts, encrypted in the store.

Documents of kind "storage-account", by name: two keys, as `closed` texts. An account need not be an ARM resource: a
container registry keeps its uploads in one that its owner never sees.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from mlops_tui.sandbox.secret_vault import SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

ACCOUNT = "storage-account"
KEY_BYTES = 64


class BlobAccounts:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store
        self._cipher = SecretVault(sandbox.folder / "secrets.key")

    def names(self) -> list[str]:
        return [name for name, _ in self._store.items(ACCOUNT)]

    def make(self, name: str) -> None:
        """With two new keys; one that is there keeps its own."""
        with self._store.transaction():
            if self._store.get(ACCOUNT, name) is None:
                self._store.put(ACCOUNT, name, {"name": name, "keys": [self._fresh(), self._fresh()]})

    def forget(self, name: str) -> None:
        self._store.delete(ACCOUNT, name)

    def keys(self, name: str) -> list[str]:
        """Both, in base64; none where there is no such account. Raises LostKeyError."""
        kept = self._store.get(ACCOUNT, name)
        return [self._cipher.open(closed).decode() for closed in kept["keys"]] if kept else []

    def renew(self, name: str, index: int) -> None:
        with self._store.transaction():
            kept = self._store.get(ACCOUNT, name)
            if kept:
                kept["keys"][index] = self._fresh()
                self._store.put(ACCOUNT, name, kept)

    def _fresh(self) -> str:
        return self._cipher.close(base64.b64encode(secrets.token_bytes(KEY_BYTES)))
