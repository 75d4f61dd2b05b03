"""What the sandbox remembers: JSON documents in SQLite, and files beside them.

A document has a kind ("application", "secret", "job") and a key. Every write is committed before the answer leaves, so
a killed sandbox forgets nothing that it said.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class AlreadyThereError(Exception):
    """`insert` found a document of that kind and key."""


class Store:
    """Documents by kind and key; safe to use from any thread. Keys are compared as written: fold case before."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.folder = folder
        path = folder / "state.sqlite"
        path.touch(mode=0o600)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # WAL with synchronous=NORMAL survives the death of the process (not of the machine), at 0.1 ms a commit.
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;"
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,"
            " PRIMARY KEY (kind, key)) WITHOUT ROWID;"
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block, or none; other threads wait. Nests."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def get(self, kind: str, key: str) -> Document | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, body: Document) -> None:
        with self.transaction():
            self._connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
                (kind, key, json.dumps(body)),
            )

    def insert(self, kind: str, key: str, body: Document) -> None:
        """Like put, but raises AlreadyThereError where one stands already."""
        with self.transaction():
            try:
                self._connection.execute("INSERT INTO documents VALUES (?, ?, ?)", (kind, key, json.dumps(body)))
            except sqlite3.IntegrityError as error:
                raise AlreadyThereError(f"{kind} {key}") from error

    def delete(self, kind: str, key: str) -> Document | None:
        """Remove and return it; None where there was none."""
        with self.transaction():
            before = self.get(kind, key)
            self._connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))
        return before

    def items(self, kind: str, prefix: str = "") -> list[tuple[str, Document]]:
        """Keys and documents of a kind, in the order of their keys; all whose key starts with `prefix`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT key, body FROM documents WHERE kind = ? AND substr(key, 1, ?) = ? ORDER BY key",
                (kind, len(prefix), prefix),
            ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def list(self, kind: str, prefix: str = "") -> list[Document]:
        """The documents of `items`."""
        return [body for _, body in self.items(kind, prefix)]

    def next_number(self, counter: str, start: int = 1) -> int:
        """A number that this counter has never given before, over restarts too."""
        with self.transaction():
            last = self.get("counter", counter) or {"value": start - 1}
            self.put("counter", counter, {"value": last["value"] + 1})
        return int(last["value"]) + 1

    def close(self) -> None:
        with self._lock:
            self._connection.close()
