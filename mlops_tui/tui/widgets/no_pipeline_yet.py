"""What stands in the place of the runs while there are none: why, and where to go."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button

from mlops_tui.events import ErrorCard
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.paragraph import Paragraph

NO_CLOUD = "No cloud is open yet. Press 1 to see how far that is."
NO_HOST = """No CI host is chosen: the setting ci.host is "none".

With Azure DevOps or GitHub, training, staging and production run there, at each push or when you say so, and somebody \
must approve production. Press 1: the step "Repository" has the setting; it and the steps "Git folder" and "Pipeline" \
do the rest."""
NO_PIPELINE = """There is no pipeline on {host} yet.

Setup makes it: press 1. The steps "Repository" and "Pipeline" push the notebooks and the pipeline's file, and let it \
sign in."""
NO_RUNS = """The pipeline is on {host}, and has not run yet.

Press n to run it: it trains, deploys the best model to staging, measures it there, waits for an approval, and deploys \
it to production. You watch it here."""
LOOKING = "Looking for runs of the pipeline …"
UNREAD = "The runs cannot be read: see above. Press r to try again."


class NoPipelineYet(Vertical):
    DEFAULT_CSS = """
    NoPipelineYet {
        align: center middle;
        .box { width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 1 2; border: round $panel; }
        .words { width: 1fr; height: auto; }
        .ways { height: auto; margin-top: 1; Button { margin-right: 2; } }
    }
    """

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "No runs yet"
            yield ErrorCardView()
            yield Paragraph(classes="words")
            with Horizontal(classes="ways"):
                yield Button("New run", action="screen.new_run", id="first-run", variant="primary")
                yield Button("Go to setup", action="screen.go('setup')", id="to-setup")

    def show(self, words: str, host: str, problem: ErrorCard | None) -> None:
        """`words` is one of the texts above."""
        self.query_one(ErrorCardView).show(problem)
        self.query_one(Paragraph).show(words.format(host=host or "the host"))
        to_setup = words in (NO_HOST, NO_PIPELINE, NO_CLOUD)
        self.query_one(".ways").display = words != LOOKING
        self.query_one("#first-run").display = words == NO_RUNS
        self.query_one("#to-setup").display = to_setup or words == UNREAD
        self.query_one("#to-setup", Button).variant = "primary" if to_setup else "default"
