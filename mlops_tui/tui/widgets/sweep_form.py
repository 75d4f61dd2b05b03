"""The form of a sweep: which runs to launch, and at once what that makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import ContentSwitcher, Input, Label, RadioButton, RadioSet, Static, TextArea

from mlops_tui.run_parameters import DEFAULT_RUNS, RANGES, Parameters
from mlops_tui.tui.words.signs import RUN_SIGNS
from mlops_tui.tui.words.sweep_text import Reading, count_text, read_grid, read_sets, run_text, sets_text

Way = Literal["project", "sets", "grid"]
WAYS: Mapping[Way, str] = {"project": "As the project says", "sets": "These sets", "grid": "A grid"}
GRID: Mapping[str, str] = {"alpha": "0.1:0.9:0.2", "l1_ratio": "0.1,0.5"}  # to begin with
MEANINGS: Mapping[str, str] = {
    "alpha": "how strongly large weights are held back; 0 or more",
    "l1_ratio": "the share of that which drops weights altogether; 0 to 1",
}
VALUES = "Values: a list (0.1,0.5), or first:last:step (0.1:0.9:0.2)."
PROJECT = """The project's own runs: those that mlops.toml names under [[training.runs]]. Where it names none, \
three runs to begin with.

Whatever you choose here, the file stays as it is."""


class WayButton(RadioButton):
    """Which one is chosen is to be seen without colours, too."""

    def render(self) -> Content:
        self.BUTTON_INNER = "●" if self.value else " "
        return super().render()


class Ways(RadioSet):
    """An arrow key chooses at once, as where there is but one row of them it can mean nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "turn(-1)", "The way before", show=False),
        Binding("right,down", "turn(1)", "Next way", show=False),
    ]

    def action_turn(self, by: int) -> None:
        (self.action_next_button if by > 0 else self.action_previous_button)()
        self.action_toggle_button()


class SweepForm(Vertical):
    """Tells `Changed` whenever another set of runs is meant; `reading` is the set, or what is wrong with it."""

    DEFAULT_CSS = """
    SweepForm {
        height: auto;
        RadioSet { layout: horizontal; height: 1; margin-bottom: 1; RadioButton { width: auto; margin-right: 3; } }
        ContentSwitcher { height: 6; }
        #project { color: $text-muted; }
        TextArea { height: 6; border: none; background: $panel; padding: 0 1; }
        TextArea:focus { border: none; background: $boost; }
        .what { width: 1fr; color: $text-muted; }
        .field { height: 2; Label { width: 10; color: $text-muted; } }
        .field Vertical { height: 2; }
        .build { height: 1; margin-top: 1; Label { width: 14; color: $text-muted; } }
        Input { background: $panel; }
        .preview { height: 6; margin-top: 1; border-top: solid $panel; border-title-color: $text; }
        .preview.-wrong { border-title-color: $error; color: $error; }
        .preview Static { height: auto; }
    }
    """

    class Changed(Message):
        """What is meant has changed."""

    def __init__(
        self, way: Way = "project", sets: Sequence[Parameters] = (), project: Sequence[Parameters] = ()
    ) -> None:
        super().__init__()
        self._way: Way = way
        self._project = tuple(project)
        self._sets = tuple(sets or project or DEFAULT_RUNS)
        self.reading = Reading()
        self.launches: tuple[Parameters, ...] = ()  # what is asked for: nothing leaves it to the project

    @property
    def build_number(self) -> str:
        return self.query_one("#build", Input).value.strip()

    def compose(self) -> ComposeResult:
        with Ways(id="way", compact=True):
            for way, title in WAYS.items():
                yield WayButton(title, value=way == self._way, id=f"way-{way}")
        with ContentSwitcher(initial=self._way):
            yield Static(PROJECT, id="project", markup=False)
            yield TextArea(sets_text(self._sets), id="sets")
            with Vertical(id="grid"):
                for name in RANGES:
                    yield _axis(name)
                yield Static(VALUES, classes="what", markup=False)
        with Horizontal(classes="build"):
            yield Label("build number", markup=False)
            yield Input(id="build", compact=True, placeholder="made up, if you give none", max_length=100)
        with VerticalScroll(classes="preview", can_focus=False):
            yield Static("", markup=False)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)  # where one more is written
        self._read()

    @on(RadioSet.Changed)
    def _way_chosen(self, message: RadioSet.Changed) -> None:
        self._way = list(WAYS)[message.index]
        self.query_one(ContentSwitcher).current = self._way
        self._read()

    @on(TextArea.Changed)
    @on(Input.Changed)
    def _typed(self) -> None:
        self._read()

    def _read(self) -> None:
        match self._way:
            case "project":
                self.reading, self.launches = Reading(self._project or DEFAULT_RUNS), ()
            case "sets":
                self.reading = read_sets(self.query_one(TextArea).text)
                self.launches = self.reading.runs
            case "grid":
                self.reading = read_grid({name: self.query_one(f"#axis-{name}", Input).value for name in RANGES})
                self.launches = self.reading.runs
        self._preview()
        self.post_message(self.Changed())

    def _preview(self) -> None:
        pane, problems = self.query_one(".preview", VerticalScroll), self.reading.problems
        pane.set_class(bool(problems), "-wrong")
        if problems:
            pane.border_title = " Cannot be launched yet "
            lines = [f"{RUN_SIGNS['failed']} {problem}" for problem in problems]
        else:
            pane.border_title = f" {count_text(len(self.reading.runs))}, side by side "
            lines = [f"{number:>3}  {run_text(run)}" for number, run in enumerate(self.reading.runs, 1)]
        pane.query_one(Static).update("\n".join(lines))


def _axis(name: str) -> Horizontal:
    field = Input(GRID[name], id=f"axis-{name}", compact=True)
    meaning = Static(MEANINGS[name], classes="what", markup=False)
    return Horizontal(Label(name, markup=False), Vertical(field, meaning), classes="field")
