"""What keeps web pages in a person's browser from driving the practice cloud.

Command lines and SDKs send neither Origin nor Sec-Fetch-Site; browsers send them, and pages cannot change them. The
Host header is what a browser believes it speaks to: DNS rebinding leads another's name to this machine, but keeps it.
Sources: Fetch standard (Origin), Fetch Metadata Request Headers (Sec-Fetch-Site, Sec-Fetch-Mode).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

OURS = ("localhost", "127.0.0.1", "::1")  # with *.localhost, the names that the server's certificate has


def objection(headers: Mapping[str, str]) -> str:
    """Why a request (header names in lower case) is not answered; "" where nothing speaks against it."""
    host = headers.get("host", "").lower()
    if not _is_ours(host):
        return f"The practice cloud answers at localhost only, not at '{host[:100]}'."
    origin = headers.get("origin", "").lower()
    if origin and origin != f"https://{host}":
        return f"The practice cloud takes no requests from web pages of '{origin[:100]}'."
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
    if site not in ("none", "same-origin") and mode != "navigate":  # to follow a link is not to drive
        return "The practice cloud takes no requests from other web pages."
    return ""


def _is_ours(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in OURS or name.endswith(".localhost")
