"""Before anything is made: what it is, what it costs, and what to weigh."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.state.setup import StepRow
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.setup import ACTION_COLOURS, ACTION_SIGNS, costs_of, counted, warnings_of
from mlops_tui.tui.words.signs import WARNING


class ConfirmApply(BoxDialog[bool]):
    """True: apply what these steps want."""

    title_ = "Apply"

    def __init__(self, rows: Sequence[StepRow], where: str, practice: bool) -> None:
        """`where` is the cloud and, if it is known, the subscription; in the practice cloud nothing costs."""
        super().__init__()
        self._rows = rows
        self._where = where
        self._practice = practice

    def body(self) -> ComposeResult:
        number = sum(len(row.pending) for row in self._rows)
        yield Static(f"Make {counted(number, 'change')} in {self._where}?", markup=False, classes="heading")
        yield Static(self._notes(), markup=False)
        with VerticalScroll(classes="more"):
            yield Static(_changes(self._rows), markup=False)
        with Horizontal(classes="answers"):
            yield Button("Apply", id="apply", variant="primary")
            yield Button("Cancel", id="cancel")

    def on_mount(self) -> None:
        self.query_one("#apply").focus()

    @on(Button.Pressed, "#apply")
    def _apply(self) -> None:
        self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.action_cancel()

    def _notes(self) -> Content:
        """About all of it: costs in the practice cloud, and what to weigh."""
        notes: list[Content] = []
        if self._practice:
            notes.append(Content("Nothing costs anything here, on this machine. The costs named are Azure's."))
        elif not costs_of(self._rows):
            notes.append(Content("Nothing of this is known to cost anything."))
        notes += [Content.styled(f"{WARNING} {warning}", "$text-warning") for warning in warnings_of(self._rows)]
        return Content("\n").join(notes)


def _changes(rows: Sequence[StepRow]) -> Content:
    """What each step makes, and costs; what replaces or removes something is named, for it cannot be taken back."""
    lines = []
    for row in rows:
        counts: dict[str, int] = {}
        for change in row.pending:
            counts[change.action] = counts.get(change.action, 0) + 1
        words = ", ".join(f"{count} to {action}" for action, count in counts.items())
        parts: list[str | tuple[str, str]] = [plain(row.title), (f": {words}", "$text-muted")]
        for change in row.pending:
            if change.action in ("replace", "remove"):
                sign, colour = ACTION_SIGNS[change.action], f"${ACTION_COLOURS[change.action]}"
                parts.append((f"\n  {sign} {change.action} {plain(change.what)}", colour))
        parts += [f"\n  costs {cost}" for cost in costs_of([row])]
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)
