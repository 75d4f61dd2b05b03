"""Builds and their runs, as far as they have been told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_tui.events import ErrorCard, Event, Problem, RunDescribed, RunResult, RunsListed


@dataclass(frozen=True)
class BuildRow:
    """One build: its runs, newest first."""

    number: str  # empty: runs that were started by hand, without a number
    source: str
    started: float | None  # of its first run, seconds since 1970
    runs: tuple[RunResult, ...]

    @property
    def best(self) -> RunResult | None:
        return next((run for run in self.runs if run.best), None)

    @property
    def outcome(self) -> str:
        """In a word: how the build ended."""
        if any(run.status in ("pending", "running") for run in self.runs):
            return "running"
        if any(run.passed for run in self.runs):
            return "gate passed"
        if any(run.status == "succeeded" for run in self.runs):
            return "gate missed"
        return "canceled" if all(run.status == "canceled" for run in self.runs) else "failed"


class HistoryState:
    """What `runs` and `show` have told."""

    def __init__(self) -> None:
        self.builds: tuple[BuildRow, ...] = ()  # newest first
        self.gate = ""
        self.listed = False
        self.described: dict[str, RunDescribed] = {}  # by the tracked run's id
        self.problem: ErrorCard | None = None

    def fold(self, event: Event) -> None:
        match event:
            case RunsListed():
                self.builds, self.gate, self.listed = _builds(event.results, event.gate), event.gate, True
                self.problem = None
            case RunDescribed():
                self.described[event.result.run_id] = event
                self.problem = None
            case Problem():
                self.problem = event.error


def matching(builds: Iterable[BuildRow], text: str) -> list[BuildRow]:
    """Builds that have every word of `text` in their number, source, outcome or a run's name, whatever its case."""
    words = text.casefold().split()
    return [build for build in builds if all(word in _searched(build) for word in words)]


def _searched(build: BuildRow) -> str:
    names = (run.name for run in build.runs)
    return "\n".join((build.number, build.source, build.outcome, *names)).casefold()


def _builds(results: tuple[RunResult, ...], gate: str) -> tuple[BuildRow, ...]:
    """Runs in the order given, gathered by build."""
    by_number: dict[str, list[RunResult]] = {}
    for result in results:
        by_number.setdefault(result.build, []).append(result)
    return tuple(_build(number, tuple(runs)) for number, runs in by_number.items())


def _build(number: str, runs: tuple[RunResult, ...]) -> BuildRow:
    started = [run.started for run in runs if run.started is not None]
    return BuildRow(number, runs[0].source, min(started, default=None), runs)
