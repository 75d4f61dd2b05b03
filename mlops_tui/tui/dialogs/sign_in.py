"""What signing in takes: the page to open and the code to enter there. Stays until the cloud answers."""

from __future__ import annotations

import re
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mlops_tui.tui.words.plain import plain

PAGE = re.compile(r"https://[^\s\"'<>]+")
CODE = re.compile(r"\bcode ([A-Z0-9-]{6,12})\b")


class SignInDialog(ModalScreen[None]):
    """The work waits for the person meanwhile; hiding the dialog does not end the waiting."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Hide"),
        Binding("c", "copy_code", "Copy the code"),
        Binding("o", "open_page", "Open the page"),
    ]
    DEFAULT_CSS = """
    SignInDialog {
        align: center middle;
        .box {
            width: 72; max-width: 96%; height: auto; padding: 1 2;
            border: round $warning; border-title-color: $warning; border-title-style: bold; background: $surface;
        }
        Static { width: 1fr; height: auto; }
        .code { text-style: bold; text-align: center; padding: 1 0; color: $primary; }
        .answers { height: auto; padding-top: 1; }
        Button { margin-right: 1; min-width: 10; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = plain(text)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Sign in"
            yield Static("", markup=False, classes="text")
            yield Static("", markup=False, classes="code")
            yield Static("This closes by itself once you are signed in.", markup=False)
            with Horizontal(classes="answers"):
                yield Button("Open the page", id="open", variant="primary")
                yield Button("Copy the code", id="copy")
                yield Button("Hide", id="hide")

    def on_mount(self) -> None:
        self.show(self._text)
        self.query_one("#copy" if self._code else "#hide").focus()

    def show(self, text: str) -> None:
        """Another prompt: the code before has lapsed, or another sign-in is due."""
        self._text = plain(text)
        self.query_one(".text", Static).update(self._text)
        self.query_one(".code", Static).update(self._code)
        self.query_one(".code").display = self.query_one("#copy").display = bool(self._code)
        self.query_one("#open").display = bool(self._page)

    @property
    def _page(self) -> str:
        found = PAGE.search(self._text)
        return found[0].rstrip(".,;)") if found else ""

    @property
    def _code(self) -> str:
        found = CODE.search(self._text)
        return found[1] if found else ""

    @on(Button.Pressed, "#copy")
    def action_copy_code(self) -> None:
        if self._code:
            self.app.copy_to_clipboard(self._code)
            self.notify("The code is copied.", timeout=3, markup=False)

    @on(Button.Pressed, "#open")
    def action_open_page(self) -> None:
        if self._page:
            self.app.open_url(self._page)

    @on(Button.Pressed, "#hide")
    def _hide(self) -> None:
        self.dismiss()
