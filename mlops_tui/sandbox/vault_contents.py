"""What the key vaults hold: secrets by name (in any case) with all their versions, their values encrypted.

Documents of kind "vault-secret" and, once deleted, "deleted-vault-secret", by "{vault}/{name}" in lower case: the name,
when it was deleted, and its versions, the newest last. Each has an id, `closed` (the value), attributes and tags.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.secret_vault import SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

SECRET, DELETED = "vault-secret", "deleted-vault-secret"


class VaultContents:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store
        self._cipher = SecretVault(sandbox.folder / "secrets.key")

    def find(self, vault: str, name: str, kind: str = SECRET) -> Body | None:
        return self._store.get(kind, _key(vault, name))

    def list(self, vault: str, kind: str = SECRET) -> list[Body]:
        """By falling name."""
        return self._store.list(kind, _key(vault, ""))[::-1]

    def add(self, vault: str, name: str, value: str, facts: dict[str, Any]) -> Body:
        """A new version, made of the value and `facts` (enabled, tags, contentType …); answers the whole secret."""
        now = int(time.time())
        version = {"version": uuid.uuid4().hex, "closed": self._cipher.close(value.encode()), "created": now}
        with self._store.transaction():
            secret = self.find(vault, name) or {"name": name, "versions": []}
            secret["versions"].append(version | {"updated": now} | facts)
            self._store.put(SECRET, _key(vault, name), secret)
        return secret

    def text(self, version: Body) -> str:
        """Its value. Raises LostKeyError."""
        return self._cipher.open(version["closed"]).decode()

    def delete(self, vault: str, name: str) -> Body | None:
        """Put it aside; None where there is none."""
        with self._store.transaction():
            gone = self._store.delete(SECRET, _key(vault, name))
            if gone:
                gone["deleted"] = int(time.time())
                self._store.put(DELETED, _key(vault, name), gone)
        return gone

    def recover(self, vault: str, name: str) -> Body | None:
        """Put it back; None where it is not among the deleted."""
        with self._store.transaction():
            back = self.purge(vault, name)
            if back:
                del back["deleted"]
                self._store.put(SECRET, _key(vault, name), back)
        return back

    def purge(self, vault: str, name: str) -> Body | None:
        """Remove a deleted one for good; None where there is none."""
        return self._store.delete(DELETED, _key(vault, name))

    def forget(self, vault: str) -> None:
        """The vault is no more."""
        for kind in (SECRET, DELETED):
            for key, _ in self._store.items(kind, _key(vault, "")):
                self._store.delete(kind, key)


def _key(vault: str, name: str) -> str:
    return f"{vault}/{name}".lower()
