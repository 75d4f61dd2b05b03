"""The lane in hand: what is known of it, what failed, and its live log."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlops_tui.events import ErrorCard, Lane
from mlops_tui.spool import log_file
from mlops_tui.tui.state.delivery import AT_WORK, DeliveryState
from mlops_tui.tui.state.lanes import STAGE_OF, lane_row
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.words.deliveries import LANE_TITLES, build_words
from mlops_tui.tui.words.lanes import lane_text
from mlops_tui.tui.words.plain import plain

PARTS = ("both", "facts", "log")  # both: as far as there is room, and something to see
SIDE_BY_SIDE = 100  # cells from which they stand beside each other


class LaneFacts(VerticalScroll):
    """What is known; text in it can be selected and copied."""

    DEFAULT_CSS = """
    LaneFacts {
        padding: 0 1; scrollbar-size-vertical: 1; border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; }
        .facts { width: 1fr; height: auto; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield ErrorCardView()
        yield Static(markup=False, classes="facts")

    def show(self, title: str, text: Content, problem: ErrorCard | None) -> None:
        self.query_one(ErrorCardView).show(problem)
        shown = title, text
        if shown != self._shown:
            self._shown = shown
            self.border_title = Content(f" {title} ")
            self.query_one(".facts", Static).update(text)


class LaneDetails(Container):
    """Side by side where there is room; `parts` says what of it is to be seen."""

    DEFAULT_CSS = """
    LaneDetails {
        height: 1fr; layout: vertical;
        LaneFacts { height: 1fr; }
        &.-stacked LaneFacts { height: auto; max-height: 50%; } /* what the log gets more is worth more */
        LogView { height: 1fr; border-top: solid $panel; }
        LogView:focus-within { border-top: solid $primary; }
        &.-facts LogView, &.-log LaneFacts { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts = "both"
        self.service_log = False  # what the service in the cloud writes, in place of the jobs' log
        self._log: tuple[Path | None, str] = (None, "")

    def compose(self) -> ComposeResult:
        yield LaneFacts()
        yield LogView()

    def turn(self, by: int) -> None:
        """Both, one, the other."""
        self.parts = PARTS[(PARTS.index(self.parts) + by) % len(PARTS)]

    def show(self, state: DeliveryState, lane: Lane) -> None:
        row = lane_row(state, lane)
        title = plain(row.title) or f"{LANE_TITLES[lane]} of {build_words(state.build)}"
        problem = _problem(state, lane)
        self.query_one(LaneFacts).show(title, lane_text(state, lane), problem)
        path = self._show_log(state, lane)
        live = self.service_log or row.state in AT_WORK or problem is not None
        beside = path is not None and (live or self.screen.size.width >= SIDE_BY_SIDE)
        self.set_class(self.parts == "facts" or (self.parts == "both" and not beside), "-facts")
        self.set_class(self.parts == "log", "-log")
        self.set_class(self.parts == "both" and beside and self.screen.size.width < SIDE_BY_SIDE, "-stacked")

    def _show_log(self, state: DeliveryState, lane: Lane) -> Path | None:
        """The log of the last job on the lane, or what the stage's service writes."""
        stage, folder = STAGE_OF[lane], state.logs.get(lane)
        path, title = log_file(folder) if folder else None, LANE_TITLES[lane].lower()
        if self.service_log and stage in state.stage_logs:
            path, title = log_file(state.stage_logs[stage], stage), f"{stage}: what the service writes"
        if (path, title) != self._log:
            self._log = path, title
            self.query_one(LogView).show(path, title)
        return path


def _problem(state: DeliveryState, lane: Lane) -> ErrorCard | None:
    """Of the lane, else of what could not be read. A verdict speaks for itself."""
    own = state.problems.get(lane)
    if own is not None and not (lane == "validation" and state.build in state.verdicts):
        return own
    return next(iter(state.unread.values()), None) if lane != "validation" else None
