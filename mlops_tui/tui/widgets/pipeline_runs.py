"""The table of the pipeline's runs, newest first: where one chooses the run that everything below speaks of."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from mlops_tui.tui.state.pipelines import RunRow
from mlops_tui.tui.words.labels import duration
from mlops_tui.tui.words.parts import moment
from mlops_tui.tui.words.pipelines import COLOURS, SHORT_COMMIT, SIGNS, cut
from mlops_tui.tui.words.plain import plain

# What stands beside the number, with widths: the first that leaves the number room in full.
BESIDE: Sequence[Mapping[str, int]] = (
    {"state": 11, "branch": 20, "commit": SHORT_COMMIT, "why": 8, "when": 16, "time": 7},
    {"state": 11, "branch": 14, "commit": SHORT_COMMIT, "when": 11, "time": 7},
    {"state": 11, "branch": 8, "when": 11, "time": 7},
    {"state": 11, "time": 7},
)
SHORT_WHEN = 11  # cells: without the year
WIDEST_NUMBER, NARROWEST_NUMBER = 32, 6
PADDING = 2  # cells around each column
SIGN_COLOURS = {SIGNS[state]: COLOURS[state] for state in COLOURS}
Heads = tuple[tuple[str, int], ...]


class PipelineRuns(DataTable[Text]):
    """`show` brings it up to date; the cursor stays on its run."""

    DEFAULT_CSS = """
    PipelineRuns {
        background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
        border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; background-tint: $background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Follow this run", show=False),
    ]

    class Chosen(Message):
        """A person has gone to another run; see `chosen`."""

    class Opened(Message):
        """A person wants this run."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id="pipeline-runs")
        self.border_title = "Runs"
        self._rows: Sequence[RunRow] = ()
        self._keys: list[str] = []  # ids of the runs, line by line
        self._heads: Heads = ()
        self._drawn: list[tuple[str, ...]] = []

    @property
    def chosen(self) -> str:
        """The id of the run under the cursor; empty: there is none."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else ""

    def show(self, rows: Sequence[RunRow], chosen: str) -> None:
        """These runs, with the cursor on that one."""
        self._rows = rows
        width = (self.size.width or self.app.size.width) - 1
        heads = _heads(width, max((len(_number(row)) for row in rows), default=0))
        now = time.time()
        lines = [_cells(row, heads, now) for row in rows]
        keys = [row.run.id for row in rows]
        with self.prevent(DataTable.RowHighlighted):
            if heads != self._heads or keys != self._keys:
                self._rebuild(heads, lines)
            else:
                self._update(lines)
            self._keys = keys
            if chosen in keys and keys.index(chosen) != self.cursor_row:
                self.move_cursor(row=keys.index(chosen))

    def tick(self) -> None:
        """Bring the times up to date."""
        self.show(self._rows, self.chosen)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())

    def on_resize(self, event: events.Resize) -> None:
        self.tick()

    def _redraw(self) -> None:
        """The theme's colours have changed."""
        chosen, self._heads = self.chosen, ()
        self.show(self._rows, chosen)

    def _update(self, lines: list[tuple[str, ...]]) -> None:
        for number, (line, before) in enumerate(zip(lines, self._drawn, strict=True)):
            for (title, _), text, old in zip(self._heads, line, before, strict=True):
                if text != old:
                    self.update_cell(f"{number}", title, self._text(title, text))
        self._drawn = lines

    def _rebuild(self, heads: Heads, lines: list[tuple[str, ...]]) -> None:
        self._heads, self._drawn = heads, lines
        self.clear(columns=True)
        for title, width in heads:
            self.add_column(self._text(title, title), width=width, key=title)
        for number, line in enumerate(lines):
            self.add_row(*(self._text(head[0], text) for head, text in zip(heads, line, strict=True)), key=f"{number}")

    def _text(self, title: str, text: str) -> Text:
        colour = self.app.theme_variables.get(SIGN_COLOURS.get(text[:1], ""), "") if title == "state" else ""
        side: Literal["right", "left"] = "right" if title == "time" else "left"
        style = colour if colour.startswith("#") else ""
        return Text(text, style=style, justify=side, no_wrap=True, overflow="ellipsis")

    @on(DataTable.RowHighlighted)
    def _highlighted(self, message: DataTable.RowHighlighted) -> None:
        message.stop()
        self.post_message(self.Chosen())

    @on(DataTable.RowSelected)
    def _selected(self, message: DataTable.RowSelected) -> None:
        message.stop()
        self.post_message(self.Opened())


def _number(row: RunRow) -> str:
    return plain(row.run.number) or plain(row.run.id)


def _heads(width: int, longest: int) -> Heads:
    """Titles and widths; the number takes what is left, up to the `longest` of them."""
    longest = max(NARROWEST_NUMBER, min(longest, WIDEST_NUMBER))
    for beside in BESIDE:
        room = width - sum(cells + PADDING for cells in beside.values()) - PADDING
        if room >= longest:
            break
    return (("run", max(NARROWEST_NUMBER, min(room, longest))), *beside.items())


def _cells(row: RunRow, heads: Heads, now: float) -> tuple[str, ...]:
    widths, run = dict(heads), row.run
    number = _number(row)
    if len(number) > widths["run"]:
        number = f"…{number[1 - widths['run'] :]}"  # numbers differ at their ends
    texts = {
        "run": number,
        "state": f"{SIGNS[run.state]} {run.state}",
        "branch": cut(plain(run.branch), widths.get("branch", 0)) if "branch" in widths else "",
        "commit": plain(run.commit)[:SHORT_COMMIT],
        "why": plain(run.reason)[: widths.get("why", 0)],
        "when": moment(run, short=widths.get("when") == SHORT_WHEN),
        "time": duration(row.elapsed(now)),
    }
    return tuple(texts[title] for title, _ in heads)
