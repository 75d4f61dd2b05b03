"""Before a rollback: which build goes, and which comes back."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Static

from mlops_tui.events import Endpoint
from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.words.deliveries import build_words
from mlops_tui.tui.words.plain import plain


class ConfirmRollback(BoxDialog[bool]):
    """True: bring it back. Keeping what answers now is the default."""

    title_ = "Roll back"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def body(self) -> ComposeResult:
        there = self._endpoint
        back = build_words(there.previous)
        yield Static(f"Bring {back} back in {there.stage}?", markup=False, classes="heading")
        yield Static(
            f"\nNow {build_words(there.build)} answers at {plain(there.name)}. From then on it is {back}, the one that "
            "answered before it. You can deploy the newer one again at any time.",
            markup=False,
        )
        with Horizontal(classes="answers"):
            yield Button("Keep it as it is", id="keep", variant="primary")
            yield Button(Content(f"Bring {back} back"), id="roll-back", variant="error")

    def on_mount(self) -> None:
        self.query_one("#keep").focus()

    @on(Button.Pressed, "#roll-back")
    def _roll_back(self) -> None:
        self.dismiss(True)

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        self.action_cancel()
