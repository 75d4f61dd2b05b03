"""One line below a log to type into: what to look for, or which line to go to."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

Question = Literal["search", "line"]


class LogPrompt(Horizontal):
    """Its `Input` has the question as id with `log-` before it."""

    DEFAULT_CSS = """
    LogPrompt {
        height: 1; background: $panel;
        & > Label { width: auto; padding: 0 1; color: $text-muted; }
        & > Input { width: 1fr; }
    }
    """

    def __init__(self, question: Question, value: str = "") -> None:
        super().__init__()
        self.question = question
        self._value = value

    def compose(self) -> ComposeResult:
        yield Label("Find" if self.question == "search" else "Line", markup=False)
        yield Input(
            self._value,
            id=f"log-{self.question}",
            compact=True,
            restrict=None if self.question == "search" else r"[0-9]{0,12}",
            placeholder="in all lines" if self.question == "search" else "number",
        )

    def on_mount(self) -> None:
        self.query_one(Input).focus()
