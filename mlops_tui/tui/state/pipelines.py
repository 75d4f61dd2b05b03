"""Pipelines on the CI host, as far as they have been told: their runs, and of those that were followed all parts."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_tui.events import (
    ErrorCard,
    Event,
    LogLine,
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePart,
    PipelinePartState,
    PipelineRun,
    PipelineRunsListed,
    PipelineRunState,
)
from mlops_tui.events.pipelines import ENDED


@dataclass
class RunRow:
    """One run, and what is known of it."""

    run: PipelineRun
    parts: dict[str, PipelinePartState] = field(default_factory=dict)  # by id, as they were told last
    approvals: dict[str, PipelineApproval] = field(default_factory=dict)  # by id: what waits for somebody's yes
    folder: Path | None = None  # of its log files, see `spool.log_file`
    following: bool = False  # somebody reads its parts and its log just now
    own: bool = False  # it was queued here, in this sitting
    ending: bool = False  # a person has asked to cancel it
    problem: ErrorCard | None = None  # why it cannot be read, or what was refused

    @property
    def ended(self) -> bool:
        return self.run.state in ENDED

    @property
    def approval(self) -> PipelineApproval | None:
        """The one to be answered first: whoever is signed in may say yes to it, where there is one."""
        return next(iter(sorted(self.approvals.values(), key=lambda each: not each.mine)), None)

    @property
    def in_order(self) -> list[PipelinePartState]:
        """The parts in the order of the pipeline."""
        return sorted(self.parts.values(), key=lambda told: told.order)

    @property
    def read(self) -> bool:
        """Its parts have been asked for."""
        return self.folder is not None

    def elapsed(self, now: float) -> float | None:
        """Seconds that it took, or has been at work for; None before it has begun. `now` is seconds since 1970."""
        return seconds_of(self.run.started, self.run.finished, now)

    def forget_approvals(self, stage: str = "") -> None:
        """Of that stage; where none is named, of all."""
        self.approvals = {key: each for key, each in self.approvals.items() if stage and each.stage != stage}


class PipelinesState:
    """Newest first. `chosen` is the run in hand."""

    def __init__(self) -> None:
        self.host = ""  # "Azure DevOps"
        self.page = ""  # of the pipeline
        self.rows: dict[str, RunRow] = {}  # by the run's id
        self.chosen = ""
        self.listed = False  # once at least
        self.listing = False
        self.unread: ErrorCard | None = None  # why the runs cannot be listed
        self.queueing: float | None = None  # time.monotonic() since a run is being queued
        self.refused: ErrorCard | None = None  # why none was queued
        self.said = ""  # the last line that went into no log

    @property
    def row(self) -> RunRow | None:
        """The run in hand."""
        return self.rows.get(self.chosen)

    @property
    def unfinished(self) -> list[RunRow]:
        return [row for row in self.rows.values() if not row.ended]

    def choose(self, run: str) -> None:
        if run in self.rows:
            self.chosen = run

    def begin_queueing(self) -> None:
        self.queueing, self.refused, self.said = time.monotonic(), None, ""

    def fold(self, event: Event) -> None:
        """Each event names the run that it speaks of. Log lines are in the files of the run's folder."""
        match event:
            case PipelineRunsListed():
                self._list(event)
            case PipelineRunState():
                self._keep(event.run)
            case PipelinePartState():
                if (row := self.rows.get(event.run)) is not None:
                    row.parts[event.part.id] = event
            case PipelineApprovalAsked():
                if (row := self.rows.get(event.approval.run)) is not None:
                    row.approvals[event.approval.id] = event.approval
            case PipelineApproved():
                if (row := self.rows.get(event.run)) is not None:
                    row.forget_approvals(event.stage)
            case LogLine():
                self.said = event.text

    def _list(self, event: PipelineRunsListed) -> None:
        """What the host says counts; of a run that is being followed, what was heard last."""
        self.host, self.page = event.host, event.page
        self.listed, self.unread = True, None
        before, self.rows = self.rows, {}
        listed = {run.id for run in event.runs}
        self.rows = {key: row for key, row in before.items() if key not in listed and row.following}
        for run in event.runs:
            row = self.rows[run.id] = before.get(run.id, RunRow(run))
            if not (row.following and row.ended):
                row.run = run
            if not row.following:
                row.approvals = {each.id: each for each in event.approvals if each.run == run.id}
        if self.chosen not in self.rows:
            self.chosen = next(iter(self.rows), "")

    def _keep(self, run: PipelineRun) -> None:
        row = self.rows.get(run.id)
        if row is None:
            self.rows = {run.id: RunRow(run), **self.rows}
            self.chosen = self.chosen or run.id
            return
        row.run = run
        if run.state not in ("waiting", "running"):
            row.forget_approvals()


@dataclass(frozen=True)
class PartLine:
    """A part as a line of the tree."""

    part: PipelinePart
    depth: int


def lines_of(row: RunRow, in_hand: str) -> list[PartLine]:
    """Stages and jobs; below the one in hand its steps. A stage's only job is not told apart from its stage."""
    parts = [told.part for told in row.in_order]
    known = {part.id for part in parts}
    below: dict[str, list[PipelinePart]] = {}
    for part in parts:
        below.setdefault(part.parent if part.parent in known else "", []).append(part)
    lines: list[PartLine] = []

    def add(part: PipelinePart, depth: int) -> None:
        inner = below.get(part.id, [])
        if part.kind == "stage" and len(inner) == 1 and inner[0].kind == "job":
            job, inner = inner[0], below.get(inner[0].id, [])
            part = replace(part, detail=_both(part.detail, job.detail), has_log=part.has_log or job.has_log)
        lines.append(PartLine(part, depth))
        opened = in_hand in _family(part.id, below)
        for each in inner:
            if opened or each.kind != "step":
                add(each, depth + 1)

    for part in below.get("", []):
        add(part, 0)
    return lines


def at_work(row: RunRow) -> str:
    """The id of the part that one wants to see: what runs or waits, else what has failed, else what was last."""
    everything = [told.part for told in row.in_order]
    parts = [part for part in everything if part.kind != "job" or part.parent not in row.parts]  # else its stage's
    running = [part for part in parts if part.state == "running"]
    if running:
        return ([part for part in running if part.kind == "step"] or running)[-1].id
    for state in ("waiting", "failed"):
        found = [part for part in parts if part.state == state]
        if found:
            return ([part for part in found if part.kind == "step"] or found)[0].id
    over = [part for part in parts if part.state in ("succeeded", "canceled") and part.kind != "step"]
    return over[-1].id if over else next((part.id for part in parts), "")


def seconds_of(started: float | None, finished: float | None, now: float) -> float | None:
    """The host's clock and this machine's may differ a little."""
    if started is None:
        return None
    return max((now if finished is None else finished) - started, 0.0)


def part_seconds(part: PipelinePart, now: float | None = None) -> float | None:
    """As of `now`, in seconds since 1970."""
    if part.state in ("queued", "skipped") or (part.finished is None and part.state != "running"):
        return None
    return seconds_of(part.started, part.finished, time.time() if now is None else now)


def _family(part: str, below: dict[str, list[PipelinePart]]) -> set[str]:
    """The part and all that is below it."""
    found, open_ = set[str](), [part]
    while open_:
        each = open_.pop()
        if each not in found:
            found.add(each)
            open_ += [inner.id for inner in below.get(each, ())]
    return found


def _both(*texts: str) -> str:
    """Without saying anything twice."""
    return "\n".join(dict.fromkeys(line for text in texts for line in text.splitlines() if line))


def unfinished_first(rows: Iterable[RunRow], most: int) -> list[RunRow]:
    """Those that still go on, newest first."""
    return [row for row in rows if not row.ended][:most]
