"""Which run is the best of this build, and is it good enough."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_tui.events import RunResult, RunsCompared

if TYPE_CHECKING:
    from mlops_tui.project import Training


def compare(build: str, results: Iterable[RunResult], rule: Training) -> RunsCompared:
    """Judge each run by the gate and mark the best: first among those that pass, else among all that have the metric.

    Equal figures go to the run that stands first. NaN and infinite figures never win and never pass.
    """
    judged = tuple(replace(result, passed=_passed(result, rule), best=False) for result in results)
    candidates = [result for result in judged if _figure(result, rule) is not None]
    passing = [result for result in candidates if result.passed]
    sign = 1.0 if rule.best_is == "lowest" else -1.0
    best = min(passing or candidates, key=lambda result: sign * (_figure(result, rule) or 0.0), default=None)
    marked = tuple(replace(result, best=result is best) for result in judged)
    return RunsCompared(
        build=build,
        results=marked,
        best=best.name if best else "",
        gate=str(rule.gate),
        passed=bool(best and best.passed),
    )


def _passed(result: RunResult, rule: Training) -> bool | None:
    if result.status != "succeeded":
        return None
    value = result.metrics.get(rule.gate.metric)
    if value is not None and not math.isfinite(value):
        return False
    return rule.gate.passes(result.metrics)


def _figure(result: RunResult, rule: Training) -> float | None:
    value = result.metrics.get(rule.best_metric)
    return value if result.status == "succeeded" and value is not None and math.isfinite(value) else None
