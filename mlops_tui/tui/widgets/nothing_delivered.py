"""What stands in the place of the lanes while there is nothing to deliver: why, and where to go."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button

from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.state.setup import SetupState
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.paragraph import Paragraph

UNTRAINED = """There is no trained build yet. Press 2 to train one.

Here its best model becomes a container image, answers in staging, is measured there against the test set, and goes \
to production once somebody has said yes."""
LOOKING = "Looking at what has been trained and deployed …"
NOT_SET_UP = "Setup comes first: press 1 to go to it. Then train (2), and come back with 3."
UNREAD = "What is there cannot be read: see above. Press r to try again."


class NothingDelivered(Vertical):
    DEFAULT_CSS = """
    NothingDelivered {
        align: center middle;
        .box { width: 66; max-width: 100%; height: auto; padding: 1 2; border: round $panel; }
        .words { width: 1fr; height: auto; }
        .ways { height: auto; margin-top: 1; Button { margin-right: 2; } }
    }
    """

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Nothing to deliver yet"
            yield ErrorCardView()
            yield Paragraph(classes="words")
            with Horizontal(classes="ways"):
                yield Button("Train", action="screen.go('training')", id="to-training")
                yield Button("Go to setup", action="screen.go('setup')", id="to-setup")

    def show(self, setup: SetupState, state: DeliveryState, listing: bool) -> None:
        problem = next(iter(state.unread.values()), None)
        looking = listing or bool(state.reading) or setup.doing == "looking"
        ready = setup.ready
        self.query_one(ErrorCardView).show(problem)
        words = UNREAD if problem else LOOKING if looking else UNTRAINED if ready else NOT_SET_UP
        self.query_one(Paragraph).show(words)
        self.query_one(".ways").display = not looking
        self.query_one("#to-setup").display = not ready
        self.query_one("#to-training", Button).variant = "primary" if ready else "default"
        self.query_one("#to-setup", Button).variant = "default" if ready else "primary"
