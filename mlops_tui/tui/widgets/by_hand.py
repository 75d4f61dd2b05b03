"""The commands that a step replaces, to be read, selected and copied."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Static

from mlops_tui.tui.state.setup import StepRow
from mlops_tui.tui.words.plain import plain_lines


class ByHand(VerticalScroll):
    DEFAULT_CSS = """
    ByHand {
        padding: 0 1;
        .intro { margin-bottom: 1; color: $text-muted; }
        .commands { margin-bottom: 1; }
        Button { min-width: 0; width: auto; }
    }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._commands = ""

    def compose(self) -> ComposeResult:
        yield Static(markup=False, classes="intro")
        yield Static(markup=False, classes="commands")
        yield Button("Copy (y)", compact=True)

    def show(self, row: StepRow) -> None:
        commands = plain_lines(row.description.by_hand) if row.description else ""
        if commands != self._commands or not commands:
            self._commands = commands
            intro = (
                "What this step does, as you would type it in a shell:" if commands else "Nothing is typed for this."
            )
            self.query_one(".intro", Static).update(intro)
            self.query_one(".commands", Static).update(commands)
            self.query_one(Button).display = bool(commands)
            self.scroll_home(animate=False)

    def copy(self) -> None:
        if self._commands:
            self.app.copy_to_clipboard(self._commands)
            self.app.notify("The commands are in the clipboard.", title="Copied", markup=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.copy()
