"""The table of runs: live, sortable, and where one chooses the run that the panes below speak of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Literal

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from mlops_tui.tui.state.order import Order, ordered
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.widgets.run_columns import RunCell, RunColumn, run_cell, run_columns

SCROLLBAR = 1  # cells: its place is kept, so that it covers no column when it comes
LINE = "earlier builds"  # the key of the row between this build's runs and earlier ones


class RunsTable(DataTable[Text]):
    """`show` brings it up to date; whatever changes, the cursor stays on its run."""

    DEFAULT_CSS = """
    RunsTable {
        background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
        border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; background-tint: $background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Show the log of this run", show=False),
    ]

    class Chosen(Message):
        """A person has moved to another row; see `chosen`."""

    class Opened(Message):
        """A person wants this run, rather than all of them."""

    class SortWanted(Message):
        """A click on the head of a column."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id="runs")
        self._columns: tuple[RunColumn, ...] = ()
        self._sought = ""  # the name of a run that the cursor goes to once it is there
        self._rows: dict[str, RunRow] = {}  # by key, in the order shown
        self._cells: dict[str, tuple[RunCell, ...]] = {}
        self._input: tuple[Sequence[RunRow], Sequence[RunRow] | None, str, Order] = ((), None, "", Order())

    @property
    def chosen(self) -> RunRow | None:
        """The run under the cursor."""
        key = self._key_at(self.cursor_row)
        return self._rows.get(key) if key else None

    @property
    def chosen_is_earlier(self) -> bool:
        return self._key_at(self.cursor_row).startswith("earlier ")

    @property
    def shown(self) -> list[RunRow]:
        """All rows, in the order in which they stand."""
        return list(self._rows.values())

    @property
    def column_ids(self) -> tuple[str, ...]:
        return tuple(column.id for column in self._columns if column.id)

    def show(
        self,
        rows: Sequence[RunRow],
        earlier: Sequence[RunRow] | None = None,
        line: str = "",
        order: Order = Order(),  # noqa: B008 (it is frozen)
    ) -> None:
        """These runs; with `earlier` also those, below a row that says `line`."""
        self._input = rows, earlier, line, order
        now = time.monotonic()
        sort = self._input[3]
        keyed = {f"now {row.name}": row for row in ordered(rows, sort, now)}
        old = {f"earlier {row.run_id or row.build} {row.name}": row for row in ordered(earlier or (), sort, now)}
        width = (self.size.width or self.app.size.width) - SCROLLBAR
        columns = run_columns([*rows, *(earlier or ())], width, earlier is not None)
        self._rows = keyed | old
        cells = {key: tuple(run_cell(row, column, now) for column in columns) for key, row in keyed.items()}
        if earlier is not None:
            cells[LINE] = tuple(RunCell(line if column.id == "run" else "─" * column.width) for column in columns)
        cells |= {key: tuple(run_cell(row, column, now) for column in columns) for key, row in old.items()}
        if columns == self._columns and list(cells) == list(self._cells):
            self._update(cells)
        else:
            self._rebuild(columns, cells)
        if (sought := f"now {self._sought}") in cells:
            self._sought = ""
            with self.prevent(DataTable.RowHighlighted):
                self.move_cursor(row=list(cells).index(sought))

    def seek(self, name: str) -> None:
        """Go to that run of the sweep, with the next `show` that has it."""
        self._sought = name

    def tick(self) -> None:
        """Bring the times up to date."""
        self.show(*self._input)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())

    def on_resize(self, event: events.Resize) -> None:
        self.show(*self._input)

    def _redraw(self) -> None:
        """The theme's colours have changed."""
        self._cells = {}
        self.show(*self._input)

    def _update(self, cells: dict[str, tuple[RunCell, ...]]) -> None:
        """Only what differs: the cursor and the scroll offset stay."""
        for key, own in cells.items():
            before = self._cells[key]
            for column, cell, old in zip(self._columns, own, before, strict=True):
                if cell != old:
                    self.update_cell(key, f"column {column.id}", self._text(key, cell))
        self._cells = cells

    def _rebuild(self, columns: tuple[RunColumn, ...], cells: dict[str, tuple[RunCell, ...]]) -> None:
        """Rows have come, gone or changed places. The cursor goes with its run."""
        chosen, top = self._key_at(self.cursor_row), self.scroll_y
        self._columns, self._cells = columns, cells
        with self.prevent(DataTable.RowHighlighted):
            self.clear(columns=True)
            for column in columns:
                title = Text(column.title, justify="right" if column.right else "left", no_wrap=True)
                self.add_column(title, width=column.width, key=f"column {column.id}")
            for key, own in cells.items():
                self.add_row(*(self._text(key, cell) for cell in own), key=key)
            if chosen in cells:
                self.move_cursor(row=list(cells).index(chosen), scroll=False)
        # The height of all rows is known only after the next refresh.
        self.call_after_refresh(self.call_after_refresh, self.scroll_to, y=top, animate=False, force=True)

    def _key_at(self, index: int) -> str:
        keys = list(self._cells)
        return keys[index] if 0 <= index < len(keys) else ""

    def _text(self, key: str, cell: RunCell) -> Text:
        colour = self.app.theme_variables.get(cell.colour, "") if cell.colour else ""
        style = colour if colour.startswith("#") else ""
        if key == LINE or key.startswith("earlier "):
            style = f"{style} dim".strip()
        elif (row := self._rows.get(key)) is not None and row.best:
            style = f"{style} bold".strip()
        side: Literal["right", "left"] = "right" if cell.right else "left"
        return Text(cell.text, style=style, justify=side, no_wrap=True, overflow="ellipsis")

    @on(DataTable.RowHighlighted)
    def _highlighted(self, message: DataTable.RowHighlighted) -> None:
        message.stop()
        self.post_message(self.Chosen())

    @on(DataTable.RowSelected)
    def _selected(self, message: DataTable.RowSelected) -> None:
        message.stop()
        self.post_message(self.Opened())

    @on(DataTable.HeaderSelected)
    def _head_clicked(self, message: DataTable.HeaderSelected) -> None:
        message.stop()
        self.post_message(self.SortWanted(self._columns[message.column_index].id))
