"""The top line: the name of the app, the sections (a click goes there), and where one works."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

TITLES = {"setup": "1 Setup", "training": "2 Training", "history": "3 History"}


class SectionTab(Static):
    """One section's name."""

    def __init__(self, section: str, chosen: bool) -> None:
        super().__init__(TITLES[section], markup=False, classes="-chosen" if chosen else "")
        self._section = section

    async def on_click(self) -> None:
        await self.run_action(f"screen.go('{self._section}')")


class SectionBar(Horizontal):
    DEFAULT_CSS = """
    SectionBar {
        height: 1; background: $panel; color: $foreground;
        .brand { width: auto; padding: 0 2 0 1; text-style: bold; color: $primary; }
        SectionTab { width: auto; padding: 0 1; color: $text-muted; }
        SectionTab:hover { background: $surface; }
        SectionTab.-chosen { text-style: bold reverse; color: $foreground; }
        .where { width: 1fr; text-align: right; padding: 0 1; color: $text-muted; }
    }
    """

    def __init__(self, section: str) -> None:
        super().__init__()
        self._section = section

    def compose(self) -> ComposeResult:
        yield Static("mlops-tui", markup=False, classes="brand")
        for section in TITLES:
            yield SectionTab(section, section == self._section)
        yield Static("", markup=False, classes="where")
