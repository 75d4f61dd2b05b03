"""Below the table: the log, plots, the chosen run in full, and where something failed, the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import TabbedContent, TabPane, Tabs

from mlops_tui.events import ErrorCard
from mlops_tui.spool import log_file
from mlops_tui.tui.state.history import HistoryState
from mlops_tui.tui.state.training import RunRow, Sweep, TrainingState
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.figure_view import FigureView
from mlops_tui.tui.widgets.log_lines import LogLines
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.run_details import RunDetails
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import RUN_SIGNS, WARNING

if TYPE_CHECKING:
    from mlops_tui.tui.widgets.plots import PlotsPane

# By pane: what takes its keys.
PANES: Mapping[str, type[Widget]] = {
    "log": LogLines,
    "plots": FigureView,
    "run": RunDetails,
    "problem": ErrorCardView,
}


LEFT_NOTHING = "It has made nothing that was kept with it. Its log says how it went."


class RunPanes(Vertical):
    """`show` says of which run, or of which sweep as a whole, the panes speak."""

    DEFAULT_CSS = """
    RunPanes {
        height: 1fr;
        TabbedContent { height: 1fr; }
        ContentSwitcher { height: 1fr; }
        TabPane { padding: 0; height: 1fr; }
        ErrorCardView { max-height: 100%; }
    }
    """

    class Wanted(Message):
        """More is to be known of a tracked run."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    class Switched(Message):
        """Another pane is on top."""

    def __init__(self) -> None:
        super().__init__()
        self._log: tuple[object, str] = (None, "")
        self._problem: ErrorCard | None = None
        self._plots: PlotsPane | None = None
        self._to_plots = False  # the focus goes there as soon as they are there

    def compose(self) -> ComposeResult:
        with TabbedContent(initial="log"):
            with TabPane("Log", id="log"):
                yield LogView()
            yield TabPane("Plots", id="plots")
            with TabPane("Run", id="run"):
                yield RunDetails()
            with TabPane("Problem", id="problem"):
                yield ErrorCardView()

    def on_mount(self) -> None:
        self._tabs.hide_tab("problem")
        self.query_one(Tabs).can_focus = False  # what a tab opens takes the focus

    @property
    def pane(self) -> str:
        """One of PANES."""
        return self._tabs.active

    @property
    def _tabs(self) -> TabbedContent:
        return self.query_one(TabbedContent)

    def turn(self, by: int) -> None:
        """The next pane, or the one before."""
        there = [pane for pane in PANES if pane != "problem" or self._problem is not None]
        self._tabs.active = there[(there.index(self.pane) + by) % len(there)]
        self.enter()

    def enter(self) -> None:
        """Keys go to the pane on top from now on."""
        self._to_plots = self.pane == "plots" and self._plots is None
        for content in self.query(PANES[self.pane]):
            content.focus()

    def on_click(self, event: events.Click) -> None:
        """A click on a tab is as good as its key."""
        if event.widget is not None and any(isinstance(node, Tabs) for node in event.widget.ancestors):
            self.call_after_refresh(self.enter)

    def show(self, training: TrainingState, history: HistoryState, row: RunRow | None, log_of: RunRow | None) -> None:
        """Speak of `row`; the log is that of `log_of`, or of all runs."""
        self._show_log(training, log_of)
        sweep = training.current
        own = sweep.problem if sweep else None
        self._show_problem(own or training.problem, sweep)
        if self.pane == "run":
            self._show_details(training, history, row)
        elif self.pane == "plots":
            self._show_plots(training, history, row)

    def _show_log(self, training: TrainingState, log_of: RunRow | None) -> None:
        sweep = training.current
        if log_of is not None and log_of.build and not _own(sweep, log_of):
            sweep = training.sweep_of(log_of.build)
        name = log_of.name if log_of is not None else ""
        title = plain(name) or "all runs"
        path = log_file(sweep.folder, name) if sweep else None
        if (path, title) != self._log:
            self._log = path, title
            self.query_one(LogView).show(path, title)

    def _show_problem(self, problem: ErrorCard | None, sweep: Sweep | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        self.query_one(ErrorCardView).show(problem)
        if problem is None:
            if self.pane == "problem":
                self._tabs.active = "log"
            self._tabs.hide_tab("problem")
            return
        self._tabs.show_tab("problem")
        only_gate = sweep is not None and sweep.problem == problem and sweep.rows and not sweep.unsuccessful
        self._tabs.get_tab("problem").label = Content(f"{WARNING if only_gate else RUN_SIGNS['failed']} Problem")
        # Where there is a log it says most, and who looks at something else is not interrupted.
        logged = sweep is not None and log_file(sweep.folder).exists()
        if not only_gate and not logged and self.pane == "log":
            self._tabs.active = "problem"

    def _show_details(self, training: TrainingState, history: HistoryState, row: RunRow | None) -> None:
        described = history.described.get(row.run_id) if row else None
        note = ""
        if row is not None and described is None:
            if row.run_id:
                self.post_message(self.Wanted(row.run_id))
                note = (
                    f"Cannot be read: {plain(history.problem.message)}" if history.problem else "Reading more of it …"
                )
            else:
                note = LEFT_NOTHING if row.ended else "What it made is known once it has ended well."
        gate = training.current.gate if training.current and training.current.gate else training.gate
        self.query_one(RunDetails).show(row, gate, described, note)

    def _show_plots(self, training: TrainingState, history: HistoryState, row: RunRow | None) -> None:
        if self._plots is None:
            self.call_later(self._open_plots)
            return
        sweep = training.current
        rows = list(sweep.rows.values()) if sweep else []
        gate = sweep.gate if sweep and sweep.gate else training.gate
        self._plots.show(rows, history.described, history.builds, gate, row.run_id if row else "")

    async def _open_plots(self) -> None:
        """When first wanted: what it imports takes a while."""
        from mlops_tui.tui.widgets.plots import PlotsPane

        if self._plots is None:
            plots = PlotsPane()
            await self.query_one("#plots", TabPane).mount(plots)
            self._plots = plots
            if self._to_plots:
                self.enter()
            self.post_message(self.Switched())

    def on_plots_pane_wanted(self, message: PlotsPane.Wanted) -> None:
        message.stop()
        self.post_message(self.Wanted(message.run_id))

    @on(TabbedContent.TabActivated)
    def _switched(self, message: TabbedContent.TabActivated) -> None:
        message.stop()
        self.post_message(self.Switched())


def _own(sweep: Sweep | None, row: RunRow) -> bool:
    return sweep is not None and sweep.rows.get(row.name) is row
