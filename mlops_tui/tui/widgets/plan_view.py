"""What will become of a step: a line for everything that it wants, with costs and warnings on lines of their own."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from mlops_tui.events import Change
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.setup import ACTION_COLOURS, ACTION_SIGNS, pending_words, unwanted_words
from mlops_tui.tui.words.signs import WARNING

FREE = "Nothing costs anything in the practice cloud; the costs named here are Azure's."


class PlanView(VerticalScroll):
    DEFAULT_CSS = """
    PlanView { padding: 0 1; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, state: SetupState, row: StepRow, practice: bool) -> None:
        shown = row.changes, row.state, state.doing, practice
        if shown != self._shown:
            self._shown = shown
            self.query_one(Static).update(_content(state, row, practice))


def _content(state: SetupState, row: StepRow, practice: bool) -> Content:
    if not row.changes:
        return Content(_why_empty(state, row))
    head = pending_words(len(row.pending), len(row.changes) - len(row.pending))
    parts = [Content.styled(f"{head[0].upper()}{head[1:]}.", "bold")]
    parts += [_change(state, change) for change in [*row.pending, *(c for c in row.changes if c.action == "keep")]]
    if practice and any(change.cost for change in row.changes):
        parts.append(Content.styled(FREE, "$text-muted"))
    return Content("\n\n").join(parts)


def _why_empty(state: SetupState, row: StepRow) -> str:
    if state.doing == "looking":
        return "Being looked at: the plan is here in a moment."
    if row.unwanted:
        return unwanted_words(state, row)
    if row.error is not None:
        return "It could not be looked at; the reason is above. Press r to look again."
    return "There is no plan yet: press r to look at what is there."


def _change(state: SetupState, change: Change) -> Content:
    colour = f"${ACTION_COLOURS[change.action]}"
    parts: list[str | tuple[str, str]] = [
        (f"{ACTION_SIGNS[change.action]} {change.action}", colour),
        f" {plain(change.what)}",
    ]
    if change.detail:
        parts.append(("\n  " + plain(change.detail), "$text-muted"))
    if change.after:
        after = state.steps[change.after].title if change.after in state.steps else change.after
        parts.append((f"\n  known for certain after: {plain(after)}", "$text-muted"))
    if change.cost:
        parts.append(f"\n  costs {plain(change.cost)}")
    if change.warning:
        parts.append((f"\n  {WARNING} {plain(change.warning)}", "$text-warning"))
    return Content.assemble(*parts)
