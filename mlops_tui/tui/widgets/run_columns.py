"""The columns of the table of runs, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from mlops_tui.tui.state.order import metrics_of, parameters_in
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.labels import (
    duration,
    figure,
    gate_word,
    metric_title,
    parameter,
    run_colour,
    run_sign,
)
from mlops_tui.tui.words.plain import plain

WIDE = 99  # cells from which parameters have columns of their own
PADDING = 2  # cells around each column
NARROWEST_NAME = 12
WIDEST_NAME = 44


@dataclass(frozen=True)
class RunColumn:
    """`id` is what `Order.column` names."""

    id: str
    title: str
    width: int
    right: bool = False  # numbers are right-aligned


SIGN = RunColumn("", "", 1)


@dataclass(frozen=True)
class RunCell:
    text: str
    colour: str = ""  # a variable of the theme
    right: bool = False


def run_columns(rows: Sequence[RunRow], width: int, with_builds: bool) -> tuple[RunColumn, ...]:
    """What fits: in a narrow table the parameters are in the runs' names only, and the sign alone tells the state.

    A name that fits without the time is worth more than the time, which the run in full tells as well.
    """
    columns = [RunColumn("state", "state", 9), RunColumn("time", "time", 6, right=True)]
    if width >= WIDE:
        columns[:0] = [_parameter_column(name) for name in parameters_in(rows)]
    columns += [_metric_column(name) for name in metrics_of(rows)]
    columns += [RunColumn("gate", "gate", 6)]
    if with_builds:
        columns += [RunColumn("build", "build", 26 if width >= WIDE else 12)]
    wanted = min(max((cell_len(plain(row.name)) for row in rows), default=0), WIDEST_NAME)
    if _room(columns, width) < wanted:
        columns = [column for column in columns if column.id != "state"]
        without_time = [column for column in columns if column.id != "time"]
        if _room(columns, width) < wanted <= _room(without_time, width):
            columns = without_time  # names differ at their ends: two that are cut look alike
    name = max(min(_room(columns, width), wanted), NARROWEST_NAME)
    return (SIGN, RunColumn("run", "run", name), *columns)


def run_cell(row: RunRow, column: RunColumn, now: float) -> RunCell:
    """What stands there."""
    kind, _, name = column.id.partition(" ")
    match kind:
        case "":
            return RunCell(run_sign(row), run_colour(row))
        case "run":
            return RunCell(plain(row.name))
        case "state":
            return RunCell(row.state, run_colour(row) if row.state != "succeeded" else "")
        case "time":
            return RunCell(duration(row.elapsed(now)), right=True)
        case "parameter":
            value = row.parameters.get(name)
            return RunCell("" if value is None else parameter(value), right=True)
        case "metric":
            return RunCell(figure(row.metrics.get(name)), right=True)
        case "gate":
            return RunCell(gate_word(row), {True: "success", False: "warning"}.get(bool(row.passed), ""))
        case _:
            return RunCell(_end_of(plain(row.build), column.width))


def as_markdown(rows: Iterable[RunRow], now: float) -> str:
    """The whole table as text, to be pasted into a message or a report."""
    rows = list(rows)
    columns = [
        column
        for column in run_columns(rows, width=10_000, with_builds=any(row.build for row in rows))
        if not column.id.startswith("parameter")
    ]
    lines = [[column.title for column in columns], [("--:" if column.right else "---") for column in columns]]
    lines += [[_whole(row, column, now) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _end_of(text: str, width: int) -> str:
    """Numbers of builds differ at their ends."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def _whole(row: RunRow, column: RunColumn, now: float) -> str:
    whole = {"run": plain(row.name), "build": plain(row.build)}.get(column.id)
    return (run_cell(row, column, now).text if whole is None else whole).replace("|", "\\|")


def _room(columns: Sequence[RunColumn], width: int) -> int:
    """Cells that are left for the name."""
    return width - sum(column.width + PADDING for column in (SIGN, *columns)) - PADDING


def _parameter_column(name: str) -> RunColumn:
    title = plain(name)
    return RunColumn(f"parameter {name}", title, max(len(title), 6), right=True)


def _metric_column(name: str) -> RunColumn:
    title = metric_title(name)
    return RunColumn(f"metric {name}", title, max(len(title), 7 if name == "r2" else 6), right=True)
