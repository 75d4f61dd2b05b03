"""Which build is on its way, and by mouse what one can do about it."""

from __future__ import annotations

from typing import ClassVar

from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.widgets.which_bar import Arrow, WhichBar
from mlops_tui.tui.words.deliveries import build_words


class DeliveryBar(WhichBar):
    LEFT = Arrow("newer-build", "screen.other(-1)", "Newer build (<)")
    RIGHT = Arrow("older-build", "screen.other(1)", "Older build (>)")
    ACTIONS: ClassVar = {
        "go-on": ("Go on", "Do the next thing that is missing (g)"),
        "end": ("End it", "End what is at work (c)"),
        "try-it": ("Try it", "Ask for a prediction (t)"),
        "roll-back": ("Roll back", "Bring back the build before (u)"),
    }

    def show(self, state: DeliveryState, possible: frozenset[str]) -> None:
        """`possible` are the actions, by id, that would do something."""
        builds, build = state.builds, state.build
        place = f" · {builds.index(build) + 1} of {len(builds)}" if build in builds and len(builds) > 1 else ""
        self.tell(f"{build_words(build)}{place}" if build else "No build yet", len(builds) > 1)
        for name in self.ACTIONS:
            self.query_one(f"#{name}").display = name in possible
