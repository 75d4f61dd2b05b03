"""The app: screens, keys, themes and toasts around one desk."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.notifications import SeverityLevel
from textual.signal import Signal

from mlops_tui import folders
from mlops_tui.errors import MlopsError
from mlops_tui.tui import remembered
from mlops_tui.tui.modes import MODES, SECTIONS
from mlops_tui.tui.themes import THEMES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlops_tui.tui.connection import Connection
    from mlops_tui.tui.desks.desk import Desk
    from mlops_tui.tui.desks.line import Notice, Topic
    from mlops_tui.tui.dialogs.leaving import Answer
    from mlops_tui.tui.screens.opening import OpeningScreen

FLUSH_SECONDS = 1 / 20  # changes are shown at most so often
WEB_FOCUS_SECONDS = 0.3
END_SECONDS = 3.0  # between being told to end and ending, at most
BUILD_SECONDS = 1.5  # that ending waits for a screen which is just being built, at most
LONGEST_TOAST = 400  # characters
SIGN_IN = "Sign in"  # the title of the notices that say what signing in takes


def _commands() -> type[Provider]:
    from mlops_tui.tui.palette import Commands

    return Commands


class MlopsApp(App[str]):
    """Shows one desk. `connect` makes its connection: the worker process, or a recording in tests.

    What it returns is told on the terminal after it has gone: what still runs, and how to come back to it.
    """

    TITLE = "mlops-tui"
    CSS_PATH = "styles/app.tcss"
    MODES = MODES
    DEFAULT_MODE = "opening"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-roomy")]  # noqa: RUF012 (as Textual declares it)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit", id="quit"),
        Binding("ctrl+c", "copy_or_leave", "Copy what is selected, else quit", show=False, priority=True),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        Binding("f1,question_mark", "help", "Help", key_display="F1", id="help"),
    ]

    def __init__(
        self,
        connect: Callable[[], Connection] | None = None,
        flags: Mapping[str, str] | None = None,
        file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        describe_project: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__()
        self.given_flags = dict(flags or {})
        self.environment = environment
        self.describe_project = describe_project  # in a line, for the opening; called on a thread, for it reads files
        self.changes: Signal[Topic] = Signal(self, "changes")  # published when a state has changed
        self.remembered = remembered.load(environment)
        self.painted = False
        self._ending = 0.0  # time.monotonic() when it was asked to end
        self._connect = connect
        self._file = file
        self._desk: Desk | None = None
        self._changed: set[Topic] = set()
        for name in list(self.available_themes):
            self.unregister_theme(name)
        for theme in THEMES:
            self.register_theme(theme)
        known = self.remembered.theme in self.available_themes
        self.theme = self.remembered.theme if known else THEMES[0].name

    @property
    def desk(self) -> Desk:
        """Made when first asked for, which is after the first paint: what it imports takes a while."""
        if self._desk is None:
            from mlops_tui.tui.connection import WorkerProcess
            from mlops_tui.tui.desks.desk import Desk

            connection = self._connect() if self._connect else WorkerProcess(self._file)
            logs = folders.data_folder(self.environment) / "logs"
            self._desk = Desk(connection, logs, self._note_change, self._tell, self.given_flags)
            self._desk.line.answered = self._signed_in
        return self._desk

    @property
    def desk_or_none(self) -> Desk | None:
        """For the first paint, which must not wait for what the desk imports."""
        return self._desk

    def on_mount(self) -> None:
        # Textual's web driver, and tests, have ways of their own.
        if not self.is_headless and not self.is_web:
            loop = asyncio.get_running_loop()
            for told in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(told, lambda *_: self._end_soon(loop))

    def _end_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Told to end. Where the terminal has gone, whoever draws may wait for it for ever: that must not keep us."""
        watch = threading.Timer(END_SECONDS, os._exit, (0,))
        watch.daemon = True
        watch.start()
        loop.call_soon_threadsafe(self.exit)

    def on_ready(self) -> None:
        """The first frame has been shown: now what takes its time."""
        gc.freeze()  # what has been imported stays: going through it again and again would make keys wait
        gc.enable()  # off until here: see `commands.terminal`
        self.painted = True
        if self.is_web:
            # Textual takes it that a browser looks elsewhere at first, and hears of changes alone.
            self.set_timer(WEB_FOCUS_SECONDS, partial(setattr, self, "app_focus", True))
        if "cloud" in self.given_flags:
            self.open_cloud({})
        else:
            cast("OpeningScreen", self.screen_stack[0]).look()

    def on_unmount(self) -> None:
        if self._desk is not None:
            self._desk.close()

    def exit(self, result: str | None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Once the screen has been built: Textual mounts nothing after this, and what is half there would break."""
        self._ending = self._ending or time.monotonic()
        built = all(node.is_mounted for screen in self.screen_stack for node in (screen, *screen.query()))
        if built or time.monotonic() - self._ending > BUILD_SECONDS:
            super().exit(result, return_code, message)
        else:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.exit, result, return_code, message)

    def open_cloud(self, chosen: Mapping[str, str]) -> None:
        """Work there: on to its setup. A choice made by hand is there again next time."""
        if chosen:
            self.remembered.chosen = dict(chosen)
            self.remember()
        self.desk.open(chosen)
        self.show_section("setup")

    def show_section(self, name: str) -> None:
        """One of SECTIONS."""
        if self.current_mode != name:
            self.switch_mode(name)

    async def action_choose_cloud(self) -> None:
        """Back to the opening. The sections begin anew: what they show belongs to the cloud before."""
        if self.current_mode == "opening":
            return
        if self.desk.busy:
            self.notify(
                f"Wait for its end, or end it first: {'; '.join(self.desk.busy)}.",
                title="Something is still running",
                severity="warning",
                markup=False,
            )
            return
        self.desk.leave_cloud()
        await self.switch_mode("opening")
        for section in SECTIONS:
            await self.remove_mode(section)
            self.add_mode(section, self.MODES[section])

    def action_help(self) -> None:
        from mlops_tui.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def choose_theme(self, name: str) -> None:
        self.theme = name
        self.remembered.theme = name
        self.remember()

    def toggle_bell(self) -> None:
        self.remembered.bell = not self.remembered.bell
        self.remember()
        self.notify(f"The bell for ends and failures is {'on' if self.remembered.bell else 'off'}.", markup=False)

    def remember(self) -> None:
        """Next time it is as now; where that cannot be written, this sitting goes on all the same."""
        try:
            remembered.save(self.environment, self.remembered)
        except OSError as error:
            self.notify(f"This choice cannot be kept: {error.strerror}.", severity="warning", markup=False)
        except MlopsError as error:
            self.notify(f"This choice cannot be kept. {error.message}", severity="warning", markup=False)

    def action_leave(self) -> None:
        """Go at once where nothing would notice; else ask."""
        if self._desk is None or not self._desk.busy:
            self.exit()
            return
        from mlops_tui.tui.dialogs.leaving import LeavingDialog

        if not isinstance(self.screen, LeavingDialog):
            self.push_screen(LeavingDialog(self._desk), self._left)

    def action_copy_or_leave(self) -> None:
        """Ctrl+C copies what is selected, as everywhere; else it means going, and going is what it means twice."""
        from mlops_tui.tui.dialogs.leaving import LeavingDialog

        selected = self.screen.get_selected_text() or getattr(self.focused, "selected_text", "")
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            self.notify("Copied.", timeout=2, markup=False)
        elif isinstance(self.screen, LeavingDialog):
            self.screen.dismiss("leave")
        else:
            self.action_leave()

    def copy_secret(self, secret: str) -> None:
        """Into the terminal's clipboard alone: pasting with the app's own would show it on a screen."""
        self.copy_to_clipboard(secret)
        self._clipboard = ""

    def _left(self, answer: Answer | None) -> None:
        """What is left running goes on: the worker finishes the write in hand, the cloud all that it has begun."""
        if answer == "leave":
            self.exit(self.desk.left_behind)
        elif answer == "ended":
            self.exit()

    def _note_change(self, topic: Topic) -> None:
        """Many changes in a moment are shown once."""
        if not self._changed:
            self.set_timer(FLUSH_SECONDS, self._publish)
        self._changed.add(topic)

    def _publish(self) -> None:
        topics, self._changed = self._changed, set()
        for topic in () if self._ending else topics:  # what ends shows nothing more, and builds nothing
            self.changes.publish(topic)

    def _tell(self, notice: Notice) -> None:
        if notice.rings and self.remembered.bell:
            self.bell()
        if notice.title == SIGN_IN:
            self._show_sign_in(notice.text)
            return
        if not notice.seen_in or notice.seen_in != self.current_mode:
            self.notify(notice.text, title=notice.title, severity=notice.severity, markup=False)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast. Its text may come from outside: no markup, nothing that moves the cursor, and not a page of it."""
        from mlops_tui.tui.words.plain import plain, plain_lines  # here: the first paint need not wait for it

        text = plain_lines(message)
        shown = text if len(text) <= LONGEST_TOAST else f"{text[:LONGEST_TOAST]}…"
        super().notify(shown, title=plain(title), severity=severity, timeout=timeout, markup=markup)

    def _show_sign_in(self, text: str) -> None:
        from mlops_tui.tui.dialogs.sign_in import SignInDialog

        if isinstance(self.screen, SignInDialog):
            self.screen.show(text)
        else:
            self.push_screen(SignInDialog(text))

    def _signed_in(self) -> None:
        """The cloud answers: the dialog that asks for signing in has done its work."""
        from mlops_tui.tui.dialogs.sign_in import SignInDialog

        if isinstance(self.screen, SignInDialog):
            self.screen.dismiss()
