"""The app: screens, keys, themes and toasts around one desk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.signal import Signal

from mlops_tui import folders
from mlops_tui.tui.themes import THEMES

if TYPE_CHECKING:
    from mlops_tui.tui.connection import Connection
    from mlops_tui.tui.desk import Desk
    from mlops_tui.tui.line import Notice, Topic

FLUSH_SECONDS = 1 / 20  # changes are shown at most so often
SECTIONS = ("setup", "training", "history")


def _opening() -> Screen[Any]:
    from mlops_tui.tui.screens.opening import OpeningScreen

    return OpeningScreen()


def _setup() -> Screen[Any]:
    from mlops_tui.tui.screens.setup import SetupScreen

    return SetupScreen()


def _training() -> Screen[Any]:
    from mlops_tui.tui.screens.training import TrainingScreen

    return TrainingScreen()


def _history() -> Screen[Any]:
    from mlops_tui.tui.screens.history import HistoryScreen

    return HistoryScreen()


class MlopsApp(App[None]):
    """Shows one desk. `connect` makes its connection: the worker process, or a recording in tests."""

    TITLE = "mlops-tui"
    CSS_PATH = "styles/app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "opening": _opening,
        "setup": _setup,
        "training": _training,
        "history": _history,
    }
    DEFAULT_MODE = "opening"
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (100, "-wide"), (160, "-roomy")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit", id="quit"),
        Binding("ctrl+c", "copy_or_leave", show=False, priority=True),
        Binding("ctrl+q", "leave", show=False, priority=True),
        Binding("f1,question_mark", "help", "Help", key_display="F1", id="help"),
    ]

    def __init__(
        self,
        connect: Callable[[], Connection] | None = None,
        flags: Mapping[str, str] | None = None,
        file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__()
        self.given_flags = dict(flags or {})
        self.environment = environment
        self.changes: Signal[Topic] = Signal(self, "changes")  # published when a state has changed
        self._connect = connect
        self._file = file
        self._desk: Desk | None = None
        self._changed: set[Topic] = set()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    @property
    def desk(self) -> Desk:
        """Made when first asked for, which is after the first paint: what it imports takes a while."""
        if self._desk is None:
            from mlops_tui.tui.connection import WorkerProcess
            from mlops_tui.tui.desk import Desk

            connection = self._connect() if self._connect else WorkerProcess(self._file)
            logs = folders.data_folder(self.environment) / "logs"
            self._desk = Desk(connection, logs, self._note_change, self._tell, self.given_flags)
        return self._desk

    def show_section(self, name: str) -> None:
        """One of SECTIONS."""
        if self.current_mode != name:
            self.switch_mode(name)

    async def action_leave(self) -> None:
        """Go at once where nothing would notice; else ask."""
        if self._desk is None or not self._desk.busy:
            self.exit()
            return
        from mlops_tui.tui.dialogs.leaving import LeavingDialog

        if not isinstance(self.screen, LeavingDialog):
            self.push_screen(LeavingDialog(self._desk.busy), self._left)

    def action_copy_or_leave(self) -> None:
        """Ctrl+C copies what is selected, as everywhere; else it means going."""
        if self.screen.get_selected_text():
            self.screen.action_copy_text()
        else:
            self.call_later(self.action_leave)

    def on_unmount(self) -> None:
        if self._desk is not None:
            self._desk.close()

    def _note_change(self, topic: Topic) -> None:
        """Many changes in a moment are shown once."""
        if not self._changed:
            self.set_timer(FLUSH_SECONDS, self._publish)
        self._changed.add(topic)

    def _publish(self) -> None:
        topics, self._changed = self._changed, set()
        for topic in topics:
            self.changes.publish(topic)

    def _tell(self, notice: Notice) -> None:
        self.notify(notice.text, title=notice.title, severity=notice.severity, markup=False)
