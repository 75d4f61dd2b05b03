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
    """Of one job; safe to use from any thread.

    A secret is found by its first characters: a pattern of all of them, whole, would take a second to make whenever one
    more comes, and a job's steps name dozens.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._by_head: dict[str, list[str]] = {}  # the longest first
        self._heads: re.Pattern[str] | None = None  # None: to be made
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        with self._lock:
            for spelling in {one for secret in secrets for one in _spellings(secret)}:
                same = self._by_head.setdefault(spelling[:SHORTEST], [])
                if spelling not in same:
                    same.append(spelling)
                    same.sort(key=len, reverse=True)
                    self._heads = None

    def hide(self, text: str) -> str:
        """Of two that begin at the same place the longer one is hidden."""
        with self._lock:
            if not self._by_head:
                return text
            heads = self._heads = self._heads or re.compile("|".join(map(re.escape, self._by_head)))
            parts, done, place = [], 0, 0
            while head := heads.search(text, place):
                start = head.start()
                place = start + 1
                if found := next((one for one in self._by_head[head[0]] if text.startswith(one, start)), ""):
                    parts += [text[done:start], MASK]
                    done = place = start + len(found)
        return "".join([*parts, text[done:]])

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
