"""The line below the steps: what is going on or what there is to do, and a button for each."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from mlops_tui.tui.state.setup import SetupState
from mlops_tui.tui.widgets.step_list import SPINNER
from mlops_tui.tui.words.setup import Mood, status_words
from mlops_tui.tui.words.signs import STEP_SIGNS

SIGNS: dict[Mood, str] = {
    "open": STEP_SIGNS["will change"],
    "done": STEP_SIGNS["done"],
    "warning": STEP_SIGNS["warning"],
    "failed": STEP_SIGNS["failed"],
}


class _ActionButton(Button, can_focus=False):
    """For the mouse: the keyboard has keys for these, and Tab does not stop here."""


class SetupStatus(Vertical):
    DEFAULT_CSS = """
    SetupStatus {
        height: 2; padding: 0 1; background: $surface;
        .text { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        .text.-busy { color: $text-primary; }
        .text.-done { color: $text-success; text-style: bold; }
        .text.-warning { color: $text-warning; }
        .text.-failed { color: $text-error; text-style: bold; }
        .buttons { width: auto; height: 1; }
        Button { min-width: 0; width: auto; margin-right: 1; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(markup=False, classes="text")
        with Horizontal(classes="buttons"):
            yield _ActionButton(
                "Train (2)", id="train", variant="success", compact=True, action="screen.go('training')"
            )
            yield _ActionButton("Apply all (a)", id="all", variant="primary", compact=True, action="screen.apply_all")
            yield _ActionButton("Apply step", id="one", compact=True, action="screen.apply_step")
            yield _ActionButton("Look again (r)", id="look", compact=True, action="screen.look")
            yield _ActionButton("Stop (s)", id="stop", variant="warning", compact=True, action="screen.stop")

    def show(self, state: SetupState, can_apply_step: bool, can_stop: bool, tick: int) -> None:
        mood, text = status_words(state)
        line = self.query_one(".text", Static)
        shown = f"{SIGNS.get(mood) or SPINNER[tick % len(SPINNER)]} {text}"
        if shown != line.content:
            line.update(shown, layout=False)  # its height stays
            line.tooltip = Content(text)  # a text would be taken for markup
            line.set_classes(f"text -{mood}")
        self._offer("#train", state.ready and not state.problem)
        self._offer("#all", state.appliable)
        self._offer("#one", can_apply_step)
        self._offer("#look", not state.doing)
        self._offer("#stop", can_stop)

    def _offer(self, button: str, offered: bool) -> None:
        self.query_one(button).display = offered
