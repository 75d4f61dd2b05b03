"""Every secret is registered here before anything can print it; whatever is printed or written passes `redact`."""

from __future__ import annotations

import base64
import json
import re
import threading
from typing import Any
from urllib.parse import quote

MASK = "[REDACTED]"
SHORTEST = 6  # shorter "secrets" would blot out ordinary words

# A net below the net: what looks like a token is hidden even if nobody registered it.
_LOOKS_SECRET = re.compile(r"\bdapi[0-9a-f]{32}(?:-\d+)?\b|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+")
# Control sequences of terminals (ECMA-48: CSI, OSC, two characters), control characters, and signs without a width.
_UNSEEN = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]"
)

_lock = threading.Lock()
_known: set[str] = set()
_pattern: _Known | None = None


class _Known:
    """Finds what is known by its first characters: a pattern of whole tokens would take a tenth of a second to make."""

    def __init__(self, spellings: set[str]) -> None:
        self._by_head: dict[str, list[str]] = {}
        for spelling in sorted(spellings, key=len, reverse=True):
            self._by_head.setdefault(spelling[:SHORTEST], []).append(spelling)
        self._heads = re.compile("|".join(map(re.escape, self._by_head)))
        self._longest = max(map(len, spellings))
        self._late: dict[str, str] = {}  # what goes on after a few characters, by its own first ones
        for spelling in spellings:
            for start in range(1, min(SHORTEST, len(spelling) - SHORTEST + 1)):
                self._late[spelling[start : start + SHORTEST]] = spelling[start:]

    def mask(self, text: str) -> str:
        """Of two that begin at the same place the longer one is hidden."""
        parts, done, place = [], 0, 0
        while head := self._heads.search(text, place):
            start = head.start()
            place = start + 1
            for spelling in self._by_head[head[0]]:
                if text.startswith(spelling, start):
                    parts += [text[done:start], MASK]
                    done = place = start + len(spelling)
                    break
        return "".join([*parts, text[done:]]) if parts else text

    def unfinished(self, text: str) -> tuple[int, str]:
        """Where something known begins that the text breaks off, and what of it is still to come; (-1, "") if none."""
        text = text.rstrip()
        for head in self._heads.finditer(text, max(len(text) - self._longest, 0)):
            begun = text[head.start() :]
            for spelling in self._by_head[head[0]]:
                if spelling.startswith(begun) and spelling != begun:
                    return head.start(), spelling[len(begun) :]
        return -1, ""

    def belated(self, text: str) -> str:
        """What of something known the text begins with, where too little came before to be noticed; empty if none."""
        late = self._late.get(text[:SHORTEST], "")
        return late if late and text.startswith(late) else ""


class LineByLine:
    """Redacts the lines of one source in turn: a secret that one breaks off and the next goes on with is hidden."""

    def __init__(self) -> None:
        self._rest = ""  # of a secret, still to come

    def __call__(self, line: str) -> str:
        pattern = _pattern
        if pattern is None:
            return redact(line)
        rest, self._rest = self._rest, ""
        body = line.lstrip()
        begun = rest if rest and body.startswith(rest) else ""
        if rest and not begun and rest.startswith(body.rstrip()):
            self._rest = rest[len(body.rstrip()) :]
            return MASK if body else line
        begun = begun or pattern.belated(body)
        shown = (MASK if begun else "") + redact(body[len(begun) :] if begun else line)
        place, self._rest = pattern.unfinished(shown)
        return shown if place < 0 else shown[:place] + MASK


def register(*secrets: str | None) -> None:
    """Hide these values from now on, URL, JSON and base64 spellings too. None and very short ones are ignored."""
    global _pattern
    with _lock:
        found = {form for secret in secrets if secret and len(secret) >= SHORTEST for form in _spellings(secret)}
        if not found <= _known:
            _known.update(found)
            _pattern = _Known(_known)


def registered() -> frozenset[str]:
    """All spellings known, for reporters that must mask them elsewhere too (CI hosts)."""
    with _lock:
        return frozenset(_known)


def redact(text: str) -> str:
    """Whoever shows the text may leave out colours and what else is not seen: no secret may come together by that."""
    shown = _masked(text)
    if not _UNSEEN.search(text):
        return shown
    hidden = _masked(_UNSEEN.sub("", text))
    return shown if hidden == _UNSEEN.sub("", shown) else hidden


def _masked(text: str) -> str:
    pattern = _pattern
    if pattern is not None:
        text = pattern.mask(text)
    return _LOOKS_SECRET.sub(MASK, text)


def redacted(value: Any) -> Any:
    """What JSON holds, with all its texts redacted: numbers and structure stay, so that it is JSON still."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(name)): redacted(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _spellings(secret: str) -> set[str]:
    spelled = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    encoded = base64.b64encode(secret.encode()).decode()
    return {form for form in spelled | {encoded, encoded.rstrip("=")} if len(form) >= SHORTEST}
