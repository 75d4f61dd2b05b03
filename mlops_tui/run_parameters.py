"""The parameter sets of a training: from the project file, from "alpha=0.2,l1_ratio=0.7", or from a grid.

The parameters are scikit-learn's ElasticNet's: alpha, the strength of the penalty, and l1_ratio, its L1 share.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from mlops_tui.errors import UsageError

Parameters = dict[str, float]

RANGES: Mapping[str, tuple[float, float]] = {"alpha": (0, math.inf), "l1_ratio": (0, 1)}
MOST_RUNS = 100
DEFAULT_RUNS: tuple[Parameters, ...] = (
    {"alpha": 0.5, "l1_ratio": 0.5},
    {"alpha": 0.3, "l1_ratio": 0.3},
    {"alpha": 0.1, "l1_ratio": 0.1},
)


def parse_runs(texts: Sequence[str]) -> tuple[Parameters, ...]:
    """One run for each "alpha=0.2,l1_ratio=0.7". Raises UsageError with everything that is wrong."""
    parsed = [_pairs(text.split(",")) for text in texts]
    problems = [f"run {number}: {reason}" for number, (_, reasons) in enumerate(parsed, 1) for reason in reasons]
    return _checked([pairs for pairs, _ in parsed], problems)


def checked_runs(runs: object) -> tuple[Parameters, ...]:
    """Runs as JSON gives them: [{"alpha": 0.2, "l1_ratio": 0.7}, …]. Raises UsageError with all that is wrong."""
    if not isinstance(runs, list | tuple):
        raise _unusable("The runs", ["they are no list"], 'Give them as [{"alpha": 0.2, "l1_ratio": 0.7}].')
    problems = [f"run {number}: is no object" for number, run in enumerate(runs, 1) if not isinstance(run, Mapping)]
    return _checked([run for run in runs if isinstance(run, Mapping)], problems)


def _checked(raw: Sequence[Mapping[str, object]], problems: list[str]) -> tuple[Parameters, ...]:
    checked = [check_run(run) for run in raw]
    problems += [f"run {number}: {reason}" for number, (_, reasons) in enumerate(checked, 1) for reason in reasons]
    runs = tuple(run for run, _ in checked)
    if not problems:
        problems += [f"run {number}: {reason}" for number, reason in check_together(runs)]
    if problems:
        raise _unusable("The runs", problems, "Give each run as alpha=0.2,l1_ratio=0.7.")
    return runs


def parse_grid(texts: Sequence[str]) -> tuple[Parameters, ...]:
    """All combinations of "alpha=0.1:0.9:0.2" (first:last:step, both ends in) and "l1_ratio=0.1,0.5" (a list).

    Steps are exact decimals: 0.1:0.9:0.2 is 0.1, 0.3, 0.5, 0.7, 0.9. Raises UsageError with everything that is wrong.
    """
    if not texts:
        return ()
    raw, problems = _pairs(texts)
    axes: dict[str, list[float]] = {}
    for name, text in raw.items():
        try:
            axes[name] = _axis(text)
        except ValueError as error:
            problems.append(f"{name}={text}: {error}")
            continue
        problems += _unique(f"{name}={text}: {reason}" for value in axes[name] for reason in _check(name, value))
    problems += _missing(raw)
    runs = math.prod(len(values) for values in axes.values())
    if runs > MOST_RUNS:
        problems.append(f"the grid has {runs} runs; {MOST_RUNS} is the most")
    if problems:
        raise _unusable(
            "The grid", problems, "Give each parameter as alpha=0.1:0.9:0.2 (first:last:step) or l1_ratio=0.1,0.5."
        )
    names = [name for name in RANGES if name in axes]
    return tuple(dict(zip(names, point, strict=True)) for point in itertools.product(*(axes[name] for name in names)))


def check_run(raw: Mapping[str, object], typed: bool = False) -> tuple[Parameters, list[str]]:
    """A run in the parameters' own order, and what is wrong with it. Where not `typed`, text may read as a number."""
    run: Parameters = {}
    reasons: list[str] = []
    for name, value in raw.items():
        try:
            if typed and isinstance(value, str):
                raise ValueError("must be a number without quotes")
            number = _number(value)
        except ValueError as error:
            reasons.append(f"{name} {error}" if name in RANGES else _unknown(name))
            continue
        run[name] = number
        reasons += _check(name, number)
    return {name: run[name] for name in RANGES if name in run}, reasons + _missing(raw)


def check_together(runs: Sequence[Parameters]) -> list[tuple[int, str]]:
    """What is wrong with the runs as a whole: number of the run (from 1) and reason."""
    problems: list[tuple[int, str]] = []
    first: dict[tuple[tuple[str, float], ...], int] = {}
    for number, run in enumerate(runs, 1):
        same = first.setdefault(tuple(sorted(run.items())), number)
        if same != number:
            problems.append((number, f"has the same parameters as run {same}"))
    if len(runs) > MOST_RUNS:
        problems.append((MOST_RUNS + 1, f"there are {len(runs)} runs; {MOST_RUNS} is the most"))
    return problems


def _pairs(texts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """ "alpha=0.2" apart, and what is not of that form."""
    pairs: dict[str, str] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            problems.append(f"{text.strip()!r} is not of the form name=value")
        elif name in pairs:
            problems.append(f"{name} is given twice")
        else:
            pairs[name] = value
    return pairs, problems


def _axis(text: str) -> list[float]:
    """ "0.1:0.9:0.2" or "0.1,0.5" as numbers. Raises ValueError."""
    if ":" not in text:
        values = [_number(part) for part in text.split(",")]
        if len(set(values)) < len(values):
            raise ValueError("a value is given twice")
        return values
    try:
        first, last, step = (Decimal(part.strip()) for part in text.split(":"))
    except (ValueError, InvalidOperation):
        raise ValueError("a range is first:last:step") from None
    if not all(part.is_finite() for part in (first, last, step)) or step <= 0 or last < first:
        raise ValueError("a range goes upward from first to last in steps above 0")
    if last - first >= step * MOST_RUNS:
        raise ValueError(f"a range has {MOST_RUNS} values at most")
    return [float(first + step * number) for number in range(int((last - first) / step) + 1)]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"must be a number, not {str(value)[:40]!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"must be a number, not {number}")
    return number


def _check(name: str, number: float) -> list[str]:
    if name not in RANGES:
        return [_unknown(name)]
    least, most = RANGES[name]
    if least <= number <= most:
        return []
    return [f"{name} must be {least} or more" if most == math.inf else f"{name} must be between {least} and {most}"]


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, RANGES, n=1)
    known = f"did you mean {close[0]}?" if close else f"there are {' and '.join(RANGES)}"
    return f"{name} is no parameter; {known}"


def _missing(raw: Mapping[str, object]) -> list[str]:
    return [f"{name} is missing" for name in RANGES if name not in raw]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _unusable(what: str, problems: Sequence[str], hint: str) -> UsageError:
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UsageError(f"{what} cannot be used: {count}.", problems=tuple(problems), hint=hint)
