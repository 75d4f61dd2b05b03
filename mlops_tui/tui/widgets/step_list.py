"""The steps of setup in order, each with its state; the cursor stays where the person has put it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.setup import state_words
from mlops_tui.tui.words.signs import STEP_COLOURS, STEP_SIGNS

SPINNER = "◐◓◑◒"


class StepLine(Static):
    """One step: its sign and title, and below them its state."""

    ALLOW_SELECT = False

    def __init__(self, name: str) -> None:
        super().__init__(markup=False)
        self.step = name
        self._shown: tuple[str, str, str] | None = None

    def show(self, row: StepRow, tick: int) -> None:
        sign = SPINNER[tick % len(SPINNER)] if row.state == "running" else STEP_SIGNS[row.state]
        shown = sign, plain(row.title), state_words(row)
        if shown == self._shown:
            return
        self._shown = shown
        colour = f"${STEP_COLOURS[row.state]}"
        _, title, state = shown
        self.update(
            Content.assemble((f"{sign} ", colour), title, "\n  ", (state, colour)), layout=False
        )  # its height stays
        self.tooltip = Content(f"{title}: {state}")  # a text would be taken for markup

    class Clicked(Message):
        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self.step))


class StepList(VerticalScroll, can_focus=True):
    """Posts `Moved` when the cursor has moved, and `Chosen` when Enter was pressed on a step."""

    BORDER_TITLE = "Steps"
    DEFAULT_CSS = """
    StepList {
        border: round $foreground 30%; border-title-color: $foreground; scrollbar-size-vertical: 1;
        &:focus { border: round $primary; border-title-style: bold; border-title-color: $primary; }
        StepLine {
            height: 2; text-wrap: nowrap; text-overflow: ellipsis; border-left: blank; pointer: pointer;
            &:hover { background: $surface; }
            &.-cursor { background: $panel; border-left: thick $foreground 30%; text-style: bold; }
        }
        &:focus StepLine.-cursor { border-left: thick $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Apply step"),
        Binding("up,k", "move(-1)", "Step before", show=False),
        Binding("down,j", "move(1)", "Step after", show=False),
        Binding("home,g", "move(-1000)", "First step", show=False),
        Binding("end,G", "move(1000)", "Last step", show=False),
    ]

    class Moved(Message):
        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

    class Chosen(Moved):
        """Enter was pressed on this step."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor = ""  # the name of the step in hand
        self._lines: dict[str, StepLine] = {}

    def show(self, state: SetupState, tick: int = 0) -> None:
        """Bring all lines up to date."""
        self._fit(list(state.steps))
        for name, line in self._lines.items():
            line.show(state.steps[name], tick)

    def go(self, name: str) -> None:
        """Put the cursor on a step."""
        if name == self.cursor or name not in self._lines:
            return
        self.cursor = name
        for step, line in self._lines.items():
            line.set_class(step == name, "-cursor")
        self._lines[name].scroll_visible(animate=False)
        self.post_message(self.Moved(name))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "choose" or bool(self.cursor)

    def action_move(self, by: int) -> None:
        names = list(self._lines)
        if names:
            self.go(names[min(max(names.index(self.cursor) + by, 0), len(names) - 1)])

    def action_choose(self) -> None:
        if self.cursor:
            self.post_message(self.Chosen(self.cursor))

    def on_step_line_clicked(self, event: StepLine.Clicked) -> None:
        event.stop()
        self.focus()
        self.go(event.step)

    def _fit(self, names: list[str]) -> None:
        if names == list(self._lines):
            return
        for line in self._lines.values():
            line.remove()
        self._lines = {name: StepLine(name) for name in names}
        if not names:
            return
        self.mount(*self._lines.values())
        wanted = self.cursor if self.cursor in self._lines else names[0]
        self.cursor = ""
        self.go(wanted)
