"""A person looks at plots: of a sweep, of one run's predictions, of all builds; at any size, with any numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from mlops_tui.events import RunDescribed, RunsListed
from mlops_tui.tui.figure_drawing import LEAST_HEIGHT, LEAST_WIDTH, draw, tick_labels, ticks
from mlops_tui.tui.state.figures import (
    Figure,
    Series,
    best_by_build,
    metric_by_parameter,
    numeric_parameters,
    predicted_by_actual,
    residuals,
)
from mlops_tui.tui.state.history import BuildRow, HistoryState
from mlops_tui.tui.state.training import RunRow, row_of
from mlops_tui.tui.themes import THEMES
from mlops_tui.tui.widgets.plots import PlotsPane
from tests.tui.hostile import TEXTS
from tests.tui.picture import text_of
from tests.tui.replay import recorded
from tests.tui.waiting import until

GATE = "rmse < 0.8"
SIZES = [(20, 4), (50, 6), (50, 8), (80, 12), (140, 30)]


def told() -> HistoryState:
    """Three builds, and one of their runs in full."""
    state = HistoryState()
    for event in (*recorded("builds"), *recorded("described")):
        state.fold(event)
    return state


def sweep() -> list[RunRow]:
    """Six runs; the best is the one with alpha 0.05 and l1_ratio 0.1."""
    return [row_of(run) for run in told().builds[1].runs]


def described() -> RunDescribed:
    return next(iter(told().described.values()))


def predictions(*pairs: tuple[float, float]) -> RunDescribed:
    return replace(described(), predictions=pairs)


def marks(figure: Figure) -> dict[str, int]:
    return {series.mark: len(series.points) for series in figure.series}


def test_a_sweep_is_drawn_with_its_best_run_the_gate_and_words() -> None:
    rows = sweep()
    figure = metric_by_parameter(rows, "rmse", "alpha", GATE, rows[0].run_id)
    assert marks(figure) == {"●": 4, "◆": 1, "★": 1}
    assert figure.level == 0.8
    assert "RMSE: lower is better; best 0.6988 at alpha 0.05 (★)." in figure.words
    assert "passed (●) by 5 of 6 runs" in figure.words
    assert "◆ is the chosen run" in figure.words


def test_higher_is_better_for_r2_and_the_gate_is_no_line_there() -> None:
    figure = metric_by_parameter(sweep(), "r2", "l1_ratio", GATE, "")
    assert "R2: higher is better; best 0.3080 at l1_ratio 0.1 (★)." in figure.words
    assert figure.level is None


def test_the_best_point_is_drawn_lowest_for_rmse() -> None:
    lines = draw(metric_by_parameter(sweep(), "rmse", "alpha", GATE, ""), 60, 12).plain.splitlines()
    rows_with = [number for number, line in enumerate(lines) if any(mark in line for mark in "★●○")]
    assert "★" in lines[rows_with[-1]]
    assert lines[0] == "RMSE"
    assert lines[-1].endswith("alpha")
    assert sum("╌" in line for line in lines) == 1
    assert "0.8┤╌" in next(line for line in lines if "╌" in line).replace("0.80", "0.8")


def test_predictions_stand_beside_a_diagonal_and_words_say_how_good_they_are() -> None:
    figure = predicted_by_actual(predictions((5, 5.5), (6, 6), (7, 6.5)))
    assert figure.diagonal is True
    assert list(figure.series[0].points) == [(5.0, 5.5), (6.0, 6.0), (7.0, 6.5)]
    assert "3 predictions" in figure.words
    assert "Half of them are within 0.5000" in figure.words


def test_residuals_say_whether_the_model_is_too_high_or_too_low() -> None:
    figure = residuals(predictions((5, 6), (6, 6), (7, 5)))
    assert list(figure.series[0].points) == [(6.0, 1.0), (6.0, 0.0), (5.0, -2.0)]
    assert figure.level == 0
    assert "On average 0.3333 too low, at worst 2.0000 too low." in figure.words


def test_builds_are_drawn_from_the_oldest_to_the_newest() -> None:
    figure = best_by_build(told().builds, "rmse", GATE)
    assert [round(value, 3) for _, value in figure.series[0].points] == [0.713, 0.699, 0.840]
    assert list((figure.x_names or {}).values())[1:] == ["20261121.4", "20261121.5"]
    assert "best 0.6988 in build 20261121.4" in figure.words
    assert "passed (●) by 2 of 3 builds" in figure.words


def test_where_there_is_nothing_to_draw_the_words_say_why() -> None:
    running = RunRow("a", {"alpha": 0.1}, "running")
    texts = [
        metric_by_parameter([], "rmse", "alpha", "", "").empty,
        metric_by_parameter([running], "rmse", "alpha", "", "").empty,
        metric_by_parameter([replace(running, state="failed")], "rmse", "alpha", "", "").empty,
        best_by_build([], "rmse", "").empty,
        predicted_by_actual(predictions()).empty,
        residuals(predictions((math.nan, 1))).empty,
    ]
    assert "Press n to train" in texts[0]
    assert "No run has ended yet" in texts[1]
    assert "nothing to draw" in texts[2]
    assert all(texts)


ODD = (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e99, 0.0, -0.0, 5e-324, 1.0, 1.0000000001)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_number_is_too_odd_and_nothing_leaves_its_place(width: int, height: int) -> None:
    for count in range(1, len(ODD) + 1):
        rows = [RunRow(f"{n}", {"alpha": ODD[n - 1]}, "succeeded", metrics={"rmse": ODD[-n]}) for n in range(count)]
        pairs = predictions(*[(ODD[n], ODD[-n]) for n in range(count)])
        builds = [BuildRow(f"{n}" * 40, "", None, (event,)) for n, event in enumerate(told().builds[0].runs * count)]
        for figure in (
            metric_by_parameter(rows, "rmse", "alpha", GATE, ""),
            predicted_by_actual(pairs),
            residuals(pairs),
            best_by_build(builds, "rmse", "rmse < 1e300"),
        ):
            lines = draw(figure, width, height).plain.split("\n")
            assert figure.empty or len(lines) == height
            assert max(map(len, lines)) <= width


def test_where_there_is_no_room_nothing_is_drawn() -> None:
    figure = Figure(series=(Series(((1.0, 1.0),)),))
    assert draw(figure, LEAST_WIDTH - 1, 20).plain == ""
    assert draw(figure, 80, LEAST_HEIGHT - 1).plain == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.69, 0.85), (-3, 900), (1e-9, 2e-9), (1e8, 1.001e8), (7, 7.1)])
def test_ticks_are_round_within_the_axis_and_told_apart(low: float, high: float) -> None:
    for most in (2, 5, 10):
        values = ticks(low, high, most)
        assert 1 <= len(values) <= most
        assert all(low <= value <= high for value in values)
        assert len(set(tick_labels(values))) == len(values)


def test_only_numbers_make_an_axis() -> None:
    rows = [RunRow("a", {"alpha": "0.5", "solver": "cd", "l1_ratio": 0.1, "odd": math.inf})]
    assert numeric_parameters(rows) == ("alpha", "l1_ratio")


class PlotsApp(App[None]):
    """The pane alone."""

    CSS = "*:focus { outline: none; }"

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield PlotsPane()

    def on_plots_pane_wanted(self, message: PlotsPane.Wanted) -> None:
        self.wanted.append(message.run_id)


async def reads(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in " ".join(text_of(pilot.app).split()))


@pytest.mark.parametrize("size", [(50, 10), (80, 12), (140, 32)], ids=str)
async def test_all_four_plots_by_keys_and_by_mouse(size: tuple[int, int]) -> None:
    state, app = told(), PlotsApp()
    async with app.run_test(size=size) as pilot:
        app.query_one(PlotsPane).show(sweep(), state.described, state.builds, GATE, described().result.run_id)
        await reads(pilot, "best 0.6988 at alpha 0.05")
        await pilot.press("tab", "p")
        await reads(pilot, "at l1_ratio 0.1")
        await pilot.press("m")
        await reads(pilot, "MAE: lower is better")
        await pilot.press("right")
        await reads(pilot, "400 predictions")
        await pilot.click("#residuals")
        await reads(pilot, "Predicted minus actual")
        await pilot.click("#builds")
        await reads(pilot, "Best MAE of each build")
        await pilot.click("#metric")
        await reads(pilot, "Best R2 of each build")
        for theme in THEMES:
            app.theme = theme.name
            await pilot.pause()
            assert "★" in text_of(app)


async def test_predictions_are_asked_for_once_and_drawn_when_they_come() -> None:
    app = PlotsApp()
    async with app.run_test(size=(80, 20)) as pilot:
        pane = app.query_one(PlotsPane)
        run_id = described().result.run_id
        pane.show(sweep(), {}, (), GATE, "")
        await pilot.click("#predicted")
        await reads(pilot, "No run is chosen")
        for _ in range(3):
            pane.show(sweep(), {}, (), GATE, run_id)
        await reads(pilot, "Reading the predictions")
        await until(pilot, lambda: app.wanted)
        await pilot.pause()
        assert app.wanted == [run_id]
        pane.show(sweep(), told().described, (), GATE, run_id)
        await reads(pilot, "400 predictions")


async def test_hostile_names_are_drawn_as_text() -> None:
    app = PlotsApp()
    async with app.run_test(size=(80, 20)) as pilot:
        pane = app.query_one(PlotsPane)
        for text in TEXTS.values():
            name = f"p{text}"
            rows = [RunRow(f"r{text}", {name: 1.0}, "succeeded", metrics={f"m{text}": 2.0}, passed=True)]
            builds = told()
            builds.fold(RunsListed(results=tuple(replace(run, build=text) for run in builds.builds[0].runs), gate=text))
            for kind in ("runs", "builds"):
                pane.action_choose(kind)
                pane.show(rows, {}, builds.builds, text, "")
                await pilot.pause()
            assert "★" in text_of(app)
