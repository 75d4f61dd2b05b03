"""Ports of 127.0.0.1 for what runs in the sandbox."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Container

# Below the range from which systems take the ports of outgoing connections: a kept port is still free later.
FIRST, COUNT = 20000, 12000


class NoPortError(Exception):
    """Every port that was tried is taken."""


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: no wait for old connections
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(besides: Container[int] = ()) -> int:
    """One that no program holds and that is not `besides`. Raises NoPortError."""
    for _ in range(200):
        port = FIRST + secrets.randbelow(COUNT)
        if port not in besides and is_free(port):
            return port
    raise NoPortError(f"No free port was found between {FIRST} and {FIRST + COUNT}.")
