"""Looking at runs: jobs/runs/get, list, get-output and export (Databricks REST reference, Jobs)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body, Call
from mlops_tui.sandbox.execution import OUTPUT, output_file
from mlops_tui.sandbox.git_source import GitSnapshots
from mlops_tui.sandbox.jobs import Jobs, find_job, number
from mlops_tui.sandbox.paging import page, slice_page, whole_number
from mlops_tui.sandbox.run_states import CannotRunError, is_over
from mlops_tui.sandbox.run_views import RunViews, page_of_notebook, repair_history
from mlops_tui.sandbox.scheduling import RUN, Scheduler, run_key
from mlops_tui.sandbox.settling import iterations, latest, spec_of
from mlops_tui.sandbox.tasks import is_from_git
from mlops_tui.sandbox.workspace_files import WorkspaceFiles

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

LATEST = 10**15  # ms since 1970, far beyond any run
ELEMENTS = 100  # tasks or iterations that one answer of Jobs 2.2 holds
RESULT_LIMIT = 5 * 1024 * 1024  # characters of a notebook's result
MANY_TASKS = (
    "Retrieving the output of runs with multiple tasks is not supported. "
    "Please retrieve the output of each individual task run instead."
)


class RunQueries:
    """The handlers that change nothing, and `find`, which the others use too."""

    def __init__(self, sandbox: Sandbox, scheduler: Scheduler, views: RunViews) -> None:
        self.sandbox = sandbox
        self.store = sandbox.store
        self.scheduler = scheduler
        self.views = views

    def get(self, call: Call) -> Body:
        run, attempt = self.find(call, "CAN_VIEW")
        query = call.query
        resolved = query.get("include_resolved_values") == "true"
        token = query.get("page_token", "")
        size = ELEMENTS if call.path.startswith("/api/2.2/") else 10**6
        if attempt:
            view = self.views.of_attempt(run, attempt, resolved)
            rows = iterations(run, attempt)
            name = "iterations"
        else:
            view = self.views.run(run)
            rows = [each for each in run["attempts"] if each["of"] is None]
            name = "tasks"
        if query.get("include_history") == "true" and not attempt:
            view["repair_history"] = repair_history(run)
        shown, following = slice_page(rows, size, token, call.dialect)
        if name == "tasks" or "inputs" in (attempt or {}):
            view[name] = [self.views.task(run, each, resolved) for each in shown]
        return view | ({"next_page_token": following} if following else {})

    def list(self, call: Call) -> Body:
        query = call.query
        if query.get("active_only") == "true" and query.get("completed_only") == "true":
            raise call.dialect.malformed("active_only and completed_only cannot both be true.")
        wanted = _filter(call)
        rows = [run for run in self.store.list(RUN) if wanted(run) and self.may(call, run, "CAN_VIEW")]
        rows.reverse()  # the youngest first
        size = whole_number(call.dialect, query, "limit", 20, 0, 26) or 25
        rows = rows[whole_number(call.dialect, query, "offset", 0, 0, 10**6) :]
        shown, following = page(
            rows, size, query.get("page_token", ""), lambda run: run_key(run["run_id"]), call.dialect
        )
        views = []
        for run in shown:
            view = self.views.run(run)
            tasks = [each for each in run["attempts"] if each["of"] is None]
            if query.get("expand_tasks") == "true":
                view["tasks"] = [self.views.task(run, each) for each in tasks[:ELEMENTS]]
                view |= {"has_more": True} if len(tasks) > ELEMENTS else {}
            views.append(view)
        answer: Body = {"has_more": bool(following)} | ({"runs": views} if views else {})
        return answer | ({"next_page_token": following} if following else {})

    def get_output(self, call: Call) -> Body:
        run, attempt = self.find(call, "CAN_VIEW")
        attempt = attempt or self._only_task(call, run)
        kept = self.store.get(OUTPUT, str(attempt["run_id"])) or {}
        answer: Body = {"metadata": self.views.of_attempt(run, attempt)}
        if "notebook_task" in spec_of(run, attempt):
            result = kept.get("result")
            answer["notebook_output"] = {"truncated": result is not None and len(result) > RESULT_LIMIT}
            if result is not None:
                answer["notebook_output"]["result"] = result[:RESULT_LIMIT]
        if kept.get("error"):
            answer |= {"error": kept["error"], "error_trace": kept.get("trace") or ""}
        elif attempt["result"] == "FAILED":
            answer["error"] = attempt["message"]  # it never came to run
        return answer

    def export(self, call: Call) -> Body:
        """The notebooks of a task's run, as HTML; `views_to_export` other than CODE or ALL gives none."""
        run, attempt = self.find(call, "CAN_VIEW")
        attempt = attempt or self._only_task(call, run)
        if not is_over(attempt):
            raise call.dialect.malformed(
                f"Run {attempt['run_id']} is not finished; only finished runs can be exported."
            )
        if call.query.get("views_to_export", "CODE") == "DASHBOARDS" or "notebook_task" not in spec_of(run, attempt):
            return {"views": []}
        path = spec_of(run, attempt)["notebook_task"]["notebook_path"]
        try:
            source = self._source(run, attempt, path)
        except (ApiError, CannotRunError):  # it was deleted since; what it printed is still there
            source = None
        kept = self.store.get(OUTPUT, str(attempt["run_id"])) or {}
        output = output_file(self.sandbox.folder, attempt["run_id"])
        return {"views": [page_of_notebook(path.rpartition("/")[2], source, output, kept)]}

    def _source(self, run: Body, attempt: Body, path: str) -> Path:
        if is_from_git(run["settings"], spec_of(run, attempt)):
            snapshots = GitSnapshots(self.sandbox)
            return snapshots.file(snapshots.notebook(run, path))
        return self.sandbox.find(WorkspaceFiles).local_path(path)

    def find(self, call: Call, level: str) -> tuple[Body, Body | None]:
        """The run, and the attempt where the id is that of a task's run. 400 or 403 where the caller gets neither."""
        run_id = number(call.dialect, call.need("run_id"), "run_id")
        parent = self.scheduler.parent_of(run_id)
        run = self.scheduler.load(parent or run_id)
        if run is None:
            raise call.dialect.malformed(f"Run {run_id} does not exist.")
        if not self.may(call, run, level):
            raise call.dialect.error(
                403,
                "PERMISSION_DENIED",
                f"User {call.caller.name} does not have permission to access run {run_id}",
            )
        return run, next((each for each in run["attempts"] if each["run_id"] == run_id), None)

    def may(self, call: Call, run: Body, level: str) -> bool:
        """Whether the caller may do that much with the run: by the rights on its job, or because it is theirs."""
        if call.caller.name in (run["creator"], run["owner"]["name"]) or self.sandbox.members.is_admin(call.caller):
            return True
        if run["run_type"] == "SUBMIT_RUN":
            return False
        try:
            self.sandbox.find(Jobs).allow(call, find_job(self.store, call.dialect, run["job_id"]), level)
        except ApiError:
            return False
        return True

    def _only_task(self, call: Call, run: Body) -> Body:
        """The one task of a run in the form of Jobs 2.0; other runs have outputs by task alone."""
        if run["settings"]["format"] != "SINGLE_TASK":
            raise call.dialect.malformed(MANY_TASKS)
        return next(iter(latest(run).values()))


def _filter(call: Call) -> Callable[[Body], bool]:
    """Whether a run is one that the call asks for."""
    query = call.query
    first = whole_number(call.dialect, query, "start_time_from", 0, 0, LATEST)
    last = whole_number(call.dialect, query, "start_time_to", LATEST, 0, LATEST)

    def wanted(run: Body) -> bool:
        over = is_over(run)
        return not (
            (query.get("job_id") and str(run["job_id"]) != query["job_id"])
            or (query.get("active_only") == "true" and over)
            or (query.get("completed_only") == "true" and not over)
            or (query.get("run_type") and run["run_type"] != query["run_type"])
            or not first <= run["start_time"] <= last
        )

    return wanted
