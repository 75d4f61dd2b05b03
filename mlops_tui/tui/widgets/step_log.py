"""The lines that a step has told, newest at the end; wrapped, so that all of each is read, and selectable."""

from __future__ import annotations

from itertools import islice

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlops_tui.events import LogLine
from mlops_tui.redaction import redact
from mlops_tui.tui.state.setup import MOST_LINES, StepRow
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS, WARNING

PAGE = 100  # lines in one widget: what has been filled is not laid out again for every line that follows
LONGEST = 2_000  # characters shown of one line
SIGNS = {"info": "", "warning": f"{WARNING} ", "error": f"{STEP_SIGNS['failed']} "}
STYLES = {"info": "", "warning": "$text-warning", "error": "$text-error"}


class StepLog(VerticalScroll):
    DEFAULT_CSS = """
    StepLog { padding: 0 1; .empty { color: $text-muted; } }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._row: StepRow | None = None
        self._seen = 0  # lines of that row shown so far
        self._lines: list[Content] = []  # of the last page
        self._pages: list[Static] = []

    def compose(self) -> ComposeResult:
        yield Static("Nothing yet: what this step does will stand here.", markup=False, classes="empty")

    def show(self, row: StepRow) -> None:
        """Append what is new; begin anew for another step. Whoever has scrolled up is left where they are."""
        if row is not self._row:
            self._begin(row)
        new = min(row.logged - self._seen, len(row.log))
        if new <= 0:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        for line in islice(row.log, len(row.log) - new, None):
            if not self._pages or len(self._lines) == PAGE:
                self._turn_page()
            self._lines.append(_content(line))
        self._pages[-1].update(Content("\n").join(self._lines))
        self._seen = row.logged
        if at_end:
            self.scroll_end(animate=False)

    def _begin(self, row: StepRow) -> None:
        self._row, self._seen, self._lines = row, 0, []
        for page in self._pages:
            page.remove()
        self._pages = []
        self.query_one(".empty").display = not row.logged

    def _turn_page(self) -> None:
        if self._pages:
            self._pages[-1].update(Content("\n").join(self._lines))
        self._lines = []
        self._pages.append(Static(markup=False))
        self.mount(self._pages[-1])
        self.query_one(".empty").display = False
        if len(self._pages) > MOST_LINES // PAGE + 1:
            self._pages.pop(0).remove()


def _content(line: LogLine) -> Content:
    text = plain(redact(line.text))
    shown = f"{text[:LONGEST]}…" if len(text) > LONGEST else text
    return Content.styled(f"{SIGNS[line.level]}{shown}", STYLES[line.level])
