"""F1: what the present screen is for, and every key that works on it."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Markdown, Static

from mlops_tui.tui.actions import actions_of

EVERYWHERE = "Tab and Shift+Tab move the focus, Ctrl+P finds every action by its name, Esc closes what is on top."


class HelpScreen(ModalScreen[None]):
    """`about` is the screen that it stands on."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f1,question_mark", "dismiss(None)", "Close")]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        VerticalScroll {
            width: 90; max-width: 96%; height: 1fr; margin: 1 0; padding: 0 1;
            border: round $primary; border-title-color: $primary; border-title-style: bold; background: $surface;
        }
        Markdown { background: $surface; padding: 0 1; }
        MarkdownH1 { margin: 0 0 1 0; }
        .keys { padding: 1; height: auto; }
        .close { height: auto; padding: 0 1 1 1; color: $text-muted; }
    }
    """

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._text = str(getattr(about, "help_text", ""))
        self._rows = [(" ".join(action.keys), action.description) for action in actions_of(about)]

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Help"
            box.border_subtitle = "↑ ↓ scroll · Esc closes"
            if self._text:
                yield Markdown(self._text, open_links=False)
            yield Static(self._keys(), classes="keys")
            yield Static(EVERYWHERE, markup=False, classes="close")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        if event.href.startswith("https://"):
            self.app.open_url(event.href)

    def _keys(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for keys, description in self._rows:
            table.add_row(Text(keys, style="bold"), Text(description))
        return table
