"""Every request the sandbox answered: method, path, status, caller, time. Never a body, never a credential.

GET /_sandbox/requests[?since=N&writes=1] lists them; `since` is a sequence number.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

# These change nothing: sign-in, search, scoring and fetching from Git are POSTs by protocol.
READS_BY_POST = (
    "/oauth2/",
    "/runs/search",
    "/experiments/search",
    "/registered-models/search",
    "/logged-models/search",
    "/getByIds",
    "/score",
    "/git-upload-pack",
    "/oidctoken",
    "/preview",
)


KEPT = 50_000  # requests in memory
LARGEST_FILE = 20_000_000  # bytes; a longer file is put aside, in place of the one put aside before it
SIGNATURE = re.compile(r"(/signed-artifacts/\d+/)[^/]+")  # opens the file for whoever has it


def is_write(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD", "OPTIONS") and not any(part in path for part in READS_BY_POST)


class RequestLog:
    """The latest in memory, and more in a file and the one before it, one JSON line each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()
        self._lock = threading.Lock()
        self._lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._count = 0
        self.last_at = time.time()  # of the last request, or of our start

    def _open(self) -> None:
        self._path.touch(mode=0o600)
        self._file = self._path.open("a", buffering=1)
        self._size = self._path.stat().st_size

    def add(self, method: str, path: str, status: int, caller: str, seconds: float, agent: str) -> None:
        line: dict[str, Any] = {
            "at": round(time.time(), 3),
            "method": method,
            "path": SIGNATURE.sub(r"\1...", path),
            "status": status,
            "caller": caller,
            "ms": round(seconds * 1000, 1),
            "agent": agent,
            "write": is_write(method, path),
        }
        with self._lock:
            self.last_at = line["at"]
            self._count += 1
            line["seq"] = self._count
            self._lines.append(line)
            self._size += self._file.write(json.dumps(line) + "\n")
            if self._size > LARGEST_FILE:
                self._file.close()
                self._path.replace(self._path.with_name("requests.before.jsonl"))
                self._open()

    def list(self, since: int = 0, writes_only: bool = False) -> list[dict[str, Any]]:
        with self._lock:
            lines = [line for line in self._lines if line["seq"] > since]
        return [line for line in lines if line["write"] or not writes_only]

    def close(self) -> None:
        self._file.close()
