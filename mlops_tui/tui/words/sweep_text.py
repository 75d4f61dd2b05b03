"""The runs of a sweep as a person types them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_tui.errors import UsageError
from mlops_tui.run_parameters import Parameters, parse_grid, parse_runs


@dataclass(frozen=True)
class Reading:
    """What was meant, or why it cannot be told."""

    runs: tuple[Parameters, ...] = ()
    problems: tuple[str, ...] = ()


def read_sets(text: str) -> Reading:
    """One run a line: alpha=0.5,l1_ratio=0.5."""
    lines = [line for line in text.splitlines() if line.strip()]
    return _read(parse_runs, lines) if lines else Reading(problems=("write one run a line: alpha=0.5,l1_ratio=0.5",))


def read_grid(axes: Mapping[str, str]) -> Reading:
    """All combinations of the values of each parameter: "0.1:0.9:0.2" or "0.1,0.5"."""
    given = [f"{name}={text}" for name, text in axes.items() if text.strip()]
    return _read(parse_grid, given) if given else Reading(problems=(f"give values for {' and '.join(axes)}",))


def sets_text(runs: Iterable[Parameters]) -> str:
    return "\n".join(run_text(run) for run in runs)


def run_text(run: Parameters) -> str:
    return ",".join(f"{name}={value!r}" for name, value in run.items())


def count_text(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _read(parse: Callable[[Sequence[str]], tuple[Parameters, ...]], texts: Sequence[str]) -> Reading:
    try:
        return Reading(parse(texts))
    except UsageError as error:
        return Reading(problems=error.problems)
