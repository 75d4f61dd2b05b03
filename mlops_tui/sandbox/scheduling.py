"""The scheduler of job runs: keeps each run as one document, and takes it from one state to the next.

Every change is committed before it is shown. After the death of a sandbox the documents tell what was going on: active
runs end as INTERNAL_ERROR, queued ones go on.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox import run_states
from mlops_tui.sandbox.alarms import Alarms
from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.execution import OUTPUT, Execution, output_file
from mlops_tui.sandbox.fleet import now_ms
from mlops_tui.sandbox.run_states import Ending, end, is_over, succeeded
from mlops_tui.sandbox.settling import iterations, latest, new_attempt, settle, spec_of

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

RUN = "run"
TOKEN = "run-idempotency-token"  # noqa: S105 (a kind of document)
ATTEMPT = "task-run"  # by an attempt's run id: the run id of its job run
FIRST_RUN_ID = 1000
KEPT_DAYS = 60  # the platform keeps the history of runs for so long


def run_key(run_id: int) -> str:
    """Keys sort as numbers do."""
    return f"{run_id:016d}"


class Scheduler:
    """Moves runs along; safe to use from any thread. The lock is held for each look at a run, never while waiting."""

    def __init__(self, sandbox: Sandbox, workspace_id: Callable[[], int]) -> None:
        self._store = sandbox.store
        self._workspace_id = workspace_id
        self._lock = threading.RLock()
        self._alarms = Alarms()
        self._stopped = False
        self.execution = Execution(sandbox, self, workspace_id)

    def recover(self) -> None:
        """End what was active when the sandbox died; let queued runs go on; forget what is too old."""
        queued, oldest = [], now_ms() - KEPT_DAYS * 24 * 3_600_000
        for run in self._store.list(RUN):
            if run["life"] == "QUEUED":
                queued.append(run["run_id"])
            elif not is_over(run):
                for attempt in [each for each in run["attempts"] if not is_over(each)]:
                    end(attempt, run_states.SANDBOX_DIED, now_ms())
                    self.execution.revoke(attempt.get("token_id", ""))
                end(run, run_states.SANDBOX_DIED, now_ms())
                self._close_repair(run)
                self._save(run)
            elif run["end_time"] < oldest:
                self.delete(run)
        for run_id in queued:
            self.advance(run_id)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        self._alarms.stop()
        self.execution.stop()

    def next_run_id(self) -> int:
        return self._store.next_number("run", FIRST_RUN_ID)

    def load(self, run_id: int) -> Body | None:
        """The run of that id."""
        return self._store.get(RUN, run_key(run_id))

    def parent_of(self, attempt_id: int) -> int | None:
        """The run that an attempt is part of."""
        found = self._store.get(ATTEMPT, run_key(attempt_id))
        return found["run_id"] if found else None

    def add(self, run: Body, token: str) -> int:
        """Write a new run: its attempts, and its place in the queue of its job. Call `advance` afterwards.

        Its run id; or, where a run with that idempotency token was added before, the id of that one.
        """
        with self._lock, self._store.transaction():
            if token and (known := self._store.get(TOKEN, token)):
                return int(known["run_id"])
            if token:
                self._store.insert(TOKEN, token, {"run_id": run["run_id"]})
            for task in run["settings"]["tasks"]:
                new_attempt(run, task["task_key"], self.next_run_id(), run["start_time"])
            settings = run["settings"]
            if self._active(run) >= settings.get("max_concurrent_runs", 1) and run["run_type"] == "JOB_RUN":
                if (settings.get("queue") or {}).get("enabled"):
                    run["life"] = "QUEUED"
                else:
                    for each in (*run["attempts"], run):
                        end(each, run_states.TOO_MANY_RUNS, now_ms())
            self._save(run)
        return int(run["run_id"])

    def advance(self, run_id: int) -> None:
        """Move the run as far as it goes now."""
        with self._lock:
            run = self.load(run_id)
            if run is None or is_over(run) or self._stopped:
                return
            if run["life"] == "QUEUED" and not run["stop"]:
                if self._active(run) >= run["settings"].get("max_concurrent_runs", 1):
                    return
                now = now_ms()
                run |= {"life": "PENDING", "queue_duration": now - run["start_time"], "began": now}
            launches = settle(run, now_ms(), self.next_run_id, self._workspace_id())
            if is_over(run):
                self._close_repair(run)
            self._save(run)
        self._set_timers(run)
        for attempt in launches:
            self.execution.launch(run, attempt)
        self._cancel_if_halted(run_id, launches)
        if is_over(run):
            self._run_over(run)

    def _cancel_if_halted(self, run_id: int, launched: list[Body]) -> None:
        """A run that was halted after it was decided what to launch, and before that was there to be cancelled."""
        run = self.load(run_id) if launched else None
        if run:
            halted = {each["run_id"] for each in run["attempts"] if run["stop"] or each.get("stop")}
            self._cancel_launched(run_id, [each for each in launched if each["run_id"] in halted])

    def halt(self, run_id: int, why: str) -> None:
        """End a run: `why` is CANCELED or TIMEDOUT. Returns at once; one that is over stays as it is."""
        with self._lock:
            run = self.load(run_id)
            if run is None or is_over(run):
                return
            run["stop"] = run["stop"] or why
            self._save(run)
        self.advance(run_id)
        self._cancel_launched(run_id, run["attempts"])

    def _cancel_launched(self, run_id: int, attempts: Iterable[Body]) -> None:
        for attempt in attempts:
            if attempt["life"] in ("PENDING", "RUNNING"):
                self.execution.cancel(run_id, attempt["run_id"], run_states.CANCELED)

    def halt_attempt(self, run_id: int, attempt_id: int) -> None:
        """End one task, with its iterations where it has any, or one iteration; nothing where it is over."""
        with self._lock:
            run = self.load(run_id)
            if run is None:
                return
            halted = [each for each in run["attempts"] if attempt_id in (each["run_id"], each["of"])]
            for attempt in [each for each in halted if not is_over(each)]:
                attempt["stop"] = True
            self._save(run)
        self.advance(run_id)
        self._cancel_launched(run_id, [each for each in halted if each.get("stop")])

    def repair(self, run_id: int, keys: set[str], changes: Body) -> int:
        """Run tasks of a run that is over again, with what is downstream and failed; the repair's id."""
        with self._lock:
            run = self.load(run_id)
            assert run is not None, run_id
            now = now_ms()
            repair_id = self._store.next_number("repair", FIRST_RUN_ID)
            run |= changes
            fresh = [self._again(run, before, now) for key, before in latest(run).items() if key in keys]
            begun = {"id": repair_id, "type": "REPAIR", "start_time": now, "end_time": 0}
            begun["task_run_ids"] = [attempt["run_id"] for attempt in fresh]
            run["repairs"].append(begun)
            run |= {"life": "PENDING", "result": "", "message": "", "stop": "", "end_time": 0, "began": now}
            self._save(run)
        self.advance(run_id)
        return repair_id

    def delete(self, run: Body) -> None:
        """Forget a run that is over, with its outputs."""
        with self._store.transaction():
            for attempt in run["attempts"]:
                self._store.delete(ATTEMPT, run_key(attempt["run_id"]))
                self._store.delete(OUTPUT, str(attempt["run_id"]))
            self._store.delete(RUN, run_key(run["run_id"]))
        for attempt in run["attempts"]:
            shutil.rmtree(output_file(self._store.folder, attempt["run_id"]).parent, ignore_errors=True)

    def running(self, run_id: int, attempt_id: int, details: Body) -> None:
        """Told by the execution: the notebook is about to start."""

        def change(attempt: Body) -> None:
            attempt |= {"life": "RUNNING", "message": "In run", "running_since": now_ms(), **details}

        self._change(run_id, attempt_id, change)

    def over(self, run_id: int, attempt_id: int, ending: Ending, values: dict[str, Any]) -> None:
        """Told by the execution, once for each attempt that was launched."""

        def change(attempt: Body) -> None:
            attempt["values"] = values
            end(attempt, ending, now_ms())

        self._change(run_id, attempt_id, change)

    def _change(self, run_id: int, attempt_id: int, change: Callable[[Body], None]) -> None:
        with self._lock:
            run = None if self._stopped else self.load(run_id)
            if run is None:
                return
            attempt = next(each for each in run["attempts"] if each["run_id"] == attempt_id)
            if is_over(attempt):
                return
            change(attempt)
            self._save(run)
        self.advance(run_id)

    def _again(self, run: Body, before: Body, now: int) -> Body:
        """A new attempt in a repair; of a for_each_task only the iterations that did not succeed run again."""
        attempt = new_attempt(run, before["task_key"], self.next_run_id(), now, before=before)
        if "for_each_task" in spec_of(run, before) and "inputs" in before:
            attempt["carries"] = [each["run_id"] for each in iterations(run, before) if succeeded(each)]
        return attempt

    def _active(self, run: Body) -> int:
        """How many other runs of its job are going on."""
        others = [each for each in self._store.list(RUN) if each["job_id"] == run["job_id"]]
        return len([each for each in others if each["run_id"] != run["run_id"] and _goes_on(each)])

    def _save(self, run: Body) -> None:
        with self._store.transaction():
            for attempt in run["attempts"]:
                if not attempt.get("known"):
                    attempt["known"] = True
                    self._store.put(ATTEMPT, run_key(attempt["run_id"]), {"run_id": run["run_id"]})
            self._store.put(RUN, run_key(run["run_id"]), run)

    def _close_repair(self, run: Body) -> None:
        if run["repairs"]:
            shown = {"end_time": now_ms(), "state": run_states.state(run), "status": run_states.status(run)}
            run["repairs"][-1] |= shown

    def _run_over(self, run: Body) -> None:
        self.execution.close(run["run_id"])
        for other in self._store.list(RUN):
            if other["life"] == "QUEUED" and other["job_id"] == run["job_id"]:
                self.advance(other["run_id"])

    def _set_timers(self, run: Body) -> None:
        """Come back for retries that wait, and for the run's timeout, which counts from the end of its queueing."""
        run_id, now = run["run_id"], now_ms()
        pauses = [each["not_before"] - now for each in run["attempts"] if each["life"] == "WAITING_FOR_RETRY"]
        if pauses:
            self._alarms.set(("retry", run_id), max(min(pauses), 0) / 1000, lambda: self.advance(run_id))
        seconds = run["settings"].get("timeout_seconds") or 0
        if is_over(run) or run["stop"]:
            self._alarms.clear(("timeout", run_id))
        elif seconds:
            left = seconds - (now - run["began"]) / 1000
            self._alarms.set(("timeout", run_id), max(left, 0), lambda: self.halt(run_id, "TIMEDOUT"))


def _goes_on(run: Body) -> bool:
    return not is_over(run) and run["life"] != "QUEUED"
