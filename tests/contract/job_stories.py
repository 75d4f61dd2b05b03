"""What the stories of clusters, jobs and runs share: notebooks to run, and waiting."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.compute import ClusterDetails
from databricks.sdk.service.jobs import NotebookTask, Run, SubmitTask, Task
from databricks.sdk.service.workspace import ImportFormat, Language

Value = TypeVar("Value")
RUNTIME = "16.4.x-cpu-ml-scala2.12"
NODE = "Standard_DS3_v2"
FOLDER = "/Shared/stories"
EXITS = "dbutils.widgets.text('x', 'none')\ndbutils.notebook.exit('got ' + dbutils.widgets.get('x'))\n"
FAILS = "raise ValueError('no such column')\n"
SLEEPS = "import time\nprint('asleep', flush=True)\ntime.sleep(60)\n"
PATIENCE = 90.0  # seconds; a warm process takes 5 to be ready, on a busy machine many more


def notebook(workspace: WorkspaceClient, name: str, code: str) -> str:
    """Import a Python notebook; its path."""
    path = f"{FOLDER}/{name}"
    workspace.workspace.mkdirs(FOLDER)
    content = base64.b64encode(f"# Databricks notebook source\n{code}".encode()).decode()
    workspace.workspace.import_(
        path, content=content, format=ImportFormat.SOURCE, language=Language.PYTHON, overwrite=True
    )
    return path


def task(path: str, key: str = "main", **more: Any) -> Task:
    """A notebook task; serverless unless `more` names a cluster."""
    parameters = more.pop("parameters", None)
    return Task(task_key=key, notebook_task=NotebookTask(path, base_parameters=parameters), **more)


def one_time(path: str, key: str = "main", **more: Any) -> SubmitTask:
    """The same for a one-time run."""
    parameters = more.pop("parameters", None)
    return SubmitTask(task_key=key, notebook_task=NotebookTask(path, base_parameters=parameters), **more)


def eventually(look: Callable[[], Value], good: Callable[[Value], bool], seconds: float = PATIENCE) -> Value:
    """Look until it is good; the SDK's own waiters sleep longer than our clusters take."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        value = look()
        if good(value):
            return value
        assert time.monotonic() < deadline, f"still {value}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.4)


def finished(workspace: WorkspaceClient, run_id: int, seconds: float = PATIENCE) -> Run:
    """The run when it is over."""
    over = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
    return eventually(lambda: workspace.jobs.get_run(run_id), lambda run: life(run) in over, seconds)


def life(run: Any) -> str:
    return str(run.state.life_cycle_state.value)


def result(run: Any) -> str:
    return str(run.state.result_state.value) if run.state.result_state else ""


def reaches(workspace: WorkspaceClient, cluster_id: str, state: str, seconds: float = PATIENCE) -> ClusterDetails:
    """The cluster in that state."""

    def is_there(cluster: ClusterDetails) -> bool:
        return cluster.state is not None and cluster.state.value == state

    return eventually(lambda: workspace.clusters.get(cluster_id), is_there, seconds)


@contextmanager
def running_cluster(workspace: WorkspaceClient, name: str) -> Iterator[str]:
    """A cluster that is up; removed afterwards."""
    made = workspace.clusters.create(RUNTIME, cluster_name=name, node_type_id=NODE, num_workers=1)
    assert made.cluster_id
    try:
        reaches(workspace, made.cluster_id, "RUNNING")
        yield made.cluster_id
    finally:
        workspace.clusters.permanent_delete(made.cluster_id)


def job_of(workspace: WorkspaceClient, *tasks: Task, **settings: object) -> int:
    made = workspace.jobs.create(name="a story", tasks=list(tasks), **settings)  # type: ignore[arg-type]  # as given
    assert made.job_id
    return made.job_id


def start(workspace: WorkspaceClient, job_id: int, **more: object) -> int:
    run_id = workspace.jobs.run_now(job_id, **more).run_id  # type: ignore[arg-type]  # as given
    assert run_id
    return run_id


def submitted(workspace: WorkspaceClient, run_name: str, tasks: list[SubmitTask]) -> int:
    return int(workspace.jobs.submit(run_name=run_name, tasks=tasks).bind()["run_id"])


def outputs(workspace: WorkspaceClient, run: Run) -> dict[str, str]:
    """What the tasks of a run handed back, by task key (the last attempt counts)."""
    handed = {}
    for each in run.tasks or []:
        assert each.run_id
        output = workspace.jobs.get_run_output(each.run_id)
        if output.notebook_output and output.notebook_output.result:
            handed[each.task_key] = output.notebook_output.result
    return handed
