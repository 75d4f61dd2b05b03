"""On which line each key of a TOML text stands; the standard parser does not tell.

Walks text that the standard parser has accepted, so it looks only at what moves keys about: headers, dotted and quoted
keys, inline tables, arrays, strings and comments (TOML 1.0).
"""

from __future__ import annotations

import re
import tomllib

KeyPath = tuple[str | int, ...]  # ("training", "runs", 0, "alpha")

_STRING = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''[\s\S]*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key, table and element of an array; a table that is never written has its first key's."""
    return _Walk(text).document()


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.counts: dict[KeyPath, int] = {}  # tables so far in each array of tables

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip_blank()
        while self.at < len(self.text):
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_blank()
        return self.lines

    def _header(self) -> KeyPath:
        line = self._line()
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        parts = self._key()
        self.at += brackets
        table: KeyPath = ()
        for number, part in enumerate(parts, 1):
            table = (*table, part)
            self.lines.setdefault(table, line)
            if brackets == 2 and number == len(parts):
                self.counts[table] = self.counts.get(table, 0) + 1
            if table in self.counts:
                table = (*table, self.counts[table] - 1)
                self.lines.setdefault(table, line)
        return table

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        for part in self._key():
            table = (*table, part)
            self.lines.setdefault(table, line)
        self.at += 1  # =
        self._value(table)

    def _key(self) -> list[str]:
        """The parts of a dotted key, with the spaces around them."""
        parts: list[str] = []
        while True:
            self._skip_blank()
            if self._peek() in "\"'":
                token = self._take(_STRING)
                parts.append(tomllib.loads(f"key = {token}")["key"])
            else:
                parts.append(self._take(_BARE_KEY))
            self._skip_blank()
            if self._peek() != ".":
                return parts
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        mark = self._peek()
        if mark == "[":
            self._items(path)
        elif mark == "{":
            self._inline_table(path)
        else:
            self._take(_STRING if mark in "\"'" else _PLAIN_VALUE)

    def _items(self, path: KeyPath) -> None:
        number = 0
        while self._next_inside("]"):
            item = (*path, number)
            self.lines.setdefault(item, self._line())
            self._value(item)
            number += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._next_inside("}"):
            self._pair(path)

    def _next_inside(self, end: str) -> bool:
        """Step over the opening bracket or a comma; False behind the end."""
        self._skip_blank()
        if self._peek() != end:
            self.at += 1
            self._skip_blank()
        if self._peek() != end:
            return True
        self.at += 1
        return False

    def _skip_blank(self) -> None:
        self._take(_BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None or (not found.group() and pattern is not _BLANK):
            raise ValueError(f"line {self._line()}: not TOML")
        self.at = found.end()
        return found.group()

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1
