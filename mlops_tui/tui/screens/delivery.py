"""Delivery: a lane for each stage from image to production, and all that is done on the way."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from mlops_tui.tui.desks.line import Topic
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.screens.delivery_help import HELP
from mlops_tui.tui.screens.endpoint_actions import EndpointActions
from mlops_tui.tui.screens.shown_keys import with_focus_in_log
from mlops_tui.tui.state.delivery import Job
from mlops_tui.tui.state.lanes import next_step
from mlops_tui.tui.widgets.delivery_bar import DeliveryBar
from mlops_tui.tui.widgets.lane_details import LaneDetails
from mlops_tui.tui.widgets.lanes import Lanes
from mlops_tui.tui.widgets.nothing_delivered import NothingDelivered
from mlops_tui.tui.widgets.paragraph import Paragraph
from mlops_tui.tui.words.deliveries import job_words, status_words
from mlops_tui.tui.words.plain import plain

TICK = 0.5  # seconds between two looks at the clock while something is at work
OF_AN_ENDPOINT = ("try_it", "copy_key")


class DeliveryScreen(EndpointActions):
    """What is done with a stage is done with that of the lane in hand."""

    section = "delivery"
    topics: ClassVar[tuple[Topic, ...]] = ("delivery", "history", "training", "setup", "settings")
    help_text = HELP
    AUTO_FOCUS = ""  # the lanes take it, once there are any
    CSS_PATH = "../styles/delivery.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "go_on", "Go on"),
        Binding("c", "end", "End it"),
        Binding("t", "try_it", "Try it"),
        Binding("u", "roll_back", "Roll back"),
        Binding("b", "build", "Build the image", show=False),
        Binding("d", "deploy", "Deploy to staging", show=False),
        Binding("v", "validate", "Validate staging", show=False),
        Binding("a", "approve", "Approve and deploy to production", show=False),
        Binding("l", "service_log", "Log of the service, or of the job", show=False),
        Binding("k", "copy_key", "Copy the endpoint's key", show=False),
        Binding("y", "copy", "Copy the endpoint's address, or the image's", show=False),
        Binding("o", "open_page", "Open the page in the browser", show=False),
        Binding("r", "read", "Look at the cloud again", show=False),
        Binding("less_than_sign", "other(-1)", "Newer build", show=False, key_display="<"),
        Binding("greater_than_sign", "other(1)", "Older build", show=False, key_display=">"),
        Binding("left_square_bracket", "parts(-1)", "More of the log", show=False, key_display="["),
        Binding("right_square_bracket", "parts(1)", "More of what is known", show=False, key_display="]"),
        Binding("escape", "back", "Back to the stages", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._clock: Timer | None = None
        self._tick = 0
        self._begun = False
        self._seen: Job | None = None  # the lane of a new one is taken in hand

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The footer has room for few: with the focus in the log, for the log's."""
        return with_focus_in_log(self, super().active_bindings)

    @property
    def build_in_hand(self) -> str:
        return self.delivery.build

    @property
    def details(self) -> LaneDetails:
        return self.query_one(LaneDetails)

    def body(self) -> ComposeResult:
        yield DeliveryBar()
        with ContentSwitcher(initial="none", id="stage"):
            yield NothingDelivered(id="none")
            with Vertical(id="work"):
                yield Lanes()
                yield Paragraph(id="status")
                yield LaneDetails()

    def on_mount(self) -> None:
        self._clock = self.set_interval(TICK, self._ticked, pause=True)

    def show(self) -> None:
        state = self.delivery
        self._begin()
        self._show_stage("none" if state.nothing_there else "work")
        if state.job is not self._seen and state.job is not None:
            self._seen = state.job
            self.lanes.go(state.job.lane)
        self.query_one(NothingDelivered).show(self.desk.setup.state, state, self._listing)
        self.lanes.show(state, self._tick)
        self.details.show(state, self.lanes.lane)
        self._show_status()
        actions = {"go-on": "go_on", "end": "end", "try-it": "try_it", "roll-back": "roll_back"}
        possible = frozenset(name for name, action in actions.items() if self.check_action(action, ()))
        self.query_one(DeliveryBar).show(state, possible)
        if self._clock is not None:
            (self._clock.resume if state.running else self._clock.pause)()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not there."""
        state = self.delivery
        if action in OF_AN_ENDPOINT:
            return self.endpoint is not None
        match action:
            case "go_on":
                return bool(state.build) and not state.running and next_step(state) != ""
            case "end":
                return state.running is not None
            case "build" | "deploy" | "validate" | "approve":
                return bool(state.build)
            case "roll_back":
                return bool(self.endpoint and self.endpoint.previous) and not state.running
            case "service_log":
                return self.endpoint is not None or self.details.service_log
            case "copy" | "open_page":
                return self.endpoint is not None or state.image_of(state.build) is not None
            case "other":
                return len(state.builds) > 1 and not state.running
            case "back":
                return self.focused is not self.lanes and not state.nothing_there
        return True

    # Going on

    def action_go_on(self) -> None:
        """The next thing that is missing."""
        match next_step(self.delivery):
            case "build":
                self.action_build()
            case "deploy":
                self.action_deploy()
            case "validate":
                self.action_validate()
            case "approve":
                self.action_approve()

    def action_end(self) -> None:
        job = self.delivery.running
        if job is None:
            return

        def answered(sure: bool | None) -> None:
            if sure and self.delivery.running is job:
                self.desk.delivery.end()

        place = f", job run {plain(job.job_run)} in the cloud" if job.job_run else ""
        question = f"End what is at work{place}? What is deployed stays."
        self.app.push_screen(EndingDialog(question, [job_words(job)]), answered)

    def action_other(self, by: int) -> None:
        builds = self.delivery.builds
        place = builds.index(self.build_in_hand) if self.build_in_hand in builds else 0
        self.desk.delivery.choose(builds[(place + by) % len(builds)])
        self.show()

    # Looking and trying

    def action_read(self) -> None:
        self.desk.delivery.read()
        if not self.desk.training.state.listing:
            self.desk.training.list_runs()

    def action_service_log(self) -> None:
        """What the service itself writes; a second time: the job's log again."""
        details = self.details
        details.service_log = not details.service_log
        self._follow()
        self.show()

    def action_parts(self, by: int) -> None:
        self.details.turn(by)
        self.show()

    def action_back(self) -> None:
        self.lanes.focus()

    @on(Lanes.Moved)
    def _moved(self) -> None:
        self._follow()
        self.show()

    # What is shown

    @property
    def _listing(self) -> bool:
        return self.desk.training.state.listing or (self.desk.opened and not self._begun)

    def _begin(self) -> None:
        """Look at the cloud when the section is first entered."""
        if self._begun or not self.desk.opened:
            return
        self._begun = True
        training = self.desk.training
        if not training.state.listed and not training.state.listing:
            training.list_runs()
        if not self.delivery.read:
            self.desk.delivery.read()

    def _follow(self) -> None:
        """The service's log of the stage in hand, as long as it is looked at."""
        endpoint = self.endpoint
        if not self.details.service_log:
            self.desk.delivery.leave_logs()
        elif endpoint is not None:
            self.desk.delivery.follow_log(endpoint.stage)

    def _show_stage(self, name: str) -> None:
        stage = self.query_one("#stage", ContentSwitcher)
        stage.current = name
        if name == "work" and self.focused is None and self.is_current:
            self.lanes.focus()

    def _show_status(self) -> None:
        state = self.delivery
        text, colour = status_words(state, next_step(state), time.monotonic())
        status = self.query_one("#status", Paragraph)
        status.show(text if not state.nothing_there else "")
        status.set_classes(f"-{colour}")

    def _ticked(self) -> None:
        self._tick += 1
        if self.is_current:
            self.lanes.show(self.delivery, self._tick)
            self._show_status()
