"""Stages and jobs of a run, each with its state; below the one in hand its steps."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from mlops_tui.events import PipelinePart
from mlops_tui.tui.state.pipelines import PartLine, RunRow, at_work, lines_of
from mlops_tui.tui.widgets.step_list import SPINNER
from mlops_tui.tui.words.parts import STEP, part_line
from mlops_tui.tui.words.pipelines import SIGNS, cut, run_words, title_of
from mlops_tui.tui.words.plain import plain, plain_lines

BESIDE = 21  # cells beside the name: sign, state, time, and the mark of the cursor
NARROWEST = 8
WIDEST = 40


class PartLineView(Static):
    """A line, for whichever part stands there."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.part = ""
        self._shown: object = None

    class Clicked(Message):
        def __init__(self, part: str) -> None:
            super().__init__()
            self.part = part

    def show(self, line: PartLine, tick: int, room: int, rest: int, now: float) -> None:
        part = line.part
        self.part = part.id
        sign = SPINNER[tick % len(SPINNER)] if part.state == "running" else SIGNS[part.state]
        content = part_line(line, sign, room, rest, now)
        shown = content.plain, part.state
        if shown != self._shown:
            self._shown = shown
            self.update(content, layout=False)  # its height stays
            self.tooltip = Content(f"{title_of(part)}: {part.state}\n{plain_lines(part.detail)}".rstrip())

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self.part))


class PartTree(VerticalScroll, can_focus=True):
    """Goes along with what is at work, until a person moves; `in_hand` is the part that the log is of."""

    DEFAULT_CSS = """
    PartTree {
        scrollbar-size-vertical: 1; border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; }
        PartLineView {
            height: 1; text-wrap: nowrap; text-overflow: ellipsis; border-left: blank; pointer: pointer;
            &:hover { background: $surface; }
            &.-cursor { background: $panel; border-left: thick $foreground 30%; text-style: bold; }
        }
        &:focus PartLineView.-cursor { border-left: thick $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Part before", show=False),
        Binding("down", "move(1)", "Next part", show=False),
        Binding("home", "move(-1000)", "First part", show=False),
        Binding("end", "move(1000)", "Last part", show=False),
        Binding("enter", "open", "To the log of this part", show=False),
    ]

    class Moved(Message):
        """Another part is in hand."""

    class Opened(Message):
        """A person wants its log."""

    def __init__(self) -> None:
        super().__init__()
        self._row: RunRow | None = None
        self._chosen = ""  # by a person; empty: what is at work
        self._in_hand = ""
        self._lines: list[PartLine] = []
        self._visible = ""  # the part that was last scrolled to

    @property
    def in_hand(self) -> PipelinePart | None:
        """As its line shows it: a stage with what its only job has told."""
        return next((line.part for line in self._lines if line.part.id == self._in_hand), None)

    def show(self, row: RunRow | None, tick: int = 0) -> None:
        if row is not self._row:
            self._row, self._chosen = row, ""
        self._in_hand = ""
        if row is not None:
            known = self._chosen if self._chosen in row.parts else ""
            self._in_hand = known or at_work(row)
        self._lines = lines_of(row, self._in_hand) if row else []
        self.border_title = Content(self._title(row))
        self._draw(tick)

    def on_resize(self) -> None:
        self.show(self._row)

    def go(self, part: str) -> None:
        """A person takes that one in hand."""
        self._chosen = part
        self.post_message(self.Moved())

    def go_along(self) -> None:
        """With what is at work, from now on."""
        self._chosen = ""

    def action_move(self, by: int) -> None:
        ids = [line.part.id for line in self._lines]
        if ids:
            place = ids.index(self._in_hand) if self._in_hand in ids else 0
            self.go(ids[min(max(place + by, 0), len(ids) - 1)])

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def on_part_line_view_clicked(self, event: PartLineView.Clicked) -> None:
        event.stop()
        self.focus()
        self.go(event.part)

    def _title(self, row: RunRow | None) -> str:
        """With the address of its page, as far as that has room."""
        if row is None:
            return " Stages "
        name = run_words(row.run)
        url = plain(row.run.url)
        title = f"{name[:1].upper()}{name[1:]}{f' · {url}' if url else ''}"
        return f" {cut(title, max(self.size.width - 6, NARROWEST))} "

    def _draw(self, tick: int) -> None:
        views = list(self.query(PartLineView))
        missing = [PartLineView() for _ in range(len(self._lines) - len(views))]
        if missing:
            self.mount(*missing)
        for view in views[len(self._lines) :]:
            view.remove()
        longest = max((cell_len(title_of(line.part)) + STEP * line.depth for line in self._lines), default=0)
        room = max(min(longest, self.size.width - BESIDE, WIDEST), NARROWEST)
        rest = self.size.width - BESIDE - room - 1
        now = time.time()
        for view, line in zip([*views, *missing], self._lines, strict=False):
            view.show(line, tick, room, rest, now)
            view.set_class(line.part.id == self._in_hand, "-cursor")
            if line.part.id == self._in_hand != self._visible:
                self._visible = self._in_hand
                self.call_after_refresh(view.scroll_visible, animate=False)
