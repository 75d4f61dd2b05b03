"""What stands in the place of the builds while there are none: why, and what to do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from mlops_tui.tui.state.history import HistoryState
from mlops_tui.tui.words.builds import none_text


class NoBuildsYet(Vertical):
    """The two ways on are buttons, too."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static("", markup=False, classes="words")
            with Horizontal(classes="ways"):
                yield Button("Train", action="screen.go('training')", variant="primary", id="to-training")
                yield Button("Read again", action="screen.read", id="again-none")

    def show(self, history: HistoryState, listing: bool, opened: bool) -> None:
        self.query_one(".words", Static).update(none_text(listing, history.problem is not None, opened))
        self.query_one(".ways").display = not listing
