"""Rows to ask a model about: the test set that a run has kept, and what people bring along themselves."""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.errors import DeliveryFailedError, NotFoundError, UsageError

if TYPE_CHECKING:
    from mlops_tui.session import Session

TEST_SET, PREDICTIONS = "test_set/test.csv", "predictions.json"  # as the training notebook logs them
LONGEST = 32 << 20  # bytes of either
PREDICTION = "prediction"  # the column of the second that is not the target
MOST_ROWS = 10_000  # of somebody's own, at a time
_WHOLE = re.compile(r"[+-]?\d{1,15}")

Cell = int | float | str | None
Row = dict[str, Cell]


@dataclass(frozen=True)
class KeptRows:
    """A test set as the model's run has kept it."""

    columns: tuple[str, ...]  # without the target
    rows: tuple[Row, ...]
    target_name: str
    target: tuple[float, ...]
    predicted: tuple[float, ...]  # by the model, when it was trained


def read(session: Session, run_id: str) -> KeptRows:
    """Raises DeliveryFailedError where the run has kept none, or something else."""
    artifacts = session.clients.databricks(session.know("databricks_host", "databricks-workspace")).artifacts
    with ThreadPoolExecutor(2, thread_name_prefix="rows") as pool:
        table, predictions = [pool.submit(artifacts.read, run_id, path, LONGEST) for path in (TEST_SET, PREDICTIONS)]
    try:
        return parse(table.result(), predictions.result())
    except (NotFoundError, ValueError) as error:
        raise DeliveryFailedError(
            f"The run {run_id} has not kept its test set and predictions: {error}",
            hint=f"The training must log {TEST_SET} and {PREDICTIONS}, as train.py does; then train again.",
        ) from error


def parse(table: bytes, predictions: bytes) -> KeptRows:
    """Raises ValueError for what is not a test set and the predictions on it, row by row."""
    target_name, actual, predicted = _predictions(predictions)
    lines = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    if not lines or target_name not in lines[0]:
        raise ValueError(f"{TEST_SET} has no column {target_name!r}, or no rows")
    whole = [{name: _cell(text) for name, text in line.items() if name is not None} for line in lines]
    target = tuple(_figure(row.pop(target_name)) for row in whole)
    if target != actual:
        raise ValueError(f"the {len(target)} rows of {TEST_SET} are not those of {PREDICTIONS}")
    return KeptRows(tuple(whole[0]), tuple(whole), target_name, target, predicted)


def _predictions(content: bytes) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    """The target's name, what the rows were found to be, and what the model said."""
    read = json.loads(content)
    columns, data = (read.get("columns"), read.get("data")) if isinstance(read, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(data, list) or len(columns) < 2 or PREDICTION not in columns:
        raise ValueError(f"{PREDICTIONS} is no table with a column {PREDICTION!r}")
    place = columns.index(PREDICTION)
    target = 1 if place == 0 else 0
    try:
        return (
            str(columns[target]),
            tuple(_figure(row[target]) for row in data),
            tuple(_figure(row[place]) for row in data),
        )
    except (TypeError, IndexError) as error:
        raise ValueError(f"{PREDICTIONS} has a row of another make") from error


def given(text: str) -> list[Row]:
    """Rows that somebody gives: a JSON list of objects, one JSON object a line, or CSV with a header.

    Raises UsageError.
    """
    stripped = text.strip()
    if not stripped:
        raise UsageError("There are no rows.", hint=FORMS)
    try:
        return checked(_objects(stripped) if stripped[0] in "[{" else _lines_of_csv(stripped))
    except ValueError as error:
        raise UsageError(f"These rows cannot be read: {error}", hint=FORMS) from error


FORMS = 'Give a JSON list of objects ([{"alcohol": 9.4, …}]), one such object a line, or CSV with the columns\' names.'


def _objects(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        if text[0] == "[":
            raise
        found = [_object(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [found] if isinstance(found, dict) else found


def checked(rows: Sequence[Any]) -> list[Row]:
    """Rows as JSON gives them: objects of numbers and text. Raises UsageError."""
    if not rows:
        raise UsageError("There are no rows.", hint=FORMS)
    if len(rows) > MOST_ROWS:
        raise UsageError(f"There are {len(rows):,} rows; {MOST_ROWS:,} at a time is the most.")
    for number, one in enumerate(rows, 1):
        if not isinstance(one, Mapping):
            raise UsageError(f"These rows cannot be read: row {number} is no object.", hint=FORMS)
        if odd := next((name for name, value in one.items() if isinstance(value, bool | list | dict)), None):
            raise UsageError(
                f"These rows cannot be read: row {number}: {odd} is neither a number nor text.", hint=FORMS
            )
    return [dict(one) for one in rows]


def _object(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _lines_of_csv(text: str) -> list[Row]:
    first = text.splitlines()[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    rows: list[Row] = []
    for number, line in enumerate(csv.DictReader(io.StringIO(text), delimiter=separator), 2):
        if None in line or None in line.values():
            raise ValueError(f"line {number} has another number of values than the first line has names")
        rows.append({name.strip(): _cell(value) for name, value in line.items()})
    return rows


def fitted(rows: Sequence[Mapping[str, Cell]], kept: KeptRows) -> list[Row]:
    """The rows as this model takes them: its columns in its order, whole numbers only where it learned from such.

    The target is left out where it was given. Raises UsageError with every column that is missing or unknown.
    """
    problems = [problem for number, row in enumerate(rows, 1) for problem in _wrong(number, row, kept)]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UsageError(
            f"These rows do not fit the model: {count}.",
            problems=tuple(problems[:20]),
            hint=f"It takes {', '.join(kept.columns)}.",
        )
    fractional = {name for name in kept.columns if any(_is_fraction(row[name]) for row in kept.rows)}
    return [{name: _as_learned(row[name], name in fractional) for name in kept.columns} for row in rows]


def numbers(row: Mapping[str, Cell]) -> dict[str, float]:
    """The row as events tell it. Raises UsageError for text, which they cannot."""
    for name, value in row.items():
        if not isinstance(value, int | float):
            raise UsageError(f"{name} is {value!r}: only rows of numbers can be tried here.")
    return {name: float(value) for name, value in row.items() if isinstance(value, int | float)}


def _wrong(number: int, row: Mapping[str, Cell], kept: KeptRows) -> list[str]:
    wanted = [*kept.columns]
    missing = [name for name in wanted if name not in row]
    problems = []
    for name in row:
        if name not in wanted and name != kept.target_name:
            near = difflib.get_close_matches(name, missing, n=1)
            problems.append(
                f"row {number}: {name!r} is no column of it{f'; did you mean {near[0]!r}?' if near else ''}"
            )
    problems += [f"row {number}: {name!r} is missing" for name in missing]
    texts = {name for name in wanted if any(isinstance(one[name], str) for one in kept.rows)}
    for name in wanted:
        value = row.get(name)
        if isinstance(value, str) and name not in texts:
            problems.append(f"row {number}: {name!r} must be a number, not {value[:40]!r}")
        if isinstance(value, float) and not math.isfinite(value):
            problems.append(f"row {number}: {name!r} must be a number, not {value}")
    return problems


def _as_learned(value: Cell, fractional: bool) -> Cell:
    """MLflow's signatures take whole numbers for fractions as little as fractions for whole numbers."""
    if fractional and isinstance(value, int):
        return float(value)
    if not fractional and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is_fraction(value: Cell) -> bool:
    return value is None or isinstance(value, float)


def _cell(text: str | None) -> Cell:
    """A value of a table as pandas reads it back: "34" is a whole number, "34.0" is none, nothing is nothing."""
    stripped = (text or "").strip()
    if not stripped:
        return None
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    try:
        value = float(stripped)
    except ValueError:
        return stripped
    return None if math.isnan(value) else value


def _figure(value: Any) -> float:
    """Raises ValueError for what is no number; what is missing is NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise ValueError(f"{value!r} is no number")
    return math.nan if value is None else float(value)
