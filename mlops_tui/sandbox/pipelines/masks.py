"""What may not be read in a log: secrets, in the spellings in which they may come out, are shown as `***`.

As on the hosts each line of a secret of several lines is hidden for itself, and so are its URL, JSON and base64
spellings (actions/runner, ValueEncoders; microsoft/azure-pipelines-agent, which leaves what is shorter than 3).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MASK = "***"
SHORTEST = 3  # shorter ones would blot out everything
SPELLED = 6  # shorter ones are hidden as they are alone: their other spellings are too common
SECRET_ENDINGS = ("TOKEN", "SECRET", "KEY", "PASSWORD")


class Masks:
    """Of one job; safe to use from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        with self._lock:
            for secret in secrets:
                self._known.update(_spellings(secret))
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, text: str) -> str:
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text

    def shows(self, text: str) -> bool:
        """Whether nothing of it is hidden."""
        return self.hide(text) == text


def sensitive(values: Mapping[str, str]) -> list[str]:
    """Of an environment that a host gives: what is secret by its name."""
    return [value for name, value in values.items() if name.upper().endswith(SECRET_ENDINGS)]


def _spellings(secret: str) -> set[str]:
    lines = [line.strip() for line in secret.splitlines()]
    found = {secret, *lines}
    for one in (secret, secret.strip()):
        if len(one) >= SPELLED:
            encoded = base64.b64encode(one.encode()).decode()
            found |= {quote(one, safe=""), json.dumps(one)[1:-1], encoded, encoded.rstrip("=")}
    return {one for one in found if len(one) >= SHORTEST}
