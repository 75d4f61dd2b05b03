"""The rows of a log that are on the screen, and nothing else: no virtual size, no layout, one drawing a tick."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from mlops_tui.tui.logs.file import LevelFilter, Line
from mlops_tui.tui.logs.window import LogWindow
from mlops_tui.tui.widgets.log_strip import Span, cells, draw
from mlops_tui.tui.widgets.log_words import COPIED_AT_MOST
from mlops_tui.tui.words.signs import RUN_SIGNS, WARNING

SIGNS = {"i": "  ", "w": f"{WARNING} ", "e": f"{RUN_SIGNS['failed']} "}  # levels do not rest on colours alone
LOOKS = {"i": "log-lines--info", "w": "log-lines--warning", "e": "log-lines--error"}
GUTTER = 2
SIDEWAYS = 8  # columns a key moves


class LogLines(Widget, can_focus=True):
    """Draws the lines of a `LogWindow`, which is told how high this is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *LOOKS.values(),
        "log-lines--match",
        "log-lines--in-hand",
        "log-lines--quiet",
    }
    DEFAULT_CSS = """
    LogLines {
        width: 1fr; height: 1fr; background: $surface; color: $foreground;
        & > .log-lines--warning { color: $text-warning; }
        & > .log-lines--error { color: $text-error; text-style: bold; }
        & > .log-lines--match { text-style: reverse; }
        & > .log-lines--in-hand { text-style: bold underline; }
        & > .log-lines--quiet { color: $text-muted; }
    }
    """

    class Moved(Message):
        """The mouse asks to see other lines, or the height is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.window = LogWindow()
        self.column = 0
        self._empty = ""  # what to say in place of lines
        self._empty_rows: list[str] = []
        self._selection: Selection | None = None  # to look it up takes longer than to draw a line

    @property
    def empty(self) -> str:
        return self._empty

    @empty.setter
    def empty(self, text: str) -> None:
        if text != self._empty:
            self._empty = text
            self._wrap_empty()
            self.refresh()

    def _wrap_empty(self) -> None:
        self._empty_rows = textwrap.wrap(self._empty, max(1, self.size.width - 2))

    # Drawing

    def render_line(self, y: int) -> Strip:
        if y >= len(self.window.lines):
            return self._row_without_line(y)
        line = self.window.lines[y]
        known = line.number >= 0
        row = self.window.top + y if known else None
        look = self.get_component_rich_style(LOOKS[line.level])
        if known and line.number == self.window.in_hand:
            look += self.get_component_rich_style("log-lines--in-hand", partial=True)
        # The gutter, two pieces of one cell, belongs to the line's beginning.
        edge = look if row is None else look + Style.from_meta({"offset": (self.column, row)})
        sign = [Segment(cell, edge) for cell in SIGNS[line.level]]
        text = draw(line.text, self.column, self.size.width - GUTTER, look, self._spans(line, row), row)
        return Strip([*sign, *text], self.size.width)

    def _row_without_line(self, y: int) -> Strip:
        width = self.size.width
        at = y - (self.size.height - len(self._empty_rows)) // 2
        if self.window.lines or not 0 <= at < len(self._empty_rows):
            return Strip.blank(width, self.get_component_rich_style("log-lines--info"))
        text = self._empty_rows[at]
        left = max(0, (width - cells(text)) // 2)
        return Strip(draw(" " * left + text, 0, width, self.get_component_rich_style("log-lines--quiet"), []), width)

    def _spans(self, line: Line, row: int | None) -> list[Span]:
        spans: list[Span] = []
        if self.window.search:
            match = self.get_component_rich_style("log-lines--match", partial=True)
            spans = [(start, end, match) for start, end in self.window.search.spans(line.text)]
        selection = self._selection
        if selection is not None and row is not None and (span := selection.get_span(row)) is not None:
            start, end = span
            ground = Style(bgcolor=self.screen.get_component_rich_style("screen--selection").bgcolor)
            spans.append((start, len(line.text) if end == -1 else end, ground))
        return spans

    # Moving sideways: up and down is the window's

    def sideways(self, columns: int) -> None:
        """As far as the longest line on the screen goes."""
        widest = max((cells(line.text) for line in self.window.lines), default=0)
        furthest = max(0, widest + GUTTER - self.size.width)
        self.column = max(0, min(self.column + columns, furthest))
        self.refresh()

    def show_match(self) -> None:
        """Move sideways until the match in the line in hand is on the screen."""
        search = self.window.search
        line = next((line for line in self.window.lines if line.number == self.window.in_hand), None)
        spans = search.spans(line.text) if search and line else []
        if not line or not spans:
            return
        width = max(1, self.size.width - GUTTER - 1)
        start, end = (cells(line.text[:at]) for at in spans[0])
        if start < self.column or end > self.column + width:
            self.column = 0 if end <= width else max(0, start - width // 3)

    # The mouse

    def on_resize(self) -> None:
        self.window.height = self.size.height
        self._wrap_empty()
        self.post_message(self.Moved())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        event.stop()
        self.sideways(SIDEWAYS)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        event.stop()
        self.sideways(-SIDEWAYS)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        if event.shift or event.ctrl:
            self.sideways(direction * SIDEWAYS)
        else:
            self.window.scroll_by(direction * max(1, round(self.app.scroll_sensitivity_y)))
            self.post_message(self.Moved())

    # Selecting with the mouse: characters of lines, rows of the filtered view

    def on_click(self, event: events.Click) -> None:
        """Two clicks select a line; by itself Textual would select the whole log."""
        if event.chain > 1 and not self.window.counting and event.y < len(self.window.lines):
            event.prevent_default()
            row = self.window.top + event.y
            end = len(self.window.lines[event.y].text)
            self.screen.selections = {self: Selection(Offset(0, row), Offset(end, row))}

    def selection_updated(self, selection: Selection | None) -> None:
        self._selection = selection
        if selection is not None:
            self.window.pause()  # what is being selected must not run away
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        index = self.window.index
        if index is None or not self.window.count:
            return None
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else self.window.count - 1
        rows = min(last - first + 1, COPIED_AT_MOST)
        texts = [line.text for line in index.read(self.window.levels, first, rows)]
        if texts and selection.end and rows == last - first + 1:
            texts[-1] = texts[-1][: selection.end.x]
        if texts and selection.start:
            texts[0] = texts[0][selection.start.x :]
        return "\n".join(texts), "\n"

    def text_in_hand(self) -> str:
        """What is selected, else the line in hand, else the lines on the screen."""
        selection = self.text_selection
        chosen = self.get_selection(selection) if selection else None
        if chosen and chosen[0]:
            return chosen[0]
        in_hand = [line.text for line in self.window.lines if line.number == self.window.in_hand]
        return "\n".join(in_hand or [line.text for line in self.window.lines])


def next_levels(levels: LevelFilter, count: int) -> LevelFilter:
    """All, warnings and errors, errors, and all again; a filter that hides everything leads back to all at once."""
    order = list(LevelFilter)
    return order[(order.index(levels) + 1) % len(order)] if count else LevelFilter.ALL
