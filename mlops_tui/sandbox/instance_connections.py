"""HTTP to the processes behind an endpoint: one request after another on connections that stay open.

Written on asyncio's streams: a general HTTP client costs four times what the process itself needs to answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

KEPT_OPEN = 3.0  # seconds without a request; uvicorn closes after five
Headers = list[tuple[bytes, bytes]]


class BrokenOffError(Exception):
    """The process closed the connection, or was not there. `sent`: whether the request had gone out."""

    def __init__(self, sent: bool) -> None:
        super().__init__("the connection broke off" if sent else "the connection was refused")
        self.sent = sent


@dataclass(frozen=True)
class Reply:
    """What a process answered."""

    status: int
    headers: Headers  # names in lower case
    body: bytes


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float = 0.0  # when it was last used

    @property
    def usable(self) -> bool:
        fresh = time.monotonic() - self.since < KEPT_OPEN
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()


class InstanceConnections:
    """Open connections by port. For one event loop."""

    def __init__(self) -> None:
        self._idle: dict[int, deque[_Connection]] = {}

    async def ask(self, port: int, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Reply:
        """One request. Raises BrokenOffError; a caller that gives up (a timeout) closes the connection."""
        connection, used_before = await self._connection(port)
        done = False
        try:
            connection.writer.write(_head(port, method, target, headers, body))
            reply, keep = await _read(connection.reader)
            done = keep
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            if used_before and isinstance(error, (OSError, EOFError)):
                return await self._ask_anew(port, method, target, headers, body)
            raise BrokenOffError(sent=True) from error
        finally:
            if done:
                connection.since = time.monotonic()
                self._idle.setdefault(port, deque()).append(connection)
            else:
                connection.writer.close()
        return reply

    async def _ask_anew(
        self, port: int, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
    ) -> Reply:
        """On a new connection: the one before had been closed while it lay idle."""
        self._drop(port)
        return await self.ask(port, method, target, headers, body)

    async def _connection(self, port: int) -> tuple[_Connection, bool]:
        idle = self._idle.get(port)
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection, True
            connection.writer.close()
        try:
            return _Connection(*await asyncio.open_connection("127.0.0.1", port)), False
        except OSError as error:
            raise BrokenOffError(sent=False) from error

    def _drop(self, port: int) -> None:
        for connection in self._idle.pop(port, ()):
            connection.writer.close()

    async def close(self) -> None:
        connections = [connection for idle in self._idle.values() for connection in idle]
        self._idle.clear()
        for connection in connections:
            connection.writer.close()
        await asyncio.gather(*(one.writer.wait_closed() for one in connections), return_exceptions=True)


def _head(port: int, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _read(reader: asyncio.StreamReader) -> tuple[Reply, bool]:
    """The answer, and whether the connection can be used again."""
    status, headers = 100, []
    while status < 200:  # what comes before the answer itself
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        status = int(head[0].split(b" ", 2)[1])
        pairs = (line.partition(b":") for line in head[1:])
        headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
    facts = dict(headers)
    keep = facts.get(b"connection", b"").lower() != b"close" and head[0].startswith(b"HTTP/1.1")
    if facts.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = await _chunks(reader)
    elif b"content-length" in facts:
        body = await reader.readexactly(int(facts[b"content-length"]))
    elif status in (204, 304):
        body = b""
    else:
        body, keep = await reader.read(), False
    return Reply(status, headers, body), keep


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers
        pass
    return b"".join(parts)
