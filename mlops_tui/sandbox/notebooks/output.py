"""A run's output on its way to the file: secrets out, up to a limit, at the speed of the disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

REDACTED = "[REDACTED]"
LIMIT_NOTICE = b"\n*** WARNING: max output size exceeded, skipping output. ***\n"  # the platform's words


class Redactor:
    """Replaces secrets in a stream of bytes, also where one is split over several pieces."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: tuple[bytes, ...] = ()
        self._pattern: re.Pattern[bytes] | None = None
        self._held = b""  # may be the beginning of a secret
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hide this value from now on, as it is and as repr() and JSON write it."""
        if not secret:
            return
        texts = {secret, secret.strip(), repr(secret)[1:-1], json.dumps(secret)[1:-1]} - {""}
        forms = {text.encode(errors="surrogatepass") for text in texts} | set(self._forms)
        self._forms = tuple(sorted(forms, key=len, reverse=True))  # the longest match wins
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms))

    def feed(self, data: bytes) -> bytes:
        """What can be shown by now."""
        if self._pattern is None:
            return data
        data = self._held + data
        cut = len(data) - self._beginning(data)
        for match in self._pattern.finditer(data):
            if match.start() < cut < match.end():
                cut = match.start()
        self._held = data[cut:]
        return self._pattern.sub(REDACTED.encode(), data[:cut])

    def finish(self) -> bytes:
        """The rest: nothing comes after it."""
        rest, self._held = self._held, b""
        return self._pattern.sub(REDACTED.encode(), rest) if self._pattern else rest

    def text(self, text: str | None) -> str | None:
        """A whole text without its secrets."""
        if not text or self._pattern is None:
            return text
        return self._pattern.sub(REDACTED.encode(), text.encode(errors="surrogatepass")).decode(errors="replace")

    def _beginning(self, data: bytes) -> int:
        """The length of the longest end of `data` with which a secret may begin."""
        longest = min(len(self._forms[0]) - 1, len(data))
        for length in range(longest, 0, -1):
            end = data[-length:]
            if any(len(form) > length and form.startswith(end) for form in self._forms):
                return length
        return 0


class OutputFile:
    """Appends whole lines as they come; `tick` also writes a line that has no end yet (a progress bar, a prompt)."""

    def __init__(self, path: Path, secrets: Iterable[str], limit: int) -> None:
        """`limit`: bytes kept; what comes after is thrown away, with a notice."""
        self.redactor = Redactor(secrets)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._left = limit
        self._line = b""

    def write(self, data: bytes) -> None:
        if self._left < 0:
            return
        self._line += self.redactor.feed(data)
        end = self._line.rfind(b"\n") + 1
        self._append(self._line[:end])
        self._line = self._line[end:]
        if len(self._line) > 65536:
            self.tick()

    def tick(self) -> None:
        self._append(self._line)
        self._line = b""

    def close(self) -> None:
        self._line += self.redactor.finish()
        self.tick()
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        if not data or self._left < 0:
            return
        kept = memoryview(data)[: self._left]
        self._left -= len(data)
        while kept:
            kept = kept[os.write(self._file, kept) :]
        if self._left < 0:
            os.write(self._file, LIMIT_NOTICE)
