"""Events as plain lines for people: CI logs, screen readers, a terminal without the app.

Text from outside is never parsed as markup: everything is printed as rich `Text`, redacted first.
"""

from __future__ import annotations

import re
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlops_tui.errors import UsageError
from mlops_tui.events import (
    Change,
    CommandFinished,
    CommandStarted,
    ErrorCard,
    Event,
    Identified,
    LogLine,
    MetricsRead,
    Planned,
    PlanReady,
    Problem,
    RunResult,
    RunsCompared,
    RunsListed,
    RunState,
    StepState,
)
from mlops_tui.redaction import redact

SIGNS = {"create": "+", "update": "~", "replace": "±", "remove": "-", "keep": "="}
STATE_STYLE = {"done": "green", "succeeded": "green", "failed": "bold red", "warning": "yellow", "skipped": "yellow"}
LEVEL_STYLE = {"info": "", "warning": "yellow", "error": "red"}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
ROOMY = 100  # columns from which on the parameters have columns of their own; runs are named by them anyway
WIDE = 240  # columns where nobody says how wide the reader is: log viewers wrap by themselves


class PlainText:
    """Writes to `out`; error cards go to `err`, so that a caller may keep them apart."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = self._console(out)
        self._err = self._console(err)
        self._plan_open = False
        self._planned_all = False

    def show(self, event: Event) -> None:
        """Each type of event has a method of its name here; a test sees to it that none is missing."""
        getattr(self, f"_{event.type}")(event)

    def _console(self, stream: TextIO) -> Console:
        width = None if stream.isatty() else WIDE
        return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)

    def _line(self, text: str, style: str = "") -> None:
        self._out.print(Text(redact(text), style))

    def _labelled(self, label: str, text: str, style: str = "") -> None:
        """A line of a log. Its colours are kept where there are colours; it moves no cursor and rings no bell."""
        label, text = redact(label), redact(text)
        body = Text.from_ansi(text) if "\x1b" in text else Text(text)
        plain = CONTROL.sub("", body.plain)
        if self._out.color_system is None:  # ten times as fast, and a run may print a million lines
            self._out.file.write(f"{label} │ {plain}\n")
            self._out.file.flush()
            return
        if plain != body.plain:
            body = Text(plain)
        body.stylize_before(style)
        self._out.print(Text.assemble((f"{label} │ ", "dim"), body))

    def _command_started(self, event: CommandStarted) -> None:
        self._line(f"mlops-tui {event.version} · {event.command} · {event.project} · {event.cloud}", "bold")

    def _plan_ready(self, event: PlanReady) -> None:
        self._plan_open = False
        self._planned_all = True
        self._line(f"Plan: {_count(event.pending, 'change')} to make, {event.kept} as they should be.", "bold")

    def _log_line(self, event: LogLine) -> None:
        self._labelled(event.source, event.text, LEVEL_STYLE[event.level])

    def _identified(self, event: Identified) -> None:
        self._labelled(event.what, " ".join(part for part in (event.id, event.url) if part))

    def _metrics_read(self, event: MetricsRead) -> None:
        figures = "  ".join(f"{name} {value:.4f}" for name, value in event.metrics.items())
        self._labelled(event.run, figures, "cyan")

    def _runs_listed(self, event: RunsListed) -> None:
        for build in dict.fromkeys(result.build for result in event.results):
            self._line(f"Build {build or 'without a number'}", "bold")
            self._table(tuple(result for result in event.results if result.build == build))
        if event.results:
            self._line(f"Gate: {event.gate}")
        else:
            self._line("No runs yet. Start some with `mlops-tui train`.")

    def _planned(self, event: Planned) -> None:
        if not self._plan_open:
            self._plan_open = True
            self._line("Plan", "bold")
        self._line(f"  {event.title}")
        for change in event.changes:
            self._change(change)

    def _change(self, change: Change) -> None:
        """A line for what happens; what it costs and what to beware of on lines of their own."""
        notes = [change.detail, f"known after {change.after}" if change.after else ""]
        note = "; ".join(note for note in notes if note)
        style = "dim" if change.action == "keep" else ""
        sign = SIGNS[change.action]
        self._line(f"    {sign} {change.action:<7} {change.what}{f'  ({note})' if note else ''}", style)
        if change.cost:
            self._line(f"      costs: {change.cost}", style)
        if change.warning:
            self._line(f"      ! {change.warning}", "yellow")

    def _step_state(self, event: StepState) -> None:
        if event.state in ("checking", "waiting", "will change"):
            return  # told by the plan; a log of every look would bury it
        if event.state == "skipped" and not self._planned_all:
            return  # nothing could be looked at behind the step that failed: its error says it all
        took = f"  {event.seconds:.1f} s" if event.seconds is not None and event.state != "running" else ""
        detail = f"  {event.detail}" if event.detail else ""
        if event.state == "done" and event.detail == "nothing to do":
            return
        self._line(f"[{event.state}] {event.title}{detail}{took}", STATE_STYLE.get(event.state, ""))

    def _run_state(self, event: RunState) -> None:
        parts = [event.state, event.detail, f"{event.seconds:.1f} s" if event.seconds else "", event.url]
        self._labelled(event.run, "  ".join(part for part in parts if part), STATE_STYLE.get(event.state, "bold"))

    def _runs_compared(self, event: RunsCompared) -> None:
        self._line("")
        self._line(f"Runs of build {event.build}", "bold")
        self._table(event.results)
        if event.best and event.passed:
            self._line(f"Best: {event.best}. The gate {event.gate} is passed.", "green")
        elif event.best:
            self._line(f"Best: {event.best}. The gate {event.gate} is missed.", "bold red")
        else:
            self._line("No run ended with metrics to compare.", "bold red")

    def _table(self, results: tuple[RunResult, ...]) -> None:
        self._out.print(runs_table(results, with_parameters=self._out.width >= ROOMY))

    def _problem(self, event: Problem) -> None:
        self.show_error(event.error)

    def show_error(self, error: ErrorCard) -> None:
        code = f" ({error.code})" if error.code and error.code not in error.message else ""
        self._err.print(Text(redact(f"Error: {error.message}{code}"), "bold red"))
        parts = [("What to do", error.hint), ("Read more", error.link), ("Raw error", error.raw)]
        if error.exit_code == UsageError.exit_code:  # what is wrong is ours to say, and comes first
            parts = [("Problems", error.raw), *parts[:2]]
        for label, text in parts:
            for index, line in enumerate(redact(text).splitlines()):
                self._err.print(
                    Text(f"  {label if index == 0 else '':<10}  {line}", "dim" if label[:3] == "Raw" else "")
                )

    def _command_finished(self, event: CommandFinished) -> None:
        ending = "Done" if event.exit_code == 0 else f"Ended with exit code {event.exit_code}"
        summary = f" {event.summary}" if event.summary else ""
        self._line(f"{ending} after {event.seconds:.1f} s.{summary}", "bold" if event.exit_code == 0 else "bold red")


def runs_table(results: tuple[RunResult, ...], with_parameters: bool = True) -> Table:
    """The table of runs: one column a metric, the best marked with a star; parameters, too, where there is room."""
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
    for result in results:
        verdict = {True: "passed", False: "missed", None: "–"}[result.passed]
        table.add_row(
            Text("★" if result.best else " "),
            Text(redact(result.name)),
            *(Text(_figure(result.parameters.get(name))) for name in parameters),
            *(Text(_metric(result.metrics.get(name))) for name in metrics),
            Text(result.status, STATE_STYLE.get(result.status, "")),
            Text(f"{result.seconds:.1f} s" if result.seconds is not None else "–"),
            Text(verdict),
            style="bold green" if result.best else "",
        )
    return table


def _figure(value: float | str | None) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float | int) else redact(value)


def _metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
