"""Stories of runs of several tasks: their order, loops over inputs, repairs and retries."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service.jobs import (
    ForEachTask,
    RunIf,
    Task,
    TaskDependency,
)

from tests.conftest import LiveSandbox
from tests.contract.job_stories import (
    EXITS,
    FAILS,
    finished,
    job_of,
    notebook,
    outputs,
    result,
    start,
    task,
)
from tests.contract.workspace_users import learner

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(240)]


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


def test_tasks_run_in_order_and_hand_values_on(workspace: WorkspaceClient) -> None:
    sets = notebook(workspace, "sets", "dbutils.jobs.taskValues.set('rmse', 0.5)\n")
    gets = "value = dbutils.jobs.taskValues.get('train', 'rmse')\ndbutils.notebook.exit(str(value))\n"
    after = [TaskDependency("train")]
    job_id = job_of(
        workspace,
        task(notebook(workspace, "gets", gets), "judge", depends_on=after),
        task(
            notebook(workspace, "exits", EXITS),
            "tell",
            depends_on=after,
            parameters={"x": "{{tasks.train.values.rmse}}"},
        ),
        task(sets, "train"),
    )
    run = finished(workspace, start(workspace, job_id))
    assert outputs(workspace, run) == {"judge": "0.5", "tell": "got 0.5"}
    begun = {each.task_key: each for each in run.tasks or []}
    assert (begun["judge"].start_time or 0) >= (begun["train"].end_time or 0)


def test_run_if_decides_what_happens_after_a_failure(workspace: WorkspaceClient) -> None:
    fails, exits = notebook(workspace, "fails", FAILS), notebook(workspace, "exits", EXITS)
    after = [TaskDependency("bad")]
    job_id = job_of(
        workspace,
        task(fails, "bad"),
        task(exits, "never", depends_on=after),
        task(exits, "tidy", depends_on=after, run_if=RunIf.ALL_DONE),
        task(exits, "alarm", depends_on=after, run_if=RunIf.AT_LEAST_ONE_FAILED),
        task(exits, "cheer", depends_on=after, run_if=RunIf.NONE_FAILED),
    )
    run = finished(workspace, start(workspace, job_id))
    results = {each.task_key: result(each) for each in run.tasks or []}
    assert results == {
        "bad": "FAILED",
        "never": "UPSTREAM_FAILED",
        "tidy": "SUCCESS",
        "alarm": "SUCCESS",
        "cheer": "EXCLUDED",
    }
    assert result(run) == "FAILED"
    assert run.state
    assert "This caused all downstream tasks to get skipped." in (run.state.state_message or "")


def test_for_each_goes_on_after_a_failing_iteration(workspace: WorkspaceClient) -> None:
    code = (
        "alpha = dbutils.widgets.get('alpha')\n"
        "assert alpha != '0.9', 'too much'\n"
        "dbutils.notebook.exit(alpha + ' ' + dbutils.widgets.get('whole'))\n"
    )
    inner = task(
        notebook(workspace, "sweep", code), "fit", parameters={"alpha": "{{input.alpha}}", "whole": "{{input}}"}
    )
    inputs = json.dumps([{"alpha": 0.9}, {"alpha": 0.1}, {"alpha": 0.2}])
    loop = Task(task_key="sweep", for_each_task=ForEachTask(inputs, inner, concurrency=2))
    run = finished(workspace, start(workspace, job_of(workspace, loop)))
    assert result(run) == "FAILED"
    (outer,) = run.tasks or []
    assert outer.for_each_task
    assert outer.for_each_task.stats
    assert outer.for_each_task.stats.task_run_stats
    counted = outer.for_each_task.stats.task_run_stats.as_dict()
    assert (counted["total_iterations"], counted["failed_iterations"], counted["succeeded_iterations"]) == (3, 1, 2)
    of_task = workspace.jobs.get_run(outer.run_id or 0, include_resolved_values=True)
    rows = of_task.iterations or []
    assert [result(each) for each in rows] == ["FAILED", "SUCCESS", "SUCCESS"]
    second = workspace.jobs.get_run_output(rows[1].run_id or 0).notebook_output
    assert second
    assert second.result == '0.1 {"alpha": 0.1}'
    assert rows[2].resolved_values
    assert rows[2].resolved_values.notebook_task
    assert rows[2].resolved_values.notebook_task.base_parameters == {"alpha": "0.2", "whole": '{"alpha": 0.2}'}


def test_many_iterations_come_in_pages_and_a_reference_may_give_the_inputs(workspace: WorkspaceClient) -> None:
    code = "dbutils.jobs.taskValues.set('sets', list(range(103)))\n"
    quick = task(notebook(workspace, "quick", "pass\n"), "fit", parameters={"x": "{{input}}"})
    inputs = "{{tasks.plan.values.sets}}"
    loop = Task(
        task_key="sweep",
        depends_on=[TaskDependency("plan")],
        for_each_task=ForEachTask(inputs, quick, concurrency=100),
    )
    job_id = job_of(workspace, task(notebook(workspace, "plan", code), "plan"), loop)
    run = finished(workspace, start(workspace, job_id))
    assert result(run) == "SUCCESS"
    outer = next(each for each in run.tasks or [] if each.task_key == "sweep")
    whole = workspace.jobs.get_run(outer.run_id or 0)  # the SDK fetches the second page
    assert len({each.run_id for each in whole.iterations or []}) == 103
    path = "/api/2.2/jobs/runs/get"
    page = workspace.api_client.do("GET", path, query={"run_id": outer.run_id})
    assert isinstance(page, dict)
    assert len(page["iterations"]) == 100
    assert page["next_page_token"]


def test_a_repair_runs_what_failed_again_and_keeps_what_went_well(
    workspace: WorkspaceClient, live: LiveSandbox
) -> None:
    flag = live.folder / "files" / "dbfs" / "mended"
    flag.unlink(missing_ok=True)
    code = "import os\nassert os.path.exists('/dbfs/mended') or dbutils.widgets.get('x') != '2'\n"
    inner = task(notebook(workspace, "mendable", code), "fit", parameters={"x": "{{input}}"})
    exits = notebook(workspace, "exits", EXITS)
    job_id = job_of(
        workspace,
        task(exits, "load"),
        Task(
            task_key="sweep",
            for_each_task=ForEachTask("[1, 2, 3]", inner),
            depends_on=[TaskDependency("load")],
        ),
        task(exits, "choose", depends_on=[TaskDependency("sweep")]),
    )
    run_id = start(workspace, job_id)
    broken = finished(workspace, run_id)
    assert [result(each) for each in broken.tasks or []] == ["SUCCESS", "FAILED", "UPSTREAM_FAILED"]
    flag.parent.mkdir(parents=True, exist_ok=True)
    flag.touch()
    repaired = workspace.jobs.repair_run_and_wait(run_id, rerun_all_failed_tasks=True)
    assert result(repaired) == "SUCCESS"
    tries = [(each.task_key, each.attempt_number, result(each)) for each in repaired.tasks or []]
    assert tries[3:] == [("sweep", 1, "SUCCESS"), ("choose", 1, "SUCCESS")]
    before, after = (
        [each.run_id for each in workspace.jobs.get_run(one.run_id or 0).iterations or []]
        for one in (repaired.tasks or [])
        if one.task_key == "sweep"
    )
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    history = workspace.jobs.get_run(run_id, include_history=True).repair_history or []
    assert [(each.type.value if each.type else "", result(each)) for each in history] == [
        ("ORIGINAL", "FAILED"),
        ("REPAIR", "SUCCESS"),
    ]
    with pytest.raises(InvalidParameterValue, match="latest_repair_id"):
        workspace.jobs.repair_run(run_id, rerun_tasks=["choose"])
    again = workspace.jobs.repair_run(run_id, rerun_tasks=["choose"], latest_repair_id=history[1].id)
    assert again.response.as_dict()["repair_id"] != history[1].id  # type: ignore[attr-defined]  # Wait is untyped
    assert result(finished(workspace, run_id)) == "SUCCESS"


def test_a_task_is_tried_again_as_often_as_it_says(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "fails", FAILS)
    run = finished(
        workspace, start(workspace, job_of(workspace, task(path, max_retries=2, min_retry_interval_millis=50)))
    )
    assert [(each.attempt_number, result(each)) for each in run.tasks or []] == [
        (0, "FAILED"),
        (1, "FAILED"),
        (2, "FAILED"),
    ]
