"""Launching a sweep: the form, and the two ways out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from mlops_tui.run_parameters import Parameters
from mlops_tui.tui.widgets.sweep_form import SweepForm, Way, Ways
from mlops_tui.tui.words.sweep_text import count_text


@dataclass(frozen=True)
class Launch:
    """What was decided; no runs: the project's."""

    runs: tuple[Parameters, ...]
    build_number: str


class LaunchDialog(ModalScreen[Launch | None]):
    """Enter launches what is on show, at once."""

    DEFAULT_CSS = """
    LaunchDialog {
        align: center middle;
        .box {
            width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; overflow-y: auto;
            border: round $primary; border-title-color: $primary; border-title-style: bold; background: $surface;
        }
        .answers { height: 1; margin-top: 1; Button { margin-right: 2; min-width: 12; } }
        .keys { width: 1fr; color: $text-muted; text-align: right; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "launch", "Launch"),
        Binding("escape", "dismiss(None)", "Not now"),
        Binding("left", "way(-1)", "The way before", show=False),  # text that is written keeps its arrows
        Binding("right", "way(1)", "Next way", show=False),
    ]

    def __init__(self, title: str, way: Way, sets: Sequence[Parameters], project: Sequence[Parameters]) -> None:
        super().__init__()
        self._title, self._way, self._sets, self._project = title, way, tuple(sets), tuple(project)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield SweepForm(self._way, self._sets, self._project)
            with Horizontal(classes="answers"):
                yield Button("Launch", id="launch", variant="primary", compact=True)
                yield Button("Not now", id="not-now", compact=True)
                yield Static("← → ways · F5 launches · Esc leaves", markup=False, classes="keys")

    def on_mount(self) -> None:
        self.query_one("#launch").focus()

    @on(SweepForm.Changed)
    def _form_changed(self) -> None:
        reading = self.query_one(SweepForm).reading
        button = self.query_one("#launch", Button)
        button.disabled = bool(reading.problems)
        button.label = "Launch" if reading.problems else f"Launch {count_text(len(reading.runs))}"
        button.refresh(layout=True)

    @on(Button.Pressed, "#launch")
    @on(Input.Submitted)
    def action_launch(self) -> None:
        form = self.query_one(SweepForm)
        if not form.reading.problems:
            self.dismiss(Launch(form.launches, form.build_number))

    def action_way(self, by: int) -> None:
        self.query_one(Ways).action_turn(by)

    @on(Button.Pressed, "#not-now")
    def _not_now(self) -> None:
        self.dismiss(None)
