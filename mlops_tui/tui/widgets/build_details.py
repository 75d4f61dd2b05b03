"""One build: what became of it, its runs, and the chosen run in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from mlops_tui.events import ErrorCard
from mlops_tui.tui.state.history import BuildRow, HistoryState
from mlops_tui.tui.state.order import Order
from mlops_tui.tui.state.training import RunRow, row_of
from mlops_tui.tui.widgets.run_details import RunDetails
from mlops_tui.tui.widgets.runs_table import RunsTable
from mlops_tui.tui.words.builds import about_build
from mlops_tui.tui.words.plain import plain


class BuildDetails(Vertical):
    """`show` fills it; the run under the cursor of its table is `chosen`."""

    DEFAULT_CSS = """
    BuildDetails {
        .about { height: auto; max-height: 5; padding: 0 1; background: $surface; }
        .ways { height: 1; background: $surface; Button { min-width: 0; width: auto; margin-left: 1; } }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[BuildRow | None, list[RunRow]] = (None, [])
        self._order = Order()

    def compose(self) -> ComposeResult:
        yield Static("", classes="about")
        with Horizontal(classes="ways"):
            yield Button("Back", action="screen.back", compact=True, id="back")
            yield Button("Train again", action="screen.again", compact=True, id="again")
            yield Button("Deliver", action="screen.deliver", compact=True, id="deliver")
            yield Button("Compare", action="screen.mark", compact=True, id="mark")
            yield Button("Copy ids", action="screen.copy", compact=True, id="copy")
            yield Button("Open page", action="screen.page", compact=True, id="page")
        yield RunsTable()
        yield RunDetails()

    @property
    def chosen(self) -> RunRow | None:
        return self.query_one(RunsTable).chosen

    def show(self, build: BuildRow | None, history: HistoryState, delivered: str = "") -> None:
        """`delivered` says how far the build has come."""
        if build is not self._rows[0]:
            self._rows = build, rows_of(build) if build else []
        self.query_one(".about", Static).update(about_build(build, history.gate, delivered) if build else "")
        table = self.query_one(RunsTable)
        table.show(self._rows[1], order=self._order)
        table.border_title = " Runs "
        row = self.chosen
        described = history.described.get(row.run_id) if row else None
        note = _note(row, history.problem) if described is None else ""
        self.query_one(RunDetails).show(row, history.gate, described, note)

    @on(RunsTable.SortWanted)
    def _sort(self, message: RunsTable.SortWanted) -> None:
        message.stop()
        self._order = self._order.by(message.column)
        self.query_one(RunsTable).show(self._rows[1], order=self._order)


def rows_of(build: BuildRow) -> list[RunRow]:
    """Runs in the order in which they were started; those of one name are told apart."""
    rows = [row_of(result) for result in reversed(build.runs)]
    return _told_apart(rows)


def _told_apart(rows: Sequence[RunRow]) -> list[RunRow]:
    seen: dict[str, int] = {}
    apart = []
    for row in rows:
        number = seen[row.name] = seen.get(row.name, 0) + 1
        apart.append(row if number == 1 else replace(row, name=f"{row.name} ({number})"))
    return apart


def _note(row: RunRow | None, problem: ErrorCard | None) -> str:
    """Why more is not known."""
    if row is None:
        return ""
    if not row.run_id:
        return "What it made is known once it has ended well."
    return f"Cannot be read: {plain(problem.message)} Press r to try again." if problem else "Reading more of it …"
