"""Text from outside (names, errors, answers of the cloud), fit to be shown."""

from __future__ import annotations

from mlops_tui import spool

TAB = "    "


def plain(text: str) -> str:
    """One line without colours, cursor movements or other control characters."""
    return spool.plain(text).replace("\t", TAB)


def plain_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(plain(line) for line in text.splitlines())
