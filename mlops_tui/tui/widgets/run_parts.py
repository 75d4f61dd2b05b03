"""The run in hand: its stages, jobs and steps; what went wrong in the one in hand, and its live log."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlops_tui.events import ErrorCard, PipelinePart
from mlops_tui.tui.state.pipelines import PipelinesState, RunRow
from mlops_tui.tui.state.run_logs import before, log_of, writer_of
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.part_tree import PartTree
from mlops_tui.tui.words.parts import about_part
from mlops_tui.tui.words.pipelines import title_of

PANES = ("both", "parts", "log")


class PartAbout(VerticalScroll):
    """What went wrong, or who must say yes; text in it can be selected. Gone where there is nothing to say."""

    DEFAULT_CSS = """
    PartAbout {
        height: auto; max-height: 50%; padding: 0 1; scrollbar-size-vertical: 1; border-top: solid $panel;
        &:focus { border-top: solid $primary; }
        ErrorCardView { max-height: 40; } /* what is too much for this place scrolls as a whole */
        .told { width: 1fr; height: auto; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield ErrorCardView()
        yield Static(markup=False, classes="told")

    def show(self, text: Content, problem: ErrorCard | None) -> None:
        self.query_one(ErrorCardView).show(problem)
        if text != self._shown:
            self._shown = text
            self.query_one(".told", Static).update(text)
        self.query_one(".told", Static).display = bool(text.plain)
        self.display = bool(text.plain) or problem is not None


class RunParts(Container):
    """Side by side where there is room; `pane` says what of it is to be seen."""

    DEFAULT_CSS = """
    RunParts {
        height: 1fr; layout: vertical;
        PartTree { height: 1fr; }
        #part { height: 1fr; }
        LogView { height: 1fr; border-top: solid $panel; }
        LogView:focus-within { border-top: solid $primary; }
        &.-parts #part, &.-log PartTree { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.pane = "both"
        self.whole_log = False  # of the run, in place of the part in hand
        self._log: tuple[Path | None, str] = (None, "")

    def compose(self) -> ComposeResult:
        yield PartTree()
        with Vertical(id="part"):
            yield PartAbout()
            yield LogView()

    def turn(self, by: int) -> None:
        """Both, one, the other."""
        self.pane = PANES[(PANES.index(self.pane) + by) % len(PANES)]

    def show(self, state: PipelinesState, tick: int) -> None:
        row, tree = state.row, self.query_one(PartTree)
        tree.show(row, tick)
        part = tree.in_hand
        unread = row.problem if row and not row.ended else None
        self.query_one(PartAbout).show(about_part(row, part) if row else Content(""), state.refused or unread)
        self._show_log(row, part)
        self.set_class(self.pane == "parts", "-parts")
        self.set_class(self.pane == "log", "-log")

    def _show_log(self, row: RunRow | None, part: PipelinePart | None) -> None:
        """Of the part; as long as the host hands out none of one at work, of the one before; where it waits, of all."""
        writer = writer_of(row, part) if row and part and not self.whole_log else None
        until = ""
        if row and writer is not None and not writer.has_log and writer.state in ("running", "waiting"):
            until = f", until {title_of(writer)} has ended" if writer.state == "running" else ""
            writer = before(row, writer) if until else None
        path = log_of(row, writer) if row else None
        title = f"{title_of(writer) or 'the whole run'}{until}"
        if (path, title) != self._log:
            self._log = path, title
            self.query_one(LogView).show(path, title)
