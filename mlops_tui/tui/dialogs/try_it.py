"""Try an endpoint: a real row, which one may change, and beside the truth what is predicted of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from mlops_tui.tui.state.delivery import TryOut
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.trying import answered_text, number_in, number_text, rows_words, title_words

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.delivery import DeliveryDesk
    from mlops_tui.tui.desks.line import Topic


class Measure(Horizontal):
    """One number of the row."""

    def __init__(self, name: str, value: float) -> None:
        super().__init__()
        self.measure = name
        self._exact = value
        self._first = number_text(value)

    def compose(self) -> ComposeResult:
        yield Static(plain(self.measure), markup=False, classes="name")
        yield Input(self._first, compact=True, select_on_focus=True)

    @property
    def value(self) -> float | None:
        """To the last digit where nobody has changed it. None: it is no number."""
        return number_in(self.query_one(Input).value) if self.edited else self._exact

    @property
    def edited(self) -> bool:
        return self.query_one(Input).value.strip() != self._first

    @on(Input.Changed)
    def _changed(self) -> None:
        self.set_class(self.value is None, "-wrong")


class TryItDialog(ModalScreen[None]):
    """Enter asks; F6 takes another row, F7 another deployment."""

    DEFAULT_CSS = """
    TryItDialog {
        align: center middle;
        #box {
            width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; background: $surface;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
        }
        Static { width: 1fr; height: auto; }
        .muted { color: $text-muted; }
        #scroll { height: auto; max-height: 45vh; }
        #measures { height: auto; layout: grid; grid-size: 2; grid-columns: 1fr; grid-rows: 1; grid-gutter: 0 2; }
        Measure {
            height: 1;
            .name { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
            Input { width: 13; background: $panel; }
            &.-wrong Input { color: $text-error; text-style: underline; }
        }
        #answer { margin: 1 0; min-height: 3; }
        ErrorCardView { max-height: 10; }
        .answers { height: 1; Button { margin-right: 2; min-width: 10; } }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "predict", "Predict"),
        Binding("f6", "another", "Another row"),
        Binding("f7", "deployment", "Another deployment", show=False),
        Binding("escape", "dismiss(None)", "Close"),
    ]

    def __init__(self, desk: DeliveryDesk, tried: TryOut) -> None:
        super().__init__()
        self._desk = desk
        self._tried = tried
        self._filled: object = None  # the row in the form
        self._edited = False  # when it was last asked about

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(title_words(self._tried))
            yield Static("", markup=False, classes="muted", id="about")
            with VerticalScroll(id="scroll", can_focus=False):
                yield Container(id="measures")
            yield Static("", markup=False, id="answer")
            yield ErrorCardView()
            with Horizontal(classes="answers"):
                yield Button("Predict", id="predict", variant="primary", compact=True, action="screen.predict")
                yield Button("Another row", id="another", compact=True, action="screen.another")
                yield Button("Any deployment", id="deployment", compact=True, action="screen.deployment")
                yield Button("Close", id="close", compact=True, action="screen.dismiss(None)")

    def on_mount(self) -> None:
        cast("MlopsApp", self.app).changes.subscribe(self, self._changed)
        self.query_one("#predict").focus()
        self._show()

    @property
    def row(self) -> dict[str, float] | None:
        """As the form has it; None where something in it is no number."""
        row: dict[str, float] = {}
        for measure in self.query(Measure):
            value = measure.value
            if value is None or not math.isfinite(value):
                return None
            row[measure.measure] = value
        return row

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "another":
                return len(self._tried.rows) > 1
            case "deployment":
                return bool(self._tried.deployments)
            case "predict":
                return bool(self._tried.rows)
        return True

    @on(Input.Submitted)
    def action_predict(self) -> None:
        row = self.row
        if row is None:
            self.notify("One of the measures is no number.", title="Not asked", severity="warning", markup=False)
        elif row:
            self._edited = any(measure.edited for measure in self.query(Measure))
            self._desk.predict(row)

    def action_another(self) -> None:
        tried = self._tried
        tried.place = (tried.place + 1) % len(tried.rows)
        tried.predicted = tried.problem = None
        self._show()

    def action_deployment(self) -> None:
        """Whichever the traffic goes to, then each by name."""
        tried = self._tried
        names = ("", *tried.deployments)
        tried.deployment = names[(names.index(tried.deployment) + 1) % len(names)]
        tried.predicted = tried.problem = None
        self._show()

    def _changed(self, topic: Topic) -> None:
        if topic == "delivery":
            self._show()

    def _show(self) -> None:
        tried = self._tried
        self.query_one("#about", Static).update(rows_words(tried))
        if tried.rows and self._filled != (tried.rows, tried.place):
            self._filled = tried.rows, tried.place
            self._fill(tried.row)
        self.query_one("#answer", Static).update(answered_text(tried, self._edited))
        self.query_one(ErrorCardView).show(tried.problem)
        self.query_one("#predict").display = bool(tried.rows)
        self.query_one("#another").display = len(tried.rows) > 1
        deployment = self.query_one("#deployment", Button)
        deployment.display = bool(tried.deployments)
        label = Content(f"Ask: {plain(tried.deployment) or 'any deployment'}")
        if deployment.label != label:
            deployment.label = label
            deployment.refresh(layout=True)
        self.refresh_bindings()

    def _fill(self, row: dict[str, float]) -> None:
        form = self.query_one("#measures")
        focused = self.focused is not None and form in self.focused.ancestors
        form.remove_children()
        form.mount(*(Measure(name, value) for name, value in row.items()))
        if focused or self.focused is None:
            self.query_one("#predict").focus()
