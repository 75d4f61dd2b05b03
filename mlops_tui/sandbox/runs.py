"""Runs of jobs: /api/2.0, 2.1 and 2.2/jobs/run-now and jobs/runs/… (Databricks REST reference, Jobs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, Service
from mlops_tui.sandbox.clusters import Clusters
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.fleet import now_ms
from mlops_tui.sandbox.git_source import GitSnapshots, check_git_source
from mlops_tui.sandbox.jobs import FIRST_JOB_ID, FIRST_TASK, VERSIONS, Jobs, check_clusters
from mlops_tui.sandbox.run_queries import RunQueries
from mlops_tui.sandbox.run_states import failed, is_over, state, status
from mlops_tui.sandbox.run_views import RunViews
from mlops_tui.sandbox.scheduling import RUN, TOKEN, Scheduler
from mlops_tui.sandbox.settling import latest
from mlops_tui.sandbox.tasks import check_settings, check_text_map, not_here, with_tasks

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

TOKEN_LENGTH = 64


class Runs(Service):
    """Starting, watching, ending and repairing runs; `scheduler` moves them along."""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.scheduler = Scheduler(sandbox, self._workspace_id)
        views = RunViews(sandbox.origin, self._workspace_id, GitSnapshots(sandbox))
        self.queries = RunQueries(sandbox, self.scheduler, views)

    def routes(self) -> list[Endpoint]:
        handlers: list[tuple[str, str, Handler]] = [
            ("POST", "run-now", self.run_now),
            ("POST", "runs/submit", self.submit),
            ("GET", "runs/get", self.queries.get),
            ("GET", "runs/list", self.queries.list),
            ("GET", "runs/get-output", self.queries.get_output),
            ("GET", "runs/export", self.queries.export),
            ("POST", "runs/cancel", self.cancel),
            ("POST", "runs/cancel-all", self.cancel_all),
            ("POST", "runs/delete", self.delete),
            ("POST", "runs/repair", self.repair),
        ]
        return [
            self.on(method, f"/api/{version}/jobs/{name}", handler)
            for version in VERSIONS
            for method, name, handler in handlers
        ]

    def start(self) -> None:
        self.scheduler.recover()

    def stop(self) -> None:
        self.scheduler.stop()

    def forget_workspace(self) -> None:
        for run in self.store.list(RUN):
            self.scheduler.halt(run["run_id"], "CANCELED")
            self.scheduler.delete(run)
        GitSnapshots(self.sandbox).forget_all()
        for key, _ in self.store.items(TOKEN):
            self.store.delete(TOKEN, key)

    def run_now(self, call: Call) -> Body:
        wanted = call.json()
        job = self.sandbox.find(Jobs).find(call, "CAN_MANAGE_RUN")
        settings = job["settings"]
        if not settings.get("tasks"):
            raise call.dialect.malformed(f"Job {job['job_id']} has no tasks to run.")
        if wanted.get("only"):
            raise not_here(call.dialect, "only")
        if "queue" in wanted:
            settings = {**settings, "queue": wanted["queue"]}
        names = _checked_parameters(call, settings, wanted)
        run = {
            "job_id": job["job_id"],
            "run_name": settings["name"],
            "run_type": "JOB_RUN",
            "settings": settings,
            "owner": job["owner"],
            "job_parameters": names,
        }
        run_id = self._begin(call, run, str(job["job_id"]), wanted)
        return {"run_id": run_id, "number_in_job": run_id}

    def submit(self, call: Call) -> Body:
        wanted = call.json()
        settings = with_tasks({"max_concurrent_runs": 1, **wanted}, FIRST_TASK)
        if not settings.get("tasks"):
            raise call.dialect.malformed("One-time runs must have at least one task.")
        check_settings(call.dialect, settings)
        check_git_source(self.sandbox, call.dialect, settings)
        check_clusters(self.sandbox.find(Clusters), call, settings)
        run = {
            "job_id": self.store.next_number("job", FIRST_JOB_ID),  # a job of its own that nobody can see
            "run_name": wanted.get("run_name") or "Untitled",
            "run_type": "SUBMIT_RUN",
            "settings": settings,
            "owner": vars(call.caller),
            "job_parameters": {},
        }
        return {"run_id": self._begin(call, run, "submit", wanted)}

    def _begin(self, call: Call, run: Body, scope: str, wanted: Body) -> int:
        """Add the run and set it going, once for each idempotency token within `scope`; its run id."""
        token = wanted.get("idempotency_token") or ""
        if len(token) > TOKEN_LENGTH:
            raise call.dialect.malformed(f"The idempotency_token must have at most {TOKEN_LENGTH} characters.")
        run_id, now = self.scheduler.next_run_id(), now_ms()
        notebook_params = wanted.get("notebook_params") or {}
        run |= {
            "run_id": run_id,
            "trigger": "ONE_TIME",
            "creator": call.caller.name,
            "notebook_params": notebook_params,
            "overriding": {"notebook_params": notebook_params} if notebook_params else {},
            "life": "PENDING",
            "result": "",
            "message": "",
            "stop": "",
            "start_time": now,
            "began": now,
            "end_time": 0,
            "queue_duration": 0,
            "attempts": [],
            "repairs": [],
        }
        known = self.scheduler.add(run, f"{scope}/{token}" if token else "")
        if known != run_id:
            return self._known(call, known, token)
        self.scheduler.advance(run_id)
        return run_id

    def _known(self, call: Call, run_id: int, token: str) -> int:
        if self.scheduler.load(run_id) is None:
            raise call.dialect.malformed(f"The run with the idempotency token {token} has been deleted.")
        return run_id

    def cancel(self, call: Call) -> Body:
        """A job's run, or one task or iteration of it: then the others go on."""
        run, attempt = self.queries.find(call, "CAN_MANAGE_RUN")
        if attempt:
            self.scheduler.halt_attempt(run["run_id"], attempt["run_id"])
        else:
            self.scheduler.halt(run["run_id"], "CANCELED")
        return {}

    def cancel_all(self, call: Call) -> Body:
        wanted = call.json()
        if wanted.get("all_queued_runs") and not wanted.get("job_id"):
            chosen = [run for run in self.store.list(RUN) if run["life"] == "QUEUED"]
        else:
            job_id = self.sandbox.find(Jobs).find(call, "CAN_MANAGE_RUN")["job_id"]
            chosen = [run for run in self.store.list(RUN) if run["job_id"] == job_id]
        chosen.sort(key=lambda run: run["life"] != "QUEUED")  # else the end of one would let the next one start
        for run in chosen:
            if self.queries.may(call, run, "CAN_MANAGE_RUN"):
                self.scheduler.halt(run["run_id"], "CANCELED")
        return {}

    def delete(self, call: Call) -> Body:
        run, _ = self.queries.find(call, "CAN_MANAGE")
        if not is_over(run):
            raise call.dialect.error(
                400, "INVALID_STATE", f"Run {run['run_id']} is active. Cancel it, and delete it when it has ended."
            )
        self.scheduler.delete(run)
        GitSnapshots(self.sandbox).forget(run["run_id"])
        return {}

    def repair(self, call: Call) -> Body:
        run, attempt = self.queries.find(call, "CAN_MANAGE_RUN")
        wanted = call.json()
        if attempt:
            raise call.dialect.malformed(
                f"Run {attempt['run_id']} is a task's run; repair its job run {run['run_id']}."
            )
        if not is_over(run) or run["life"] == "SKIPPED":
            raise call.dialect.error(400, "INVALID_STATE", f"Run {run['run_id']} is not in a state to be repaired.")
        last = run["repairs"][-1]["id"] if run["repairs"] else None
        if wanted.get("latest_repair_id") != last:
            raise call.dialect.malformed(
                f"latest_repair_id must be the id of the latest repair of run {run['run_id']}: {last}."
            )
        keys = _tasks_to_repair(call, run, wanted)
        names = run["job_parameters"]
        if wanted.get("job_parameters"):
            names = _checked_parameters(call, run["settings"], wanted)
        changes = {"job_parameters": names} | ({} if run["repairs"] else {"first_ending": _ending_shown(run)})
        check_text_map(call.dialect, wanted.get("notebook_params"), "notebook_params")
        if wanted.get("notebook_params"):
            changes["notebook_params"] = wanted["notebook_params"]
        return {"repair_id": self.scheduler.repair(run["run_id"], keys, changes)}

    def _workspace_id(self) -> int:
        workspace = self.sandbox.members.workspace()
        return int((workspace or {}).get("properties", {}).get("workspaceId") or 0)


def _checked_parameters(call: Call, settings: Body, wanted: Body) -> dict[str, str]:
    """The job's parameters of a run: defaults, and what the call puts in their place. 400 on what does not fit."""
    defaults = {each["name"]: each["default"] for each in settings.get("parameters") or []}
    for name in ("job_parameters", "notebook_params"):
        check_text_map(call.dialect, wanted.get(name), name)
    if defaults and wanted.get("notebook_params"):
        raise call.dialect.malformed("notebook_params cannot be used with a job that has job parameters.")
    given: dict[str, str] = wanted.get("job_parameters") or {}
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise call.dialect.malformed(f"Job parameters that the job does not define: {', '.join(unknown)}")
    return defaults | given


def _tasks_to_repair(call: Call, run: Body, wanted: Body) -> set[str]:
    current = latest(run)
    keys = set(wanted.get("rerun_tasks") or [])
    if wanted.get("rerun_all_failed_tasks"):
        keys |= {key for key, each in current.items() if failed(each) or each["result"].startswith("UPSTREAM_")}
    if unknown := keys - set(current):
        raise call.dialect.malformed(f"Task keys that the run does not have: {', '.join(sorted(unknown))}")
    if not keys:
        raise call.dialect.malformed("There is nothing to repair: give rerun_tasks, or rerun_all_failed_tasks.")
    if wanted.get("rerun_dependent_tasks"):
        for task in run["settings"]["tasks"] * len(current):  # once more for each task, whatever their order
            if keys.intersection(each["task_key"] for each in task.get("depends_on") or []):
                keys.add(task["task_key"])
    return keys


def _ending_shown(run: Body) -> Body:
    """What the repair history says of the run before its first repair."""
    return {"end_time": run["end_time"], "state": state(run), "status": status(run)}
