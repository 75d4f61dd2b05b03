"""Runs as the API shows them (Databricks REST reference, Jobs 2.1 and 2.2: runs/get, runs/list, runs/export)."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.clusters import SERVERLESS
from mlops_tui.sandbox.git_source import GitSnapshots
from mlops_tui.sandbox.run_states import is_over, state, status, succeeded
from mlops_tui.sandbox.settling import iterations, spec_of

EXPORTED = 5 * 1024 * 1024  # bytes of printed output that an export shows
# What runs/get of a task's run shows of the task and not of the job's run.
OF_ITS_OWN = (
    "run_id",
    "attempt_number",
    "start_time",
    "end_time",
    "setup_duration",
    "execution_duration",
    "cleanup_duration",
    "state",
    "status",
    "run_page_url",
)


class RunViews:
    """Knows the address under which runs are shown, and what they have checked out."""

    def __init__(self, origin: str, workspace_id: Callable[[], int], snapshots: GitSnapshots) -> None:
        self._origin = origin
        self._workspace_id = workspace_id
        self._snapshots = snapshots

    @property
    def _page(self) -> str:
        return f"{self._origin}/?o={self._workspace_id()}#job"

    def run(self, run: Body) -> Body:
        """What runs/get and runs/list have in common; without tasks."""
        settings = run["settings"]
        over = is_over(run)
        parameters = [
            {"name": each["name"], "default": each["default"], "value": run["job_parameters"][each["name"]]}
            for each in settings.get("parameters") or []
        ]
        return {
            "job_id": run["job_id"],
            "run_id": run["run_id"],
            "job_run_id": run["run_id"],
            "number_in_job": run["run_id"],
            "original_attempt_run_id": run["run_id"],
            "attempt_number": 0,
            "creator_user_name": run["creator"],
            "run_name": run["run_name"],
            "run_type": run["run_type"],
            "trigger": run["trigger"],
            "run_page_url": f"{self._page}/{run['job_id']}/run/{run['run_id']}",
            "format": settings["format"],
            "start_time": run["start_time"],
            "end_time": run["end_time"],
            "setup_duration": 0,
            "execution_duration": 0,
            "cleanup_duration": 0,
            "queue_duration": run["queue_duration"],
            **({"run_duration": run["end_time"] - run["start_time"]} if over else {}),
            "state": state(run),
            "status": status(run),
            "job_clusters": settings.get("job_clusters") or [],
            "job_parameters": parameters,
            "overriding_parameters": run["overriding"],
            **self._git_source(run),
        }

    def _git_source(self, run: Body) -> Body:
        source = run["settings"].get("git_source")
        if not source:
            return {}
        commit = self._snapshots.used_commit(run["run_id"])
        return {"git_source": source | ({"git_snapshot": {"used_commit": commit}} if commit else {})}

    def task(self, run: Body, attempt: Body, resolved: bool = False) -> Body:
        """One item of `tasks` or `iterations`."""
        began, running, ended = attempt["start_time"], attempt["running_since"], attempt["end_time"]
        over = is_over(attempt)
        view: Body = {
            **spec_of(run, attempt),
            "run_id": attempt["run_id"],
            "attempt_number": attempt["attempt_number"],
            "start_time": began,
            "end_time": ended,
            "setup_duration": (running or ended or began) - began,
            "execution_duration": ended - running if over and running else 0,
            "cleanup_duration": 0,
            "state": state(attempt),
            "status": status(attempt),
            "run_page_url": f"{self._page}/{run['job_id']}/run/{attempt['run_id']}",
        }
        view.setdefault("run_if", "ALL_SUCCESS")
        if attempt["cluster_id"] not in ("", SERVERLESS):
            view["cluster_instance"] = {"cluster_id": attempt["cluster_id"]}
        if "for_each_task" in view:
            view["for_each_task"] = {**view["for_each_task"], "stats": stats(run, attempt)}
        if resolved and "parameters" in attempt:
            view["resolved_values"] = {"notebook_task": {"base_parameters": attempt["parameters"]}}
        return view

    def of_attempt(self, run: Body, attempt: Body, resolved: bool = False) -> Body:
        """runs/get of a task's run id: the run with this task alone, in the task's own state."""
        task = self.task(run, attempt, resolved)
        view = {**self.run(run), **{name: task[name] for name in OF_ITS_OWN}, "tasks": [task]}
        view["run_name"] = attempt["task_key"]
        view["original_attempt_run_id"] = attempt["original_attempt_run_id"]
        return view


def repair_history(run: Body) -> list[Body]:
    """The first run and its repairs."""
    repaired = {run_id for repair in run["repairs"] for run_id in repair["task_run_ids"]}
    first = [each for each in run["attempts"] if each["of"] is None and each["run_id"] not in repaired]
    original = {
        "type": "ORIGINAL",
        "start_time": run["start_time"],
        "end_time": run["first_ending"]["end_time"] if run["repairs"] else run["end_time"],
        "state": run["first_ending"]["state"] if run["repairs"] else state(run),
        "status": run["first_ending"]["status"] if run["repairs"] else status(run),
        "task_run_ids": [each["run_id"] for each in first],
    }
    current = {"state": state(run), "status": status(run)}
    return [original, *({**current, **repair} for repair in run["repairs"])]


def stats(run: Body, loop: Body) -> Body:
    """How far a for_each_task is, and the messages of iterations that failed."""
    total = len(loop.get("inputs", ()))
    current = iterations(run, loop)
    over = [each for each in current if is_over(each)]
    bad = [each for each in over if not succeeded(each)]
    messages = Counter((each["message"], each["code"]) for each in bad)
    return {
        "task_run_stats": {
            "total_iterations": total,
            "scheduled_iterations": len(current),
            "active_iterations": len(current) - len(over),
            "completed_iterations": len(over),
            "succeeded_iterations": len(over) - len(bad),
            "failed_iterations": len(bad),
        },
        "error_message_stats": [
            {"error_message": message, "count": count, "termination_category": code}
            for (message, code), count in messages.items()
        ],
    }


def page_of_notebook(name: str, source: Path | None, output: Path, result: Body) -> Body:
    """One view of runs/export: the notebook with what it printed, as an HTML page."""
    code = source.read_text(errors="replace") if source and source.exists() else ""
    printed = ""
    if output.exists():
        with output.open(errors="replace") as file:
            printed = file.read(EXPORTED)
    parts = [("source", code), ("output", printed), ("result", result.get("result") or "")]
    parts.append(("error", result.get("trace") or result.get("error") or ""))
    blocks = [f'<h2>{title}</h2>\n<pre class="{title}">{html.escape(text)}</pre>' for title, text in parts if text]
    title = html.escape(name)
    content = (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n" + "\n".join(blocks) + "\n</body></html>\n"
    )
    return {"name": name, "type": "NOTEBOOK", "content": content}
