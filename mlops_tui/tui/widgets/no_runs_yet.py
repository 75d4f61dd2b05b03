"""What stands in the place of a table with no runs: why, and what to do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button

from mlops_tui.tui.state.setup import SetupState
from mlops_tui.tui.state.training import TrainingState
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.paragraph import Paragraph

READY = """Everything is set up, and nothing runs.

Press n, then Enter, to train: one model with several settings, side by side. Then you compare their errors on wines \
that no run has seen in training."""
LOOKING = "Looking at what is set up … You need not wait: n launches runs as soon as it may."
UNKNOWN = "No run has been launched yet. Nobody knows yet whether everything is set up: press 1 to see."
EARLIER = "\n\nPress b to see the runs of earlier builds."


class NoRunsYet(Vertical):
    """For newcomers: the two ways on are buttons, too."""

    DEFAULT_CSS = """
    NoRunsYet {
        align: center middle;
        .box { width: 66; max-width: 100%; height: auto; padding: 1 2; border: round $panel; }
        .words { width: 1fr; height: auto; }
        .ways { height: auto; margin-top: 1; Button { margin-right: 2; } }
    }
    """

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "No runs yet"
            yield Paragraph(classes="words")
            yield ErrorCardView()
            with Horizontal(classes="ways"):
                yield Button("Train", variant="primary", action="screen.new", id="first-train")
                yield Button("Go to setup", action="screen.go('setup')", id="to-setup")

    def show(self, setup: SetupState, training: TrainingState) -> None:
        self.query_one(ErrorCardView).show(training.problem)
        self.query_one(Paragraph).show(_words(setup) + (EARLIER if training.job_runs else ""))
        self.query_one("#to-setup").display = not setup.ready
        self.query_one("#first-train", Button).variant = "primary" if setup.ready else "default"
        self.query_one("#to-setup", Button).variant = "default" if setup.ready else "primary"


def _words(setup: SetupState) -> str:
    if setup.ready:
        return READY
    if setup.doing == "looking":
        return LOOKING
    if setup.doing:
        return "Setup is being changed just now. Wait until it has ended: 1 shows how far it is."
    if setup.pending is None:
        return UNKNOWN
    left = "1 change is" if setup.pending == 1 else f"{setup.pending} changes are"
    return f"Setup comes first: {left} still to be made there. Press 1 to go to it, and come back with 2."
