"""Going while something runs: leave it running, end it, or stay."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

if TYPE_CHECKING:
    from mlops_tui.tui.desks.desk import Desk

Answer = Literal["leave", "ended", "stay"]
END_SECONDS = 60.0  # how long ending everything may take before the person is asked again


class LeavingDialog(ModalScreen[Answer]):
    """What runs is named; the harmless answer is the default."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stay", "Stay"),
        Binding("left,up", "app.focus_previous", "Previous", show=False),
        Binding("right,down", "app.focus_next", "Next", show=False),
    ]
    DEFAULT_CSS = """
    LeavingDialog {
        align: center middle;
        .box {
            width: 76; max-width: 96%; height: auto; max-height: 96%; overflow-y: auto; padding: 1 2;
            border: round $primary; border-title-color: $primary; border-title-style: bold; background: $surface;
        }
        Static { width: 1fr; height: auto; }
        .running { padding: 1 0 1 2; text-style: bold; }
        .note { padding: 1 0 0 0; color: $text-muted; }
        .answers { height: auto; padding-top: 1; }
        Button { margin-right: 1; min-width: 10; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Quit"
            yield Static("Something is still running:", markup=False)
            yield Static("\n".join(f"● {each}" for each in self._desk.busy), markup=False, classes="running")
            yield Static(
                "What is left running goes on without this app, and is found again at the next start.",
                markup=False,
            )
            yield Static("", markup=False, classes="note")
            with Horizontal(classes="answers"):
                yield Button("Leave it running", id="leave", variant="primary")
                yield Button("Cancel it", id="cancel", variant="error")
                yield Button("Stay", id="stay")

    def on_mount(self) -> None:
        self.query_one(".note").display = False
        self.query_one("#leave").focus()

    @on(Button.Pressed, "#leave")
    def _leave(self) -> None:
        self.dismiss("leave")

    @on(Button.Pressed, "#stay")
    def action_stay(self) -> None:
        self.dismiss("stay")

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.query_one("#cancel", Button).disabled = True
        self.query_one("#stay").focus()
        self._end_everything()

    @work(exclusive=True)
    async def _end_everything(self) -> None:
        """Waits until nothing runs any more; staying or leaving meanwhile ends the waiting alone."""
        started = time.monotonic()
        clock = self.set_interval(0.5, lambda: self._note(f"Cancelling … {time.monotonic() - started:.0f} s"))
        self._note("Cancelling …")
        try:
            await asyncio.wait_for(self._desk.end_all(), END_SECONDS)
        except TimeoutError:
            self._note("It has not ended yet. Leave it running, or stay and look what became of it.")
            self.query_one("#cancel", Button).disabled = False
        else:
            self.dismiss("ended")
        finally:
            clock.stop()

    def _note(self, text: str) -> None:
        note = self.query_one(".note", Static)
        note.display = True
        note.update(text)
