"""Of what has one name only one goes at a time; the others wait.

GitHub, "Control the concurrency of workflows and jobs": of those that wait the newest stays, older ones are canceled.
Azure Pipelines, exclusive locks: `sequential` lets all wait in line, `runLatest` the newest alone.
"""

from __future__ import annotations

import threading


class Turnstiles:
    """Keys say who. Nothing is kept: after a restart those that wait line up again. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, list[str]] = {}  # the first one goes
        self._out: set[str] = set()  # those that have to make way

    def pass_through(self, name: str, key: str, keeps_order: bool, cancels_running: bool) -> bool:
        """Whether it may go now; lines up where it may not."""
        with self._lock:
            line = self._lines.setdefault(name, [])
            if key not in line and key not in self._out:
                if not keeps_order:
                    self._out.update(line[1:])
                    del line[1:]
                if cancels_running:
                    self._out.update(line)
                line.append(key)
            return line[:1] == [key]

    def is_out(self, key: str) -> bool:
        """Whether a newer one has taken its place, so that it has to end."""
        with self._lock:
            return key in self._out

    def leave(self, key: str) -> None:
        with self._lock:
            self._out.discard(key)
            for name, line in list(self._lines.items()):
                if key in line:
                    line.remove(key)
                if not line:
                    del self._lines[name]
