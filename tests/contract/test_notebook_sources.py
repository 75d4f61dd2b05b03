"""Jobs run the notebooks of the repository: by the Git folder, or checked out for each run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.engine import Engine
from mlops_tui.errors import SignInError
from mlops_tui.project import Ci, ClusterSpec, Project
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from mlops_tui.setup import delivery_jobs, steps, train_job
from mlops_tui.steps import Step
from tests.conftest import LiveSandbox
from tests.contract.test_setup_databricks import Given
from tests.contract.workspace_users import fresh
from tests.credentials import of_owner, written

pytestmark = [pytest.mark.xdist_group("git-folders"), pytest.mark.timeout(150)]
# Of the steps that these stories are about, the real ones.
REAL = ("notebooks", "repository", "git-folder", "cluster", "train-job")
TRAIN = """# Databricks notebook source
path = dbutils.notebook.entry_point.getDbutils().notebook().getContext().notebookPath().get()
dbutils.notebook.exit(f"{path} {dbutils.widgets.get('alpha')}")
"""


class Desk:
    """Somebody with a project whose repository is at a practice host."""

    def __init__(self, live: LiveSandbox, project: Project) -> None:
        self.live, self.project = live, project
        self.cloud: Cloud = local_cloud(live.origin, str(live.ca))

    def session(self) -> Session:
        session = Session(self.project, self.cloud)
        for name in ("tenant_id", "subscription_id"):
            session.learn(name, written(self.live.folder)[name])
        session.learn("databricks_host", self.live.origin)
        return session

    def steps(self) -> tuple[Step, ...]:
        return tuple(step if step.name in REAL else Given(step.name) for step in steps(self.project))

    def set_up(self) -> int:
        """How many changes it took."""
        with closing(self.session()) as session:
            engine = Engine(self.steps(), session, lambda _: None)
            plan = engine.plan()
            pending = plan.pending
            outcome = engine.apply(plan)
            assert outcome.error is None, outcome.error
            return pending

    def folder_behind(self) -> str:
        """What the training warns of."""
        with closing(self.session()) as session:
            Engine(self.steps(), session, lambda _: None).plan()
            return session.know("git_folder_behind", "git-folder") if session.knows("git_folder_behind") else ""

    def settings(self) -> dict[str, Any]:
        with closing(self.session()) as session:
            job = train_job.find(session)
            assert job
            return self.databricks(session).jobs.settings(job.id)

    def train(self) -> str:
        """What the notebook hands back when the job runs."""
        with closing(self.session()) as session:
            databricks, job = self.databricks(session), train_job.find(session)
            assert job
            one = '[{"name": "one", "alpha": "0.5", "l1_ratio": "0.5"}]'
            run_id = databricks.jobs.run_now(job.id, {"runs": one}, fresh("once"))
            client = databricks.client
            deadline = time.monotonic() + 60
            while not databricks.runs.get(run_id).ended:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            run = client.jobs.get_run(run_id)
            iterations = client.jobs.get_run((run.tasks or [])[0].run_id or 0).iterations or []
            output = client.jobs.get_run_output(iterations[0].run_id or 0)
            return str((output.notebook_output and output.notebook_output.result) or output.error)

    def databricks(self, session: Session) -> Databricks:
        return session.clients.databricks(self.live.origin)

    def writes(self) -> list[str]:
        address = process.Address(int(self.live.origin.rpartition(":")[2]))
        listed = process.ask(self.live.folder, address, "GET", "/_sandbox/requests?writes=1")["requests"]
        return [f"{line['method']} {line['path']}" for line in listed]


@pytest.fixture(params=["github", "azure-devops"])
def desk(request: pytest.FixtureRequest, live: LiveSandbox, tmp_path: Path) -> Iterator[Desk]:
    kept = written(live.folder)
    (tmp_path / "train.py").write_text(TRAIN)
    ci = Ci(
        host=request.param,
        organization="practice",
        github_token=kept["github_token"],
        azure_devops_token=kept["azure_devops_token"],
    )
    name = fresh("desk")
    made = Desk(
        live,
        Project(
            **of_owner(live.folder),
            name=name,
            databricks_token=live.token,
            notebooks=str(tmp_path),
            notebook_folder=f"/Shared/{name}",
            git_folder=f"/Shared/{name}-git",
            cluster=ClusterSpec(name=name, autotermination_minutes=10),
            job_prefix=name,
            ci=ci,
        ),
    )
    yield made
    with closing(made.session()) as session:
        for cluster in made.databricks(session).client.clusters.list():
            if cluster.cluster_name == name:
                made.databricks(session).client.clusters.permanent_delete(cluster.cluster_id or "")


def test_a_training_runs_the_repositorys_notebook_and_a_second_setup_writes_nothing(desk: Desk) -> None:
    desk.project = replace(desk.project, notebook_source="git")
    assert desk.set_up() > 0
    before = desk.writes()
    assert desk.set_up() == 0
    assert desk.writes() == before
    path, _, alpha = desk.train().partition(" ")
    assert path.startswith("/Repos/.internal/")
    assert path.endswith("/notebooks/train")
    assert alpha == "0.5"

    desk.project = replace(desk.project, notebook_source="git-folder")
    assert desk.set_up() == 1  # the job
    assert "git_source" not in desk.settings()
    assert desk.train() == f"{desk.project.git_folder}/notebooks/train 0.5"

    desk.project = replace(desk.project, notebook_source="workspace")
    assert desk.set_up() == 1
    assert desk.train() == f"{desk.project.notebook_folder}/train 0.5"


@pytest.mark.parametrize("source", ["git", "git-folder"])
def test_the_pipelines_own_job_takes_them_from_there_without_a_token_of_the_host(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, source: Literal["git", "git-folder"]
) -> None:
    desk.project = replace(desk.project, notebook_source=source)
    desk.set_up()
    project, before = desk.project, desk.writes()
    with closing(desk.session()) as session:
        found = session.clients.ci_host.find_repository()
        assert found
        head = session.clients.ci_host.head(found, project.ci.branch) or ""
    desk.project = replace(project, ci=replace(project.ci, github_token="", azure_devops_token=""))
    told = {
        "GITHUB_REPOSITORY": f"practice/{project.repository}",
        "GITHUB_SERVER_URL": desk.live.origin,
        "GITHUB_REPOSITORY_ID": found.id,
        "GITHUB_SHA": head,
        "SYSTEM_TEAMPROJECT": project.ci_project,
        "BUILD_REPOSITORY_NAME": project.repository,
        "BUILD_REPOSITORY_URI": found.clone_url.replace("https://", "https://practice@"),
        "BUILD_REPOSITORY_ID": found.id,
        "BUILD_SOURCEVERSION": head,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert desk.set_up() == 0
    assert desk.writes() == before
    assert desk.folder_behind() == ""
    for name in ("GITHUB_SHA", "BUILD_SOURCEVERSION"):
        monkeypatch.setenv(name, "c0ffee" + head[6:])
    assert desk.set_up() == 0
    assert desk.folder_behind() == f"at {head[:7]}, this job has the commit c0ffee{head[6]}"
    for name in ("GITHUB_REPOSITORY", "BUILD_REPOSITORY_NAME"):
        monkeypatch.setenv(name, "somebody/elses")
    # A job of another repository has to ask: of Azure DevOps by the Azure sign-in, which this one may.
    with pytest.raises(SignInError) if project.ci.host == "github" else nullcontext():
        assert desk.set_up() == 0


def test_a_job_needs_only_what_has_its_notebooks() -> None:
    needed = {}
    for source in ("workspace", "git-folder", "git"):
        project = Project(notebook_source=source, ci=Ci(host="github"))
        by_name = {step.name: step for step in steps(project)}
        needed[source] = (set(by_name["train-job"].needs), set(by_name["delivery-jobs"].needs) - {"sign-in"})
    assert needed == {
        "workspace": ({"databricks-workspace", "notebooks", "cluster"},) * 2,
        "git-folder": ({"databricks-workspace", "git-folder", "cluster"},) * 2,
        "git": ({"databricks-workspace", "repository", "git-folder", "cluster"},) * 2,
    }
    assert [step.needs for step in steps()] == [step.needs for step in steps(Project())]


def test_by_hand_a_job_names_the_repository(tmp_path: Path) -> None:
    project = Project(notebook_source="git", ci=Ci(host="azure-devops", branch="release"))
    for step in (train_job.TrainJob("git"), delivery_jobs.DeliveryJobs("git")):
        text = step.by_hand(project)
        assert '"git_url": "REPOSITORY_URL"' in text
        assert '"git_provider": "azureDevOpsServices"' in text
        assert '"git_branch": "release"' in text
        assert '"source": "GIT"' in text
        assert '"notebook_path": "notebooks/' in text


@pytest.mark.parametrize("desk", ["github"], indirect=True)
def test_looking_at_the_training_without_a_repository_asks_no_host_of_git(desk: Desk) -> None:
    """With notebooks from the workspace nothing depends on the host: not even that it answers."""
    desk.project = replace(desk.project, ci=Ci())
    desk.set_up()
    desk.project = replace(
        desk.project, ci=Ci(host="github", organization="nobody-here", github_token="ghp_" + "a" * 36)
    )
    with closing(desk.session()) as session:
        wanted = ("databricks-workspace", "notebooks", "cluster", "train-job")
        engine = Engine([step for step in desk.steps() if step.name in wanted], session, lambda _: None)
        assert engine.plan().pending == 0
