"""Secret values at rest: encrypted in the store, with a key that stands in a file of its own beside it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from mlops_tui.sandbox.storage import move_into

MAKING = threading.Lock()  # the first two values may come at once: there must be one key


class LostKeyError(Exception):
    """A value that the key file cannot open: the file was removed or changed since."""


class SecretVault:
    """Closes and opens values (bytes); the key file, 0600, is made when the first value comes."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def close(self, value: bytes) -> str:
        return self._cipher().encrypt(value).decode()

    def open(self, closed: str) -> bytes:
        """Raises LostKeyError."""
        try:
            return self._cipher().decrypt(closed.encode())
        except InvalidToken as error:
            raise LostKeyError(f"{self._key_file.name} is not the key that this secret was written with") from error

    def _cipher(self) -> Fernet:
        with MAKING:
            if not self._key_file.exists():
                fresh = self._key_file.with_suffix(f".{os.getpid()}")
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(Fernet.generate_key())
                move_into(fresh, self._key_file)
        return Fernet(self._key_file.read_bytes())
