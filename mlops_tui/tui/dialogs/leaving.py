"""Going while something runs: leave it running, end it, or stay."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

Answer = Literal["leave", "cancel", "stay"]


class LeavingDialog(ModalScreen[Answer]):
    """What runs is named; the harmless answer is the default."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('stay')", "Stay")]

    def __init__(self, busy: list[str]) -> None:
        super().__init__()
        self._busy = busy

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Something is still running:\n" + "\n".join(f"  {line}" for line in self._busy), markup=False)
            with Horizontal():
                yield Button("Leave it running", id="leave", variant="primary")
                yield Button("Cancel it", id="cancel", variant="error")
                yield Button("Stay", id="stay")
