"""A stream for a CI host's log, on which no text is a command of the host's, whoever wrote it.

What the hosts look for (their own sources):
- Azure Pipelines, Agent `Command.TryParse`: "##vso[" anywhere in a line; the log's viewer takes "##[" for a format.
- GitHub, Runner `ActionCommand`: "::" at the beginning of a line, behind white space; and "##[" anywhere in it.

Both read lines as .NET does, so that a carriage return begins one; and .NET compares as people read, so that signs
which nobody sees may stand in between.
"""

from __future__ import annotations

import re
from typing import TextIO

_UNSEEN = r"[^\x20-\x7e]*"  # more than what is unseen: what is no plain sign breaks a command as little
_COMMAND = re.compile(rf"#(?={_UNSEEN}#{_UNSEEN}(?:v{_UNSEEN}s{_UNSEEN}o{_UNSEEN})?\[)", re.IGNORECASE)
_AT_BEGINNING = re.compile(rf"^([^\x21-\x7e]*:)(?={_UNSEEN}:)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def tame(line: str) -> str:
    """The line as people read it, and hosts do not: a space stands in what would be a command."""
    line = _CONTROL.sub("", line)
    return _COMMAND.sub("# ", _AT_BEGINNING.sub(r"\1 ", line))


class TameStream:
    """Passes whole lines on, each tame. What is written without an end is kept until that comes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = ""

    @property
    def encoding(self) -> str:
        return self._out.encoding

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        self._out.writelines(f"{tame(line)}\n" for line in lines)
        return len(text)

    def flush(self) -> None:
        self._out.flush()
