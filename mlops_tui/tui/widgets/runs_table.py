"""The table of runs: live, sortable, and where one chooses the run that the panes below speak of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from mlops_tui.tui.state.order import Order, ordered
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.widgets.run_columns import RunCell, RunColumn, run_cell, run_columns

SCROLLBAR = 1  # cells: its place is kept, so that it covers no column when it comes
STILL_SECONDS = 0.5  # times stand still so long: else every key would draw all rows anew
Drawn = tuple[str, str, bool]  # text, style, and whether it stands at the right
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
        self._keys: list[str] = []  # of the lines; that between the builds is one, too
        self._drawn: list[list[Drawn]] = []  # line by line: what the widget holds
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
        now = time.monotonic() // STILL_SECONDS * STILL_SECONDS
        sort = self._input[3]
        keyed = {f"now {row.name}": row for row in ordered(rows, sort, now)}
        old = {f"earlier {row.run_id or row.build} {row.name}": row for row in ordered(earlier or (), sort, now)}
        width = (self.size.width or self.app.size.width) - SCROLLBAR
        columns = run_columns([*rows, *(earlier or ())], width, earlier is not None)
        self._rows = keyed | old
        lines = {key: [run_cell(row, column, now) for column in columns] for key, row in keyed.items()}
        if earlier is not None:
            lines[LINE] = [RunCell(line if column.id == "run" else "─" * column.width) for column in columns]
        lines |= {key: [run_cell(row, column, now) for column in columns] for key, row in old.items()}
        with self.prevent(DataTable.RowHighlighted):
            self._draw(columns, lines)

    def seek(self, name: str) -> None:
        """Go to that run of the sweep, with the next `show` that has it."""
        self._sought = name

    def tick(self) -> None:
        """Bring the times up to date."""
        self.show(*self._input)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.tick())

    def on_resize(self, event: events.Resize) -> None:
        self.tick()

    def _draw(self, columns: tuple[RunColumn, ...], lines: dict[str, list[RunCell]]) -> None:
        """Lines stay where they are and get new cells: that is far quicker than other lines. The cursor follows."""
        chosen = f"now {self._sought}" if f"now {self._sought}" in lines else self._key_at(self.cursor_row)
        if columns != self._columns:
            self._begin(columns)
        self._keys = list(lines)
        for number, (key, cells) in enumerate(lines.items()):
            self._draw_line(number, [(cell.text, self._style(key, cell), cell.right) for cell in cells])
        for number in range(len(lines), len(self._drawn)):
            self.remove_row(f"{number}")
        del self._drawn[len(lines) :]
        if chosen in lines and (place := self._keys.index(chosen)) != self.cursor_row:
            self.move_cursor(row=place, scroll=chosen == f"now {self._sought}")
        if chosen == f"now {self._sought}":
            self._sought = ""

    def _draw_line(self, number: int, line: list[Drawn]) -> None:
        if number == len(self._drawn):
            self.add_row(*(_text(*each) for each in line), key=f"{number}")
            self._drawn.append(line)
            return
        before, self._drawn[number] = self._drawn[number], line
        for column, drawn, old in zip(self._columns, line, before, strict=True):
            if drawn != old:
                self.update_cell(f"{number}", f"column {column.id}", _text(*drawn))

    def _begin(self, columns: tuple[RunColumn, ...]) -> None:
        """Other columns: everything anew, at the same place."""
        top = self.scroll_y
        self.clear(columns=True)
        self._columns, self._drawn = columns, []
        for column in columns:
            self.add_column(_text(column.title, "", column.right), width=column.width, key=f"column {column.id}")
        # The height of all rows is known only after the next refresh.
        self.call_after_refresh(self.call_after_refresh, self.scroll_to, y=top, animate=False, force=True)

    def _key_at(self, index: int) -> str:
        return self._keys[index] if 0 <= index < len(self._keys) else ""

    def _style(self, key: str, cell: RunCell) -> str:
        colour = self.app.theme_variables.get(cell.colour, "") if cell.colour else ""
        words = [colour] if colour.startswith("#") else []
        if key == LINE:
            words.append("dim")
        elif (row := self._rows.get(key)) is not None and row.best:
            words.append("bold")
        return " ".join(words)

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


def _text(text: str, style: str, right: bool) -> Text:
    return Text(text, style=style, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
