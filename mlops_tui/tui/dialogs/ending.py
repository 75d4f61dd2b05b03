"""Ending runs in the cloud: what ends is named, and keeping it is the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mlops_tui.tui.words.plain import plain


class EndingDialog(ModalScreen[bool]):
    """True: end them."""

    DEFAULT_CSS = """
    EndingDialog {
        align: center middle;
        .box {
            width: 60; max-width: 100%; height: auto; max-height: 96%; padding: 1 2;
            border: round $primary; border-title-color: $primary; border-title-style: bold; background: $surface;
        }
        Static { width: 1fr; height: auto; }
        VerticalScroll { height: auto; max-height: 10; margin: 1 0; }
        .keys { color: $text-muted; }
        .answers { height: auto; padding-top: 1; Button { margin-right: 2; } }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", "Let it run"),
        Binding("left", "app.focus_previous", "Previous", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, question: str, names: Sequence[str]) -> None:
        super().__init__()
        self._question, self._names = question, tuple(plain(name) for name in names)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "End runs"
            yield Static(self._question, markup=False)
            with VerticalScroll(can_focus=False):
                yield Static("\n".join(f"  {name}" for name in self._names), markup=False)
            yield Static("What they have logged so far is kept.", markup=False, classes="keys")
            with Horizontal(classes="answers"):
                many = len(self._names) != 1
                yield Button("Let them run" if many else "Let it run", id="keep", variant="primary")
                yield Button("End them" if many else "End it", id="end", variant="error")

    def on_mount(self) -> None:
        self.query_one("#keep").focus()

    @on(Button.Pressed)
    def _answered(self, message: Button.Pressed) -> None:
        self.dismiss(message.button.id == "end")
