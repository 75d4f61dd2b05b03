"""Jobs that take their notebooks from a repository: one commit for a whole run, its neighbours beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue
from databricks.sdk.service.jobs import GitProvider, GitSource, NotebookTask, Source, SubmitTask, Task

from tests.contract.git_stories import Repository, repository
from tests.contract.job_stories import finished, notebook, result
from tests.contract.workspace_users import fresh, learner, someone
from tests.credentials import written

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = [pytest.mark.xdist_group("git-folders"), pytest.mark.timeout(150)]
HEADER = "# Databricks notebook source\n"
WHO = (
    f"{HEADER}# MAGIC %run ./words\n\n# COMMAND ----------\n"
    "path = dbutils.notebook.entry_point.getDbutils().notebook().getContext().notebookPath().get()\n"
    "dbutils.notebook.exit(f'{WORD} {path}')\n"
)


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    for w in learner(live, monkeypatch):
        if not list(w.git_credentials.list()):
            token = written(live.folder)["github_token"]
            w.git_credentials.create("gitHub", git_username="learner", personal_access_token=token)
        yield w


@pytest.fixture
def wine(live: LiveSandbox, tmp_path: Path) -> Repository:
    made = repository(live, tmp_path)
    made.commit({"notebooks/who.py": WHO, "notebooks/words.py": f"{HEADER}WORD = 'first'\n", "plain.py": "1\n"})
    return made


def of(wine: Repository, **where: str) -> GitSource:
    return GitSource(wine.url, GitProvider.GIT_HUB, **(where or {"git_branch": "main"}))  # type: ignore[arg-type]


def run_once(workspace: WorkspaceClient, source: GitSource | None, path: str, kind: Source | None = None) -> Any:
    task = SubmitTask(task_key="main", notebook_task=NotebookTask(path, source=kind))
    waiting = workspace.jobs.submit(run_name=fresh("once"), git_source=source, tasks=[task])
    return finished(workspace, waiting.run_id)


def used_commit(run: Any) -> str:
    return str(run.git_source.git_snapshot.used_commit)


def output(workspace: WorkspaceClient, run: Any) -> str:
    shown = workspace.jobs.get_run_output(run.tasks[0].run_id)
    return str((shown.notebook_output and shown.notebook_output.result) or shown.error)


def test_a_job_runs_what_the_branch_holds_when_it_begins(workspace: WorkspaceClient, wine: Repository) -> None:
    first = wine.git("rev-parse", "HEAD")
    task = Task(task_key="main", notebook_task=NotebookTask("notebooks/who", source=Source.GIT))
    job = workspace.jobs.create(name=fresh("git"), git_source=of(wine), tasks=[task]).job_id
    assert job
    run = finished(workspace, workspace.jobs.run_now(job).run_id)
    assert result(run) == "SUCCESS", output(workspace, run)
    word, _, path = output(workspace, run).partition(" ")
    assert word == "first"  # %run found its neighbour
    assert path.startswith("/Repos/.internal/")
    assert path.endswith(f"_commits/{first}/notebooks/who")
    assert used_commit(run) == first

    second = wine.commit({"notebooks/words.py": f"{HEADER}WORD = 'second'\n"})
    run = finished(workspace, workspace.jobs.run_now(job).run_id)
    assert output(workspace, run).startswith("second ")
    assert used_commit(run) == second
    assert workspace.jobs.get(job).settings.git_source.git_snapshot is None  # type: ignore[union-attr]
    assert ".internal" not in str([one.path for one in workspace.workspace.list("/Repos")])


def test_a_tag_and_a_commit_stay_what_they_are(workspace: WorkspaceClient, wine: Repository) -> None:
    first = wine.git("rev-parse", "HEAD")
    wine.git("tag", "v1")
    wine.git("push", "--quiet", wine.url, "v1")
    wine.commit({"notebooks/words.py": f"{HEADER}WORD = 'second'\n"})
    for where in ({"git_tag": "v1"}, {"git_commit": first}):
        run = run_once(workspace, of(wine, **where), "notebooks/who")
        assert output(workspace, run).startswith("first "), where


def test_a_notebook_of_the_workspace_runs_beside_a_repository_if_the_task_says_so(
    workspace: WorkspaceClient, wine: Repository
) -> None:
    path = notebook(workspace, fresh("mine"), "dbutils.notebook.exit('of the workspace')\n")
    run = run_once(workspace, of(wine), path, Source.WORKSPACE)
    assert output(workspace, run) == "of the workspace"
    with pytest.raises(InvalidParameterValue, match="Only relative paths"):
        run_once(workspace, of(wine), path)


@pytest.mark.parametrize("path", ["notebooks/nope", "notebooks/who.py", "plain", "../../../../etc/passwd"])
def test_a_notebook_that_the_commit_does_not_hold_fails_the_task(
    workspace: WorkspaceClient, wine: Repository, path: str
) -> None:
    run = run_once(workspace, of(wine), path)
    assert result(run) == "FAILED"
    assert f'Unable to access the notebook "{path}" in the repository' in output(workspace, run)


def test_a_checkout_that_is_refused_fails_the_task_in_the_platforms_words(
    live: LiveSandbox, workspace: WorkspaceClient, wine: Repository
) -> None:
    nobody, _ = someone(live)
    run = run_once(nobody, of(wine), "notebooks/who")
    assert output(nobody, run).startswith("Failed to checkout Git repository: PERMISSION_DENIED: Missing Git provider")
    assert run.tasks[0].status.termination_details.code.value == "REPOSITORY_CHECKOUT_FAILED"
    run = run_once(workspace, of(wine, git_branch="nope"), "notebooks/who")
    assert "GIT_UNKNOWN_REF: The branch 'nope' was not found" in output(workspace, run)


def test_settings_that_name_no_repository_or_no_one_place_in_it_are_refused(
    workspace: WorkspaceClient, wine: Repository
) -> None:
    both = of(wine, git_branch="main", git_tag="v1")
    with pytest.raises(InvalidParameterValue, match=r"Exactly one of git_branch, git_tag, git_commit"):
        run_once(workspace, both, "notebooks/who")
    outside = GitSource("https://github.com/contoso/wine", GitProvider.GIT_HUB, git_branch="main")
    with pytest.raises(BadRequest, match="opens no connection to the outside"):
        run_once(workspace, outside, "notebooks/who")
    with pytest.raises(InvalidParameterValue, match="git_source must be specified"):
        run_once(workspace, None, "notebooks/who", Source.GIT)
    with pytest.raises(InvalidParameterValue, match="Only absolute paths"):
        run_once(workspace, None, "notebooks/who")


def test_a_notebook_in_a_git_folder_runs_with_its_neighbours(workspace: WorkspaceClient, wine: Repository) -> None:
    made = workspace.repos.create(wine.url, "gitHub", path=f"/Shared/{fresh('git')}")
    run = run_once(workspace, None, f"{made.path}/notebooks/who")
    assert output(workspace, run) == f"first {made.path}/notebooks/who"
