"""Queueing a run of the pipeline: how far it is to go, for which build, from which branch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, RadioSet, Static

from mlops_tui import settings
from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.widgets.sweep_form import WayButton, Ways
from mlops_tui.tui.words.signs import STEP_SIGNS

STAGES: Mapping[str, str] = {"all": "All of it", "staging": "Staging", "production": "Production"}
ABOUT: Mapping[str, str] = {
    "all": "Train, deploy the best model to staging, measure it there; then, once somebody has approved, production.",
    "staging": "No training: deploy a build that is there to staging, and measure how it answers.",
    "production": "No training: deploy a build that is there to production, once somebody has approved.",
}
BUILD: Mapping[str, str] = {
    "all": "made up by the host, if you give none",
    "staging": "the newest build, if you give none",
    "production": "the newest build, if you give none",
}
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")  # as the engine takes it
WRONG_NUMBER = "build number: letters, digits and . _ + - only, a letter or digit first"


@dataclass(frozen=True)
class RunWanted:
    """What was decided."""

    stage: str
    build_number: str
    branch: str


class QueueRunDialog(BoxDialog[RunWanted]):
    """Enter queues what is on show."""

    title_ = "Run the pipeline"
    DEFAULT_CSS = """
    QueueRunDialog {
        RadioSet { layout: horizontal; height: 1; margin-bottom: 1; RadioButton { width: auto; margin-right: 3; } }
        .about { height: 2; color: $text-muted; margin-bottom: 1; }
        .field { height: 1; Label { width: 14; color: $text-muted; } }
        Input { background: $panel; }
        Input:focus { background: $surface-lighten-2; }
        .problem { color: $text-error; margin-top: 1; }
        .keys { width: 1fr; height: 1; color: $text-muted; text-align: right; }
        .answers { height: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "queue", "Run it"),
        Binding("left", "stage(-1)", "The stage before", show=False),  # text that is written keeps its arrows
        Binding("right", "stage(1)", "Next stage", show=False),
    ]

    def __init__(self, branch: str) -> None:
        super().__init__()
        self._branch = branch
        self._stage = "all"

    def body(self) -> ComposeResult:
        with Ways(compact=True):
            for stage, title in STAGES.items():
                yield WayButton(title, value=stage == self._stage, id=f"stage-{stage}")
        yield Static(ABOUT[self._stage], markup=False, classes="about")
        with Horizontal(classes="field"):
            yield Label("build number", markup=False)
            yield Input(id="number", compact=True, placeholder=BUILD[self._stage], max_length=100)
        with Horizontal(classes="field"):
            yield Label("branch", markup=False)
            yield Input(self._branch, id="branch", compact=True, placeholder="as the project says", max_length=250)
        yield Static(markup=False, classes="problem")
        with Horizontal(classes="answers"):
            yield Button("Run it", id="queue", variant="primary", compact=True)
            yield Button("Not now", id="not-now", compact=True)
            yield Static("← → stages · F5 runs it · Esc leaves", markup=False, classes="keys")

    def on_mount(self) -> None:
        self._read()
        self.query_one("#branch" if self._problem else "#queue").focus()

    def action_stage(self, by: int) -> None:
        self.query_one(Ways).action_turn(by)

    @on(Button.Pressed, "#queue")
    @on(Input.Submitted)
    def action_queue(self) -> None:
        if not self._problem:
            self.dismiss(RunWanted(self._stage, self._text("number"), self._text("branch")))

    @on(Button.Pressed, "#not-now")
    def _not_now(self) -> None:
        self.dismiss(None)

    @on(RadioSet.Changed)
    def _chosen(self, message: RadioSet.Changed) -> None:
        self._stage = list(STAGES)[message.index]
        self._read()

    @on(Input.Changed)
    def _read(self) -> None:
        self.query_one(".about", Static).update(ABOUT[self._stage])
        self.query_one("#number", Input).placeholder = BUILD[self._stage]
        problem = self.query_one(".problem", Static)
        problem.update(f"{STEP_SIGNS['failed']} {self._problem}")
        problem.display = bool(self._problem)
        self.query_one("#queue", Button).disabled = bool(self._problem)

    @property
    def _problem(self) -> str:
        """What cannot be meant; empty: nothing."""
        number, branch = self._text("number"), self._text("branch")
        if number and not NUMBER.fullmatch(number):
            return WRONG_NUMBER
        wrong = settings.problem_of("ci_branch", branch) if branch else ""
        return f"branch: {wrong}" if wrong else ""

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()
