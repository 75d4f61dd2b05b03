"""History: builds, their runs, what each run used and made; two or more of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import DescendantFocus
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from mlops_tui.tui.desks.line import Topic
from mlops_tui.tui.dialogs.launching import Launch, LaunchDialog
from mlops_tui.tui.screens.delivery_actions import DeliveryActions
from mlops_tui.tui.screens.history_help import HELP
from mlops_tui.tui.state.history import BuildRow, HistoryState
from mlops_tui.tui.state.training import RunRow, parameters_of, row_of
from mlops_tui.tui.widgets.build_details import BuildDetails, rows_of
from mlops_tui.tui.widgets.builds_side import BuildsSide
from mlops_tui.tui.widgets.builds_table import BuildsTable
from mlops_tui.tui.widgets.comparison import Comparison
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.no_builds_yet import NoBuildsYet
from mlops_tui.tui.widgets.run_details import RunDetails
from mlops_tui.tui.widgets.runs_table import RunsTable
from mlops_tui.tui.words.builds import build_name
from mlops_tui.tui.words.lanes import answering_text, delivered_word
from mlops_tui.tui.words.plain import plain

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp

Level = Literal["builds", "runs", "run"]
PLACES: dict[type[Widget], Level] = {BuildsTable: "builds", RunsTable: "runs", RunDetails: "run"}
MOST_RUNS = 1000  # read at once, newest first
SIDE_BY_SIDE = 100  # cells from which builds and one build stand beside each other
SETTLED = 0.3  # seconds that the cursor rests on a run before more of it is read
WEB = ("https://", "http://")


class HistoryScreen(DeliveryActions):
    """Three levels: builds, the runs of one, one run. Wide: all at once, and the level is where the focus is."""

    section = "history"
    topics: ClassVar[tuple[Topic, ...]] = ("history", "training", "delivery", "setup")
    help_text = HELP
    AUTO_FOCUS = ""  # the table takes it, once there is one
    CSS_PATH = "../styles/history.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("space", "mark", "Compare"),
        Binding("e", "again", "Train again"),
        Binding("g", "deliver", "Go on with this build in Delivery", show=False),
        Binding("b", "build", "Build the image of this build", show=False),
        Binding("d", "deploy", "Deploy this build to staging", show=False),
        Binding("v", "validate", "Validate this build on staging", show=False),
        Binding("a", "approve", "Approve this build and deploy it to production", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("x", "unmark", "Take all marks away", show=False),
        Binding("r", "read", "Read the builds again", show=False),
        Binding("y", "copy", "Copy the ids", show=False),
        Binding("u", "page", "Open the run's page in the browser", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._level: Level = "builds"
        self._begun = False
        self._asked: set[str] = set()  # runs of which more has been asked for
        self._rest: Timer | None = None

    @property
    def history(self) -> HistoryState:
        return self.desk.training.history

    @property
    def build(self) -> BuildRow | None:
        """The chosen one."""
        return self.query_one(BuildsTable).chosen

    @property
    def build_in_hand(self) -> str:
        return self.build.number if self.build else ""

    @property
    def run(self) -> RunRow | None:
        """The chosen one; of a build as a whole, its best."""
        if self._level != "builds":
            return self.query_one(BuildDetails).chosen
        build = self.build
        best = build and (build.best or next(iter(build.runs), None))
        return row_of(best) if best else None

    def body(self) -> ComposeResult:
        yield ErrorCardView()
        with ContentSwitcher(initial="none", id="stage"):
            yield NoBuildsYet(id="none")
            with Horizontal(id="work"):
                yield BuildsSide()
                yield BuildDetails()
        yield Comparison()

    def show(self) -> None:
        history = self.history
        self._begin()
        self.query_one(ErrorCardView).show(history.problem)
        there, listing = bool(history.builds), self.desk.training.state.listing
        self.query_one("#stage", ContentSwitcher).current = "work" if there else "none"
        if not there:
            reading = listing or (self.desk.opened and not self._begun)
            self.query_one(NoBuildsYet).show(history, reading, self.desk.opened)
            return
        comparison, delivered = self.query_one(Comparison), {}
        for build in history.builds if self.delivery.images else ():
            delivered[build.number] = delivered_word(self.delivery, build.number)
        self.query_one(BuildsSide).show(history, listing, MOST_RUNS, comparison.builds, delivered)
        self._show_build()
        comparison.show()
        self._arrange()
        if self.focused is None:
            self.query_one(BuildsTable).focus()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not there."""
        match action:
            case "filter":
                return bool(self.history.builds)
            case "mark" | "copy" | "page":
                return self.run is not None
            case "build" | "deploy" | "validate" | "approve" | "deliver":
                return bool(self.build_in_hand)
            case "again":
                return bool(self.build and parameters_of(rows_of(self.build)))
            case "unmark":
                return bool(self.query_one(Comparison).marked)
            case "back":
                return self._level != "builds" or self.query_one(BuildsSide).filtering
        return True

    def on_resize(self) -> None:
        self.show()

    # Between the levels

    def action_back(self) -> None:
        """A level up; at the top: all builds again."""
        if self._level != "builds":
            self._go("builds" if self._level == "runs" else "runs")
            return
        self.query_one(BuildsSide).end_filter()
        self._go("builds")

    def action_filter(self) -> None:
        self._go("builds")
        self.query_one(BuildsSide).begin_filter()

    @on(BuildsSide.Filtered)
    def _filtered(self, message: BuildsSide.Filtered) -> None:
        self.show()
        if message.done:
            self._go("builds")

    @on(BuildsTable.Opened)
    def _build_opened(self) -> None:
        self._go("runs")

    @on(RunsTable.Opened)
    def _run_opened(self) -> None:
        self._go("run")

    @on(BuildsTable.Chosen)
    @on(RunsTable.Chosen)
    def _moved(self) -> None:
        self._show_build()
        self.refresh_bindings()
        self._look_closer()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Tab and the mouse change the level, too."""
        level = PLACES.get(type(event.widget), self._level)
        if level != self._level:
            self._level = level
            self.refresh_bindings()
            self._look_closer()

    def _go(self, level: Level) -> None:
        self._level = level
        place = self.query_one(next(kind for kind, own in PLACES.items() if own == level))
        for widget in place.ancestors_with_self:
            widget.display = True  # what has the focus is hidden only after something else has got it
        self.set_focus(place)
        self._arrange()
        self._show_build()
        self.refresh_bindings()
        self._look_closer()

    def _arrange(self) -> None:
        """Where there is little room: one level at a time."""
        narrow, level = self.size.width < SIDE_BY_SIDE, self._level
        details = self.query_one(BuildDetails)
        details.display = not narrow or level != "builds"
        details.query_one(RunsTable).display = not narrow or level == "runs"
        details.query_one(RunDetails).display = not narrow or level == "run"
        details.query_one("#back").display = narrow
        self.query_one(BuildsSide).display = not narrow or level == "builds"

    # Doing

    def action_read(self) -> None:
        self._asked.clear()
        self.desk.training.list_runs(MOST_RUNS)
        self.desk.delivery.read()
        self.show()

    def action_deliver(self) -> None:
        self.desk.delivery.choose(self.build_in_hand)
        self._watch()

    def action_mark(self) -> None:
        """The chosen build (its best run counts) or run; a second time: no longer."""
        build, run = self.build, self.run
        if build is None or run is None:
            return
        self.query_one(Comparison).turn(build, run, whole=self._level == "builds")
        self.show()

    def action_unmark(self) -> None:
        self.query_one(Comparison).marked.clear()
        self.show()

    def action_again(self) -> None:
        build = self.build
        if build is None:
            return
        title = f"Train again as in build {build_name(build)}"
        runs = parameters_of(rows_of(build))
        self.app.push_screen(LaunchDialog(title, "sets", runs, self.desk.project_runs), self._launch)

    def _launch(self, launch: Launch | None) -> None:
        if launch is not None:
            self.desk.training.launch(launch.runs, launch.build_number)
            cast("MlopsApp", self.app).show_section("training")

    def action_copy(self) -> None:
        build, run = self.build, self.run
        if build is None or run is None:
            return
        ids = [build.number, *(each.run_id for each in build.runs)] if self._level == "builds" else [run.run_id]
        text = "\n".join(plain(each) for each in ids if each)
        if text:
            self.app.copy_to_clipboard(text)
            what = "The number of the build and the ids of its runs are" if len(ids) > 1 else "The run's id is"
            self.notify(f"{what} in the clipboard.", title="Copied", markup=False)
        else:
            self.notify("It has no id: it was never tracked.", title="Nothing copied", severity="warning", markup=False)

    def action_page(self) -> None:
        run = self.run
        if run is not None and run.url.startswith(WEB):
            self.app.open_url(run.url)
        else:
            self.notify("It has no page in the workspace.", title="No page", severity="warning", markup=False)

    # What is shown

    def _begin(self) -> None:
        """Read the builds when they are first looked at."""
        training = self.desk.training
        if not self._begun and self.desk.opened and not self.history.listed and not training.state.listing:
            self._begun = True
            training.list_runs(MOST_RUNS)
        if self.desk.opened and not self.delivery.read:
            self.desk.delivery.read()

    def _show_build(self) -> None:
        delivered = answering_text(self.delivery, self.build_in_hand)
        self.query_one(BuildDetails).show(self.build, self.history, delivered)

    def _look_closer(self) -> None:
        """Read more of a run once the cursor has come to rest on it."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(SETTLED, self._describe)

    def _describe(self) -> None:
        details = self.query_one(BuildDetails)
        row = details.chosen
        seen = details.query_one(RunDetails).display and details.display
        if not seen or row is None or not row.run_id or row.run_id in self.history.described:
            return
        if row.run_id not in self._asked:
            self._asked.add(row.run_id)
            self.desk.training.describe_run(row.run_id)
