"""One attempt at a notebook task, from its cluster to its outcome. At most PROCESSES run at once; others wait."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlops_tui.sandbox import run_states
from mlops_tui.sandbox.api import ApiError, Body, Principal
from mlops_tui.sandbox.clusters import Clusters
from mlops_tui.sandbox.fleet import KIND as CLUSTER
from mlops_tui.sandbox.git_source import GitSnapshots
from mlops_tui.sandbox.job_clusters import JobClusters
from mlops_tui.sandbox.libraries import Libraries, why_not
from mlops_tui.sandbox.members import KIND as PERSONAL_TOKEN
from mlops_tui.sandbox.references import Lookup, UnknownReferenceError, resolve_all
from mlops_tui.sandbox.run_states import CannotRunError, Ending
from mlops_tui.sandbox.secrets import Secrets
from mlops_tui.sandbox.settling import spec_of
from mlops_tui.sandbox.workspace_files import WorkspaceFiles

if TYPE_CHECKING:
    from mlops_tui.sandbox.notebooks.cluster import Outcome
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")

PROCESSES = 8
OUTPUT = "run-output"  # documents: what a notebook handed back, by the attempt's run id
TOKEN_LIFETIME = 24 * 3600  # seconds; a run's token is deleted at its end, this is for runs that never end


@dataclass(frozen=True)
class Work:
    """An attempt that waits for its cluster or runs on it."""

    run_id: int  # of the job run
    attempt_id: int
    owner: Principal
    spec: Body  # the task's settings
    path: str  # the notebook in the workspace, or where it was checked out
    parameters: dict[str, str]
    task_values: dict[str, Any]  # of the other tasks: {"task.key": value}
    dependencies: tuple[str, ...]  # packages of the serverless environment
    cluster_id: str

    @property
    def checked_out(self) -> bool:
        """From a repository, for this run alone: then its owner's rights in the workspace do not count."""
        return not self.spec["notebook_task"]["notebook_path"].startswith("/")


class Listener(Protocol):
    """Who is told how it goes (the scheduler)."""

    def running(self, run_id: int, attempt_id: int, details: Body) -> None: ...
    def over(self, run_id: int, attempt_id: int, ending: Ending, values: dict[str, Any]) -> None: ...


class Execution:
    """Launches and cancels attempts; safe to use from any thread."""

    def __init__(self, sandbox: Sandbox, listener: Listener, workspace_id: Callable[[], int]) -> None:
        self._sandbox = sandbox
        self._listener = listener
        self._workspace_id = workspace_id
        self._clusters = JobClusters(sandbox)
        self._lock = threading.RLock()
        self._ready: deque[Work] = deque()
        self._waiting: dict[int, Work] = {}  # for their cluster, or for a free process
        self._running: dict[int, Work] = {}
        self._cancelled: set[int] = set()
        self._stopped = False

    def launch(self, run: Body, attempt: Body) -> None:
        """Find its cluster, start it if need be, and run; returns at once."""
        try:
            work = self._prepare(run, attempt)
        except (UnknownReferenceError, CannotRunError) as error:
            code = error.code if isinstance(error, CannotRunError) else "INVALID_RUN_CONFIGURATION"
            self._listener.over(run["run_id"], attempt["run_id"], run_states.refused(str(error), code), {})
            return
        except Exception as error:  # a defect of ours ends the run; it must not wait for ever
            log.exception("run %s", attempt["run_id"])
            ending = run_states.refused(f"The practice cloud failed: {error}", "INTERNAL_ERROR")
            self._listener.over(run["run_id"], attempt["run_id"], ending, {})
            return
        with self._lock:
            self._waiting[work.attempt_id] = work
        fleet = self._sandbox.find(Clusters).fleet
        fleet.hold(work.cluster_id)
        fleet.when_running(work.cluster_id, work.owner.name, lambda problem: self._cluster_told(work, problem))

    def cancel(self, run_id: int, attempt_id: int, ending: Ending) -> None:
        """End one attempt. A running one ends through its process, one that waits at once, with that ending."""
        with self._lock:
            work = self._waiting.pop(attempt_id, None)
            running = self._running.get(attempt_id)
            if running:
                self._cancelled.add(attempt_id)
        if work:
            self._leave(work, ending, {})
        elif running and (machine := self._sandbox.find(Clusters).fleet.machine(running.cluster_id)):
            machine.cancel(attempt_id)

    def close(self, run_id: int) -> None:
        """A job run is over: so are the clusters that were made for it."""
        self._clusters.close(run_id)

    def stop(self) -> None:
        """The sandbox ends; what runs dies with its cluster, and nobody is told: the next start finds it."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            self._ready.clear()

    def revoke(self, token_id: str) -> None:
        """Delete a run's personal token."""
        for key, kept in self._sandbox.store.items(PERSONAL_TOKEN):
            if kept["token_id"] == token_id:
                self._sandbox.store.delete(PERSONAL_TOKEN, key)

    def _prepare(self, run: Body, attempt: Body) -> Work:
        spec = spec_of(run, attempt)
        notebook = spec["notebook_task"]
        lookup = Lookup(run, attempt, self._workspace_id())
        parameters = {**(notebook.get("base_parameters") or {}), **run["notebook_params"]}
        return Work(
            run_id=run["run_id"],
            attempt_id=attempt["run_id"],
            owner=Principal(**run["owner"]),
            spec=spec,
            path=self._path(run, notebook["notebook_path"]),
            # A job's parameters are pushed down to its tasks and win over theirs of the same name.
            parameters=resolve_all(parameters | run["job_parameters"], lookup),
            task_values={
                f"{each['task_key']}.{key}": value
                for each in run["attempts"]
                if each["of"] is None
                for key, value in each["values"].items()
            },
            dependencies=tuple(_environments(run).get(spec.get("environment_key", ""), ())),
            cluster_id=self._clusters.cluster_for(run, spec),
        )

    def _path(self, run: Body, path: str) -> str:
        return path if path.startswith("/") else GitSnapshots(self._sandbox).notebook(run, path)

    def _cluster_told(self, work: Work, problem: str) -> None:
        code = "CLUSTER_ERROR" if problem else "LIBRARY_INSTALLATION_ERROR"
        problem = problem or self._missing(work)
        with self._lock:
            if self._stopped or work.attempt_id not in self._waiting:
                return  # cancelled meanwhile
            if problem:
                del self._waiting[work.attempt_id]
            else:
                self._ready.append(work)
        if problem:
            self._leave(work, run_states.refused(problem, code), {})
        else:
            self._pump()

    def _missing(self, work: Work) -> str:
        """What the task needs and cannot have: libraries on its cluster, or packages of its serverless environment."""
        if libraries := work.spec.get("libraries"):
            return self._sandbox.find(Libraries).missing(work.cluster_id, libraries)
        problems = (why_not({"pypi": {"package": package}}) for package in work.dependencies)
        return next((problem for problem in problems if problem), "")

    def _pump(self) -> None:
        """Start what is ready while there are free processes."""
        while True:
            with self._lock:
                if self._stopped or not self._ready or len(self._running) >= PROCESSES:
                    return
                work = self._ready.popleft()
                if self._waiting.pop(work.attempt_id, None) is None:
                    continue  # cancelled meanwhile
                self._running[work.attempt_id] = work
            self._run(work)

    def _run(self, work: Work) -> None:
        from mlops_tui.sandbox.notebooks.cluster import NotebookRun

        machine = self._sandbox.find(Clusters).fleet.machine(work.cluster_id)
        try:
            notebook = self._notebook(work)
        except CannotRunError as error:
            self._leave(work, run_states.refused(str(error), error.code), {})
            return
        if machine is None:
            self._leave(work, self._lost(work), {})
            return
        token = self._sandbox.members.issue(work.owner, f"run {work.attempt_id}", TOKEN_LIFETIME)
        token_id = token["token_info"]["token_id"]
        details = {"cluster_id": work.cluster_id, "token_id": token_id, "parameters": work.parameters}
        self._listener.running(work.run_id, work.attempt_id, details)
        output = output_file(self._sandbox.folder, work.attempt_id)
        output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run = NotebookRun(
            run_id=work.attempt_id,
            notebook=notebook,
            parameters=work.parameters,
            root=self._sandbox.folder / "files",
            environment=self._environment(token["token_value"], work.path),
            output=output,
            secrets=(*self._sandbox.find(Secrets).values(), token["token_value"]),
            timeout=float(work.spec.get("timeout_seconds") or 0) or None,
            task_values=work.task_values,
            task_key=work.spec["task_key"],
        )
        machine.submit(run, lambda outcome: self._ended(work, outcome, token_id))
        with self._lock:
            too_late = work.attempt_id in self._cancelled  # cancelled before there was anything to end
        if too_late:
            machine.cancel(work.attempt_id)

    def _notebook(self, work: Work) -> Path:
        if work.checked_out:
            return GitSnapshots(self._sandbox).file(work.path)
        try:
            return self._sandbox.find(WorkspaceFiles).local_path(work.path, work.owner)
        except ApiError as error:
            owner = work.owner.display_name
            raise CannotRunError(
                f'Unable to access the notebook "{work.path}". Either it does not exist, or the identity used to run '
                f"this job, {owner} ({work.owner.name}), lacks the required permissions.",
                "RESOURCE_NOT_FOUND",
            ) from error

    def _environment(self, token: str, notebook: str) -> dict[str, str]:
        # As MLflow names the source on Databricks; by itself it would name a file of the sandbox's own.
        source = {"mlflow.source.name": notebook, "mlflow.source.type": "NOTEBOOK"}
        ca = str(self._sandbox.folder / "ca.pem")
        return {
            "DATABRICKS_HOST": self._sandbox.origin,
            "DATABRICKS_TOKEN": token,
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_RUN_CONTEXT": json.dumps(source | {"mlflow.databricks.notebookPath": notebook}),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of pages that only Databricks has
            # The Databricks SDK below MLflow asks for the host's configuration over a new connection for each client:
            # 25 of the 58 calls of a training.
            "MLFLOW_ENABLE_DB_SDK": "false",
            "REQUESTS_CA_BUNDLE": ca,
            "SSL_CERT_FILE": ca,
            "CURL_CA_BUNDLE": ca,
        }

    def _ended(self, work: Work, outcome: Outcome, token_id: str) -> None:
        """Called by the warm process' thread, once."""
        with self._lock:
            if self._stopped:
                return
        self.revoke(token_id)
        kept = {"result": outcome.result, "error": outcome.error, "trace": outcome.trace}
        self._sandbox.store.put(OUTPUT, str(work.attempt_id), kept)
        endings = {"SUCCESS": run_states.SUCCESS, "FAILED": run_states.FAILED, "CANCELED": run_states.CANCELED}
        endings["TIMEDOUT"] = run_states.TIMED_OUT
        ending = endings.get(outcome.state) or self._lost(work)
        self._leave(work, ending, outcome.task_values)

    def _lost(self, work: Work) -> Ending:
        cluster = self._sandbox.store.get(CLUSTER, work.cluster_id) or {}
        message = cluster.get("state_message") or "The driver is gone: its process ended unexpectedly."
        return run_states.cluster_lost(work.cluster_id, message)

    def _leave(self, work: Work, ending: Ending, values: dict[str, Any]) -> None:
        with self._lock:
            self._running.pop(work.attempt_id, None)
            self._cancelled.discard(work.attempt_id)
        self._sandbox.find(Clusters).fleet.let_go(work.cluster_id)
        self._listener.over(work.run_id, work.attempt_id, ending, values)
        self._pump()


def _environments(run: Body) -> dict[str, list[str]]:
    """The packages of the job's environments, by environment key."""
    environments = run["settings"].get("environments") or []
    return {each["environment_key"]: (each.get("spec") or {}).get("dependencies") or [] for each in environments}


def output_file(folder: Path, attempt_id: int) -> Path:
    """Where a run's printed output is, line by line as it comes."""
    return folder / "runs" / str(attempt_id) / "output.log"
