"""What a validation measures is what scikit-learn measured in training."""

from __future__ import annotations

import math
import random

import pytest

from mlops_tui.delivery.measures import close, furthest, measure, percentile


def rows(number: int, seed: int) -> tuple[list[float], list[float]]:
    chance = random.Random(seed)
    actual = [float(chance.randint(3, 8)) for _ in range(number)]
    return actual, [one + chance.gauss(0, 0.7) for one in actual]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", [2, 17, 400])
def test_every_measure_is_scikit_learn_s(number: int, seed: int) -> None:
    from sklearn import metrics

    actual, predicted = rows(number, seed)
    assert measure("rmse", actual, predicted) == pytest.approx(metrics.root_mean_squared_error(actual, predicted))
    assert measure("mse", actual, predicted) == pytest.approx(metrics.mean_squared_error(actual, predicted))
    assert measure("mae", actual, predicted) == pytest.approx(metrics.mean_absolute_error(actual, predicted))
    if len(set(actual)) > 1:
        assert measure("r2", actual, predicted) == pytest.approx(metrics.r2_score(actual, predicted), abs=1e-12)
    labels = [float(round(one)) for one in predicted]
    assert measure("accuracy", actual, labels) == pytest.approx(metrics.accuracy_score(actual, labels))


@pytest.mark.parametrize("predicted", [[5.0, 5.0], [4.0, 6.0]], ids=["perfect", "not"])
def test_r2_of_rows_that_are_all_alike_is_scikit_learn_s(predicted: list[float]) -> None:
    from sklearn.metrics import r2_score

    assert measure("r2", [5.0, 5.0], predicted) == r2_score([5.0, 5.0], predicted)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["rmse", "mse", "mae", "r2", "accuracy"])
def test_a_figure_that_is_none_spoils_the_measure_and_never_passes(name: str, odd: float) -> None:
    found = measure(name, [5.0, 6.0, 7.0], [5.0, odd, 7.0])
    assert found is not None
    assert math.isnan(found)
    assert not close(found, found, 1.0), "nothing is close to what is no number"


def test_no_rows_and_huge_figures_are_measured_without_a_crash() -> None:
    assert math.isnan(measure("rmse", [], []) or 0.0)
    huge = measure("rmse", [1e308, 1e308], [-1e308, -1e308])
    assert huge is not None
    assert not math.isfinite(huge)
    assert math.isnan(measure("r2", [5.0], [5.0]) or 0.0)


def test_an_unknown_measure_is_none_and_rows_must_go_together() -> None:
    assert measure("log_loss", [1.0], [1.0]) is None
    with pytest.raises(ValueError, match="1 predictions for 2 rows"):
        measure("rmse", [1.0, 2.0], [1.0])


def test_the_furthest_difference_and_closeness() -> None:
    assert furthest((1.0, 2.0), (1.5, 1.0)) == 1.0
    assert math.isnan(furthest((1.0, math.nan), (1.0, 2.0)))
    assert close(1e9, 1e9 + 1, 1e-6), "relative to large figures"
    assert not close(0.5, 0.50001, 1e-6)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 95), percentile(values, 100)) == (50.0, 95.0, 100.0)
    assert percentile([3.0], 95) == 3.0
    assert math.isnan(percentile([], 50))
