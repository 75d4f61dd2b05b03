"""What a sweep says of itself in a line."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_tui.tui.state.order import DESCENDING, Order
from mlops_tui.tui.state.training import RunRow, Sweep, TrainingState
from mlops_tui.tui.words.labels import METRIC_MEANINGS, duration, figure, metric_title
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import BEST, RUN_SIGNS, WARNING
from mlops_tui.tui.words.sweep_text import count_text

ORDER_TITLES = {"run": "name", "state": "state", "time": "time", "gate": "gate", "build": "build"}
ENDED_WELL = 0


def sweep_name(sweep: Sweep) -> str:
    """job run 1000 ● running, following again"""
    name = f"job run {plain(sweep.job_run)}" if sweep.job_run else "new sweep"
    again = ", following again" if sweep.again and sweep.running else ""
    return f"{name} {_sign(sweep)} {_outcome(sweep)}{again}"


def status_text(sweep: Sweep, now: float) -> tuple[str, str]:
    """The line below the table, and a variable of the theme for its colour."""
    if sweep.running:
        return _progress(sweep, now), "primary"
    if sweep.left:
        text = "Nobody here follows these runs any more; in the cloud they may go on. Press f to follow them again."
        return f"{WARNING} {text}", "warning"
    if sweep.best and sweep.passed is not None:
        best = f"Best: {plain(sweep.best)}{_figure_of_best(sweep)}."
        if not sweep.passed:
            return (
                f"{WARNING} {best} The gate {plain(sweep.gate)} is missed. {_unsuccessful(sweep)}".rstrip(),
                "warning",
            )
        gate = f"The gate {plain(sweep.gate)} is passed."
        if sweep.exit_code == ENDED_WELL:
            return f"{BEST} {best} {gate} Press 3 to deliver it.", "success"
        return f"{WARNING} {best} {gate} {_unsuccessful(sweep)}", "warning"
    if sweep.problem is not None:
        missed = _outcome(sweep) == "gate missed"
        sign, colour = (WARNING, "warning") if missed else (RUN_SIGNS["failed"], "error")
        return f"{sign} {plain(sweep.problem.message)}", colour
    return f"{RUN_SIGNS['canceled']} It has ended; no run can be compared.", "text-muted"


def table_title(sweep: Sweep | None, order: str) -> str:
    """What the table shows; `plain`, for it stands in a border."""
    if order:
        return f" Runs {order} "
    return f" Runs of build {plain(sweep.build)} " if sweep and sweep.build else " Runs "


def earlier_text(state: TrainingState, earlier: Sequence[RunRow] | None) -> str:
    """The row between this build's runs and those of earlier ones."""
    if earlier:
        return "earlier builds"
    if state.listing or not (state.listed or state.problem):
        return "reading builds …"
    return "no earlier builds" if state.listed else "cannot be read"


def order_text(order: Order) -> str:
    """by RMSE, lowest first (the typical error …)"""
    if not order.column:
        return ""
    kind, _, name = order.column.partition(" ")
    descending = order.turned != (order.column in DESCENDING)
    match kind:
        case "metric":
            meaning = f" · {metric_title(name)} is {METRIC_MEANINGS[name]}" if name in METRIC_MEANINGS else ""
            return f"by {metric_title(name)}, {'highest' if descending else 'lowest'} first{meaning}"
        case "gate":
            return f"by gate, {'passed' if descending else 'missed'} first"
        case _:
            title = ORDER_TITLES.get(kind, plain(name))
            return f"by {title}{', downward' if descending else ''}"


def _progress(sweep: Sweep, now: float) -> str:
    sign, elapsed = RUN_SIGNS["running"], duration(sweep.elapsed(now))
    if not sweep.rows:
        if sweep.again:
            return f"{sign} Looking for the runs of job run {plain(sweep.job_run)} … {elapsed}"
        what = count_text(sweep.asked) if sweep.asked else "the project's runs"
        return f"{sign} Launching {what} … {elapsed}"
    if all(row.state == "pending" for row in sweep.rows.values()):
        return f"{sign} {count_text(len(sweep.rows))} waiting for the cluster · {elapsed}"
    return f"{sign} {sweep.finished} of {count_text(len(sweep.rows))} ended · {elapsed}"


def _sign(sweep: Sweep) -> str:
    if sweep.running:
        return RUN_SIGNS["running"]
    if sweep.left or _outcome(sweep) == "gate missed":
        return WARNING
    return RUN_SIGNS["succeeded" if sweep.exit_code == ENDED_WELL else "failed"]


def _outcome(sweep: Sweep) -> str:
    if sweep.running:
        return "running"
    if sweep.left:
        return "not followed"
    if sweep.exit_code == ENDED_WELL:
        return "gate passed"
    if sweep.rows and all(row.state == "canceled" for row in sweep.rows.values()):
        return "canceled"
    return "gate missed" if sweep.passed is False and not sweep.unsuccessful else "failed"


def _figure_of_best(sweep: Sweep) -> str:
    """(RMSE 0.7129): of the metric that the gate is about."""
    metric = sweep.gate.partition(" ")[0]
    row = sweep.best_row
    if row is None or metric not in row.metrics:
        return ""
    return f" ({metric_title(metric)} {figure(row.metrics[metric])})"


def _unsuccessful(sweep: Sweep) -> str:
    count = len(sweep.unsuccessful)
    return f"{count_text(count)} did not succeed." if count else ""
