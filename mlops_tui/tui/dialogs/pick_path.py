"""A file or folder of this machine, for a setting that names one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, DirectoryTree, Static

from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.words.plain import plain


class _Tree(DirectoryTree):
    """Without hidden files; with folders alone, if a folder is wanted."""

    def __init__(self, start: Path, folders: bool) -> None:
        super().__init__(start)
        self._folders = folders

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        shown = [path for path in paths if not path.name.startswith(".")]
        return [path for path in shown if path.is_dir()] if self._folders else shown


class PickPath(BoxDialog[str]):
    """The path chosen."""

    DEFAULT_CSS = """
    PickPath { _Tree { height: 10; margin-top: 1; background: $surface; } }
    """

    def __init__(self, title: str, start: Path, folders: bool) -> None:
        super().__init__()
        self.title_of_box = title
        self._start = start
        self._folders = folders
        self._chosen: Path | None = None

    def body(self) -> ComposeResult:
        kind = "folder" if self._folders else "file"
        yield Static(f"Choose a {kind}: Enter opens folders, Tab goes on to the buttons.", markup=False)
        yield Static(markup=False, classes="chosen heading")
        yield _Tree(self._start, self._folders)
        with Horizontal(classes="answers"):
            yield Button(f"Take this {kind}", id="take", variant="primary", disabled=True)
            yield Button("Folder above", id="above")
            yield Button("Cancel", id="cancel")

    def on_mount(self) -> None:
        self.query_one("#box").border_title = self.title_of_box
        self.query_one(_Tree).focus()

    @on(DirectoryTree.NodeHighlighted)
    def _highlighted(self, event: DirectoryTree.NodeHighlighted[object]) -> None:
        entry = getattr(event.node.data, "path", None)
        path = entry if isinstance(entry, Path) else None
        fits = path is not None and path.is_dir() == self._folders
        self._chosen = path if fits else None
        self.query_one("#take", Button).disabled = not fits
        self.query_one(".chosen", Static).update(plain(str(path)) if fits else "")

    @on(DirectoryTree.FileSelected)
    def _selected(self, event: DirectoryTree.FileSelected) -> None:
        if not self._folders:
            self.dismiss(str(event.path))

    @on(Button.Pressed, "#take")
    def _take(self) -> None:
        if self._chosen is not None:
            self.dismiss(str(self._chosen))

    @on(Button.Pressed, "#above")
    def _above(self) -> None:
        tree = self.query_one(_Tree)
        tree.path = Path(tree.path).resolve().parent
        tree.focus()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.action_cancel()
