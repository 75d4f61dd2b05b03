"""What runs a job: its steps one after the other on a machine made for it, with a log for each."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from mlops_tui.sandbox.pipelines import step_process
from mlops_tui.sandbox.pipelines.actions import ACTIONS, Work
from mlops_tui.sandbox.pipelines.expressions import ExpressionError
from mlops_tui.sandbox.pipelines.job_context import JobContext, StepReport
from mlops_tui.sandbox.pipelines.model import Body
from mlops_tui.sandbox.pipelines.plan import Step
from mlops_tui.sandbox.pipelines.records import PipelineRuns
from mlops_tui.sandbox.pipelines.step_log import StepLog

log = logging.getLogger("mlops_tui.sandbox")
LOST = "The agent was lost: the practice cloud was stopped while the job ran."


class Stop:
    """Ends a job from outside."""

    def __init__(self) -> None:
        self.canceled = threading.Event()
        self.lost = threading.Event()  # the sandbox itself ends: nothing is done any more


class EndedError(Exception):
    """A step ends before its program does."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why  # "canceled", "lost", "step", "job" (their time is over)


class Agent:
    """Runs one job. `practice`: by which its programs find the practice cloud."""

    def __init__(self, runs: PipelineRuns, context: JobContext, stop: Stop, practice: Mapping[str, str]) -> None:
        self._runs, self._context, self._stop = runs, context, stop
        self._order = context.order
        self._run_id: str = self._order.run["id"]
        self._machine_environment = self._order.machine.environment(practice)
        self._job_ends = time.monotonic() + self._minutes(self._order.job.minutes, context.usual_minutes) * 60
        self._step_ends = 0.0  # 0: when the job ends
        self._cleaning_ends = 0.0  # of steps that run although the job was ended

    def _minutes(self, written: str, otherwise: float) -> float:
        """Raises ExpressionError for what is no number."""
        text = self._context.text(written)
        try:
            return float(text) or otherwise if text else otherwise
        except ValueError as error:
            raise ExpressionError(f"'{text}' is not a number of minutes") from error

    def work(self) -> str:
        """The job's result. Its outputs are noted, too."""
        self._order.machine.prepare()
        rows = self._order.row["steps"]
        for step, row in zip(self._order.job.steps, rows, strict=True):
            self._look_up()
            if self._stop.lost.is_set():
                self._end(step, row, "skipped")
            else:
                self._one(step, row)
        if self._stop.lost.is_set() or self._context.failed:
            return "failed"
        return "canceled" if self._context.canceled else "succeeded"

    def _look_up(self) -> None:
        """Between two steps."""
        self._step_ends = 0.0
        try:
            self._check()
        except EndedError as error:
            self._note(error)

    def _one(self, step: Step, row: Body) -> None:
        masks = self._context.masks
        told = StepLog(self._order.folder.log(row["id"]), masks)
        report = StepReport(
            told.say,
            lambda found: self._runs.issue(self._run_id, row["id"], found),
            masks,
            self._order.folder.summary(self._order.row["id"]),
        )
        forgiven = False
        try:
            if not self._context.wants(step):
                self._end(step, row, "skipped")
                return
            title = masks.hide(self._context.title(step))
            self._runs.change(self._run_id, row["id"], state="running", started=time.time(), title=title)
            result = self._done(step, report)
            forgiven = result == "failed" and self._context.text(step.continue_on_error).lower() == "true"
        except ExpressionError as error:
            report.error(str(error))
            result = "failed"
        self._context.failed |= result == "failed" and not forgiven
        self._end(step, row, result, forgiven, told.lines)

    def _end(self, step: Step, row: Body, result: str, forgiven: bool = False, lines: int = 0) -> None:
        self._context.ended(step, result, forgiven)
        changes = {"state": "completed", "result": result, "lines": lines}
        self._runs.change(self._run_id, row["id"], **changes, finished=0 if result == "skipped" else time.time())

    def _done(self, step: Step, report: StepReport) -> str:
        """The step's result."""
        minutes = self._minutes(step.minutes, 0)
        self._step_ends = time.monotonic() + minutes * 60 if minutes else 0.0
        try:
            self._context.begin(step, report)
            work = Work(step, self._context, report, lambda *what: self._execute(step, report, *what))
            went_well = ACTIONS[step.action](work)
            self._context.end(step, report)
            return report.verdict or ("succeeded" if went_well else "failed")
        except EndedError as error:
            return self._cut_short(error, report)
        except (OSError, LookupError) as error:
            report.error(str(error))
        except ExpressionError:
            raise
        except Exception as error:  # a defect of ours fails this step; nobody may wait for it for ever
            log.exception("run %s, step %s", self._run_id, step.title)
            report.error(f"The practice cloud failed: {error!r}; its log says where.")
        return "failed"

    def _cut_short(self, ended: EndedError, report: StepReport) -> str:
        report.error(str(ended))
        self._note(ended)
        return "failed" if ended.why in ("step", "lost") else "canceled"

    def _note(self, ended: EndedError) -> None:
        """What the end means for the steps that are left."""
        if ended.why in ("step", "lost"):
            return
        self._context.canceled |= ended.why == "canceled"
        self._context.failed |= ended.why == "job"
        self._cleaning_ends = self._cleaning_ends or time.monotonic() + self._context.cleaning_minutes * 60

    def _execute(self, step: Step, report: StepReport, command: list[str], folder: Path, obeyed: bool) -> int:
        environment = {**self._machine_environment, **(self._context.environment(step) if obeyed else {})}
        environment["PATH"] = os.pathsep.join([*reversed(self._context.paths), environment["PATH"]])

        def say(line: str) -> None:
            for part in line.split("\r"):  # which ends a line for both hosts' agents, too
                if obeyed:
                    self._context.hear(part, step, report)
                else:
                    report.say(part)

        return step_process.run(command, folder, environment, say, self._check)

    def _check(self) -> None:
        """Raises EndedError where the program is to end now."""
        now = time.monotonic()
        if self._stop.lost.is_set():
            raise EndedError("lost", LOST)
        if self._cleaning_ends and now > self._cleaning_ends:
            raise EndedError("canceled", "The operation was canceled: it took too long after the job was ended.")
        if not self._cleaning_ends and self._stop.canceled.is_set():
            raise EndedError("canceled", "The operation was canceled.")
        if not self._cleaning_ends and now > self._job_ends:
            raise EndedError("job", "The job has exceeded the maximum execution time.")
        if self._step_ends and now > self._step_ends:
            raise EndedError("step", "The step has timed out.")
