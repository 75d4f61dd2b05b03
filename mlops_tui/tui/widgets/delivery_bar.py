"""Which build is on its way, and by mouse what one can do about it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Static

from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.words.deliveries import build_words

ACTIONS = {
    "go-on": ("Go on", "Do the next thing that is missing (g)"),
    "end": ("End it", "End what is at work (c)"),
    "try-it": ("Try it", "Ask for a prediction (t)"),
    "roll-back": ("Roll back", "Bring back the build before (u)"),
}


class DeliveryBar(Horizontal):
    DEFAULT_CSS = """
    DeliveryBar {
        height: 1; background: $surface; padding: 0 1;
        .which { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        Button { min-width: 3; width: auto; margin-left: 1; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Button("‹", id="newer-build", compact=True, action="screen.other(-1)", tooltip="Newer build (<)")
        yield Static("", markup=False, classes="which")
        yield Button("›", id="older-build", compact=True, action="screen.other(1)", tooltip="Older build (>)")
        for name, (title, tooltip) in ACTIONS.items():
            yield Button(title, id=name, compact=True, tooltip=tooltip, action=f"screen.{name.replace('-', '_')}")

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False  # each has a key of its own

    def show(self, state: DeliveryState, possible: frozenset[str]) -> None:
        """`possible` are the actions, by id, that would do something."""
        builds, build = state.builds, state.build
        place = f" · {builds.index(build) + 1} of {len(builds)}" if build in builds and len(builds) > 1 else ""
        which = self.query_one(".which", Static)
        text = f"{build_words(build)}{place}" if build else "No build yet"
        if text != which.content:
            which.update(text, layout=False)  # its size stays
        for arrow in ("#newer-build", "#older-build"):
            self.query_one(arrow).display = len(builds) > 1
        for name in ACTIONS:
            self.query_one(f"#{name}").display = name in possible
