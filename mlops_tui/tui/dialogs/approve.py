"""The approval: what will change in production, what it costs a month, and what the validation has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from mlops_tui.events import ApprovalAsked, ModelImage, Verdict
from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.words.deliveries import build_words
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.setup import ACTION_COLOURS, ACTION_SIGNS
from mlops_tui.tui.words.signs import WARNING
from mlops_tui.tui.words.verdicts import FOUND, VERDICT_COLOURS, VERDICT_SIGNS, checks_text, comparison_text, found_text

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.line import Topic

ASKING = "Looking at what would change …"
WHY = "Why go on all the same? It is kept with the approval."


class ApproveDialog(BoxDialog[str]):
    """Answers why against the verdict; empty where the verdict is "passed"; None: nobody has said yes."""

    title_ = "Approve for production"
    DEFAULT_CSS = """
    ApproveDialog {
        .more { max-height: 44vh; }
        &.-against .more { max-height: 36vh; } /* the answers are always in sight */
        Input { background: $panel; margin-top: 1; }
        ErrorCardView { max-height: 12; }
    }
    """

    def __init__(self, state: DeliveryState, practice: bool) -> None:
        super().__init__()
        self._state = state
        self._practice = practice
        self._shown: object = None

    def body(self) -> ComposeResult:
        yield Static(ASKING, markup=False, classes="heading")
        yield ErrorCardView()
        with VerticalScroll(classes="more"):
            yield Static("", markup=False, id="found")
        yield Input(placeholder=WHY, id="force", compact=True)
        with Horizontal(classes="answers"):
            yield Button("Approve and deploy", id="approve", variant="primary", disabled=True)
            yield Button("Not now", id="not-now")

    def on_mount(self) -> None:
        cast("MlopsApp", self.app).changes.subscribe(self, self._changed)
        self.query_one("#not-now").focus()
        self._show()

    @property
    def _asked(self) -> ApprovalAsked | None:
        return self._state.question.asked if self._state.question else None

    def _changed(self, topic: Topic) -> None:
        if topic == "delivery":
            self._show()

    def _show(self) -> None:
        question, asked = self._state.question, self._asked
        self.query_one(ErrorCardView).show(question.problem if question else None)
        force = self.query_one("#force", Input)
        force.display = asked is not None and asked.verdict != "passed"
        self.set_class(force.display, "-against")
        self.query_one(".more").display = asked is not None
        if question is not None and question.problem is not None:
            self.query_one(".heading", Static).update("It cannot be asked for now.")
        if asked is None or asked == self._shown:
            return
        self._shown = asked
        heading = f"Deploy {build_words(asked.build)} to {plain(asked.stage)}?"
        self.query_one(".heading", Static).update(heading)
        verdict = self._state.verdicts.get(asked.build)
        image = self._state.image_of(asked.build)
        self.query_one("#found", Static).update(_found(asked, verdict, image, self._practice))
        self._allow()
        (force if force.display else self.query_one("#approve")).focus()

    @on(Input.Changed)
    def _allow(self) -> None:
        asked, reason = self._asked, self.query_one("#force", Input).value.strip()
        self.query_one("#approve", Button).disabled = asked is None or not (asked.verdict == "passed" or reason)

    @on(Input.Submitted)
    @on(Button.Pressed, "#approve")
    def _approve(self) -> None:
        asked = self._asked
        if asked is not None and not self.query_one("#approve", Button).disabled:
            self.dismiss("" if asked.verdict == "passed" else self.query_one("#force", Input).value.strip())

    @on(Button.Pressed, "#not-now")
    def _not_now(self) -> None:
        self.action_cancel()


def _found(asked: ApprovalAsked, verdict: Verdict | None, image: ModelImage | None, practice: bool) -> Content:
    """The verdict, for it decides; the costs; what changes; then all that the validation has found."""
    word = asked.verdict or "none"
    if asked.verdict:
        said = (f"{VERDICT_SIGNS[word]} {word}", f"bold ${VERDICT_COLOURS[word]}")
    else:
        said = (f"{WARNING} none", "bold $text-warning")
    detail = f": {plain(asked.detail)}" if asked.detail else ""
    parts = [Content.assemble(("Verdict  ", "$text-muted"), said, detail)]
    if asked.cost:
        cost = plain(asked.cost)
        estimate = "" if "estimate" in cost else " (estimate)"
        note = ", but nothing here, in the practice cloud" if practice else ""
        parts += [Content.assemble(("Cost     ", "$text-muted"), f"{cost}{estimate}{note}")]
    parts += [Content(""), Content.styled("What will change", "$text-muted")]
    for change in asked.changes:
        line = f"{ACTION_SIGNS.get(change.action, '')} {change.action} {plain(change.what)}"
        more = ", ".join(plain(text) for text in (change.detail, change.cost) if text)
        colour = f"${ACTION_COLOURS.get(change.action, 'text-muted')}"
        parts.append(Content.assemble((line, colour), (f"  {more}" if more else "", "$text-muted")))
        if change.warning:
            parts.append(Content.styled(f"  {WARNING} {plain(change.warning)}", "$text-warning"))
    found = Content.styled(FOUND, "$text-muted")
    if verdict is not None:
        parts += [Content(""), found, comparison_text(verdict), Content(""), checks_text(verdict)]
    elif image is not None and image.verdict_detail:
        parts += [Content(""), found, found_text(image)]
    return Content("\n").join(parts)
