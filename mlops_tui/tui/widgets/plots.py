"""Four plots of the runs: metric by parameter, predicted against actual, residuals, and the best of each build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from mlops_tui.events import RunDescribed
from mlops_tui.tui.state.figures import (
    Figure,
    best_by_build,
    metric_by_parameter,
    numeric_parameters,
    predicted_by_actual,
    residuals,
)
from mlops_tui.tui.state.history import BuildRow
from mlops_tui.tui.state.order import metrics_of
from mlops_tui.tui.state.training import RunRow, row_of
from mlops_tui.tui.widgets.figure_view import FigureView
from mlops_tui.tui.words.labels import METRIC_MEANINGS, metric_title
from mlops_tui.tui.words.plain import plain

Kind = Literal["runs", "predicted", "residuals", "builds"]
KINDS: Mapping[Kind, tuple[str, str]] = {
    "runs": ("Runs", "A metric against a parameter, for all runs of this sweep"),
    "predicted": ("Predicted", "What the chosen run's model predicts, against what is so"),
    "residuals": ("Residuals", "How far the predictions of the chosen run are off"),
    "builds": ("Builds", "The best run of each build, from the oldest to the newest"),
}
OF_ONE_RUN = ("predicted", "residuals")
NO_RUN = "No run is chosen, or it has not ended yet. Choose one that has: its predictions are drawn here."
READING = "Reading the predictions of this run … If they do not come, the pane Run says why."


class Choice(Static):
    """A word that can be clicked."""

    def __init__(self, text: str, action: str, tooltip: str, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(text, markup=False, id=id)
        self.tooltip = tooltip
        self._action = action

    async def on_click(self) -> None:
        await self.app.run_action(self._action, self.query_ancestor(PlotsPane))


class PlotsPane(Vertical):
    """`show` says what of; which plot, metric and parameter is chosen here, with m, p and the arrows."""

    DEFAULT_CSS = """
    PlotsPane {
        height: 1fr;
        .choices {
            height: 1; background: $surface;
            Choice { width: auto; padding: 0 1; color: $text-muted; }
            Choice:hover { background: $panel; }
            Choice.-chosen { text-style: bold underline; color: $foreground; }
            .gap { width: 1fr; }
        }
        &:focus-within Choice.-chosen { text-style: bold reverse; }
        &.-small Choice { padding: 0 0 0 1; }
        .words { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "turn(1)", "Next plot"),
        Binding("left", "turn(-1)", "Plot before", show=False),
        Binding("m", "next_metric", "Next metric"),
        Binding("p", "next_parameter", "Next parameter"),
    ]

    class Wanted(Message):
        """The predictions of a tracked run are to be drawn, and nobody has read them yet."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self, kind: Kind = "runs") -> None:
        super().__init__()
        self.kind: Kind = kind
        self.metric = "rmse"
        self.parameter = ""
        self._rows: Sequence[RunRow] = ()
        self._described: Mapping[str, RunDescribed] = {}
        self._builds: Sequence[BuildRow] = ()
        self._gate = self._chosen = ""
        self._wanted: set[str] = set()
        self._made: tuple[RunDescribed, Kind, Figure] | None = None  # with thousands of points: not made twice

    def compose(self) -> ComposeResult:
        with Horizontal(classes="choices"):
            for kind, (title, about) in KINDS.items():
                yield Choice(title, f"choose('{kind}')", f"{about} (arrow keys)", id=kind)
            yield Static(classes="gap")
            yield Choice("", "next_metric", "Another metric (m)", id="metric")
            yield Choice("", "next_parameter", "Another parameter (p)", id="parameter")
        yield FigureView()
        yield Static("", markup=False, classes="words")

    def on_resize(self) -> None:
        self.set_class(self.size.width < 56, "-small")

    def show(
        self,
        rows: Sequence[RunRow],
        described: Mapping[str, RunDescribed],
        builds: Sequence[BuildRow],
        gate: str,
        chosen: str,
    ) -> None:
        """`rows` are those of the sweep, `builds` newest first; `chosen` is the id of a tracked run."""
        self._rows, self._described, self._builds = rows, described, builds
        self._gate, self._chosen = gate, chosen
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not there."""
        match action:
            case "next_metric":
                return self.kind not in OF_ONE_RUN
            case "next_parameter":
                return self.kind == "runs" and len(numeric_parameters(self._rows)) > 1
        return True

    def action_choose(self, kind: Kind) -> None:
        self.kind = kind
        self._draw()

    def action_turn(self, by: int) -> None:
        kinds = list(KINDS)
        self.action_choose(kinds[(kinds.index(self.kind) + by) % len(kinds)])

    def action_next_metric(self) -> None:
        self.metric = _after(self.metric, self._metrics)
        self._draw()

    def action_next_parameter(self) -> None:
        self.parameter = _after(self.parameter, numeric_parameters(self._rows))
        self._draw()

    @property
    def _metrics(self) -> tuple[str, ...]:
        if self.kind != "builds":
            return metrics_of(self._rows)
        return metrics_of(row_of(run) for build in self._builds for run in build.runs)

    def _draw(self) -> None:
        """Bring all widgets up to what is chosen."""
        parameters = numeric_parameters(self._rows)
        if self.parameter not in parameters:
            self.parameter = next(iter(parameters), "")
        if self.metric not in (metrics := self._metrics):
            self.metric = metrics[0]
        for kind in KINDS:
            self.query_one(f"#{kind}").set_class(kind == self.kind, "-chosen")
        self._show_choice("metric", metric_title(self.metric), self.kind not in OF_ONE_RUN)
        self._show_choice("parameter", plain(self.parameter), self.kind == "runs" and bool(parameters))
        figure = self._figure()
        self.query_one(FigureView).show(figure)
        meaning = METRIC_MEANINGS.get(self.metric, "")
        self.query_one("#metric").tooltip = f"{meaning.capitalize()}. Click or m: another metric"
        words = self.query_one(".words", Static)
        words.update(figure.words)
        words.display = bool(figure.words)
        self.refresh_bindings()

    def _show_choice(self, name: str, title: str, there: bool) -> None:
        choice = self.query_one(f"#{name}", Choice)
        choice.update(f"{title} ▾")
        choice.display = there

    def _figure(self) -> Figure:
        if self.kind == "runs":
            return metric_by_parameter(self._rows, self.metric, self.parameter, self._gate, self._chosen)
        if self.kind == "builds":
            return best_by_build(self._builds, self.metric, self._gate)
        return self._of_one_run()

    def _of_one_run(self) -> Figure:
        described = self._described.get(self._chosen)
        if described is None:
            if not self._chosen:
                return Figure(empty=NO_RUN)
            if self._chosen not in self._wanted:
                self._wanted.add(self._chosen)
                self.post_message(self.Wanted(self._chosen))
            return Figure(empty=READING)
        if self._made is None or self._made[0] is not described or self._made[1] != self.kind:
            make = predicted_by_actual if self.kind == "predicted" else residuals
            self._made = described, self.kind, make(described)
        return self._made[2]


def _after(value: str, values: Sequence[str]) -> str:
    """The next one, in a ring."""
    if not values:
        return value
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
