"""The table of builds, newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Literal

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from mlops_tui.tui.state.history import BuildRow
from mlops_tui.tui.words.builds import OUTCOME_COLOURS, OUTCOME_SIGNS, build_name, metric_of_gate, when
from mlops_tui.tui.words.labels import figure, metric_title
from mlops_tui.tui.words.plain import plain

# What stands beside the number, with widths: the first that leaves the number room in full. A number that was made up
# has the moment in it, so that is what is left away first.
BESIDE: Sequence[Mapping[str, int]] = (
    {"when": 16, "by": 14, "runs": 4, "outcome": 13},
    {"when": 16, "runs": 4, "outcome": 13},
    {"when": 11, "runs": 4, "outcome": 10},
    {"when": 11, "outcome": 10},
    {"outcome": 10},
)
SHORT_WHEN, SHORT_OUTCOME = 11, 10  # cells: without the year, and without the word "gate"
WIDEST_NUMBER, NARROWEST_NUMBER = 40, 8
PADDING = 2  # cells around each column
MARK = "+"
DELIVERED = "delivered"  # a column, where anything has been
COLOURS = {sign: OUTCOME_COLOURS[outcome] for outcome, sign in OUTCOME_SIGNS.items()}
Cells = tuple[str, ...]


class BuildsTable(DataTable[Text]):
    """`show` brings it up to date; the cursor stays on its build."""

    DEFAULT_CSS = """
    BuildsTable {
        background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
        border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; background-tint: $background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open this build", show=False),
    ]

    class Chosen(Message):
        """The cursor is on another build; see `chosen`."""

    class Opened(Message):
        """A person wants to see its runs."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id="builds")
        self._input: tuple[Sequence[BuildRow], str, Collection[str], Mapping[str, str]] = ((), "", (), {})
        self._builds: dict[str, BuildRow] = {}  # by key
        self._cells: dict[str, Cells] = {}
        self._heads: tuple[tuple[str, int], ...] = ()

    @property
    def chosen(self) -> BuildRow | None:
        """The build under the cursor."""
        key = self._key_at(self.cursor_row)
        return self._builds.get(key) if key else None

    def show(
        self,
        builds: Sequence[BuildRow],
        gate: str,
        marked: Collection[str] = (),
        delivered: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`marked` are the numbers of those that are compared; `delivered` tells how far each has come, if any has."""
        self._input = builds, gate, marked, delivered
        width = self.size.width or self.app.size.width
        metric = metric_of_gate(gate)
        longest = max((len(build_name(build)) for build in builds), default=0)
        heads = _heads(width, metric, longest, bool(delivered))
        self._builds = {f"build {build.number}": build for build in builds}
        cells = {key: _cells(build, metric, marked, delivered, heads) for key, build in self._builds.items()}
        if heads != self._heads or list(cells) != list(self._cells):
            self._rebuild(heads, cells)
        else:
            self._update(cells)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())

    def on_resize(self, event: events.Resize) -> None:
        self.show(*self._input)

    def _redraw(self) -> None:
        """The theme's colours have changed."""
        self._heads = ()
        self.show(*self._input)

    def _update(self, cells: dict[str, Cells]) -> None:
        for key, own in cells.items():
            for (title, _), text, before in zip(self._heads, own, self._cells[key], strict=True):
                if text != before:
                    self.update_cell(key, title, self._text(title, text))
        self._cells = cells

    def _rebuild(self, heads: tuple[tuple[str, int], ...], cells: dict[str, Cells]) -> None:
        """The cursor goes with its build."""
        chosen, top = self._key_at(self.cursor_row), self.scroll_y
        self._heads, self._cells = heads, cells
        with self.prevent(DataTable.RowHighlighted):
            self.clear(columns=True)
            for title, width in heads:
                self.add_column(self._text(title, title), width=width, key=title)
            for key, own in cells.items():
                self.add_row(*(self._text(head[0], text) for head, text in zip(heads, own, strict=True)), key=key)
            if chosen in cells:
                self.move_cursor(row=list(cells).index(chosen), scroll=False)
        self.call_after_refresh(self.scroll_to, y=top, animate=False)
        self.call_after_refresh(self.post_message, self.Chosen())

    def _key_at(self, index: int) -> str:
        keys = list(self._cells)
        return keys[index] if 0 <= index < len(keys) else ""

    def _text(self, title: str, text: str) -> Text:
        colour = self.app.theme_variables.get(COLOURS.get(text[:1], ""), "") if title == "outcome" else ""
        number = title == "runs" or (title not in ("", "build", "when", "by", "outcome", DELIVERED))
        side: Literal["right", "left"] = "right" if number else "left"
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


def _heads(width: int, metric: str, longest: int, delivered: bool) -> tuple[tuple[str, int], ...]:
    """Titles and widths; the number of the build takes what is left, up to the `longest` of them."""
    longest = max(NARROWEST_NUMBER, min(longest, WIDEST_NUMBER))
    value = metric_title(metric)
    for beside in BESIDE:
        *before, outcome = beside.items()
        rest = (*before, (value, max(len(value), 6)), outcome, *([(DELIVERED, 10)] if delivered else []))
        room = width - sum(cells + PADDING for _, cells in rest) - (1 + 2 * PADDING + 1)
        if room >= longest:
            break
    return (("", 1), ("build", max(NARROWEST_NUMBER, min(room, longest))), *rest)


def _cells(
    build: BuildRow,
    metric: str,
    marked: Collection[str],
    delivered: Mapping[str, str],
    heads: Sequence[tuple[str, int]],
) -> Cells:
    widths = dict(heads)
    name = build_name(build)
    if len(name) > widths["build"]:
        name = f"…{name[1 - widths['build'] :]}"  # numbers differ at their ends
    value = build.best.metrics.get(metric) if build.best else None
    outcome = build.outcome.removeprefix("gate ") if widths["outcome"] == SHORT_OUTCOME else build.outcome
    texts = {
        "": MARK if build.number in marked else " ",
        "build": name,
        "when": when(build.started)[5 if widths.get("when") == SHORT_WHEN else 0 :],
        "by": plain(build.source),
        "runs": f"{len(build.runs)}",
        metric_title(metric): figure(value),
        DELIVERED: delivered.get(build.number, ""),
        "outcome": f"{OUTCOME_SIGNS[build.outcome]} {outcome}",
    }
    return tuple(texts[title] for title, _ in heads)
