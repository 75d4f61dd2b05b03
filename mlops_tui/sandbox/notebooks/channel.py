"""How a worker speaks with its supervisor: JSON lines over a socket pair; a question carries a socket for its answer.

A socket per question lets any number of the notebook's threads ask at once.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import Any

Message = dict[str, Any]


class Channel:
    """The worker's end. Safe to use from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, **message: Any) -> None:
        line = json.dumps({**message, "asks": False}).encode() + b"\n"
        with self._lock:
            self._connection.sendall(line)

    def ask(self, **message: Any) -> Message:
        """Wait for the answer; raises ConnectionError where the supervisor is gone."""
        line = json.dumps({**message, "asks": True}).encode() + b"\n"
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock:
                sent = socket.send_fds(self._connection, [line], [theirs.fileno()])
                self._connection.sendall(line[sent:])
            return read_message(ours)


class Inbox:
    """The supervisor's end."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.closed = False
        self._buffer = bytearray()
        self._answers: list[int] = []

    def receive(self) -> list[tuple[Message, socket.socket | None]]:
        """The messages that have come, each with the socket that waits for its answer; never waits itself."""
        messages: list[tuple[Message, socket.socket | None]] = []
        while not self.closed:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.connection, 1 << 20, 8)
            except BlockingIOError:
                break
            except OSError:
                data, descriptors = b"", []
            self._answers += descriptors
            self._buffer += data
            self.closed = not data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            message = json.loads(line)
            asks = message.pop("asks")
            messages.append((message, socket.socket(fileno=self._answers.pop(0)) if asks else None))
        return messages

    def close(self) -> None:
        self.connection.close()
        for descriptor in self._answers:
            os.close(descriptor)


def answer(connection: socket.socket, **message: Any) -> None:
    """Answer a question and hang up; who no longer waits for it is no matter."""
    with connection:
        connection.settimeout(5)
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return


def read_message(connection: socket.socket) -> Message:
    """The next line of the socket, byte by byte at its end. Raises ConnectionError at the end of the stream."""
    line = bytearray()
    while not line.endswith(b"\n"):
        # Nothing must be read beyond the line: whoever reads next begins there.
        ahead = connection.recv(1 << 16, socket.MSG_PEEK)
        if not ahead:
            raise ConnectionError("the supervisor of this run is gone")
        end = ahead.find(b"\n")
        line += connection.recv(end + 1 if end >= 0 else len(ahead))
    message: Message = json.loads(line)
    return message
