"""How good predictions are, as scikit-learn computes it ("Metrics and scoring", regression and classification metrics).

With y the actual and p the predicted figures of n rows, and m the mean of y:

    mse = sum((y - p)^2) / n        rmse = sqrt(mse)        mae = sum(|y - p|) / n
    r2  = 1 - sum((y - p)^2) / sum((y - m)^2)               accuracy = share of rows with y = p

Plain Python, because the app needs no other mathematics. A figure that is missing or infinite makes each of them NaN:
NaN is equal to nothing, better than nothing, and passes no gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

Figures = Sequence[float]
Measure = Callable[[Figures, Figures], float]


def measure(name: str, actual: Figures, predicted: Figures) -> float | None:
    """None for a measure that is not known here. Raises ValueError where the rows do not go together."""
    if len(actual) != len(predicted):
        raise ValueError(f"{len(predicted)} predictions for {len(actual)} rows")
    if name not in MEASURES:
        return None
    if not actual or not all(map(math.isfinite, [*actual, *predicted])):
        return math.nan
    try:
        return MEASURES[name](actual, predicted)
    except OverflowError:
        return math.nan


def furthest(ones: Figures, others: Figures) -> float:
    """The largest difference between figures of the same place; NaN where one of them is no number."""
    differences = [abs(one - other) for one, other in zip(ones, others, strict=True)]
    return math.nan if any(map(math.isnan, differences)) else max(differences, default=0.0)


def close(one: float, other: float, tolerance: float) -> bool:
    """Within the tolerance: of figures above 1, relative to the larger one."""
    return abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))


def percentile(values: Figures, share: float) -> float:
    """The least of the values that `share` per cent of all do not exceed (nearest rank); NaN where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share / 100 * len(values)), 1) - 1]


def _mse(actual: Figures, predicted: Figures) -> float:
    return _squares(actual, predicted) / len(actual)


def _rmse(actual: Figures, predicted: Figures) -> float:
    return math.sqrt(_mse(actual, predicted))


def _mae(actual: Figures, predicted: Figures) -> float:
    return math.fsum(abs(y - p) for y, p in zip(actual, predicted, strict=True)) / len(actual)


def _r2(actual: Figures, predicted: Figures) -> float:
    """Of one row NaN. Where all rows have the same figure: 1 for a perfect prediction, else 0."""
    if len(actual) < 2:
        return math.nan
    mean = math.fsum(actual) / len(actual)
    missed, spread = _squares(actual, predicted), _squares(actual, [mean] * len(actual))
    if spread == 0:
        return 1.0 if missed == 0 else 0.0
    return 1 - missed / spread


def _accuracy(actual: Figures, predicted: Figures) -> float:
    return sum(y == p for y, p in zip(actual, predicted, strict=True)) / len(actual)


def _squares(ones: Figures, others: Figures) -> float:
    return math.fsum((one - other) * (one - other) for one, other in zip(ones, others, strict=True))


MEASURES: Mapping[str, Measure] = {"rmse": _rmse, "mse": _mse, "mae": _mae, "r2": _r2, "accuracy": _accuracy}
