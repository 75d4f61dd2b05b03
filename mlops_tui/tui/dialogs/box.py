"""What the dialogs of setup have in common: a box in the middle, a title, and Escape."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class BoxDialog(ModalScreen[Answer | None], Generic[Answer]):
    """Subclasses give `title_` and `body`; Escape answers None."""

    title_: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("left", "app.focus_previous", "Previous", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]
    DEFAULT_CSS = """
    BoxDialog {
        align: center middle;
        #box {
            width: 76; max-width: 96%; height: auto; max-height: 92%; padding: 1 2; background: $surface;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
        }
        Static { width: 1fr; height: auto; }
        .more { height: auto; max-height: 44vh; margin-top: 1; }
        .more:focus { background: $panel; }
        .muted { color: $text-muted; }
        .heading { text-style: bold; }
        .answers { height: auto; margin-top: 1; }
        .answers Button { margin-right: 1; min-width: 10; }
    }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self.title_)
            yield from self.body()

    def body(self) -> ComposeResult:
        """What stands in the box."""
        raise NotImplementedError

    def action_cancel(self) -> None:
        self.dismiss(None)
