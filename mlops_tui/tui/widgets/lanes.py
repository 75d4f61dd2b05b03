"""The five lanes from image to production, a line each, always in this order."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from mlops_tui.events import Lane
from mlops_tui.tui.state.delivery import LANES, DeliveryState, LaneRow
from mlops_tui.tui.state.lanes import lane_row
from mlops_tui.tui.widgets.step_list import SPINNER
from mlops_tui.tui.words.deliveries import LANE_TITLES
from mlops_tui.tui.words.lanes import lane_line
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS

WIDE = 100  # cells from which a build's number has room in full
LONG_BUILD, SHORT_BUILD = 26, 12  # cells; one made up here, and its end


class LaneLine(Static):
    """Its sign, title, state, time, build, and what there is to say."""

    ALLOW_SELECT = False

    def __init__(self, lane: Lane) -> None:
        super().__init__(markup=False, id=f"lane-{lane}")
        self.lane = lane
        self._shown: object = None

    class Clicked(Message):
        def __init__(self, lane: Lane) -> None:
            super().__init__()
            self.lane = lane

    def show(self, row: LaneRow, tick: int, now: float, room: int) -> None:
        sign = SPINNER[tick % len(SPINNER)] if row.state == "running" else STEP_SIGNS[row.state]
        line = lane_line(row, sign, now, room)
        shown = line.plain, row.state
        if shown != self._shown:
            self._shown = shown
            self.update(line, layout=False)  # its height stays
            told = ". ".join(filter(None, [row.state, plain(row.title), plain(row.detail)]))
            self.tooltip = Content(f"{LANE_TITLES[row.lane]}: {told}")

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self.lane))


class Lanes(Vertical, can_focus=True):
    """`lane` is the one in hand."""

    BORDER_TITLE = "Image → staging → validation → approval → production"
    DEFAULT_CSS = """
    Lanes {
        height: 6; border-top: solid $panel; border-title-color: $text-muted;
        &:focus { border-top: solid $primary; border-title-color: $primary; }
        LaneLine {
            height: 1; text-wrap: nowrap; text-overflow: ellipsis; border-left: blank; pointer: pointer;
            &:hover { background: $surface; }
            &.-cursor { background: $panel; border-left: thick $foreground 30%; text-style: bold; }
        }
        &:focus LaneLine.-cursor { border-left: thick $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Stage before", show=False),
        Binding("down", "move(1)", "Next stage", show=False),
        Binding("home", "move(-10)", "First stage", show=False),
        Binding("end", "move(10)", "Last stage", show=False),
    ]

    class Moved(Message):
        """Another lane is in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.lane: Lane = "image"

    def compose(self) -> ComposeResult:
        for lane in LANES:
            yield LaneLine(lane)

    def on_mount(self) -> None:
        self.go(self.lane)

    def show(self, state: DeliveryState, tick: int = 0) -> None:
        now = time.monotonic()
        rows = {lane: lane_row(state, lane) for lane in LANES}
        most = LONG_BUILD if self.size.width >= WIDE else SHORT_BUILD
        room = min(max(len(plain(row.build)) for row in rows.values()), most)
        for line in self.query(LaneLine):
            line.show(rows[line.lane], tick, now, room)

    def go(self, lane: Lane) -> None:
        """Take that one in hand."""
        self.lane = lane
        for line in self.query(LaneLine):
            line.set_class(line.lane == lane, "-cursor")
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self.go(LANES[min(max(LANES.index(self.lane) + by, 0), len(LANES) - 1)])

    def on_lane_line_clicked(self, event: LaneLine.Clicked) -> None:
        event.stop()
        self.focus()
        self.go(event.lane)
