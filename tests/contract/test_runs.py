"""Stories of runs: notebooks that really run, side by side, that are cancelled, repaired and lost."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, OperationFailed, ResourceDoesNotExist
from databricks.sdk.service.compute import ClusterSpec, Environment
from databricks.sdk.service.jobs import (
    ForEachTask,
    JobCluster,
    JobEnvironment,
    JobParameterDefinition,
    QueueSettings,
    Run,
    RunIf,
    SubmitTask,
    Task,
    TaskDependency,
)

from tests.conftest import LiveSandbox
from tests.contract.job_stories import (
    NODE,
    RUNTIME,
    eventually,
    finished,
    life,
    notebook,
    one_time,
    result,
    running_cluster,
    task,
)
from tests.contract.workspace_users import learner

pytestmark = pytest.mark.xdist_group("runs")

EXITS = "dbutils.widgets.text('x', 'none')\ndbutils.notebook.exit('got ' + dbutils.widgets.get('x'))\n"
FAILS = "raise ValueError('no such column')\n"
SLEEPS = "import time\nprint('asleep', flush=True)\ntime.sleep(60)\n"


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


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


def test_a_job_runs_its_notebook_and_hands_back_its_result(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    path = notebook(workspace, "exits", EXITS)
    job_id = job_of(workspace, task(path, parameters={"x": "1"}))
    run = workspace.jobs.run_now(job_id).result()  # the SDK's own waiter
    assert (life(run), result(run)) == ("TERMINATED", "SUCCESS")
    assert run.status
    assert run.status.termination_details
    assert run.status.as_dict()["termination_details"]["code"] == "SUCCESS"
    assert run.run_page_url == f"{live.origin}/?o=0#job/{job_id}/run/{run.run_id}"
    assert run.tasks
    (only,) = run.tasks
    assert only.attempt_number == 0
    assert only.start_time
    assert only.end_time
    assert only.execution_duration is not None
    assert only.end_time >= only.start_time
    assert outputs(workspace, run) == {"main": "got 1"}


def test_the_output_belongs_to_the_task_not_to_the_run(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "exits", EXITS)
    run_id = workspace.jobs.submit(run_name="once", tasks=[one_time(path)]).run_id
    assert run_id
    run = finished(workspace, run_id)
    with pytest.raises(BadRequest, match="Retrieving the output of runs with multiple tasks is not supported"):
        workspace.jobs.get_run_output(run_id)
    assert outputs(workspace, run) == {"main": "got none"}


def test_parameters_reach_the_notebook_in_their_order_of_strength(workspace: WorkspaceClient) -> None:
    code = "import json\ndbutils.notebook.exit(json.dumps(dbutils.widgets.getAll()))\n"
    path = notebook(workspace, "all-widgets", code)
    values = {"x": "task", "ids": "{{job.id}}/{{job.run_id}}/{{task.run_id}}", "y": "{{job.parameters.y}}!"}
    job_id = job_of(
        workspace,
        task(path, parameters=values),
        parameters=[
            JobParameterDefinition(
                "y",
                "d",
            )
        ],
    )
    run = finished(workspace, start(workspace, job_id, job_parameters={"y": "given"}))
    assert run.tasks
    got = json.loads(outputs(workspace, run)["main"])
    assert got == {"x": "task", "ids": f"{job_id}/{run.run_id}/{run.tasks[0].run_id}", "y": "given"}
    assert run.job_parameters
    assert [each.as_dict() for each in run.job_parameters] == [{"name": "y", "default": "d", "value": "given"}]
    with pytest.raises(InvalidParameterValue, match="does not define: z"):
        start(workspace, job_id, job_parameters={"z": "1"})
    with pytest.raises(InvalidParameterValue, match="notebook_params cannot be used"):
        start(workspace, job_id, notebook_params={"x": "1"})
    plain = job_of(workspace, task(path, parameters={"x": "task", "k": "kept"}))
    run = finished(workspace, start(workspace, plain, notebook_params={"x": "mine"}))
    assert json.loads(outputs(workspace, run)["main"]) == {"x": "mine", "k": "kept"}


def test_a_failed_notebook_shows_its_error_as_the_platform_does(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "fails", FAILS)
    job_id = job_of(workspace, task(path, "train"))
    with pytest.raises(OperationFailed, match="Task train failed with message: Workload failed, see run output"):
        workspace.jobs.run_now(job_id).result()
    run = next(iter(workspace.jobs.list_runs(job_id=job_id, expand_tasks=True)))
    assert (life(run), result(run)) == ("INTERNAL_ERROR", "FAILED")
    assert run.status
    assert run.status.as_dict()["termination_details"]["code"] == "RUN_EXECUTION_ERROR"
    assert run.tasks
    assert (life(run.tasks[0]), result(run.tasks[0])) == ("TERMINATED", "FAILED")
    output = workspace.jobs.get_run_output(run.tasks[0].run_id or 0)
    assert output.error == "ValueError: no such column"
    assert output.error_trace
    assert "raise ValueError('no such column')" in output.error_trace


def test_a_run_acts_as_its_owner_with_a_token_that_ends_with_it(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    code = (
        "import os, requests\n"
        "token = os.environ['DATABRICKS_TOKEN']\n"
        "me = requests.get(os.environ['DATABRICKS_HOST'] + '/api/2.0/preview/scim/v2/Me',"
        " headers={'Authorization': 'Bearer ' + token}).json()\n"
        "print('token', token)\n"
        "dbutils.notebook.exit(me['userName'])\n"
    )
    before = {each.token_id for each in workspace.tokens.list()}
    run_id = workspace.jobs.submit(run_name="me", tasks=[one_time(notebook(workspace, "me", code))]).run_id
    run = finished(workspace, run_id or 0)
    assert outputs(workspace, run) == {"main": workspace.current_user.me().user_name}
    assert {each.token_id for each in workspace.tokens.list()} == before
    assert run.tasks
    printed = (live.folder / "runs" / str(run.tasks[0].run_id) / "output.log").read_text()
    assert "dapi" not in printed
    assert "[REDACTED]" in printed


def test_a_missing_notebook_is_found_out_when_the_run_starts(workspace: WorkspaceClient) -> None:
    job_id = job_of(workspace, task("/Shared/stories/not-there"))
    run = finished(workspace, start(workspace, job_id))
    assert (life(run), result(run)) == ("INTERNAL_ERROR", "FAILED")
    assert run.state
    assert 'Unable to access the notebook "/Shared/stories/not-there"' in (run.state.state_message or "")
    assert run.status
    assert run.status.as_dict()["termination_details"]["code"] == "RESOURCE_NOT_FOUND"


def test_the_same_token_starts_one_run(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    job_id = job_of(workspace, task(notebook(workspace, "exits", EXITS)), max_concurrent_runs=5)
    with httpx.Client(verify=ssl.create_default_context(cafile=str(live.ca))) as http:
        fault = {"method": "POST", "path": "/api/2.2/jobs/run-now", "status": 503, "retry_after": 1}
        http.post(f"{live.origin}/_sandbox/faults", json=fault)
        first = start(workspace, job_id, idempotency_token="build-7")
        http.post(f"{live.origin}/_sandbox/faults", json={**fault, "status": 429})
        assert start(workspace, job_id, idempotency_token="build-7") == first
    other = start(workspace, job_id, idempotency_token="build-8")
    assert {run.run_id for run in workspace.jobs.list_runs(job_id=job_id)} == {first, other}
    with pytest.raises(InvalidParameterValue, match="at most 64 characters"):
        start(workspace, job_id, idempotency_token="x" * 65)
    finished(workspace, first)
    workspace.jobs.delete_run(first)
    with pytest.raises(InvalidParameterValue, match="has been deleted"):
        start(workspace, job_id, idempotency_token="build-7")


def test_a_cancelled_run_ends_and_its_waiting_tasks_never_start(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "sleeps", SLEEPS)
    job_id = job_of(workspace, task(path, "first"), task(path, "second", depends_on=[TaskDependency("first")]))
    run_id = start(workspace, job_id)
    eventually(lambda: workspace.jobs.get_run(run_id), lambda run: life((run.tasks or [])[0]) == "RUNNING")
    workspace.jobs.cancel_run(run_id)
    run = finished(workspace, run_id)
    assert (life(run), result(run)) == ("TERMINATED", "CANCELED")
    assert run.state
    assert run.state.user_cancelled_or_timedout
    assert [result(each) for each in run.tasks or []] == ["CANCELED", "CANCELED"]
    assert not list(workspace.jobs.list_runs(job_id=job_id, active_only=True))
    workspace.jobs.cancel_run(run_id)  # cancelling what is over is no error


def test_timeouts_of_tasks_and_of_runs(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "sleeps", SLEEPS)
    by_task = start(workspace, job_of(workspace, task(path, timeout_seconds=1)))
    by_run = start(workspace, job_of(workspace, task(path), timeout_seconds=2))
    run = finished(workspace, by_task)
    assert [result(each) for each in run.tasks or []] == ["TIMEDOUT"]
    assert result(run) == "FAILED"
    assert result(finished(workspace, by_run)) == "TIMEDOUT"


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


def test_more_runs_than_allowed_are_skipped_or_wait(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "sleeps", SLEEPS)
    strict = job_of(workspace, task(path))
    first = start(workspace, strict)
    skipped = finished(workspace, start(workspace, strict))
    assert (life(skipped), result(skipped)) == ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED")
    workspace.jobs.cancel_run(first)
    patient = job_of(workspace, task(path), queue=QueueSettings(enabled=True))
    one, two = start(workspace, patient), start(workspace, patient)
    waiting = workspace.jobs.get_run(two)
    assert life(waiting) == "QUEUED"
    assert waiting.status
    assert waiting.status.queue_details
    workspace.jobs.cancel_run(one)
    eventually(lambda: workspace.jobs.get_run(two), lambda run: life(run) == "RUNNING")
    workspace.jobs.cancel_all_runs(job_id=patient)
    assert result(finished(workspace, two)) == "CANCELED"


def test_a_run_starts_its_terminated_cluster_and_dies_with_it(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "sleeps", SLEEPS)
    with running_cluster(workspace, "starts by itself") as cluster_id:
        workspace.clusters.delete_and_wait(cluster_id)
        run_id = start(workspace, job_of(workspace, task(path, existing_cluster_id=cluster_id)))
        eventually(lambda: workspace.jobs.get_run(run_id), lambda run: life(run) == "RUNNING")
        (running,) = workspace.jobs.get_run(run_id).tasks or []
        assert running.cluster_instance
        assert running.cluster_instance.cluster_id == cluster_id
        workspace.clusters.delete(cluster_id)
        run = finished(workspace, run_id)
    assert (life(run), result(run)) == ("INTERNAL_ERROR", "FAILED")
    assert run.state
    assert "was terminated during the run (cluster state message: Terminated by user)" in (
        run.state.state_message or ""
    )


def test_job_clusters_are_made_for_the_run_and_end_with_it(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "exits", EXITS)
    made = ClusterSpec(spark_version=RUNTIME, node_type_id=NODE, num_workers=1)
    job_id = job_of(
        workspace,
        task(path, "a", job_cluster_key="shared"),
        task(path, "b", job_cluster_key="shared", depends_on=[TaskDependency("a")]),
        task(path, "c", new_cluster=made),
        job_clusters=[JobCluster("shared", made)],
    )
    run = finished(workspace, start(workspace, job_id))
    assert result(run) == "SUCCESS"
    used = {each.task_key: each.cluster_instance.cluster_id for each in run.tasks or [] if each.cluster_instance}
    assert used["a"] == used["b"] != used["c"]
    for cluster_id in (used["a"], used["c"]):
        cluster = eventually(
            lambda cluster_id=cluster_id: workspace.clusters.get(cluster_id or ""),  # type: ignore[misc]  # a loop's lambda
            lambda each: bool(each.state and each.state.value == "TERMINATED"),
        )
        assert cluster.termination_reason
        assert cluster.termination_reason.as_dict()["code"] == "JOB_FINISHED"
        assert cluster.cluster_source
        assert cluster.cluster_source.value == "JOB"


def test_a_package_that_is_not_there_fails_the_task(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "exits", EXITS)
    environments = [
        JobEnvironment("odd", Environment(client="2", dependencies=["no-such-package-anywhere==1.0"])),
        JobEnvironment("fine", Environment(client="2", dependencies=["pandas"])),
    ]
    tasks = [task(path, "odd", environment_key="odd"), task(path, "fine", environment_key="fine")]
    run = finished(workspace, start(workspace, job_of(workspace, *tasks, environments=environments)))
    by_key = {each.task_key: each for each in run.tasks or []}
    assert by_key["odd"].status
    assert by_key["odd"].status.as_dict()["termination_details"]["code"] == "LIBRARY_INSTALLATION_ERROR"
    assert result(by_key["fine"]) == "SUCCESS"


def test_runs_are_listed_in_pages_and_filtered(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "exits", EXITS)
    job_id = job_of(workspace, task(path), max_concurrent_runs=10)
    started = [start(workspace, job_id) for _ in range(5)]
    for run_id in started:
        finished(workspace, run_id)
    listed = [run.run_id for run in workspace.jobs.list_runs(job_id=job_id, limit=2)]
    assert listed == started[::-1]
    assert not list(workspace.jobs.list_runs(job_id=job_id, active_only=True))
    assert len(list(workspace.jobs.list_runs(job_id=job_id, completed_only=True))) == 5
    workspace.jobs.delete_run(started[0])
    assert len(list(workspace.jobs.list_runs(job_id=job_id))) == 4
    with pytest.raises(ResourceDoesNotExist, match=f"Run {started[0]} does not exist"):
        workspace.jobs.get_run(started[0])


def test_a_finished_notebook_is_exported_as_a_page(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "prints", "print('rmse <1>')\n")
    run = finished(workspace, submitted(workspace, run_name="p", tasks=[one_time(path)]))
    (view,) = workspace.jobs.export_run((run.tasks or [])[0].run_id or 0).views or []
    assert view.name == "prints"
    assert "rmse &lt;1&gt;" in (view.content or "")
