"""Before everything is taken away: what goes, and proof that it is meant."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Input, Static

from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.words.signs import WARNING


class ConfirmTeardown(BoxDialog[bool]):
    """True: remove it all. Outside the practice cloud the resource group's name must be typed."""

    title_ = "Take everything down"
    DEFAULT_CSS = """
    ConfirmTeardown {
        .more { max-height: 30vh; }
        Input { background: $panel; }
    }
    """

    def __init__(self, steps: Sequence[str], group: str, where: str, practice: bool, running: Sequence[str]) -> None:
        """`running`: what is still going on there, in words."""
        super().__init__()
        self._ended = running
        self._steps = steps
        self._group = group
        self._where = where
        self._practice = practice

    def body(self) -> ComposeResult:
        yield Static(f"Remove what setup has made in {self._where}?", markup=False, classes="heading")
        with VerticalScroll(classes="more"):
            yield Static("\n".join(f"- {step}" for step in self._steps), markup=False)
        yield Static(
            "\nTrained models and logs in the workspace go with it; this cannot be undone. "
            "What was there before setup is left as it is.",
            markup=False,
        )
        if self._ended:
            yield Static(f"{WARNING} Still running, and ended by this: {', '.join(self._ended)}.", markup=False)
        if not self._practice:
            yield Static(f"Type the resource group's name to confirm: {self._group}", markup=False)
            yield Input(placeholder=self._group, id="typed", compact=True)
        with Horizontal(classes="answers"):
            yield Button("Remove it all", id="remove", variant="error", disabled=not self._practice)
            yield Button("Keep it", id="keep")

    def on_mount(self) -> None:
        self.query_one("#keep" if self._practice else "#typed").focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#remove", Button).disabled = event.value.strip() != self._group

    @on(Input.Submitted)
    @on(Button.Pressed, "#remove")
    def _remove(self) -> None:
        if not self.query_one("#remove", Button).disabled:
            self.dismiss(True)

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        self.action_cancel()
