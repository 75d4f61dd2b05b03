"""What happened, kept: the events of each command as JSON lines, redacted, one file a command."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from mlops_tui.events import Event, LogLine, to_json
from mlops_tui.redaction import redacted

KEPT = 200  # files; the oldest go first
LOG_LINES = 20_000  # of one command; runs keep their own logs (`mlops-tui logs`)


class Journal:
    """An open file of events. Every line is on disk when `write` returns: a killed command leaves all it told."""

    def __init__(self, folder: Path, command: str) -> None:
        """Raises OSError where the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in sorted(folder.glob("*.jsonl"))[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{command.replace(' ', '-')}-{os.getpid()}.jsonl"
        self.path = folder / name
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_lines = 0
        self._file = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace")

    def write(self, event: Event) -> None:
        """Raises OSError where the disk is full."""
        """Every event but the log lines beyond the first LOG_LINES."""
        if isinstance(event, LogLine):
            self._log_lines += 1
            if self._log_lines > LOG_LINES:
                return
        self._file.write(line_of(event) + "\n")

    def close(self) -> None:
        self._file.close()


def line_of(event: Event) -> str:
    """The event as one line of JSON with no secret in it."""
    return json.dumps(redacted(to_json(event)), ensure_ascii=False)
