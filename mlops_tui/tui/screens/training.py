"""Training: launch sweeps, watch them, end them, compare their runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from mlops_tui.tui.desks.line import Topic
from mlops_tui.tui.screens.shown_keys import with_focus_in
from mlops_tui.tui.screens.sweep_actions import SweepActions
from mlops_tui.tui.screens.training_help import HELP
from mlops_tui.tui.state.order import Order
from mlops_tui.tui.state.training import RunRow, Sweep, parameters_of
from mlops_tui.tui.widgets.no_runs_yet import NoRunsYet
from mlops_tui.tui.widgets.paragraph import Paragraph
from mlops_tui.tui.widgets.run_columns import as_markdown
from mlops_tui.tui.widgets.run_panes import RunPanes
from mlops_tui.tui.widgets.runs_table import RunsTable
from mlops_tui.tui.widgets.sweep_bar import SweepBar
from mlops_tui.tui.words.sweeps import earlier_text, order_text, status_text, table_title

TICK = 0.5  # seconds between two looks at the clock while something runs
# While a pane has the focus the footer is its own.
KEYS_SHOWN: Mapping[str, tuple[str, ...]] = {"LogView": ("slash", "l"), "PlotsPane": ("right", "m", "p")}


class TrainingScreen(SweepActions):
    """The table is the place from where everything is reached; the panes speak of the run under its cursor."""

    section = "training"
    topics: ClassVar[tuple[Topic, ...]] = ("training", "history", "setup", "settings")
    help_text = HELP
    CSS_PATH = "../styles/training.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "Train"),
        Binding("e", "again", "Again, with changes"),
        Binding("c", "end_run", "End this run"),
        Binding("o", "sort", "Sort by the next column", show=False),
        Binding("O", "turn", "Sort the other way round", show=False),
        Binding("a", "all_logs", "Log: all or one"),
        Binding("C", "end_all", "End all runs of this sweep", show=False),
        Binding("r", "retry", "Launch again what failed", show=False),
        Binding("b", "earlier", "Show or hide runs of earlier builds", show=False),
        Binding("f", "follow", "Follow these runs again", show=False),
        Binding("less_than_sign", "sweep(-1)", "Sweep before", show=False, key_display="<"),
        Binding("greater_than_sign", "sweep(1)", "Next sweep", show=False, key_display=">"),
        Binding("left_square_bracket", "pane(-1)", "Pane before", show=False, key_display="["),
        Binding("right_square_bracket", "pane(1)", "Next pane", show=False, key_display="]"),
        Binding("escape", "table", "Back", show=False),
        Binding("up", "step(-1)", "Plot the run before", show=False),
        Binding("down", "step(1)", "Plot the next run", show=False),
        Binding("y", "copy", "Copy the table (Markdown)", show=False),
        Binding("u", "page", "Open the run's page in the browser", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._order = Order()
        self._with_earlier = False
        self._asked: set[str] = set()  # runs whose details have been asked for
        self._clock: Timer | None = None

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The footer has room for few: with the focus in a pane, for the pane's."""
        bindings = super().active_bindings
        around = self.focused.ancestors_with_self if self.focused else []
        if not any(isinstance(node, RunPanes) for node in around):
            return bindings
        pane = next((node for node in around if type(node).__name__ in KEYS_SHOWN), around[0])
        return with_focus_in(bindings, pane, KEYS_SHOWN.get(type(pane).__name__, ()), way_out="escape")

    def body(self) -> ComposeResult:
        yield SweepBar()
        with ContentSwitcher(initial="none", id="stage"):
            yield NoRunsYet(id="none")
            with Container(id="work"):
                with Vertical(id="runs-side"):
                    yield RunsTable()
                    yield Paragraph(id="status")
                yield RunPanes()

    def on_mount(self) -> None:
        self._clock = self.set_interval(TICK, self._tick, pause=True)

    def show(self) -> None:
        state, sweep = self.state, self.state.current
        self.query_one(SweepBar).show(state)
        self._show_stage("work" if sweep or self._with_earlier else "none")
        self.query_one(NoRunsYet).show(self.desk.setup.state, state)
        earlier = state.earlier_rows(sweep) if self._with_earlier else None
        rows = list(sweep.rows.values()) if sweep else []
        self.table.show(rows, earlier, earlier_text(state, earlier), self._order)
        self.table.border_title = Content(table_title(sweep, order_text(self._order)))
        self._show_status()
        self._show_panes()
        if self._clock is not None:
            (self._clock.resume if state.running else self._clock.pause)()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not there."""
        sweep = self.state.current
        match action:
            case "again":
                return bool(sweep and sweep.ended and parameters_of(sweep.rows.values()))
            case "retry":
                return bool(sweep and sweep.ended and sweep.unsuccessful)
            case "end_run":
                return self.endable is not None
            case "end_all":
                return bool(sweep and sweep.job_run and (sweep.unfinished or sweep.running))
            case "follow":
                return bool(sweep and sweep.left and sweep.job_run)
            case "sweep":
                return len(self.state.sweeps) > 1
            case "table":
                return self.focused is not self.table and bool(self.table.row_count)
            case "step":
                return self.query_one(RunPanes).pane == "plots"
            case "sort" | "turn" | "copy" | "all_logs":
                return bool(self.table.shown)
        return True

    # What is on show

    def action_all_logs(self) -> None:
        self.all_logs = not self.all_logs
        self.show()

    def action_earlier(self) -> None:
        self._with_earlier = not self._with_earlier
        if self._with_earlier:
            self._read_earlier()
        self.show()
        self.table.focus()

    def action_sort(self) -> None:
        """By the plan, then by each column."""
        columns = ("", *self.table.column_ids)
        place = columns.index(self._order.column) if self._order.column in columns else 0
        self._order = Order(columns[(place + 1) % len(columns)])
        self.show()

    def action_turn(self) -> None:
        self._order = self._order.by(self._order.column)
        self.show()

    def action_pane(self, by: int) -> None:
        self.query_one(RunPanes).turn(by)

    def action_table(self) -> None:
        """Out of the pane."""
        self.table.focus()

    def action_step(self, by: int) -> None:
        """To another run, while what is drawn of it has the focus."""
        self.table.move_cursor(row=self.table.cursor_row + by)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(as_markdown(self.table.shown, time.monotonic()))
        self.notify("The table is in the clipboard, as Markdown.", title="Copied", markup=False)

    def action_page(self) -> None:
        row, sweep = self.table.chosen, self.state.current
        url = (row.url if row else "") or (sweep.url if sweep else "")
        if url.startswith(("https://", "http://")):
            self.app.open_url(url)
        else:
            self.notify("It has no page yet.", title="No page", severity="warning", markup=False)

    def _read_earlier(self) -> None:
        if not self.state.listed and not self.state.listing:
            self.desk.training.list_runs()

    @on(RunsTable.SortWanted)
    def _sort_by(self, message: RunsTable.SortWanted) -> None:
        self._order = self._order.by(message.column)
        self.show()

    @on(RunsTable.Chosen)
    def _chosen(self) -> None:
        self.all_logs = False
        self.show()

    @on(RunsTable.Opened)
    def _opened(self) -> None:
        """Enter: the log of this run; of one of an earlier build, all that the cloud still has of its build."""
        self.all_logs = False
        row = self.table.chosen
        if row is not None and self.table.chosen_is_earlier:
            self._fetch(row)
        if row is not None:
            self._asked.discard(row.run_id)
        self.show()

    def _fetch(self, row: RunRow) -> None:
        sweep, job_run = self.state.sweep_of(row.build), self.state.job_run_of(row.build)
        if sweep is None and job_run is None:
            self.notify("The workspace no longer has the log of that build.", title="No log", markup=False)
            return
        self._with_earlier = False
        if sweep is not None:
            self.desk.training.choose(sweep)
        elif job_run is not None:
            self.desk.training.follow(job_run.id)
        self.table.seek(row.name)

    @on(RunPanes.Switched)
    def _pane_switched(self) -> None:
        if self.query_one(RunPanes).pane == "plots":
            self._read_earlier()
        self.show()

    @on(RunPanes.Wanted)
    def _wanted(self, message: RunPanes.Wanted) -> None:
        if message.run_id not in self._asked:
            self._asked.add(message.run_id)
            self.desk.training.describe_run(message.run_id)

    def _show_stage(self, name: str) -> None:
        stage = self.query_one("#stage", ContentSwitcher)
        if stage.current != name:
            stage.current = name
            if name == "work" and self.focused is None:
                self.table.focus()

    def _show_status(self) -> None:
        sweep: Sweep | None = self.state.current
        status = self.query_one("#status", Paragraph)
        text, colour = status_text(sweep, time.monotonic()) if sweep else ("", "")
        if sweep and sweep.ended and not sweep.job_run and not self.desk.setup.state.ready:
            text = f"{text} Setup comes first: press 1."
        if self.table.chosen_is_earlier:
            text, colour = "Press Enter to read the log of this run's build from the workspace.", "text-muted"
        status.show(text)
        status.set_classes(f"-{colour}" if colour else "")

    def _show_panes(self) -> None:
        row = self.table.chosen
        self.query_one(RunPanes).show(self.state, self.desk.training.history, row, None if self.all_logs else row)

    def _tick(self) -> None:
        self.table.tick()
        self._show_status()
