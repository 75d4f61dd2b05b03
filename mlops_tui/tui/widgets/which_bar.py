"""A line that says which of several is on show, and by mouse what one can do about it."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Static


class Arrow(NamedTuple):
    """A button that goes on to the next one in a direction."""

    id: str
    action: str
    tooltip: str


class WhichBar(Horizontal):
    """Subclasses name the arrows and the buttons, and say what is shown when."""

    DEFAULT_CSS = """
    WhichBar {
        height: 1; background: $surface; padding: 0 1;
        .which { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        Button { min-width: 3; width: auto; margin-left: 1; }
    }
    """
    LEFT: ClassVar[Arrow]
    RIGHT: ClassVar[Arrow]
    ACTIONS: ClassVar[dict[str, tuple[str, str]]]  # by id, which is that of the screen's action: title and tooltip

    def compose(self) -> ComposeResult:
        yield self._arrow("‹", self.LEFT)
        yield Static("", markup=False, classes="which")
        yield self._arrow("›", self.RIGHT)
        for name, (title, tooltip) in self.ACTIONS.items():
            yield Button(title, id=name, compact=True, tooltip=tooltip, action=f"screen.{name.replace('-', '_')}")

    def _arrow(self, sign: str, arrow: Arrow) -> Button:
        return Button(sign, id=arrow.id, compact=True, action=arrow.action, tooltip=arrow.tooltip)

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False  # each has a key of its own

    def tell(self, text: str, several: bool) -> None:
        """Which one is on show, and whether there are others to go to."""
        which = self.query_one(".which", Static)
        if text != which.content:
            which.update(text, layout=False)  # its size stays
        for arrow in (self.LEFT, self.RIGHT):
            self.query_one(f"#{arrow.id}").display = several
