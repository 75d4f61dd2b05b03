"""What sees to the order of a run: stages and jobs when those before them have ended, approvals, cancellation.

It knows nothing that is not in the run's document and in the file at its commit, so that a new one can go on where an
old one was killed.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

from mlops_tui.sandbox.pipelines import leftovers
from mlops_tui.sandbox.pipelines.agent import LOST, Agent, Stop
from mlops_tui.sandbox.pipelines.expressions import ExpressionError
from mlops_tui.sandbox.pipelines.host_rules import RULES, HostRules
from mlops_tui.sandbox.pipelines.job_context import JobOrder, StepReport
from mlops_tui.sandbox.pipelines.masks import Masks
from mlops_tui.sandbox.pipelines.model import Body, HostSide
from mlops_tui.sandbox.pipelines.plan import Job, Plan, Stage
from mlops_tui.sandbox.pipelines.progress import give_up, have_ended, out_of_turn, pass_over, settle, together
from mlops_tui.sandbox.pipelines.records import issue, jobs, part

if TYPE_CHECKING:
    from mlops_tui.sandbox.pipelines.yard import Yard

log = logging.getLogger("mlops_tui.sandbox")
LOOK_SECONDS = 1.0  # between two looks at what nobody tells (the end of an approval's time)
APPROVAL_SECONDS = 30 * 24 * 3600.0  # that both hosts wait


class Conductor(threading.Thread):
    """Of one run, until its end or the sandbox's."""

    def __init__(self, yard: Yard, run: Body, plan: Plan, side: HostSide) -> None:
        super().__init__(name=f"pipeline-run-{run['id']}", daemon=True)
        self.run_id: str = run["id"]
        self.woken = threading.Event()
        self._yard, self._plan, self._side = yard, plan, side
        self._rules: HostRules = RULES[run["host"]]
        self._stops: dict[str, Stop] = {}
        self.threads: list[threading.Thread] = []
        self._keys = [f"{self.run_id}/{job['id']}" for _, job in jobs(run)]  # by which its jobs take turns
        self._admitted = {job["id"] for _, job in jobs(run) if job["approval"]}

    def run(self) -> None:
        try:
            while not self._yard.stopping.is_set():
                self.woken.clear()
                if self._look():
                    break
                self.woken.wait(LOOK_SECONDS)
        except Exception as error:  # a defect of ours ends this run; nobody may wait for it for ever
            log.exception("run %s", self.run_id)
            self._give_up(f"The practice cloud failed: {error!r}; its log says where.")
        finally:
            for stop in list(self._stops.values()):
                (stop.lost if self._yard.stopping.is_set() else stop.canceled).set()
            with self._yard.lock:
                self._yard.conductors.pop(self.run_id, None)
            for key in (self.run_id, *self._keys):
                self._yard.turnstiles.leave(key)
            self._yard.wake()

    def _give_up(self, message: str) -> None:
        self._yard.runs.edit(self.run_id, partial(give_up, message=issue("error", message)))

    def _look(self) -> bool:
        """Do all that can be done now; whether the run has ended."""
        run = self._yard.runs.get(self.run_id)
        if not self._may_go(run):
            return False
        while True:
            run = self._yard.runs.get(self.run_id)
            if run["canceled"]:
                for stop in list(self._stops.values()):
                    stop.canceled.set()
            if not any(
                self._stage(run, row, stage) for row, stage in zip(run["stages"], self._plan.stages, strict=True)
            ):
                break
        return bool(self._yard.runs.edit(self.run_id, settle)["state"] == "completed")

    def _may_go(self, run: Body) -> bool:
        """Whether the workflow's own concurrency lets it."""
        wanted = self._plan.concurrency
        if wanted is None or run["canceled"]:
            return True
        try:
            name = f"{run['host']}/{run['owner']}/{self._text(run, None, wanted.group)}".lower()
            cancels = self._text(run, None, wanted.cancels_running) == "true"
        except (ExpressionError, LookupError) as error:
            self._give_up(str(error))
            return True
        may_go = self._yard.turnstiles.pass_through(name, self.run_id, wanted.keeps_order, cancels)
        if self._yard.turnstiles.is_out(self.run_id):
            self._yard.runs.issue(self.run_id, "", issue("error", out_of_turn(name)))
            self._yard.runs.change(self.run_id, canceled=True)
            return True
        return may_go

    def _text(self, run: Body, row: Body | None, written: str) -> str:
        return self._rules.text(run, row, self._plan, written, self._side)

    def _stage(self, run: Body, row: Body, stage: Stage) -> bool:
        """Whether anything has changed."""
        if row["state"] == "completed" or not have_ended(run["stages"], row["needs"]):
            return False
        if row["state"] == "pending":
            return self._open(run, row, stage)
        if all(job["state"] == "completed" for job in row["jobs"]):
            result = together([job["result"] for job in row["jobs"]])
            self._yard.runs.change(self.run_id, row["id"], state="completed", result=result, finished=time.time())
            return True
        return any(self._job(run, row, one, stage, job) for one, job in zip(row["jobs"], stage.jobs, strict=True))

    def _open(self, run: Body, row: Body, stage: Stage) -> bool:
        """Begin a stage, or pass it over."""
        try:
            wanted = self._rules.wants_stage(run, self._plan, stage, self._side)
        except (ExpressionError, LookupError) as error:
            for job in row["jobs"]:
                self._end(job["id"], "failed", str(error))
            wanted = True
        if wanted:
            self._yard.runs.change(self.run_id, row["id"], state="running", started=time.time())
        else:
            result = "canceled" if run["canceled"] else "skipped"
            self._yard.runs.edit(self.run_id, lambda found: pass_over(part(found, row["id"]), result))
        return True

    def _job(self, run: Body, stage_row: Body, row: Body, stage: Stage, job: Job) -> bool:
        if row["state"] == "running":
            return self._attend(row)
        if row["state"] == "completed" or not have_ended(stage_row["jobs"], row["needs"]):
            return False
        try:
            if row["id"] not in self._admitted:
                return self._admit(run, row, stage, job)
            return self._go_on(run, row, stage, job)
        except (ExpressionError, LookupError) as error:
            return self._end(row["id"], "failed", str(error))

    def _attend(self, row: Body) -> bool:
        """To one that runs: it may have to make way."""
        stop = self._stops.get(row["id"])
        if stop and self._yard.turnstiles.is_out(f"{self.run_id}/{row['id']}"):
            stop.canceled.set()
        return False

    def _admit(self, run: Body, row: Body, stage: Stage, job: Job) -> bool:
        """Whether it is to run at all."""
        if not self._rules.wants_job(run, row, self._plan, stage, job, self._side):
            result = "canceled" if run["canceled"] else "skipped"
            self._yard.runs.edit(self.run_id, lambda found: pass_over(part(found, row["id"]), result))
            return True
        row["environment"] = self._text(run, row, job.environment)
        row["title"] = self._text(run, row, job.title) or row["title"]
        self._yard.runs.change(self.run_id, row["id"], environment=row["environment"], title=row["title"])
        if why_not := self._side.why_not(run, row):
            return self._end(row["id"], "failed", why_not)
        if row["environment"] and self._side.needs_approval(run, row):
            asked = {
                "id": str(uuid.uuid4()),
                "state": "pending",
                "asked": time.time(),
                "by": "",
                "at": 0,
                "comment": "",
            }
            self._yard.runs.change(self.run_id, row["id"], approval=asked, state="waiting")
        self._admitted.add(row["id"])
        return True

    def _go_on(self, run: Body, row: Body, stage: Stage, job: Job) -> bool:
        """With one that is to run, and may have to wait."""
        if run["canceled"]:
            return self._end(row["id"], "canceled", "The operation was canceled.")
        approval = row["approval"]
        if approval and approval["state"] == "rejected":
            said = f": {approval['comment']}" if approval["comment"] else ""
            return self._end(row["id"], "failed", f"The approval was rejected by {approval['by']}{said}")
        if approval and approval["state"] == "pending":
            if time.time() < approval["asked"] + APPROVAL_SECONDS:
                return False
            return self._end(row["id"], "failed", "The approval has timed out.")
        return self._has_turn(run, row, job) and self._start(run, row, stage, job)

    def _has_turn(self, run: Body, row: Body, job: Job) -> bool:
        if row["state"] == "waiting":
            self._yard.runs.change(self.run_id, row["id"], state="pending")
            row["state"] = "pending"
        if job.concurrency is None:
            return True
        name = f"{run['host']}/{run['owner']}/{self._text(run, row, job.concurrency.group)}".lower()
        cancels = self._text(run, row, job.concurrency.cancels_running) == "true"
        key = f"{self.run_id}/{row['id']}"
        may_go = self._yard.turnstiles.pass_through(name, key, job.concurrency.keeps_order, cancels)
        if self._yard.turnstiles.is_out(key):
            self._end(row["id"], "canceled", out_of_turn(name))
            return False
        return may_go

    def _start(self, run: Body, row: Body, stage: Stage, job: Job) -> bool:
        if not self._yard.take_machine():
            return False
        self._stops[row["id"]] = stop = Stop()
        began = {"state": "running", "started": time.time()}
        self._yard.runs.change(self.run_id, row["id"], **began)
        self._yard.runs.edit(self.run_id, lambda found: found.update(started=found["started"] or time.time()))
        machine = self._rules.machine(self._yard.folder / "machines" / f"{self.run_id}.{row['id']}", run)
        kept = self._yard.kept(self.run_id)
        order = JobOrder(run, row | began, self._plan, stage, job, self._side, machine, kept)
        name = f"pipeline-job-{self.run_id}.{row['id']}"
        thread = threading.Thread(target=self._work, args=(order, stop), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()
        return True

    def _work(self, order: JobOrder, stop: Stop) -> None:
        """A job's thread."""
        job_id, result, message = order.row["id"], "failed", ""
        try:
            context = self._rules.context(order, lambda number: self._yard.runs.change(self.run_id, number=number))
            result = Agent(self._yard.runs, context, stop, self._yard.practice).work()
            self._yard.runs.change(self.run_id, job_id, outputs=context.outputs(self._report(order, context.masks)))
            if result == "failed" and context.text(order.job.continue_on_error).lower() == "true":
                result = "succeeded"
        except (ExpressionError, LookupError) as error:
            message = str(error)
        except Exception as error:  # as in `run`
            log.exception("run %s, job %s", self.run_id, order.job.name)
            message = f"The practice cloud failed: {error!r}; its log says where."
        finally:
            leftovers.end(order.machine.root)
            shutil.rmtree(order.machine.root, ignore_errors=True)
            if stop.lost.is_set():
                result, message = "failed", LOST
            self._end(job_id, result, message)
            self._stops.pop(job_id, None)
            self._yard.give_back()

    def _report(self, order: JobOrder, masks: Masks) -> StepReport:
        """Of the job itself, which has no log."""
        job_id = order.row["id"]
        note = partial(self._yard.runs.issue, self.run_id, job_id)
        return StepReport(lambda _: None, note, masks, order.folder.summary(job_id))

    def _end(self, job_id: str, result: str, message: str = "") -> bool:
        def end(run: Body) -> None:
            row = part(run, job_id)
            pass_over(row, result)
            row["finished"] = time.time()
            if message:
                row["issues"].append(issue("error", message))

        self._yard.runs.edit(self.run_id, end)
        self._yard.turnstiles.leave(f"{self.run_id}/{job_id}")
        return True
