"""The best run of a build, and the gate."""

from __future__ import annotations

import math
from dataclasses import replace

from mlops_tui.events import RunResult
from mlops_tui.project import Gate, Training
from mlops_tui.training.selection import compare

RULE = Training()


def run(name: str, rmse: float | None, status: str = "succeeded") -> RunResult:
    metrics = {} if rmse is None else {"rmse": rmse, "mae": 0.1, "r2": 0.2}
    return RunResult(name, {}, status, metrics)  # type: ignore[arg-type]  # the tests' own spelling of a status


def test_the_lowest_rmse_wins_and_passes_the_gate() -> None:
    compared = compare("1", [run("a", 0.79), run("b", 0.70), run("c", 0.75)], RULE)
    assert compared.best == "b"
    assert compared.passed
    assert [result.best for result in compared.results] == [False, True, False]
    assert compared.gate == "rmse < 0.8"


def test_the_gate_is_exclusive_at_its_threshold() -> None:
    compared = compare("1", [run("a", 0.8)], RULE)
    assert not compared.passed
    assert compared.best == "a"
    assert compared.results[0].passed is False


def test_a_run_that_passes_beats_a_better_one_that_does_not() -> None:
    rule = replace(RULE, gate=Gate("mae", "<", 0.5))
    better = RunResult("better", {}, "succeeded", {"rmse": 0.1, "mae": 0.9})
    passing = RunResult("passing", {}, "succeeded", {"rmse": 0.5, "mae": 0.4})
    assert compare("1", [better, passing], rule).best == "passing"


def test_failed_runs_and_figures_that_are_none_never_win() -> None:
    results = [run("failed", 0.1, "failed"), run("nan", math.nan), run("none", None), run("inf", -math.inf)]
    compared = compare("1", results, RULE)
    assert compared.best == ""
    assert not compared.passed
    assert [result.passed for result in compared.results] == [None, False, None, False]


def test_equal_figures_go_to_the_run_that_stands_first() -> None:
    assert compare("1", [run("first", 0.5), run("second", 0.5)], RULE).best == "first"


def test_where_more_is_better_the_highest_wins() -> None:
    rule = replace(RULE, best_metric="r2", best_is="highest", gate=Gate("r2", ">=", 0.2))
    results = [RunResult(str(r2), {}, "succeeded", {"r2": r2}) for r2 in (0.1, 0.3, 0.2)]
    compared = compare("1", results, rule)
    assert (compared.best, compared.passed) == ("0.3", True)
    assert [result.passed for result in compared.results] == [False, True, True]
