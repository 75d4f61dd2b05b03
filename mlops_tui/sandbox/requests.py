"""Every request the sandbox answered: method, path, status, caller, time. Never a body, never a credential.

GET /_sandbox/requests[?since=N&writes=1] lists them; `since` is a sequence number.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

# These change nothing: sign-in and search are POSTs by protocol.
READS_BY_POST = ("/oauth2/", "/runs/search", "/experiments/search", "/registered-models/search", "/getByIds")


def is_write(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD", "OPTIONS") and not any(part in path for part in READS_BY_POST)


class RequestLog:
    """Kept in memory for the life of the process and appended to a file, one JSON line each."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()
        self._lines: list[dict[str, Any]] = []
        self.last_at = time.time()  # of the last request, or of our start

    def add(self, method: str, path: str, status: int, caller: str, seconds: float, agent: str) -> None:
        line: dict[str, Any] = {
            "at": round(time.time(), 3),
            "method": method,
            "path": path,
            "status": status,
            "caller": caller,
            "ms": round(seconds * 1000, 1),
            "agent": agent,
            "write": is_write(method, path),
        }
        with self._lock:
            self.last_at = line["at"]
            line["seq"] = len(self._lines) + 1
            self._lines.append(line)
            self._file.write(json.dumps(line) + "\n")

    def list(self, since: int = 0, writes_only: bool = False) -> list[dict[str, Any]]:
        with self._lock:
            lines = self._lines[since:]
        return [line for line in lines if line["write"] or not writes_only]

    def close(self) -> None:
        self._file.close()
