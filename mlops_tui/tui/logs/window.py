"""Which lines of a log are on the screen: its end, followed; or others, while new lines come. Knows no Textual."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable

from mlops_tui.tui.logs.file import LevelFilter, Line, LogFile, LogIndex
from mlops_tui.tui.logs.search import LogSearch


class LogWindow:
    """A window of `height` rows over a log. `update` takes in what the file's thread found since."""

    def __init__(self, file: LogFile | None = None, levels: LevelFilter = LevelFilter.ALL) -> None:
        self.file = file
        self.levels = levels
        self.height = 0
        self.top = 0
        self.following = True
        self.lines: list[Line] = []
        self.in_hand: int | None = None  # the line that a search or a jump went to
        self.jumps = 0  # how often a line was taken in hand
        self.search: LogSearch | None = None
        self._jump_when_found = False
        self._index: LogIndex | None = None
        self._seen = 0  # lines that were there when it stopped following
        self._shown: Hashable = None

    @property
    def index(self) -> LogIndex | None:
        return self._index

    @property
    def total(self) -> int:
        """All lines, whatever the filter."""
        return self._index.count() if self._index else 0

    @property
    def count(self) -> int:
        """Lines that pass the filter."""
        return self._index.count(self.levels) if self._index else 0

    @property
    def new(self) -> int:
        """Lines that came since it stopped following."""
        if self.following or self._index is None:
            return 0
        return self.count - self._index.row(self.levels, self._seen)

    @property
    def last_top(self) -> int:
        return max(0, self.count - self.height)

    @property
    def counting(self) -> bool:
        """Whether the end is shown while the lines before it are still being counted."""
        return self.following and self._index is not None and self._index.behind

    def update(self) -> bool:
        """True where the lines on the screen are others than before."""
        index = self.file.index if self.file else None
        if index is not self._index:
            self._index, self.top, self.following, self.in_hand = index, 0, True, None
        self._find()
        self.top = self.last_top if self.following else min(self.top, self.last_top)
        counting = self.counting
        place = index.size if counting and index else (self.top, min(self.count, self.top + self.height))
        shown = (id(index), self.levels, self.height, counting, place)
        if shown == self._shown:
            return False
        self._shown = shown
        if index is None or self.height <= 0:
            self.lines = []
        elif counting:
            self.lines = index.tail(self.levels, self.height)
        else:
            self.lines = index.read(self.levels, self.top, self.height)
        return True

    def follow(self) -> None:
        self.following = True

    def pause(self) -> None:
        if self.following:
            self.following, self._seen = False, self.total

    def scroll_to(self, row: int) -> None:
        """Put a row at the top. At the end it follows again; before, it stands still."""
        if row >= self.last_top:
            self.follow()
        else:
            self.pause()
            self.top = max(0, row)

    def scroll_by(self, rows: int) -> None:
        if not self.counting:  # from where, is known when the lines have been counted
            self.scroll_to(self.top + rows)

    def go_to(self, number: int) -> None:
        """Take a line in hand and show it, with some lines before it."""
        if self._index is None or not self.count:
            return
        self.pause()
        number = max(0, min(number, self.total - 1))
        row = min(self._index.row(self.levels, number), self.count - 1)
        self.in_hand = self._index.number(self.levels, row)
        self.jumps += 1
        if not self.top <= row < self.top + self.height:
            self.top = max(0, min(row - self.height // 3, self.last_top))

    def filter(self, levels: LevelFilter) -> None:
        """Show other levels; the line at the top stays as near as can be."""
        number = self._index.number(self.levels, self.top) if self._index and self.top < self.count else 0
        self.levels = levels
        if self._index and not self.following:
            self.top = self._index.row(levels, number)
        if self.search:
            self.look_for(self.search.wanted, jump=False)

    # Searching

    def look_for(self, wanted: str, jump: bool = True) -> None:
        """Search all lines, and those to come; nothing wanted ends the search."""
        self.search = LogSearch(wanted, self.levels) if wanted else None
        self._jump_when_found = bool(wanted) and jump
        if self.file:
            self.file.look_for(self.search)

    @property
    def match(self) -> int | None:
        """The place of the line in hand among the matches."""
        if self.search is None or self.in_hand is None:
            return None
        at = bisect_left(self.search.matches, self.in_hand)
        return at if at < len(self.search.matches) and self.search.matches[at] == self.in_hand else None

    def to_match(self, forwards: bool = True) -> None:
        """Go to the next match from the line in hand or, where that is off the screen, from the top of it."""
        if self.search is None or self._index is None or not self.count:
            return
        visible = any(line.number == self.in_hand for line in self.lines)
        here = self.in_hand if visible and self.in_hand is not None else self._index.number(self.levels, self.top)
        place = self.search.after(here + 1 if visible else here) if forwards else self.search.before(here)
        if place is not None:
            self.go_to(self.search.matches[place])

    def _find(self) -> None:
        """Go to the match nearest to what is shown, once the search has come that far: on the screen, else above it."""
        search, index = self.search, self._index
        if not self._jump_when_found or search is None or index is None or not self.count or index.behind:
            return
        bottom = index.number(self.levels, min(self.top + self.height, self.count) - 1) if self.height else 0
        if search.looked_at <= bottom and not search.finished(index):
            return
        top = index.number(self.levels, min(self.top, self.count - 1))
        at = bisect_left(search.matches, top)
        on_screen = at < len(search.matches) and search.matches[at] <= bottom
        if on_screen or at > 0:
            self._jump_when_found = False
            self.go_to(search.matches[at if on_screen else at - 1])
        elif search.finished(index):
            self._jump_when_found = False
            if search.matches:
                self.go_to(search.matches[0])
