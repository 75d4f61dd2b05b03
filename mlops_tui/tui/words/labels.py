"""How runs, times and figures read on the screen."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import BEST, RUN_COLOURS, RUN_SIGNS

METRIC_TITLES: Mapping[str, str] = {"rmse": "RMSE", "mae": "MAE", "r2": "R2"}
METRIC_MEANINGS: Mapping[str, str] = {
    "rmse": "the typical error; lower is better",
    "mae": "the average error; lower is better",
    "r2": "the share explained; higher is better",
}
HIGHER_IS_BETTER = ("r2",)


def duration(seconds: float | None) -> str:
    """1.5 s, 42 s, 3:07, 1h02m; nothing where it is not known."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}:{rest:02}"


def metric_title(name: str) -> str:
    return METRIC_TITLES.get(name, plain(name))


def figure(value: float | None) -> str:
    """Four decimals, so that a column can be compared by eye; very large and small ones shortly."""
    if value is None:
        return ""
    if value != value:
        return "NaN"
    return f"{value:.4f}" if abs(value) < 100_000 else f"{value:.3g}"


def parameter(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, int | float) else plain(value)


def gate_word(row: RunRow) -> str:
    if row.passed is None:
        return ""
    return "passed" if row.passed else "missed"


def run_sign(row: RunRow) -> str:
    return BEST if row.best else RUN_SIGNS[row.state]


def run_colour(row: RunRow) -> str:
    """A variable of the theme."""
    return "warning" if row.best else RUN_COLOURS[row.state]
