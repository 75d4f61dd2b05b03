"""Runs and sweeps as tables and lines of plain text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.table import Table
from rich.text import Text

from mlops_tui.events import JobRun, RunDescribed, RunResult
from mlops_tui.redaction import redact

STATE_STYLE = {"done": "green", "succeeded": "green", "failed": "bold red", "warning": "yellow", "skipped": "yellow"}
VERDICT = {True: "passed", False: "missed", None: "–"}
# Tags that say what a run has used, and what they are called here; the others follow under their own names.
USED = {"data_source": "Data", "data_sha256": "SHA-256", "mlflow.user": "By"}


def runs_table(results: tuple[RunResult, ...], with_parameters: bool = True, with_ids: bool = False) -> Table:
    """The table of runs: one column a metric, the best marked with a star; parameters and ids where there is room."""
    names = dict.fromkeys(name for result in results for name in result.parameters)
    parameters = list(names) if with_parameters else []
    metrics = list(dict.fromkeys(name for result in results for name in result.metrics))
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("")
    table.add_column("Run", no_wrap=True)
    for name in parameters:
        table.add_column(name, justify="right")
    for name in metrics:
        table.add_column(name.upper(), justify="right")
    table.add_column("State")
    table.add_column("Time", justify="right")
    table.add_column("Gate")
    if with_ids:
        table.add_column("Id", no_wrap=True)
    for result in results:
        table.add_row(
            Text("★" if result.best else " "),
            Text(redact(result.name)),
            *(Text(_parameter(result.parameters.get(name))) for name in parameters),
            *(Text(_metric(result.metrics.get(name))) for name in metrics),
            Text(result.status, STATE_STYLE.get(result.status, "")),
            Text(f"{result.seconds:.1f} s" if result.seconds is not None else "–"),
            Text(VERDICT[result.passed]),
            *([Text(result.run_id)] if with_ids else []),
            style="bold green" if result.best else "",
        )
    return table


def _parameter(value: float | str | None) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float | int) else redact(value)


def _metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def job_runs_table(job_runs: tuple[JobRun, ...]) -> Table:
    """Sweeps, with the numbers by which `logs` and `cancel` take them."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title in ("Sweep", "State", "Build", "Started", "Runs"):
        table.add_column(title, no_wrap=title != "Runs")
    for sweep in job_runs:
        table.add_row(
            Text(sweep.id),
            Text(sweep.state, STATE_STYLE.get(sweep.state, "")),
            Text(redact(sweep.build) or "–"),
            Text(when(sweep.started) or "–"),
            Text(redact("  ".join(sweep.runs)) or "–"),
        )
    return table


def described(event: RunDescribed) -> Iterator[tuple[str, str]]:
    """Labels and texts: what became of it, what it used, what it made."""
    result, tags = event.result, dict(event.tags)
    yield "Id", result.run_id
    took = f" after {result.seconds:.1f} s" if result.seconds is not None else ""
    yield "State", f"{result.status}{took}"
    yield "Started", when(result.started) or "–"
    yield "Page", result.url
    yield "Build", f"{result.build or '–'}{f' ({result.source})' if result.source else ''}"
    yield "Gate", VERDICT[result.passed]
    yield "Parameters", "  ".join(f"{name}={_parameter(value)}" for name, value in result.parameters.items()) or "–"
    yield "Metrics", "  ".join(f"{name} {value:.6f}" for name, value in result.metrics.items()) or "–"
    for tag, label in USED.items():
        if tag in tags:
            yield label, tags.pop(tag)
    yield "Model", event.model_uri or "–"
    yield "Predictions", f"{len(event.predictions)} of the kept test set" if event.predictions else "–"
    for number, path in enumerate(event.artifacts or ("–",)):
        yield "Artifacts" if number == 0 else "", path
    rest = {name: value for name, value in tags.items() if name not in ("build_number", "build_source")}
    for number, (name, value) in enumerate(rest.items()):
        yield "Tags" if number == 0 else "", f"{name}={value}"


def when(seconds: float | None) -> str:
    """A moment by the clock of this machine; empty where it is not known."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
