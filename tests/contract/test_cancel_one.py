"""Ending one iteration of a sweep while the others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import ForEachTask, RunTask, Task

from tests.conftest import LiveSandbox
from tests.contract.job_stories import eventually, finished, job_of, life, notebook, result, start, task
from tests.contract.workspace_users import learner

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(240)]

WAITS = (
    "import time\n"
    "dbutils.widgets.text('seconds', '0')\n"
    "time.sleep(float(dbutils.widgets.get('seconds')))\n"
    "dbutils.notebook.exit('done')\n"
)


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


def sweep(workspace: WorkspaceClient, seconds: list[str], concurrency: int, **nested: int) -> int:
    """A run whose iterations take so long."""
    each = task(notebook(workspace, "waits", WAITS), "each", parameters={"seconds": "{{input}}"}, **nested)
    loop = Task(task_key="all", for_each_task=ForEachTask(json.dumps(seconds), each, concurrency=concurrency))
    return start(workspace, job_of(workspace, loop))


def begun(workspace: WorkspaceClient, run_id: int) -> list[RunTask]:
    (loop,) = workspace.jobs.get_run(run_id).tasks or []
    return workspace.jobs.get_run(loop.run_id or 0).iterations or []


def test_one_iteration_ends_and_the_others_go_on(workspace: WorkspaceClient) -> None:
    run_id = sweep(workspace, ["60", "2", "0"], concurrency=2, max_retries=2)
    running = eventually(
        lambda: begun(workspace, run_id), lambda each: len(each) == 2 and all(life(one) == "RUNNING" for one in each)
    )
    workspace.jobs.cancel_run(running[0].run_id or 0)
    run = finished(workspace, run_id)
    ended = begun(workspace, run_id)
    assert [result(each) for each in ended] == ["CANCELED", "SUCCESS", "SUCCESS"]
    assert ended[0].attempt_number == 0, "what somebody has ended is not tried again"
    assert result(run) == "FAILED"
    assert run.state
    assert "1 of 3 iterations failed: Run cancelled" in (run.state.state_message or "")
    workspace.jobs.cancel_run(running[0].run_id or 0)  # what is over stays as it is
    assert [result(each) for each in begun(workspace, run_id)] == ["CANCELED", "SUCCESS", "SUCCESS"]


def test_a_cancelled_loop_takes_its_iterations_along(workspace: WorkspaceClient) -> None:
    run_id = sweep(workspace, ["60", "60", "60"], concurrency=2)
    eventually(lambda: begun(workspace, run_id), lambda each: len(each) == 2)
    (loop,) = workspace.jobs.get_run(run_id).tasks or []
    workspace.jobs.cancel_run(loop.run_id or 0)
    run = finished(workspace, run_id)
    assert [result(each) for each in run.tasks or []] == ["CANCELED"]
    assert [result(each) for each in begun(workspace, run_id)] == ["CANCELED", "CANCELED"], "the third never begins"
