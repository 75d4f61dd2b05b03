"""Pipelines: runs on the CI host, their stages, jobs and steps, their logs, and what waits for somebody's yes."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from mlops_tui.errors import UsageError
from mlops_tui.events import ErrorCard
from mlops_tui.tui.desks.line import Topic
from mlops_tui.tui.screens.pipeline_actions import PipelineActions
from mlops_tui.tui.screens.pipelines_help import HELP
from mlops_tui.tui.screens.shown_keys import with_focus_in_log
from mlops_tui.tui.widgets import no_pipeline_yet as none_yet
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.no_pipeline_yet import NoPipelineYet
from mlops_tui.tui.widgets.paragraph import Paragraph
from mlops_tui.tui.widgets.part_tree import PartTree
from mlops_tui.tui.widgets.pipeline_runs import PipelineRuns
from mlops_tui.tui.widgets.pipelines_bar import PipelinesBar
from mlops_tui.tui.widgets.run_parts import RunParts
from mlops_tui.tui.words.pipelines import HOSTS, status_words

TICK = 0.5  # seconds between two looks at the clock while something goes on
SETTLED = 0.3  # seconds that the cursor rests on a run before it is read


class PipelinesScreen(PipelineActions):
    """The cursor of the table says which run is in hand; that of the tree, of which part the log is."""

    section = "pipelines"
    topics: ClassVar[tuple[Topic, ...]] = ("pipelines", "setup", "settings")
    help_text = HELP
    AUTO_FOCUS = ""  # the table takes it, once there are runs
    CSS_PATH = "../styles/pipelines.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_run", "New run"),
        Binding("a", "approve", "Approve"),
        Binding("c", "end", "Cancel it"),
        Binding("f", "follow", "Follow"),
        Binding("l", "whole_log", "Log of the part, or of the whole run", show=False),
        Binding("o", "open_page", "Open the run's page in the browser", show=False),
        Binding("y", "copy", "Copy the address of the run's page", show=False),
        Binding("r", "read", "Read the runs again", show=False),
        Binding("less_than_sign", "other(-1)", "Newer run", show=False, key_display="<"),
        Binding("greater_than_sign", "other(1)", "Older run", show=False, key_display=">"),
        Binding("left_square_bracket", "pane(-1)", "More of the log", show=False, key_display="["),
        Binding("right_square_bracket", "pane(1)", "More of the parts", show=False, key_display="]"),
        Binding("escape", "back", "Back to the runs", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._clock: Timer | None = None
        self._rest: Timer | None = None
        self._tick = 0
        self._judged = ""  # the approval for which the verdicts were read last
        self._asked_for = ""  # the host whose runs were listed when one came here

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The footer has room for few: with the focus in the log, for the log's."""
        return with_focus_in_log(self, super().active_bindings)

    @property
    def table(self) -> PipelineRuns:
        return self.query_one(PipelineRuns)

    @property
    def parts(self) -> RunParts:
        return self.query_one(RunParts)

    def body(self) -> ComposeResult:
        yield PipelinesBar()
        with ContentSwitcher(initial="none", id="stage"):
            yield NoPipelineYet(id="none")
            with Vertical(id="work"):
                yield PipelineRuns()
                yield Paragraph(id="status")
                yield RunParts()

    def on_mount(self) -> None:
        self._clock = self.set_interval(TICK, self._ticked, pause=True)

    def show(self) -> None:
        state = self.pipelines
        self._begin()
        there = self.desk.has_ci_host and (bool(state.rows) or state.queueing is not None)
        self._show_stage("work" if there else "none")
        words, problem = self._none_words()
        self.query_one(NoPipelineYet).show(words, self._host, problem)
        self.table.show(list(state.rows.values()), state.chosen)
        self._look_closer()
        self._read_verdict()
        self.parts.show(state, self._tick)
        self._show_status()
        actions = ("new-run", "approve", "end", "follow", "open-page")
        possible = frozenset(name for name in actions if self.check_action(name.replace("-", "_"), ()))
        self.query_one(PipelinesBar).show(state, possible)
        if self._clock is not None:
            (self._clock.resume if self._goes_on else self._clock.pause)()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not there."""
        state, row = self.pipelines, self.row
        match action:
            case "new_run":
                return state.listed and state.queueing is None and self.desk.has_ci_host
            case "approve":
                return bool(row and row.approval and row.approval.mine)
            case "end":
                return bool(row and not row.ended and not row.ending)
            case "follow":
                return bool(row and not row.following)
            case "read":
                return self.desk.opened and self.desk.has_ci_host
            case "open_page" | "copy":
                return bool(self._page())
            case "other":
                return len(state.rows) > 1
            case "whole_log" | "pane":
                return row is not None
            case "back":
                return self.focused is not self.table and bool(state.rows)
        return True

    # Between runs and parts

    def action_other(self, by: int) -> None:
        ids = list(self.pipelines.rows)
        place = ids.index(self.pipelines.chosen) if self.pipelines.chosen in ids else 0
        self._choose(ids[(place + by) % len(ids)])

    def action_whole_log(self) -> None:
        self.parts.whole_log = not self.parts.whole_log
        self.show()

    def action_pane(self, by: int) -> None:
        self.parts.turn(by)
        self.show()
        if self.focused is not None and not self.focused.display:
            self.table.focus()

    def action_back(self) -> None:
        """Out of the log, out of the parts; what is at work is in hand again."""
        self.query_one(PartTree).go_along()
        self.parts.whole_log = False
        self.table.focus()
        self.show()

    @on(PipelineRuns.Chosen)
    def _run_chosen(self) -> None:
        if self.table.chosen and self.table.chosen != self.pipelines.chosen:
            self._choose(self.table.chosen)

    @on(PipelineRuns.Opened)
    def _run_opened(self) -> None:
        self._choose(self.table.chosen)
        self.action_follow()
        self.query_one(PartTree).focus()

    @on(PartTree.Moved)
    def _part_moved(self) -> None:
        self.parts.whole_log = False
        self.show()

    @on(PartTree.Opened)
    def _part_opened(self) -> None:
        if self.parts.pane == "parts":
            self.parts.pane = "both"
            self.show()
        self.query_one(LogView).lines.focus()

    def _choose(self, run: str) -> None:
        self.desk.pipelines.choose(run)
        self.show()

    # What is shown

    @property
    def _host(self) -> str:
        """As the host is called; from the settings as long as nobody has told."""
        setting = self.desk.settings.get("ci_host")
        return HOSTS.get(setting.value if setting else "", "") or self.pipelines.host

    @property
    def _goes_on(self) -> bool:
        return self.pipelines.queueing is not None or bool(self.pipelines.unfinished)

    def _begin(self) -> None:
        """List the runs when one comes here first, and when another host has been chosen."""
        state, host = self.pipelines, self._host
        if not (self.desk.opened and self.desk.has_ci_host) or host == self._asked_for:
            return
        self._asked_for = host
        if not state.listing and (not state.listed or state.host != host):
            self.desk.pipelines.list_runs()

    def _none_words(self) -> tuple[str, ErrorCard | None]:
        """Why there are no runs to see."""
        state, steps = self.pipelines, self.desk.setup.state.steps
        if not self.desk.opened:
            return none_yet.NO_CLOUD, None
        if not self.desk.has_ci_host:
            return none_yet.NO_HOST, None
        if state.unread is not None and state.unread.exit_code != UsageError.exit_code:
            return none_yet.UNREAD, state.unread
        if state.listing or not (state.listed or state.unread):
            return none_yet.LOOKING, None
        if state.unread is not None or ("pipeline" in steps and steps["pipeline"].pending):
            return none_yet.NO_PIPELINE, None
        return none_yet.NO_RUNS, state.refused

    def _look_closer(self) -> None:
        """Read the run in hand, once the cursor has come to rest on it."""
        row = self.row
        if self._rest is not None:
            self._rest.stop()
        if row is not None and not row.read and row.problem is None:
            self._rest = self.set_timer(SETTLED, lambda run=row.run.id: self.desk.pipelines.look(run))

    def _read_verdict(self) -> None:
        """Whoever is to approve wants to know what the validation has found: Delivery's images tell it."""
        approval = self.row.approval if self.row else None
        if approval is not None and approval.mine and approval.id != self._judged:
            self._judged = approval.id
            self.desk.delivery.read()

    def _show_stage(self, name: str) -> None:
        stage = self.query_one("#stage", ContentSwitcher)
        stage.current = name
        if name == "work" and self.focused is None and self.is_current:
            self.table.focus()

    def _show_status(self) -> None:
        text, colour = status_words(self.pipelines, time.time())
        status = self.query_one("#status", Paragraph)
        status.show(text)
        status.set_classes(f"-{colour}")

    def _ticked(self) -> None:
        self._tick += 1
        if self.is_current:
            self.table.tick()
            self.parts.show(self.pipelines, self._tick)
            self._show_status()
