"""A live log with all that one does with it: follow, scroll back, search, filter, jump, copy, save.

    view.show(path, "alpha=0.5,l1_ratio=0.5")     the file may come later, grow, be replaced

A million lines stay smooth: the file is the buffer (`log_file`), a thread indexes and searches it, and the rows on the
screen are drawn at most once a tick. What it can do is in `LogView.BINDINGS`, each with words for people.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.scrollbar import ScrollBar, ScrollDown, ScrollTo, ScrollUp
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import get_current_worker

from mlops_tui.tui.logs.file import LogFile
from mlops_tui.tui.logs.saving import save
from mlops_tui.tui.logs.window import LogWindow
from mlops_tui.tui.widgets.log_keys import LOG_KEYS
from mlops_tui.tui.widgets.log_lines import SIDEWAYS, LogLines, next_levels
from mlops_tui.tui.widgets.log_prompt import LogPrompt, Question
from mlops_tui.tui.widgets.log_status import LogStatus
from mlops_tui.tui.widgets.log_words import copied_words, empty_words, status_words

TICK = 1 / 30  # seconds between drawings
TELL = 3  # ticks between looks at the status line and the scrollbar


class LogView(Vertical):
    """See the module."""

    BINDINGS: ClassVar[list[BindingType]] = [*LOG_KEYS]
    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        & > .log-body { height: 1fr; }
        ScrollBar { width: 1; height: 1fr; }
        &:focus-within > LogStatus { background: $primary; color: $text; }
    }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self.lines = LogLines()
        self.status = LogStatus()
        self.bar = ScrollBar()
        self.title = ""
        self._file: LogFile | None = None
        self._bar_drawn: tuple[int, ...] = ()
        self._ticks = 0
        self._jumps = 0  # of the window that have been shown
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(classes="log-body"):
            yield self.lines
            yield self.bar
        yield self.status

    def show(self, path: Path | None, title: str = "") -> None:
        """Show another file from its end; the level filter and the search stay."""
        if self._file:
            self._file.close()
        self._file = LogFile(path) if path else None
        self.title = title
        before = self.lines.window
        window = LogWindow(self._file, before.levels)
        window.height = before.height
        if before.search:
            window.look_for(before.search.wanted, jump=False)
        self.lines.window = window
        self.lines.column = 0
        if self.is_attached:
            self._forget_selection()
            self._moved()

    @property
    def window(self) -> LogWindow:
        """What is on the screen, for those who ask from outside."""
        return self.lines.window

    # The tick

    def on_mount(self) -> None:
        self._timer = self.set_interval(TICK, self._tick)

    def on_show(self) -> None:
        if self._timer:
            self._timer.resume()

    def on_hide(self) -> None:
        if self._timer:
            self._timer.pause()

    def on_unmount(self) -> None:
        if self._file:
            self._file.close()

    def _tick(self) -> None:
        if self._update():
            self.lines.refresh()
        self._ticks += 1
        if self._ticks % TELL == 0:
            self._tell()

    @on(LogLines.Moved)
    def _moved(self) -> None:
        """Show at once what a key or the mouse asked for."""
        self._update()
        self.lines.refresh()
        self._tell()

    def _update(self) -> bool:
        changed = self.window.update()
        if self.window.jumps != self._jumps:
            self._jumps = self.window.jumps
            self.lines.show_match()
        return changed

    def _tell(self) -> None:
        self.lines.empty = empty_words(self._file, self.window)
        self.status.say(status_words(self.window, self.title))
        self._draw_bar()

    def _draw_bar(self) -> None:
        """Draw the scrollbar anew only where an eighth of a cell has changed."""
        window = self.window
        rows = max(1, window.count)
        eighths = 8 * max(1, self.bar.size.height)
        drawn = (window.height, eighths * window.top // rows, eighths * window.height // rows)
        if drawn != self._bar_drawn:
            self._bar_drawn = drawn
            self.bar.window_size = window.height
            self.bar.window_virtual_size = rows
            self.bar.position = window.top

    # Moving

    def _scroll_by(self, rows: int) -> None:
        self.window.scroll_by(rows)
        self._moved()

    def action_scroll_up(self) -> None:
        self._scroll_by(-1)

    def action_scroll_down(self) -> None:
        self._scroll_by(1)

    @on(ScrollUp)
    def action_page_up(self) -> None:
        self._scroll_by(1 - max(2, self.window.height))

    @on(ScrollDown)
    def action_page_down(self) -> None:
        self._scroll_by(max(2, self.window.height) - 1)

    def action_scroll_home(self) -> None:
        self.window.scroll_to(0)
        self._moved()

    @on(LogStatus.Clicked)
    def action_follow_end(self) -> None:
        self.window.follow()
        self._moved()

    def action_toggle_follow(self) -> None:
        if self.window.following:
            self.window.pause()
        else:
            self.window.follow()
        self._moved()

    def action_scroll_left(self) -> None:
        self.lines.sideways(-SIDEWAYS)

    def action_scroll_right(self) -> None:
        self.lines.sideways(SIDEWAYS)

    @on(ScrollTo)
    def _dragged(self, message: ScrollTo) -> None:
        message.stop()
        if message.y is not None:
            self.window.scroll_to(round(message.y))
            self._moved()

    # Searching, jumping, filtering

    def action_search(self) -> None:
        search = self.window.search
        self._ask("search", search.wanted if search else "")

    def action_line(self) -> None:
        self._ask("line")

    def _ask(self, question: Question, value: str = "") -> None:
        for prompt in self.query(LogPrompt):
            if prompt.question == question:
                prompt.query_one(Input).focus()
                return
            prompt.remove()
        self.mount(LogPrompt(question, value), before=self.status)

    @on(Input.Changed, "#log-search")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        search = self.window.search
        if event.value != (search.wanted if search else ""):
            self.window.look_for(event.value)
            self._moved()

    @on(Input.Submitted, "#log-search")
    def _searched(self, event: Input.Submitted) -> None:
        event.stop()
        self.lines.focus()

    @on(Input.Submitted, "#log-line")
    def _line_given(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_prompt()
        if event.value:
            self.window.go_to(int(event.value) - 1)
            self._moved()

    def _close_prompt(self) -> None:
        self.query(LogPrompt).remove()
        self.lines.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about a search is possible while there is one; else its keys mean something to the screen."""
        if action == "match":
            return self.window.search is not None
        if action == "end_search":
            return self.window.search is not None or bool(self.query(LogPrompt))
        return True

    def action_end_search(self) -> None:
        self.window.look_for("")
        self.window.in_hand = None
        self._close_prompt()
        self._moved()

    def action_match(self, forwards: bool = True) -> None:
        self.window.to_match(forwards)
        self._moved()

    def action_levels(self) -> None:
        self._forget_selection()
        self.window.filter(next_levels(self.window.levels, self.window.count))
        self._moved()

    def _forget_selection(self) -> None:
        """Rows are others now."""
        if self.lines.text_selection is not None:
            self.screen.clear_selection()

    # Taking away

    def action_copy(self) -> None:
        if text := self.lines.text_in_hand():
            self.app.copy_to_clipboard(text)
            self.notify(copied_words(text.count("\n") + 1), markup=False)

    def action_save(self) -> None:
        """Into the working folder, on a thread."""
        index, levels = self.window.index, self.window.levels
        if not self._file or not index or not self.window.count:
            self.notify("There are no lines to save.", severity="warning", markup=False)
            return
        name = self.title or unquote(self._file.path.stem)

        def work() -> None:
            try:
                path, lines = save(index, levels, Path.cwd(), name)
                words, failed = f"Saved {lines:,} lines to {path}", False
            except OSError as error:
                words, failed = f"The log could not be saved: {error}", True
            if not get_current_worker().is_cancelled:
                self.app.call_from_thread(
                    self.notify, words, severity="error" if failed else "information", markup=False
                )

        self.run_worker(work, thread=True, group="save log")
