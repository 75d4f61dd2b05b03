"""An app with nothing in it but a live log."""

from __future__ import annotations

from pathlib import Path

from textual.app import App, ComposeResult

from mlops_tui.tui.widgets.log_view import LogView


class LogApp(App[None]):
    """One log and a button's worth of other things to focus."""

    def __init__(self, path: Path | None = None, title: str = "") -> None:
        super().__init__()
        self.path, self.log_title = path, title

    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        view = self.query_one(LogView)
        view.show(self.path, self.log_title)
        view.lines.focus()

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def rows(self) -> list[str]:
        """The screen as text."""
        return [strip.text for strip in self.screen._compositor.render_strips()]

    @property
    def status(self) -> str:
        return self.view.status.words


def write(path: Path, *lines: str) -> Path:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def write_thousand(path: Path) -> Path:
    """Lines 0 to 999: a warning and an error in each hundred."""
    return write(path, *(f"{'e' if at % 100 == 50 else 'w' if at % 100 == 0 else 'i'} line {at}" for at in range(1000)))
