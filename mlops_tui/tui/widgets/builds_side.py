"""The builds, a line to filter them by, and how many there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from mlops_tui.tui.state.history import HistoryState, matching
from mlops_tui.tui.widgets.builds_table import BuildsTable
from mlops_tui.tui.words.builds import count_builds
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.sweep_text import count_text


class BuildsSide(Vertical):
    """`show` brings it up to date; `filter` is what was typed."""

    DEFAULT_CSS = """
    BuildsSide {
        width: 1fr; height: 1fr;
        BuildsTable { height: 1fr; }
        #filter { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
        #filter.-there { display: block; }
        #count { height: 1; padding: 0 1; background: $surface; color: $text-muted; }
        #no-match { height: 1fr; padding: 1 2; display: none; }
    }
    """

    class Filtered(Message):
        """Other builds are to be seen; `done`: the person goes on to them."""

        def __init__(self, done: bool) -> None:
            super().__init__()
            self.done = done

    def compose(self) -> ComposeResult:
        yield Input(placeholder="number, who built, outcome or run; Esc shows all", id="filter")
        yield BuildsTable()
        yield Static("", markup=False, id="no-match")
        yield Static("", markup=False, id="count")

    @property
    def filter(self) -> str:
        return self._box.value

    @property
    def filtering(self) -> bool:
        """There is something to go back from."""
        return bool(self.filter) or self._box.has_focus

    @property
    def _box(self) -> Input:
        return self.query_one("#filter", Input)

    def begin_filter(self) -> None:
        self._box.add_class("-there")
        self.call_after_refresh(self._box.focus)

    def end_filter(self) -> None:
        """All builds again."""
        self._box.value = ""
        self._box.remove_class("-there")

    def show(
        self,
        history: HistoryState,
        listing: bool,
        most: int,
        marked: Collection[str],
        delivered: Mapping[str, str],
    ) -> None:
        """`most` runs are read at once; `marked` are numbers of builds; `delivered` tells how far each has come."""
        builds = matching(history.builds, self.filter)
        table = self.query_one(BuildsTable)
        table.show(builds, history.gate, marked, delivered)
        table.display = bool(builds)
        nothing = self.query_one("#no-match", Static)
        nothing.display = not builds
        nothing.update(f'No build matches "{plain(self.filter)}". Press Esc to see all.')
        self.query_one("#count", Static).update(_count(history, len(builds), most) + ("; reading …" if listing else ""))

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        message.stop()
        self.post_message(self.Filtered(done=False))

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.post_message(self.Filtered(done=True))


def _count(history: HistoryState, shown: int, most: int) -> str:
    runs = sum(len(build.runs) for build in history.builds)
    count = f"{count_builds(len(history.builds))}, {count_text(runs)}"
    if shown < len(history.builds):
        return f"{shown} of {count}; Esc shows all"
    return f"{count}: the newest ones" if runs >= most else count
