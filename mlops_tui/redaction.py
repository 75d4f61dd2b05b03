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

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register(*secrets: str | None) -> None:
    """Hide these values from now on, URL, JSON and base64 spellings too. None and very short ones are ignored."""
    global _pattern
    with _lock:
        for secret in secrets:
            if secret and len(secret) >= SHORTEST:
                _known.update(_spellings(secret))
        longest_first = sorted(_known, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def registered() -> frozenset[str]:
    """All spellings known, for reporters that must mask them elsewhere too (CI hosts)."""
    with _lock:
        return frozenset(_known)


def redact(text: str) -> str:
    pattern = _pattern
    if pattern is not None:
        text = pattern.sub(MASK, text)
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
