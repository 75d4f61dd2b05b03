"""Which run is in hand, and by mouse what one can do about it."""

from __future__ import annotations

from typing import ClassVar

from mlops_tui.tui.state.pipelines import PipelinesState
from mlops_tui.tui.widgets.which_bar import Arrow, WhichBar
from mlops_tui.tui.words.pipelines import bar_words


class PipelinesBar(WhichBar):
    LEFT = Arrow("newer-run", "screen.other(-1)", "Newer run (<)")
    RIGHT = Arrow("older-run", "screen.other(1)", "Older run (>)")
    ACTIONS: ClassVar = {
        "new-run": ("New run", "Queue a run of the pipeline (n)"),
        "approve": ("Approve", "Let it go on (a)"),
        "end": ("Cancel", "Cancel this run on its host (c)"),
        "follow": ("Follow", "Read its stages and its log, live (f)"),
        "open-page": ("Page", "Open its page in the browser (o)"),
    }

    def show(self, state: PipelinesState, possible: frozenset[str]) -> None:
        """`possible` are the actions, by id, that would do something."""
        self.tell(bar_words(state), len(state.rows) > 1)
        for name in self.ACTIONS:
            self.query_one(f"#{name}").display = name in possible
