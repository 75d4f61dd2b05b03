"""Stories of job definitions: what is accepted, what is refused, and how they are found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.jobs import (
    JobAccessControlRequest,
    JobPermissionLevel,
    JobSettings,
    Task,
    TaskDependency,
)

from tests.conftest import LiveSandbox
from tests.contract.job_stories import task
from tests.contract.workspace_users import learner, someone

pytestmark = pytest.mark.xdist_group("runs")
NOTEBOOK = {"notebook_task": {"notebook_path": "/Shared/n"}}


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


def make(workspace: WorkspaceClient, name: str, *tasks: Task) -> int:
    job_id = workspace.jobs.create(name=name, tasks=list(tasks) or [task("/Shared/n")]).job_id
    assert job_id
    return job_id


def post(workspace: WorkspaceClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = workspace.api_client.do("POST", path, body=body)
    assert isinstance(answer, dict)
    return answer


def test_a_job_is_kept_as_it_was_given(workspace: WorkspaceClient) -> None:
    job_id = make(workspace, "kept", task("/Shared/n", "a"), task("/Shared/n", "b", depends_on=[TaskDependency("a")]))
    job = workspace.jobs.get(job_id)
    assert job.settings
    assert job.settings.name == "kept"
    assert job.settings.max_concurrent_runs == 1
    assert job.settings.format
    assert job.settings.format.value == "MULTI_TASK"
    assert [each.task_key for each in job.settings.tasks or []] == ["a", "b"]
    assert job.creator_user_name == workspace.current_user.me().user_name
    workspace.jobs.delete(job_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Job {job_id} does not exist."):
        workspace.jobs.get(job_id)


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([{"task_key": "a", **NOTEBOOK}, {"task_key": "a", **NOTEBOOK}], "must be unique"),
        ([{"task_key": "a b", **NOTEBOOK}], "is invalid"),
        ([{"task_key": "a"}], "exactly one task type"),
        ([{"task_key": "a", **NOTEBOOK, "depends_on": [{"task_key": "z"}]}], "'z', which is not defined"),
        (
            [
                {"task_key": "a", **NOTEBOOK, "depends_on": [{"task_key": "b"}]},
                {"task_key": "b", **NOTEBOOK, "depends_on": [{"task_key": "a"}]},
            ],
            "contain a cycle: a, b",
        ),
        ([{"task_key": "a", "notebook_task": {"notebook_path": "n"}}], "Only absolute paths"),
        ([{"task_key": "a", **NOTEBOOK, "existing_cluster_id": "0101-000000-none0000"}], "Cluster .* does not exist"),
        ([{"task_key": "a", **NOTEBOOK, "job_cluster_key": "c"}], "is not defined in job_clusters"),
        ([{"task_key": "a", **NOTEBOOK, "new_cluster": {"spark_version": "1.x"}}], "Invalid spark version"),
        ([{"task_key": "a", "for_each_task": {"inputs": "no", "task": {}}}], "must be a JSON array"),
        (
            [{"task_key": "a", "for_each_task": {"inputs": "[1]", "concurrency": 101, "task": {}}}],
            "must be from 1 to 100",
        ),
    ],
)
def test_tasks_that_cannot_run_are_refused(workspace: WorkspaceClient, tasks: list[Any], words: str) -> None:
    for path, body in (("create", {"name": "bad"}), ("runs/submit", {"run_name": "bad"})):
        with pytest.raises(InvalidParameterValue, match=words):
            post(workspace, f"/api/2.2/jobs/{path}", {**body, "tasks": tasks})


def test_what_only_the_platform_can_run_is_refused_plainly(workspace: WorkspaceClient) -> None:
    jar = {"task_key": "a", "spark_jar_task": {"main_class_name": "Main"}}
    with pytest.raises(DatabricksError, match="The sandbox runs notebooks only"):
        post(workspace, "/api/2.2/jobs/create", {"name": "jar", "tasks": [jar]})


@pytest.mark.parametrize(
    ("field", "value"), [("only", ["a"]), ("access_control_list", [{"user_name": "x", "permission_level": "CAN_VIEW"}])]
)
def test_options_that_are_not_built_are_refused_rather_than_ignored(
    workspace: WorkspaceClient, field: str, value: list[Any]
) -> None:
    job_id = make(workspace, "options")
    path, body = ("run-now", {"job_id": job_id}) if field == "only" else ("create", {"name": "x"})
    with pytest.raises(DatabricksError, match=field):
        post(workspace, f"/api/2.2/jobs/{path}", {**body, field: value})


def test_serverless_tasks_take_libraries_from_environments(workspace: WorkspaceClient) -> None:
    alone = {"task_key": "a", **NOTEBOOK, "libraries": [{"pypi": {"package": "pandas"}}]}
    with pytest.raises(InvalidParameterValue, match="Libraries field is not supported for serverless task"):
        post(workspace, "/api/2.2/jobs/create", {"name": "x", "tasks": [alone]})
    unknown = {"task_key": "a", **NOTEBOOK, "environment_key": "none"}
    with pytest.raises(InvalidParameterValue, match="environment_key 'none'"):
        post(workspace, "/api/2.2/jobs/create", {"name": "x", "tasks": [unknown]})


def test_a_map_that_is_a_text_is_refused_in_the_platforms_words(workspace: WorkspaceClient) -> None:
    job_id = make(workspace, "malformed")
    with pytest.raises(DatabricksError, match="Expected object for field notebook_params, found STRING"):
        post(workspace, "/api/2.1/jobs/run-now", {"job_id": job_id, "notebook_params": "a=b"})


def test_jobs_are_found_by_name_and_listed_in_pages(workspace: WorkspaceClient) -> None:
    made = [make(workspace, "Many Jobs") for _ in range(5)]
    found = [job.job_id for job in workspace.jobs.list(name="many jobs", limit=2)]
    assert found == made[::-1]
    plain = next(iter(workspace.jobs.list(name="many jobs")))
    assert plain.settings
    assert not plain.settings.tasks
    whole = list(workspace.jobs.list(name="many jobs", expand_tasks=True))
    assert all(job.settings and job.settings.tasks for job in whole)
    assert not list(workspace.jobs.list(name="many"))


def test_more_than_a_hundred_tasks_come_in_pages(workspace: WorkspaceClient) -> None:
    job_id = make(workspace, "long", *(task("/Shared/n", f"t{number}") for number in range(103)))
    answer = workspace.api_client.do("GET", "/api/2.2/jobs/get", query={"job_id": job_id})
    assert isinstance(answer, dict)
    assert len(answer["settings"]["tasks"]) == 100
    settings = workspace.jobs.get(job_id).settings  # the SDK fetches the rest
    assert settings
    assert len(settings.tasks or []) == 103
    (listed,) = workspace.jobs.list(name="long", expand_tasks=True)
    assert listed.settings
    assert len(listed.settings.tasks or []) == 103


def test_reset_replaces_and_update_merges(workspace: WorkspaceClient) -> None:
    job_id = make(workspace, "before", task("/Shared/n", "a"), task("/Shared/n", "b"))
    workspace.jobs.update(
        job_id,
        new_settings=JobSettings(tags={"build": "7"}, tasks=[task("/Shared/m", "b")]),
        fields_to_remove=["tasks/a"],
    )
    settings = workspace.jobs.get(job_id).settings
    assert settings
    assert (settings.name, settings.tags) == ("before", {"build": "7"})
    assert [each.notebook_task and each.notebook_task.notebook_path for each in settings.tasks or []] == ["/Shared/m"]
    workspace.jobs.reset(job_id, JobSettings(name="after", tasks=[task("/Shared/n", "c")]))
    settings = workspace.jobs.get(job_id).settings
    assert settings
    assert (settings.name, settings.tags) == ("after", None)
    assert [each.task_key for each in settings.tasks or []] == ["c"]


def test_the_old_form_with_one_task_at_the_top_still_works(workspace: WorkspaceClient) -> None:
    job_id = post(workspace, "/api/2.0/jobs/create", {"name": "old", **NOTEBOOK, "max_retries": 1})["job_id"]
    settings = workspace.jobs.get(job_id).settings
    assert settings
    assert settings.format
    assert settings.format.value == "SINGLE_TASK"
    assert [(each.task_key, each.max_retries) for each in settings.tasks or []] == [("main", 1)]


def test_rights_on_a_job_are_those_given(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    job_id = make(workspace, "private")
    other, name = someone(live)
    assert not list(other.jobs.list(name="private"))
    with pytest.raises(PermissionDenied, match=f"User {name} does not have View or Owner or Admin permissions"):
        other.jobs.get(job_id)
    view = [JobAccessControlRequest(user_name=name, permission_level=JobPermissionLevel.CAN_VIEW)]
    workspace.jobs.update_permissions(str(job_id), access_control_list=view)
    assert other.jobs.get(job_id).job_id == job_id
    with pytest.raises(PermissionDenied, match="Manage Run or Owner or Admin permissions on job"):
        other.jobs.run_now(job_id)
    run = [JobAccessControlRequest(user_name=name, permission_level=JobPermissionLevel.CAN_MANAGE_RUN)]
    workspace.jobs.update_permissions(str(job_id), access_control_list=run)
    run_id = other.jobs.run_now(job_id).run_id
    assert run_id
    assert other.jobs.get_run(run_id).creator_user_name == name
    with pytest.raises(PermissionDenied, match="Manage or Owner or Admin permissions"):
        other.jobs.delete(job_id)
