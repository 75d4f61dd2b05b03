"""Pipelines on the CI host: list their runs, queue one, follow, approve, cancel."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from mlops_tui.events import Event, PipelineApprovalAsked, PipelineRunsListed, PipelineRunState, Problem
from mlops_tui.tui.connection import Request
from mlops_tui.tui.desks.line import INTERRUPTED, Line, Notice, Severity
from mlops_tui.tui.state.pipelines import PipelinesState, RunRow, unfinished_first
from mlops_tui.tui.words.pipelines import approval_words, ended_words, run_words

MOST_RUNS = 50  # listed, newest first
FOLLOWED = 3  # of the runs found unfinished, without anybody asking


class PipelinesDesk:
    """Runs are followed until they end, whichever section is on top. `over` is called when one has ended."""

    def __init__(self, line: Line, logs: Path, over: Callable[[], None] = lambda: None) -> None:
        self.state = PipelinesState()
        self._line = line
        self._logs = logs
        self._over = over
        self._again = False  # list once more: something may have changed while it was being listed

    @property
    def busy(self) -> list[str]:
        """What was begun here and still goes on, in words. Whatever others have begun is only looked at."""
        queueing = ["queueing a run of the pipeline"] if self.state.queueing is not None else []
        return [*queueing, *(f"pipeline {run_words(row.run)}" for row in self.own)]

    @property
    def own(self) -> list[RunRow]:
        return [row for row in self.state.unfinished if row.own]

    @property
    def running(self) -> bool:
        """Something is followed that has not ended."""
        return self.state.queueing is not None or any(row.following and not row.ended for row in self.state.unfinished)

    # Looking

    def list_runs(self) -> None:
        """And follow those that still go on."""
        state = self.state
        if state.listing:
            self._again = True
            return
        first = not state.listed
        state.listing = True

        def fold(event: Event) -> None:
            if isinstance(event, Problem):
                state.unread = event.error
            state.fold(event)
            if isinstance(event, PipelineRunsListed):
                self._follow_unfinished(tell=first)
            self._changed()

        def ended(_: int) -> None:
            state.listing = False
            if self._again:
                self._again = False
                self.list_runs()
            self._changed()

        self._line.ask("ci_runs", fold, ended, limit=MOST_RUNS)
        self._changed()

    def choose(self, run: str) -> None:
        """Take this one in hand."""
        self.state.choose(run)
        self._changed()

    def look(self, run: str) -> None:
        """Its parts and its log: to the end where it still goes on, and once where it is over."""
        row = self.state.rows.get(run)
        if row is not None and not row.read:
            self.follow(run)

    def follow(self, run: str) -> None:
        """The same, now: what was read before is read again."""
        row = self.state.rows.get(run)
        if row is None or row.following:
            return
        row.following, row.problem = True, None
        row.folder = self._folder()
        was_over = row.ended

        def fold(event: Event) -> None:
            self._fold(row, event)

        def ended(exit_code: int) -> None:
            self._ended(row, exit_code, quiet=was_over)

        self._line.ask("ci_log", fold, ended, run=run, follow=not row.ended, logs=str(row.folder))
        self._changed()

    def _follow_unfinished(self, tell: bool) -> None:
        for row in unfinished_first(self.state.rows.values(), FOLLOWED):
            if not row.following and row.problem is None:
                if tell:
                    notice = f"Following {run_words(row.run)} of the pipeline again."
                    self._line.told(Notice("Still running", notice, seen_in="pipelines"))
                self.follow(row.run.id)

    # Doing

    def queue(self, stage: str, build_number: str, branch: str) -> None:
        """Start a run, and follow it."""
        state = self.state
        if state.queueing is not None:
            return
        state.begin_queueing()
        folder = self._folder()
        queued: list[RunRow] = []

        def fold(event: Event) -> None:
            if queued:
                self._fold(queued[0], event)
                return
            state.fold(event)
            if isinstance(event, PipelineRunState):
                row = state.rows[event.run.id]
                row.own, row.following, row.folder = True, True, folder
                state.queueing, state.chosen = None, event.run.id
                queued.append(row)
            elif isinstance(event, Problem):
                state.refused = event.error
            self._changed()

        def ended(exit_code: int) -> None:
            state.queueing = None
            if queued:
                self._ended(queued[0], exit_code)
            elif state.refused is not None:
                self._line.told(Notice("No run was queued", state.refused.message, "error", seen_in="pipelines"))
            self._changed()

        asked = {"stage": stage, "build_number": build_number, "branch": branch}
        self._line.ask("ci_run", fold, ended, follow=True, logs=str(folder), **asked)
        self._changed()

    def approve(self, run: str, comment: str) -> Request:
        """A person has said yes."""
        row = self.state.rows.get(run)

        def ended(exit_code: int) -> None:
            if exit_code == 0 and row is not None:
                self._line.told(Notice("Approved", f"{run_words(row.run)} goes on.", rings=False))
                if not row.following:
                    self.follow(run)
            self._changed()

        return self._act("ci_approve", "Not approved", ended, run=run, comment=comment)

    def cancel(self, run: str) -> Request:
        row = self.state.rows.get(run)
        if row is not None:
            row.ending = True

        def ended(exit_code: int) -> None:
            if row is not None:
                row.ending = exit_code == 0 and not row.ended
                if exit_code == 0 and not row.following:
                    self.list_runs()
            self._changed()

        self._changed()
        return self._act("ci_cancel", "Not canceled", ended, run=run)

    # In common

    def _act(self, do: str, refused: str, on_end: Callable[[int], None], **asked: object) -> Request:
        """Something that is done at once, or refused."""

        def fold(event: Event) -> None:
            if isinstance(event, Problem):
                self._line.told(Notice(refused, f"{event.error.message} {event.error.hint}".strip(), "error"))
            else:
                self.state.fold(event)
            self._changed()

        return self._line.ask(do, fold, on_end, **asked)

    def _fold(self, row: RunRow, event: Event) -> None:
        if isinstance(event, Problem):
            row.problem = event.error if event.error.exit_code != INTERRUPTED else None
        news = isinstance(event, PipelineApprovalAsked) and event.approval.id not in row.approvals
        self.state.fold(event)
        if news and row.approval is not None:
            text = approval_words(self.state, row.approval)
            self._line.told(Notice("Approval needed", text, "warning", seen_in="pipelines"))
        self._changed()

    def _ended(self, row: RunRow, exit_code: int, quiet: bool = False) -> None:
        """Nobody follows it any more; mostly because it is over."""
        row.following = False
        if row.ended:
            row.ending = False
            row.problem = row.problem if row.run.state == "failed" else None  # being canceled is no failure
            if not quiet:
                severity: Severity = "information" if row.run.state == "succeeded" else "error"
                self._line.told(Notice("Pipeline", ended_words(row), severity, seen_in="pipelines"))
                self._over()
        elif row.problem is not None and exit_code != INTERRUPTED:
            text = f"{row.problem.message} The run itself may go on."
            self._line.told(Notice(f"Nobody follows {run_words(row.run)}", text, "warning", seen_in="pipelines"))
        self._changed()

    def _folder(self) -> Path:
        return self._logs / secrets.token_hex(6)

    def _changed(self) -> None:
        self._line.changed("pipelines")
