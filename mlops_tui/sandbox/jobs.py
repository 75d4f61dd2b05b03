"""Jobs: /api/2.0, 2.1 and 2.2/jobs/… (Databricks REST reference, Jobs). Their runs are in `runs`."""

from __future__ import annotations

from typing import Any

from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, Service
from mlops_tui.sandbox.clusters import Clusters
from mlops_tui.sandbox.dialects import DATABRICKS, Dialect
from mlops_tui.sandbox.fleet import now_ms
from mlops_tui.sandbox.git_source import check_git_source
from mlops_tui.sandbox.paging import page, slice_page, whole_number
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.store import Store
from mlops_tui.sandbox.tasks import check_settings, with_tasks

KIND = "job"
VERSIONS = ("2.0", "2.1", "2.2")
FIRST_JOB_ID = 100
ELEMENTS = 100  # tasks, job clusters or parameters that one answer of Jobs 2.2 holds
FIRST_TASK = "main"  # the key of a task that came in the form of Jobs 2.0
LEVELS = {"CAN_VIEW": "View", "CAN_MANAGE_RUN": "Manage Run", "CAN_MANAGE": "Manage"}
DEFAULTS: Body = {
    "name": "Untitled",
    "email_notifications": {},
    "webhook_notifications": {},
    "timeout_seconds": 0,
    "max_concurrent_runs": 1,
}


class Jobs(Service):
    """The definitions of jobs."""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        handlers: list[tuple[str, str, Handler]] = [
            ("POST", "create", self.create),
            ("GET", "get", self.get),
            ("GET", "list", self.list),
            ("POST", "reset", self.reset),
            ("POST", "update", self.update),
            ("POST", "delete", self.delete),
        ]
        return [
            self.on(method, f"/api/{version}/jobs/{name}", handler)
            for version in VERSIONS
            for method, name, handler in handlers
        ]

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)

    def create(self, call: Call) -> Body:
        settings = DEFAULTS | with_tasks(call.json(), FIRST_TASK)
        self._check(call, settings)
        job_id = self.store.next_number("job", FIRST_JOB_ID)
        job = {
            "job_id": job_id,
            "creator_user_name": call.caller.name,
            "run_as_user_name": call.caller.name,
            "created_time": now_ms(),
            "settings": settings,
            "owner": vars(call.caller),
        }
        self.store.insert(KIND, job_key(job_id), job)
        self.sandbox.find(Permissions).claim("jobs", str(job_id), call.caller.name)
        return {"job_id": job_id}

    def find(self, call: Call, level: str) -> Body:
        """The job that the call names, where its caller may do that much with it; 400 or 403 otherwise."""
        job_id = number(call.dialect, call.need("job_id"), "job_id")
        job = find_job(self.store, call.dialect, job_id)
        self.allow(call, job, level)
        return job

    def allow(self, call: Call, job: Body, level: str) -> None:
        """Refuse (403) a caller who may not."""
        if not self.sandbox.find(Permissions).allows(call.caller, "jobs", str(job["job_id"]), level):
            raise call.dialect.error(
                403,
                "PERMISSION_DENIED",
                f"User {call.caller.name} does not have {LEVELS[level]} or Owner or Admin permissions "
                f"on job {job['job_id']}",
            )

    def get(self, call: Call) -> Body:
        job = self.find(call, "CAN_VIEW")
        view = {name: value for name, value in job.items() if name != "owner"}
        if not call.path.startswith("/api/2.2/"):
            return view
        settings, following = paged(job["settings"], call.query.get("page_token", ""), call.dialect)
        view["settings"] = settings
        return view | ({"next_page_token": following, "has_more": True} if following else {})

    def list(self, call: Call) -> Body:
        query = call.query
        jobs = [job for job in self.store.list(KIND) if self._visible(call, job)]
        if name := query.get("name", ""):
            jobs = [job for job in jobs if job["settings"]["name"].lower() == name.lower()]
        jobs.reverse()  # the youngest first
        size = whole_number(call.dialect, query, "limit", 20, 1, 100)
        jobs = jobs[whole_number(call.dialect, query, "offset", 0, 0, 10**6) :]
        shown, following = page(jobs, size, query.get("page_token", ""), _key_of, call.dialect)
        rows = [_brief(job, query.get("expand_tasks") == "true") for job in shown]
        answer: Body = {"has_more": bool(following)} | ({"jobs": rows} if rows else {})
        return answer | ({"next_page_token": following} if following else {})

    def reset(self, call: Call) -> Body:
        job = self.find(call, "CAN_MANAGE")
        settings = DEFAULTS | with_tasks(call.need("new_settings"), FIRST_TASK)
        self._write(call, job, settings)
        return {}

    def update(self, call: Call) -> Body:
        """Top-level fields are replaced, but tasks and job clusters are merged by their keys."""
        job = self.find(call, "CAN_MANAGE")
        wanted = call.json()
        settings = dict(job["settings"])
        for name, value in (wanted.get("new_settings") or {}).items():
            key = {"tasks": "task_key", "job_clusters": "job_cluster_key"}.get(name)
            settings[name] = _merged(settings.get(name) or [], value, key) if key else value
        for name in wanted.get("fields_to_remove") or []:
            _remove(settings, name)
        self._write(call, job, DEFAULTS | settings)
        return {}

    def delete(self, call: Call) -> Body:
        job = self.find(call, "CAN_MANAGE")
        self.store.delete(KIND, job_key(job["job_id"]))
        self.sandbox.find(Permissions).forget("jobs", str(job["job_id"]))
        return {}

    def _write(self, call: Call, job: Body, settings: Body) -> None:
        self._check(call, settings)
        self.store.put(KIND, job_key(job["job_id"]), job | {"settings": settings})

    def _check(self, call: Call, settings: Body) -> None:
        check_settings(call.dialect, settings)
        check_git_source(self.sandbox, call.dialect, settings)
        check_clusters(self.sandbox.find(Clusters), call, settings)

    def _visible(self, call: Call, job: Body) -> bool:
        return self.sandbox.find(Permissions).allows(call.caller, "jobs", str(job["job_id"]), "CAN_VIEW")


def job_key(job_id: int) -> str:
    """Keys sort as numbers do."""
    return f"{job_id:016d}"


def find_job(store: Store, dialect: Dialect, job_id: int) -> Body:
    """The job of that id; the platform's 400 where there is none."""
    job = store.get(KIND, job_key(job_id))
    if job is None:
        raise dialect.malformed(f"Job {job_id} does not exist.")
    return job


def number(dialect: Dialect, value: Any, name: str) -> int:
    """An id from a query or a body; MALFORMED_REQUEST (400) where it is none."""
    if isinstance(value, bool) or not str(value).isdecimal() or len(str(value)) > 15:
        raise dialect.error(
            400, "MALFORMED_REQUEST", f"Could not parse request object: Expected 'int64' for field {name}: {value}"
        )
    return int(value)


def check_clusters(clusters: Clusters, call: Call, settings: Body) -> None:
    """The clusters that tasks name must be there, and the caller's to use, when a job is written. Later they may go."""
    for task in settings.get("tasks") or []:
        named = (task.get("for_each_task") or {}).get("task", task).get("existing_cluster_id")
        if named:
            clusters.allow(call, clusters.named(call, named), "CAN_ATTACH_TO")


def paged(settings: Body, token: str, dialect: Dialect) -> tuple[Body, str]:
    """Settings with a page of their long lists, as Jobs 2.2 hands them out, and the token of the next page."""
    shown, following = dict(settings), ""
    for name in ("tasks", "job_clusters", "parameters", "environments"):
        if name in settings:
            shown[name], more = slice_page(settings[name] or [], ELEMENTS, token, dialect)
            following = following or more
    return shown, following


def _brief(job: Body, expanded: bool) -> Body:
    long = () if expanded else ("tasks", "job_clusters", "parameters", "environments")
    settings = {name: value for name, value in job["settings"].items() if name not in long}
    tasks = job["settings"].get("tasks") or []
    if expanded and len(tasks) > ELEMENTS:
        settings["tasks"] = tasks[:ELEMENTS]
    kept = {name: job[name] for name in ("job_id", "creator_user_name", "created_time")}
    return kept | {"settings": settings} | ({"has_more": True} if len(tasks) > ELEMENTS else {})


def _merged(before: list[Body], changes: list[Body], key: str) -> list[Body]:
    merged = {each[key]: each for each in before}
    for change in changes:
        merged[change.get(key, "")] = change
    return list(merged.values())


def _remove(settings: Body, path: str) -> None:
    """Remove a field, or with "tasks/KEY" one task."""
    name, _, key = path.partition("/")
    if not key:
        settings.pop(name, None)
    elif isinstance(settings.get(name), list):
        keys = ("task_key", "job_cluster_key", "name")
        settings[name] = [each for each in settings[name] if key not in [each.get(field) for field in keys]]


def _key_of(job: Body) -> str:
    return job_key(job["job_id"])
