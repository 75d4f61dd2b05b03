"""In which order runs stand in their table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops_tui.tui.state.training import RunRow

STANDARD_METRICS = ("rmse", "mae", "r2")  # shown while no run has told any
DESCENDING = ("metric r2", "gate")  # what one wants to see first is the greatest


@dataclass(frozen=True)
class Order:
    """By a column ("run", "state", "time", "gate", "build", "parameter alpha", "metric rmse"); none: as planned."""

    column: str = ""
    turned: bool = False

    def by(self, column: str) -> Order:
        """The same column again turns it round."""
        return Order(column, not self.turned) if column == self.column else Order(column)


def metrics_of(rows: Iterable[RunRow]) -> tuple[str, ...]:
    """The names of all metrics, in the order they came in."""
    return tuple(dict.fromkeys(name for row in rows for name in row.metrics)) or STANDARD_METRICS


def parameters_in(rows: Iterable[RunRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row.parameters))


def ordered(rows: Sequence[RunRow], order: Order, now: float) -> list[RunRow]:
    """Sorted; where there is nothing to sort by, last, whichever way round. Equal ones stay as planned."""
    if not order.column:
        return list(rows)
    values = [(_value(row, order.column, now), row) for row in rows]
    known = [(value, row) for value, row in values if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.turned != (order.column in DESCENDING))
    return [row for _, row in known] + [row for value, row in values if value is None]


def _value(row: RunRow, column: str, now: float) -> tuple[float, str] | None:
    """Numbers before texts; None where there is nothing, or no number (NaN)."""
    kind, _, name = column.partition(" ")
    match kind:
        case "metric":
            return _number(row.metrics.get(name))
        case "parameter":
            value = row.parameters.get(name)
            return (math.inf, value) if isinstance(value, str) else _number(value)
        case "time":
            return _number(row.elapsed(now))
        case "gate":
            return _number(None if row.passed is None else float(row.passed))
        case "state":
            return 0.0, row.state
        case "build":
            return 0.0, row.build
        case _:
            return 0.0, row.name


def _number(value: float | None) -> tuple[float, str] | None:
    return None if value is None or math.isnan(value) else (float(value), "")
