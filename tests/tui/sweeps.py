"""Sweeps of any size and end, told as the worker tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_tui.events import (
    ErrorCard,
    Event,
    Identified,
    LogLine,
    MetricsRead,
    Problem,
    RunResult,
    RunsCompared,
    RunState,
    RunStatus,
)

GATE = "rmse < 0.8"
NAMES = ("alpha=0.5,l1_ratio=0.5", "alpha=0.3,l1_ratio=0.3", "alpha=0.1,l1_ratio=0.1")
RMSE = (0.79, 0.74, 0.71)
MISSED = ErrorCard("No run passes the gate rmse < 0.5.", "Try other parameters, or a gate that can be reached.")
FAILED = ErrorCard("1 of 3 runs did not succeed.", "The log says why.", raw="ValueError: bad wine")


def parameters(name: str) -> dict[str, float | str]:
    """Of a run named "alpha=0.5,l1_ratio=0.5"; of any other, some."""
    pairs = [pair.partition("=") for pair in name.split(",")]
    if [key for key, _, _ in pairs] == ["alpha", "l1_ratio"]:
        return {key: float(value) for key, _, value in pairs}
    return {"alpha": 0.5, "l1_ratio": 0.5}


def begun(names: Iterable[str] = NAMES, job_run: str = "17", state: RunStatus = "running") -> list[Event]:
    """The job run has its number, and its runs are in that state."""
    names = list(names)
    return [
        Identified(what="job run", id=job_run, url=f"https://adb.example/run/{job_run}"),
        *(RunState(run=name, state="pending", parameters=parameters(name)) for name in names),
        *(RunState(run=name, state=state, url=f"https://adb.example/{name}") for name in names if state != "pending"),
    ]


def measured(name: str, rmse: float, **others: float) -> MetricsRead:
    return MetricsRead(run=name, metrics={"rmse": rmse, **others})


def ended(name: str, state: RunStatus = "succeeded", seconds: float = 2.0) -> RunState:
    return RunState(run=name, state=state, parameters=parameters(name), seconds=seconds)


def result(name: str, rmse: float | None, build: str = "7", status: RunStatus = "succeeded") -> RunResult:
    metrics = {} if rmse is None else {"rmse": rmse, "mae": rmse * 0.8, "r2": 1 - rmse}
    passed = None if rmse is None else rmse < 0.8
    run_id = f"run-{build}-{name}" if status == "succeeded" else ""
    return RunResult(name, parameters(name), status, metrics, 2.0, passed=passed, run_id=run_id, build=build)


def compared(results: Sequence[RunResult], build: str = "7", gate: str = GATE) -> RunsCompared:
    """The best is marked, as the engine does it."""
    limit = float(gate.split()[-1])
    good = [one for one in results if one.metrics]
    best = min(good, key=lambda one: one.metrics["rmse"]).name if good else ""
    marked = [
        RunResult(**{**vars(one), "best": one.name == best, "passed": one.metrics["rmse"] < limit})
        if one.metrics
        else one
        for one in results
    ]
    passed = any(one.passed for one in marked)
    return RunsCompared(build=build, results=tuple(marked), best=best, gate=gate, passed=passed)


def ended_well(build: str = "7", gate: str = GATE) -> list[Event]:
    """The end of `begun()`."""
    results = [result(name, rmse, build) for name, rmse in zip(NAMES, RMSE, strict=True)]
    return [*(ended(name) for name in NAMES), compared(results, build, gate)]


def one_failed() -> list[Event]:
    """The end of `begun()`: its first run has failed."""
    results = [
        result(NAMES[0], None, status="failed"),
        *(result(name, rmse) for name, rmse in zip(NAMES[1:], RMSE[1:], strict=True)),
    ]
    return [
        LogLine(source=NAMES[0], text="ValueError: bad wine", level="error"),
        ended(NAMES[0], "failed"),
        *(ended(name) for name in NAMES[1:]),
        compared(results),
        Problem(error=FAILED),
    ]
