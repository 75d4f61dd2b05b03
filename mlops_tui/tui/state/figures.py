"""What a plot shows: points, lines across, and in a sentence what one sees."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlops_tui.events import RunDescribed
from mlops_tui.tui.state.gate import drawable, gate_of
from mlops_tui.tui.state.history import BuildRow
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.labels import HIGHER_IS_BETTER, figure, metric_title, parameter
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import BEST

T = TypeVar("T")
Point = tuple[float, float]
PASSED, MISSED, CHOSEN = "●", "○", "◆"


@dataclass(frozen=True)
class Series:
    """Points with a mark each; without one they are fine dots."""

    points: tuple[Point, ...]
    mark: str = ""
    colour: str = "primary"  # a variable of the theme
    joined: bool = False


@dataclass(frozen=True)
class Figure:
    """One plot. Without points there is `empty`: why, and what to do."""

    x_title: str = ""
    y_title: str = ""
    series: tuple[Series, ...] = ()  # later ones are drawn above earlier ones
    level: float | None = None  # a line across: the gate, or no error
    diagonal: bool = False  # where both are equal
    x_names: Mapping[float, str] | None = None  # instead of numbers
    words: str = ""
    empty: str = ""


def metric_by_parameter(rows: Sequence[RunRow], metric: str, name: str, gate: str, chosen: str) -> Figure:
    """The runs of a sweep: what the metric became for which value of a parameter."""
    measured = [(point, row) for row in rows if (point := _point(row, metric, name)) is not None]
    if not measured:
        return Figure(empty=_no_runs(rows, metric, name))
    best, best_row = _best(measured, metric)
    limit = _limit(gate, metric)
    marked = [(_mark(row, best_row, chosen), point) for point, row in measured]
    title = metric_title(metric)
    words = [
        f"{title}: {_direction(metric)}; best {figure(best[1])} at {plain(name)} {parameter(best[0])} ({BEST}).",
        _gate_words(gate, [row.passed for _, row in measured], "run"),
        _left_out(len(rows) - len(measured), "run"),
        f"{CHOSEN} is the chosen run." if any(mark == CHOSEN for mark, _ in marked) else "",
    ]
    return Figure(plain(name), title, _series(marked), limit, words=_joined(words))


def best_by_build(builds: Sequence[BuildRow], metric: str, gate: str) -> Figure:
    """The best of each build, oldest first. `builds` come newest first."""
    told = [(build, value) for build in reversed(builds) if (value := _best_of(build, metric)) is not None]
    if not told:
        return Figure(empty="No build has told this metric yet. Press n to train; each training is a build.")
    points = [(float(number), value) for number, (_, value) in enumerate(told, 1)]
    best, (build, _) = _best(list(zip(points, told, strict=True)), metric)
    limit = _limit(gate, metric)
    passed = [any(run.passed for run in each.runs) for each, _ in told]
    marked = [
        (BEST if point == best else PASSED if good else MISSED, point)
        for point, good in zip(points, passed, strict=True)
    ]
    title = metric_title(metric)
    words = [
        f"Best {title} of each build, oldest first: {_direction(metric)};",
        f"best {figure(best[1])} in build {plain(build.number) or '(no number)'} ({BEST}),",
        f"latest {figure(told[-1][1])}.",
        _gate_words(gate, passed, "build"),
    ]
    names = {float(number): plain(build.number) or "–" for number, (build, _) in enumerate(told, 1)}
    line = Series(tuple(points), colour="text-muted", joined=True)
    return Figure("build", title, (line, *_series(marked)), limit, x_names=names, words=_joined(words))


def predicted_by_actual(described: RunDescribed) -> Figure:
    """What the model says of the rows it has not seen, against what is so."""
    pairs = _pairs(described)
    if not pairs:
        return Figure(empty=NO_PREDICTIONS)
    errors = [abs(predicted - actual) for actual, predicted in pairs]
    words = (
        f"{len(pairs)} predictions of the test set; on the dotted line they would be right. "
        f"Half of them are within {figure(statistics.median(errors))} of what is so."
    )
    return Figure("actual", "predicted", (Series(pairs),), diagonal=True, words=words)


def residuals(described: RunDescribed) -> Figure:
    """By how much the predictions are too high or too low."""
    pairs = _pairs(described)
    if not pairs:
        return Figure(empty=NO_PREDICTIONS)
    points = tuple((predicted, predicted - actual) for actual, predicted in pairs)
    errors = [error for _, error in points]
    mean, worst = statistics.fmean(errors), max(errors, key=abs)
    words = (
        f"Predicted minus actual; on the line a prediction is right. On average {_off(mean)}, "
        f"at worst {_off(worst)}. A shape in the cloud is something that the model has not learned."
    )
    return Figure("predicted", "residual", (Series(points),), level=0.0, words=words)


NO_PREDICTIONS = "This run has kept no predictions: it failed, or was trained before they were kept. Choose another."


def numeric_parameters(rows: Iterable[RunRow]) -> tuple[str, ...]:
    """Those that a plot can have on its axis."""
    return tuple(dict.fromkeys(name for row in rows for name in row.parameters if _number(row, name) is not None))


def _pairs(described: RunDescribed) -> tuple[Point, ...]:
    return tuple(pair for pair in described.predictions if drawable(*pair))


def _point(row: RunRow, metric: str, name: str) -> Point | None:
    value, number = row.metrics.get(metric), _number(row, name)
    return None if value is None or number is None or not drawable(value) else (number, value)


def _number(row: RunRow, name: str) -> float | None:
    try:
        number = float(row.parameters[name])
    except (KeyError, ValueError):
        return None
    return number if drawable(number) else None


def _best(measured: Sequence[tuple[Point, T]], metric: str) -> tuple[Point, T]:
    choose = max if metric in HIGHER_IS_BETTER else min
    return choose(measured, key=lambda pair: pair[0][1])


def _best_of(build: BuildRow, metric: str) -> float | None:
    values = [run.metrics[metric] for run in build.runs if metric in run.metrics and drawable(run.metrics[metric])]
    return (max if metric in HIGHER_IS_BETTER else min)(values) if values else None


def _mark(row: RunRow, best: RunRow, chosen: str) -> str:
    if row is best:
        return BEST
    if chosen and row.run_id == chosen:
        return CHOSEN
    return MISSED if row.passed is False else PASSED


def _series(marked: Sequence[tuple[str, Point]]) -> tuple[Series, ...]:
    """What matters most is drawn last."""
    colours = {MISSED: "text-muted", PASSED: "primary", CHOSEN: "accent", BEST: "warning"}
    kinds = [
        Series(tuple(point for mark, point in marked if mark == kind), kind, colour) for kind, colour in colours.items()
    ]
    return tuple(kind for kind in kinds if kind.points)


def _limit(gate: str, metric: str) -> float | None:
    known = gate_of(gate)
    return known.limit if known is not None and known.metric == metric else None


def _direction(metric: str) -> str:
    return "higher is better" if metric in HIGHER_IS_BETTER else "lower is better"


def _gate_words(gate: str, passed: Sequence[bool | None], what: str) -> str:
    judged = [each for each in passed if each is not None]
    if not gate or not judged:
        return ""
    return (
        f"The gate {plain(gate)} is passed ({PASSED}) by {sum(judged)} of {_count(len(judged), what)}, else {MISSED}."
    )


def _left_out(count: int, what: str) -> str:
    return f"{_count(count, what)} without it {'is' if count == 1 else 'are'} left out." if count else ""


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _off(error: float) -> str:
    if abs(error) < 0.00005:
        return "right"
    return f"{figure(abs(error))} too {'high' if error > 0 else 'low'}"


def _no_runs(rows: Sequence[RunRow], metric: str, name: str) -> str:
    if not rows:
        return "There are no runs to draw. Press n to train some."
    if all(not row.ended for row in rows):
        return "No run has ended yet. Its point appears here as soon as its metrics are known."
    return f"No run has both {metric_title(metric)} and a number for {plain(name) or 'a parameter'}: nothing to draw."


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))
