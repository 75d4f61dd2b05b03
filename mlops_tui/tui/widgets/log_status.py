"""The line below a log that says what is shown."""

from __future__ import annotations

from rich.text import Text
from textual.message import Message
from textual.widget import Widget


class LogStatus(Widget):
    """One line that says what is shown. A click follows the end again."""

    DEFAULT_CSS = """
    LogStatus { height: 1; background: $panel; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Clicked(Message):
        """Someone without keys wants to see the end."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""

    def say(self, words: str) -> None:
        if words != self.words:
            self.words = words
            self.refresh()

    def render(self) -> Text:
        return Text(self.words, no_wrap=True, overflow="ellipsis")

    def on_click(self) -> None:
        self.post_message(self.Clicked())
