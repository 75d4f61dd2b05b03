"""What happened, kept: the events of each command as JSON lines, redacted, one file a command."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from mlops_tui import folders
from mlops_tui.errors import UsageError
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
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{command.replace(' ', '-')}-{os.getpid()}"
        self.path, descriptor = _created(folder, name)
        self._log_lines = 0
        self._file = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace")

    def write(self, event: Event) -> None:
        """Every event but the log lines beyond the first LOG_LINES. Raises OSError where the disk is full."""
        if isinstance(event, LogLine):
            self._log_lines += 1
            if self._log_lines > LOG_LINES:
                return
        self._file.write(line_of(event) + "\n")

    def close(self) -> None:
        self._file.close()


def opened(environment: Mapping[str, str], command: str) -> Journal:
    """A new file in this user's folder of journals. Raises UsageError where it cannot be written."""
    folder = folders.made(folders.journal_folder(environment))
    try:
        return Journal(folder, command)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be written: {error.strerror}.",
            hint=f"Set {folders.VARIABLE} to a folder of your own.",
        ) from error


def keeper(journal: Journal, show: Callable[[Event], None]) -> Callable[[Event], None]:
    """Writes the journal as long as that can be written: a full disk must not end what goes on in the cloud."""
    broken = False

    def keep(event: Event) -> None:
        nonlocal broken
        if broken:
            return
        try:
            journal.write(event)
        except OSError as error:
            broken = True
            text = f"{journal.path} cannot be written any more ({error.strerror}); the rest is shown here alone"
            show(LogLine(source="journal", text=text, level="warning"))

    return keep


def _created(folder: Path, name: str) -> tuple[Path, int]:
    """A file of that name, or of the next that is free: one process may do two things of one name in a second."""
    for number in itertools.count(1):
        path = folder / (f"{name}.jsonl" if number == 1 else f"{name}-{number}.jsonl")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError:
            continue
    raise AssertionError("there are always more numbers")


def line_of(event: Event) -> str:
    """The event as one line of JSON with no secret in it."""
    return json.dumps(redacted(to_json(event)), ensure_ascii=False)
