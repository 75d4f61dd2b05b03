"""Runs of the pipeline as plain lines: how far each part is, who must say yes, and the table of runs."""

from __future__ import annotations

import shlex
from typing import TextIO

from rich.table import Table
from rich.text import Text

from mlops_tui.events import (
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePart,
    PipelinePartState,
    PipelineRun,
    PipelineRunsListed,
    PipelineRunState,
)
from mlops_tui.headless.lines import Lines, plain_table
from mlops_tui.headless.run_text import STATE_STYLE, when
from mlops_tui.redaction import redact

STYLE = {**STATE_STYLE, "running": "bold", "waiting": "yellow", "canceled": "yellow", "queued": "", "skipped": "dim"}
LONGEST_BRANCH = 24  # characters in a table


class PipelineText(Lines):
    """One method for each event of pipelines."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        self._pipeline_parts: dict[tuple[str, str], PipelinePartState] = {}  # as they were told last, by run and part

    def _pipeline_run_state(self, event: PipelineRunState) -> None:
        run = event.run
        of = f" of {run.branch}" if run.branch else ""
        told = [f"[{run.state}] Run {run.id}, build {run.number}{of}", run.detail, _took(run)]
        self._line("  ".join(part for part in told if part), STYLE.get(run.state, ""))

    def _pipeline_part_state(self, event: PipelinePartState) -> None:
        """Where the state is another. A stage's only job, and steps that were not reached, would say nothing new."""
        part = event.part
        before = self._pipeline_parts.get((event.run, part.id))
        self._pipeline_parts[event.run, part.id] = event
        above = self._pipeline_parts.get((event.run, part.parent))
        if before is not None and (before.part.state, before.part.detail) == (part.state, part.detail):
            return
        untold = part.state == "queued" or (part.state == "skipped" and part.kind == "step")
        if untold or (part.kind == "job" and above is not None and above.source == event.source):
            return
        self._line(
            "  ".join(word for word in (f"[{part.state}] {event.source}", _took(part)) if word), STYLE[part.state]
        )
        for line in part.detail.splitlines():
            self._line(f"    {line}", STYLE["failed"] if part.state == "failed" else "yellow")

    def _pipeline_approval_asked(self, event: PipelineApprovalAsked) -> None:
        asked = event.approval
        self._line(f"Run {asked.run} waits for somebody's yes: {_what(asked)}", "bold")
        if asked.approvers:
            self._line(f"  Approvers   {', '.join(asked.approvers)}{'' if asked.mine else ' (not you)'}")
        self._line(f"  To approve  {event.command}")

    def _pipeline_approved(self, event: PipelineApproved) -> None:
        self._line(f"Approved: {event.stage} of run {event.run}, by {event.by or 'somebody on the host'}", "bold")

    def _pipeline_runs_listed(self, event: PipelineRunsListed) -> None:
        self._line(f"Runs of the pipeline on {event.host}", "bold")
        if event.runs:
            self._out.print(_runs_table(event.runs))
        else:
            self._line(f"  None yet. Start one with `{_command(event, 'run', '--follow')}`.")
        for asked in event.approvals:
            whose = "" if asked.mine else f": for {', '.join(asked.approvers) or 'others'} to say"
            self._line(f"Run {asked.run} waits for somebody's yes: {_what(asked)}{whose}", "yellow")
            if asked.mine:
                self._line(f"  To approve  {_command(event, 'approve', asked.run)}")
        self._line(f"Page  {event.page}")


def _command(event: PipelineRunsListed, *words: str) -> str:
    return shlex.join(["mlops-tui", "ci", *words, *event.flags])


def _what(asked: PipelineApproval) -> str:
    return f"{asked.stage} (environment {asked.environment})" if asked.environment else asked.stage


def _took(one: PipelineRun | PipelinePart) -> str:
    """Of what has ended."""
    return f"{one.finished - one.started:.1f} s" if one.started is not None and one.finished is not None else ""


def _runs_table(runs: tuple[PipelineRun, ...]) -> Table:
    """With the ids that `logs`, `approve` and `cancel` take."""
    table = plain_table("Run", "Build", "State", "Branch", "Reason", "Queued", "Time")
    for run in runs:
        branch = run.branch if len(run.branch) <= LONGEST_BRANCH else f"{run.branch[: LONGEST_BRANCH - 1]}…"
        cells = (run.id, run.number, branch, run.reason, when(run.queued), _took(run))
        number, build, *rest = (Text(redact(cell) or "–") for cell in cells)
        table.add_row(number, build, Text(run.state, STYLE.get(run.state, "")), *rest)
    return table
