"""Look for plain text in all lines of a log, a chunk at a time, on the log's thread. Knows no Textual."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right

from mlops_tui.spool import MARK
from mlops_tui.tui.logs.file import CHUNK, LevelFilter, LogIndex


class LogSearch:
    """The numbers of the lines that hold `wanted`. Small letters find capitals too; capitals find only themselves."""

    def __init__(self, wanted: str, levels: LevelFilter = LevelFilter.ALL) -> None:
        self.wanted = wanted
        self.levels = levels
        self.matches = array("Q")
        self.looked_at = 0  # lines
        self._index: LogIndex | None = None
        self._any_case = wanted == wanted.lower()
        self._in_bytes = re.compile(_bytes_pattern(wanted, self._any_case))
        self._in_text = re.compile(re.escape(wanted), re.IGNORECASE if self._any_case else 0)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in one line."""
        return [match.span() for match in self._in_text.finditer(text)]

    def finished(self, index: LogIndex | None) -> bool:
        """Whether all lines there are have been looked at."""
        return index is not None and index is self._index and not index.behind and self.looked_at >= index.count()

    def step(self, index: LogIndex) -> bool:
        """Look at some more lines. False where all have been looked at."""
        if index is not self._index:  # another file now
            self._index, self.matches, self.looked_at = index, array("Q"), 0
        first = self.looked_at
        if first >= index.count():
            return False
        begin = index.starts[first]
        last = max(first + 1, bisect_right(index.starts, begin + CHUNK) - 1)
        self.matches.extend(self._matching(index, first, last, begin))
        self.looked_at = last
        return True

    def _matching(self, index: LogIndex, first: int, last: int, begin: int) -> list[int]:
        starts = index.starts
        chunk = index.block(begin, starts[last])
        text = chunk.lower() if self._any_case else chunk
        found: list[int] = []
        position = 0
        while match := self._in_bytes.search(text, position):
            number = bisect_right(starts, begin + match.start(), first, last + 1) - 1
            start, position = starts[number] - begin, starts[number + 1] - begin
            if match.start() < start + MARK:  # the level's letter is no text
                position = min(position, start + MARK)
            elif self.levels.passes(chunk[start : start + MARK]):
                found.append(number)
        return found

    def after(self, number: int) -> int | None:
        """The place among the matches of the first one in this line or below; from the top again after the last."""
        if not self.matches:
            return None
        return bisect_left(self.matches, number) % len(self.matches)

    def before(self, number: int) -> int | None:
        """The place of the last match above this line; the last of all where none is above."""
        if not self.matches:
            return None
        return (bisect_left(self.matches, number) - 1) % len(self.matches)


def _bytes_pattern(wanted: str, any_case: bool) -> bytes:
    """For bytes that were made small, which only changes ASCII: other letters are looked for in both their cases."""
    if not any_case or wanted.isascii():
        return re.escape(wanted.encode())
    spellings = [
        sorted({character, character.upper()}) if ord(character) > 127 else [character] for character in wanted
    ]
    return b"".join(b"(?:" + b"|".join(re.escape(form.encode()) for form in forms) + b")" for forms in spellings)
