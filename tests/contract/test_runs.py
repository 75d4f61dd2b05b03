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
    JobCluster,
    JobEnvironment,
    JobParameterDefinition,
    QueueSettings,
    TaskDependency,
)
from databricks.sdk.service.workspace import Language

from tests.conftest import LiveSandbox
from tests.contract.job_stories import (
    EXITS,
    FAILS,
    NODE,
    RUNTIME,
    SLEEPS,
    eventually,
    finished,
    job_of,
    life,
    notebook,
    one_time,
    outputs,
    result,
    running_cluster,
    start,
    submitted,
    task,
)
from tests.contract.workspace_users import learner, someone

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(240)]


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


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
    run_id = submitted(workspace, "once", [one_time(path)])
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
    run = finished(workspace, submitted(workspace, "me", [one_time(notebook(workspace, "me", code))]))
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


def test_a_run_does_not_read_a_notebook_that_its_owner_may_not(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    home = f"/Users/{workspace.current_user.me().user_name}"
    other, name = someone(live)
    shared = notebook(workspace, "moved-home", EXITS)
    content = workspace.workspace.export(shared).content
    private = f"{home}/private"
    workspace.workspace.import_(private, content=content, language=Language.PYTHON, overwrite=True)
    run = finished(other, submitted(other, "peeks", [one_time(private)]))
    assert result(run) == "FAILED"
    assert run.tasks
    assert run.tasks[0].state
    message = run.tasks[0].state.state_message or ""
    assert message.startswith(f'Unable to access the notebook "{private}".')
    assert f"({name}), lacks the required permissions" in message
    workspace.workspace.delete(private)


def test_the_same_token_starts_one_run(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    job_id = job_of(workspace, task(notebook(workspace, "exits", EXITS)), max_concurrent_runs=5)
    with httpx.Client(verify=ssl.create_default_context(cafile=str(live.ca))) as http:
        fault = {"method": "POST", "path": "/api/2.2/jobs/run-now", "status": 503, "retry_after": 1}
        http.post(f"{live.origin}/_sandbox/faults", json=fault)
        first = start(workspace, job_id, idempotency_token="build-7")
        http.post(f"{live.origin}/_sandbox/faults", json={**fault, "status": 429})
        assert start(workspace, job_id, idempotency_token="build-7") == first
        lost = {"method": "POST", "path": "/api/2.2/jobs/run-now", "drop": True}
        http.post(f"{live.origin}/_sandbox/faults", json=lost)  # it is done, but the answer is lost on the way
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


def test_runs_are_listed_in_pages_and_filtered(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    path = notebook(workspace, "exits", EXITS)
    job_id = job_of(workspace, task(path), max_concurrent_runs=10)
    started = [start(workspace, job_id) for _ in range(5)]
    for run_id in started:
        finished(workspace, run_id)
    listed = [run.run_id for run in workspace.jobs.list_runs(job_id=job_id, limit=2)]
    assert listed == started[::-1]
    assert not list(workspace.jobs.list_runs(job_id=job_id, active_only=True))
    assert len(list(workspace.jobs.list_runs(job_id=job_id, completed_only=True))) == 5
    (gone,) = workspace.jobs.get_run(started[0]).tasks or []
    assert (live.folder / "runs" / str(gone.run_id)).exists()
    workspace.jobs.delete_run(started[0])
    assert not (live.folder / "runs" / str(gone.run_id)).exists()
    assert len(list(workspace.jobs.list_runs(job_id=job_id))) == 4
    with pytest.raises(ResourceDoesNotExist, match=f"Run {started[0]} does not exist"):
        workspace.jobs.get_run(started[0])


def test_a_finished_notebook_is_exported_as_a_page(workspace: WorkspaceClient) -> None:
    path = notebook(workspace, "prints", "print('rmse <1>')\n")
    run = finished(workspace, submitted(workspace, run_name="p", tasks=[one_time(path)]))
    (view,) = workspace.jobs.export_run((run.tasks or [])[0].run_id or 0).views or []
    assert view.name == "prints"
    assert "rmse &lt;1&gt;" in (view.content or "")
