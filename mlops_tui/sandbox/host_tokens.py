"""Personal access tokens of Azure DevOps and GitHub: whose they are. The store has their digests alone.

Formats: Azure DevOps, 84 characters with "AZDO" at the 77th (Microsoft, "Use personal access tokens"); GitHub,
"ghp_" and 36 more, or "github_pat_" where it is fine-grained (GitHub, "Authentication token formats").
"""

from __future__ import annotations

import hashlib
import secrets
import string
import time
from typing import TYPE_CHECKING, Literal

from mlops_tui.sandbox.api import Principal

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

KIND = "host-token"
TokenHost = Literal["azure-devops", "github"]
LETTERS = string.ascii_letters + string.digits


class HostTokens:
    """Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, host: TokenHost, owner: Principal, scopes: tuple[str, ...] = (), seconds: int = 0) -> str:
        """A new token; 0 seconds is no end. No scopes: everything that its owner may do.

        On GitHub scopes of the form "secrets=write" are the permissions of a fine-grained token.
        """
        value = _azure_devops() if host == "azure-devops" else _github(any("=" in scope for scope in scopes))
        ends = time.time() + seconds if seconds else 0
        kept = {"host": host, "owner": vars(owner), "scopes": list(scopes), "ends": ends}
        self._store.insert(KIND, _digest(value), kept)
        return value

    def owner(self, host: TokenHost, token: str) -> Principal | None:
        """Whose it is; None for what is no token of that host, or has run out."""
        kept = self._store.get(KIND, _digest(token))
        if kept is None or kept["host"] != host or (kept["ends"] and kept["ends"] < time.time()):
            return None
        return Principal(**kept["owner"])

    def has_ended(self, host: TokenHost, token: str) -> bool:
        """Whether it was one of that host, once."""
        kept = self._store.get(KIND, _digest(token))
        return kept is not None and kept["host"] == host and self.owner(host, token) is None

    def scopes(self, token: str) -> tuple[str, ...]:
        kept = self._store.get(KIND, _digest(token))
        return tuple(kept["scopes"]) if kept else ()

    def revoke(self, token: str) -> None:
        self._store.delete(KIND, _digest(token))


def _azure_devops() -> str:
    return f"{_letters(76)}AZDO{_letters(4)}"


def _github(fine_grained: bool) -> str:
    return f"github_pat_{_letters(22)}_{_letters(59)}" if fine_grained else f"ghp_{_letters(36)}"


def _letters(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
