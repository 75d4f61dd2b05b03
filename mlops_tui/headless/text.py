"""Events as plain lines for people: CI logs, screen readers, a terminal without the app.

Text from outside is never parsed as markup: everything is printed as rich `Text`, redacted first.
"""

from __future__ import annotations

import shlex
from typing import TextIO

from rich.text import Text

from mlops_tui.errors import UsageError
from mlops_tui.events import (
    ChoicesRead,
    CommandFinished,
    CommandStarted,
    ErrorCard,
    Event,
    Identified,
    JobRunsFound,
    LogLine,
    MetricsRead,
    Planned,
    PlanReady,
    Problem,
    RunDescribed,
    RunResult,
    RunsCompared,
    RunsListed,
    RunState,
    SettingsRead,
    SignInsFound,
    StepsDescribed,
    StepState,
)
from mlops_tui.headless.delivery_text import DeliveryText
from mlops_tui.headless.pipeline_text import PipelineText
from mlops_tui.headless.run_text import STATE_STYLE, described, job_runs_table, runs_table, when
from mlops_tui.redaction import LineByLine, redact
from mlops_tui.settings import BY_NAME

LEVEL_STYLE = {"info": "", "warning": "yellow", "error": "red"}
ROOMY = 100  # columns from which on the parameters have columns of their own; runs are named by them anyway
ROOMY_FOR_IDS = 140  # columns from which on MLflow's ids, which `show` takes, have one of their own


class PlainText(DeliveryText, PipelineText):
    """Events as lines; those of delivery and of pipelines are told as the other two have it."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        self._plan_open = False
        self._planned_all = False
        self._lines: dict[str, LineByLine] = {}  # by source

    def show(self, event: Event) -> None:
        """Each type of event has a method of its name here; a test sees to it that none is missing."""
        getattr(self, f"_{event.type}")(event)

    def _command_started(self, event: CommandStarted) -> None:
        self._line(f"mlops-tui {event.version} · {event.command} · {event.project} · {event.cloud}", "bold")

    def _plan_ready(self, event: PlanReady) -> None:
        self._plan_open = False
        self._planned_all = True
        self._line(f"Plan: {_count(event.pending, 'change')} to make, {event.kept} as they should be.", "bold")

    def _log_line(self, event: LogLine) -> None:
        lines = self._lines.setdefault(event.source, LineByLine())
        self._labelled(event.source, lines(event.text), LEVEL_STYLE[event.level])

    def _identified(self, event: Identified) -> None:
        self._labelled(event.what, " ".join(part for part in (event.id, event.url) if part))

    def _metrics_read(self, event: MetricsRead) -> None:
        figures = "  ".join(f"{name} {value:.4f}" for name, value in event.metrics.items())
        self._labelled(event.run, figures, "cyan")

    def _runs_listed(self, event: RunsListed) -> None:
        builds: dict[str, list[RunResult]] = {}
        for result in event.results:
            builds.setdefault(result.build, []).append(result)
        for build, results in builds.items():
            told = ", ".join(part for part in (results[-1].source, when(results[-1].started)) if part)
            self._line(f"Build {build or 'without a number'}{f' ({told})' if told else ''}", "bold")
            self._table(tuple(results), with_ids=self._out.width >= ROOMY_FOR_IDS)
        if event.results:
            self._line(f"Gate: {event.gate}")
        else:
            self._line("No runs yet. Start some with `mlops-tui train`.")

    def _job_runs_found(self, event: JobRunsFound) -> None:
        if event.job_runs:
            self._out.print(job_runs_table(event.job_runs))
        else:
            self._line("No sweeps yet. Start one with `mlops-tui train`.")

    def _run_described(self, event: RunDescribed) -> None:
        self._line(f"Run {event.result.name}", "bold")
        for label, text in described(event):
            self._line(f"  {label:<12}  {text}")

    def _choices_read(self, event: ChoicesRead) -> None:
        if not event.choices:
            self._line(f"There is nothing yet to choose from for {event.setting}.")
        for choice in event.choices:
            named = choice.label.startswith(choice.value)
            self._line(choice.label if named else f"{choice.value}  ({choice.label})")

    def _settings_read(self, event: SettingsRead) -> None:
        self._line(f"Settings of {event.file}" if event.file else "Settings, without a project file", "bold")
        for one in event.values:
            self._line(f"  {one.key} = {one.value}  ({one.origin})")
            if one.problem:
                self._line(f"    ! {one.problem}", "bold red")

    def _steps_described(self, event: StepsDescribed) -> None:
        for step in event.steps:
            self._line(step.title, "bold")
            self._line(f"  {step.about}")
            self._line(f"  {step.link}")

    def _sign_ins_found(self, event: SignInsFound) -> None:
        for sign_in in event.sign_ins:
            flags = [f"{BY_NAME[name].flag} {shlex.quote(value)}" for name, value in sign_in.settings.items()]
            self._line(sign_in.title, "bold")
            self._line(f"  {sign_in.detail}")
            self._line(f"  {' '.join(flags)}")

    def _planned(self, event: Planned) -> None:
        if not self._plan_open:
            self._plan_open = True
            self._line("Plan", "bold")
        self._line(f"  {event.title}")
        for change in event.changes:
            self._change(change)

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
        took = f"{event.seconds:.1f} s" if event.seconds and event.state != "running" else ""
        parts = [event.state, event.detail, took, event.url]
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

    def _table(self, results: tuple[RunResult, ...], with_ids: bool = False) -> None:
        self._out.print(runs_table(results, with_parameters=self._out.width >= ROOMY, with_ids=with_ids))

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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
