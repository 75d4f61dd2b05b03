"""The approval of a run that waits: which run, which stage, which environment, and what happens then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from mlops_tui.events import ModelImage, PipelineApproval, PipelineRun
from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.words.pipelines import SHORT_COMMIT, run_words
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import WARNING
from mlops_tui.tui.words.verdicts import VERDICT_COLOURS, VERDICT_SIGNS

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.line import Topic

COMMENT = "A comment, kept with the approval (you may leave it empty)"
PRODUCTION = "The stage begins at once, and deploys this build to production: people get its answers from then on. It \
costs as long as it is there. The build before is kept: Delivery (3) brings it back with u."
STAGING = "The stage begins at once, deploys this build to staging, and measures there how it answers."
OTHER = "The stage begins at once."
LABEL = 12  # cells


class ApproveRunDialog(BoxDialog[str]):
    """Answers a comment, which may be empty; None: nobody has said yes."""

    title_ = "Approve"
    DEFAULT_CSS = """
    ApproveRunDialog {
        Input { background: $panel; margin-top: 1; }
        .more { max-height: 40vh; }
    }
    """

    def __init__(
        self, run: PipelineRun, approval: PipelineApproval, find_image: Callable[[], ModelImage | None]
    ) -> None:
        """`find_image`: of the run's build, as far as Delivery knows of it by then."""
        super().__init__()
        self._run, self._approval, self._find_image = run, approval, find_image

    def body(self) -> ComposeResult:
        stage = plain(self._approval.stage) or "the next stage"
        yield Static(f"Let {run_words(self._run)} go on with {stage}?", markup=False, classes="heading")
        with VerticalScroll(classes="more", can_focus=False):
            yield Static(self._facts, markup=False, id="facts")
        yield Input(placeholder=COMMENT, id="comment", compact=True, max_length=1000)
        with Horizontal(classes="answers"):
            yield Button("Approve", id="approve", variant="primary")
            yield Button("Not now", id="not-now")

    def on_mount(self) -> None:
        cast("MlopsApp", self.app).changes.subscribe(self, self._changed)
        self.query_one("#approve").focus()

    @property
    def _facts(self) -> Content:
        return _facts(self._run, self._approval, self._find_image())

    def _changed(self, topic: Topic) -> None:
        if topic == "delivery":
            self.query_one("#facts", Static).update(self._facts)

    @on(Button.Pressed, "#approve")
    @on(Input.Submitted)
    def _approve(self) -> None:
        self.dismiss(self.query_one("#comment", Input).value.strip())

    @on(Button.Pressed, "#not-now")
    def _not_now(self) -> None:
        self.action_cancel()


def _facts(run: PipelineRun, approval: PipelineApproval, image: ModelImage | None) -> Content:
    commit = f" at {plain(run.commit)[:SHORT_COMMIT]}" if run.commit else ""
    facts: list[tuple[str, str | Content]] = [
        ("run", f"{plain(run.number)}, {plain(run.branch)}{commit}" if run.branch else plain(run.number)),
        ("stage", plain(approval.stage)),
        ("environment", plain(approval.environment)),
        ("approvers", ", ".join(plain(each) for each in approval.approvers)),
        ("verdict", _verdict(image)),
    ]
    lines = [Content.assemble((f"{label:<{LABEL}} ", "$text-muted"), value) for label, value in facts if f"{value}"]
    return Content("\n").join([*lines, Content(""), Content(_happens(approval.environment))])


def _verdict(image: ModelImage | None) -> Content:
    """On the build that the run carries, where Delivery knows of it."""
    if image is None:
        return Content("")
    if not image.verdict:
        return Content.styled(f"{WARNING} none yet", "$text-warning")
    sign, colour = VERDICT_SIGNS[image.verdict], VERDICT_COLOURS[image.verdict]
    detail = f", {plain(image.verdict_detail)}" if image.verdict_detail else ""
    return Content.assemble((f"{sign} {image.verdict}", f"${colour}"), detail)


def _happens(environment: str) -> str:
    if environment.endswith("production"):
        return PRODUCTION
    return STAGING if environment.endswith("staging") else OTHER
