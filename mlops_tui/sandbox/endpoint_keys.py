"""The keys and tokens that open online endpoints: two keys each, encrypted in the store, and tokens that run out.

Documents of kind "endpoint-keys" by the endpoint's id in lower case.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import jwt

from mlops_tui.sandbox.secret_vault import SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "endpoint-keys"
NAMES = ("primary", "secondary")
TOKEN_LIFETIME = 3600 * 12  # seconds


class EndpointKeys:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store
        self._vault = SecretVault(sandbox.folder / "secrets.key")

    def make(self, endpoint_id: str, wanted: Body) -> None:
        """For a new endpoint: those that it was asked to have (primaryKey, secondaryKey), else fresh ones."""
        chosen = {name: str(wanted.get(f"{name}Key") or fresh()) for name in NAMES}
        self._store.put(KIND, endpoint_id.lower(), {name: self._close(value) for name, value in chosen.items()})

    def read(self, endpoint_id: str) -> tuple[str, str]:
        """Primary and secondary; empty ones where there are none. Raises LostKeyError."""
        kept = self._store.get(KIND, endpoint_id.lower())
        if kept is None:
            return "", ""
        primary, secondary = (self._vault.open(kept[name]).decode() for name in NAMES)
        return primary, secondary

    def renew(self, endpoint_id: str, name: str) -> None:
        """`name`: "primary" or "secondary"."""
        with self._store.transaction():
            kept = self._store.get(KIND, endpoint_id.lower()) or {one: self._close(fresh()) for one in NAMES}
            self._store.put(KIND, endpoint_id.lower(), kept | {name: self._close(fresh())})

    def forget(self, endpoint_id: str) -> None:
        self._store.delete(KIND, endpoint_id.lower())

    def token(self, endpoint_id: str) -> Body:
        """One that opens the endpoint until it runs out, or until the primary key is renewed."""
        now = int(time.time())
        claims = {"aud": endpoint_id.lower(), "iat": now, "exp": now + TOKEN_LIFETIME}
        return {
            "accessToken": jwt.encode(claims, self.read(endpoint_id)[0], algorithm="HS256"),
            "tokenType": "Bearer",
            "expiryTimeUtc": now + TOKEN_LIFETIME,
            "refreshAfterTimeUtc": now + TOKEN_LIFETIME // 2,
        }

    def _close(self, value: str) -> str:
        return self._vault.close(value.encode())


def fresh() -> str:
    return secrets.token_hex(32)


def is_token(text: str, endpoint_id: str, primary: str) -> bool:
    """Whether `token` gave it out for this endpoint, and it still holds."""
    try:
        jwt.decode(text, primary, algorithms=["HS256"], audience=endpoint_id.lower())
    except jwt.InvalidTokenError:
        return False
    return True
