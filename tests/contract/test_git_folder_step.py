"""The step that links the workspace to the repository: made once, pulled when behind, edits never overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import ConflictError, NotFoundError, SignInError, UsageError
from mlops_tui.events import Change, Event, LogLine
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from mlops_tui.setup.git_folder import GitFolder
from mlops_tui.steps import Finding
from tests.conftest import LiveSandbox
from tests.contract.git_stories import TRAIN, Repository, repository
from tests.contract.test_setup_databricks import Given
from tests.contract.workspace_users import fresh
from tests.credentials import of_owner

pytestmark = [pytest.mark.xdist_group("git-folders"), pytest.mark.timeout(90)]
CREDENTIAL = "Git credential for GitHub"


class Seen(Given):
    """The repository as its own step sees it."""

    def inspect(self, session: Session) -> Finding:
        host = session.clients.ci_host
        found = host.find_repository()
        assert found is not None
        session.learn("repository_url", found.clone_url)
        session.learn("repository_id", found.id)
        session.learn("branch_head", host.head(found, session.project.ci.branch) or "")
        return Finding(())


class Team:
    """Somebody with one project, who looks and applies as often as they like."""

    def __init__(self, live: LiveSandbox, project: Project) -> None:
        self.live, self.project = live, project
        self.cloud = local_cloud(live.origin, str(live.ca))
        self.events: list[Event] = []
        self._sessions: list[Session] = []

    def session(self, **changes: Any) -> Session:
        ci = replace(self.project.ci, **changes.pop("ci", {}))
        session = Session(replace(self.project, ci=ci, **changes), self.cloud)
        session.learn("databricks_host", self.live.origin)
        self._sessions.append(session)
        return session

    def engine(self, **changes: Any) -> Engine:
        steps = (Given("databricks-workspace"), Seen("repository"), GitFolder())
        return Engine(steps, self.session(**changes), self.events.append)

    def plan(self, **changes: Any) -> dict[str, Change]:
        return {change.what: change for change in self._changes(self.engine(**changes).plan())}

    def apply(self, **changes: Any) -> Outcome:
        engine = self.engine(**changes)
        return engine.apply(engine.plan())

    def remove(self) -> None:
        assert self.engine().remove().error is None

    @staticmethod
    def _changes(plan: Plan) -> tuple[Change, ...]:
        return plan.findings["git-folder"].changes

    @property
    def databricks(self) -> Databricks:
        return self.session().clients.databricks(self.live.origin)

    @property
    def folder(self) -> str:
        return f"Git folder {self.project.git_folder}"

    def edit(self, name: str, text: str) -> None:
        self.databricks.notebooks.put(f"{self.project.git_folder}/notebooks/{name}", text)

    def read(self, name: str) -> str:
        return self.databricks.notebooks.export(f"{self.project.git_folder}/notebooks/{name}") or ""

    def logged(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, LogLine))

    def writes(self) -> list[str]:
        address = process.Address(int(self.live.origin.rpartition(":")[2]))
        listed = process.ask(self.live.folder, address, "GET", "/_sandbox/requests?writes=1")["requests"]
        return [f"{line['method']} {line['path']}" for line in listed]

    def close(self) -> None:
        for session in self._sessions:
            session.close()


@pytest.fixture
def wine(live: LiveSandbox, tmp_path: Path) -> Repository:
    made = repository(live, tmp_path)
    made.commit({"notebooks/train.py": TRAIN, "notebooks/report.py": TRAIN, "mlops.toml": "[project]\n"})
    return made


@pytest.fixture
def team(live: LiveSandbox, wine: Repository) -> Iterator[Team]:
    ci = Ci(host="github", organization="practice", repository=wine.clone.name, github_token=wine.token)
    project = Project(
        **of_owner(live.folder),
        name=wine.clone.name,
        databricks_token=live.token,
        notebooks=str(wine.clone / "notebooks"),
        git_folder=f"/Shared/{fresh('linked')}/git",
        ci=ci,
    )
    made = Team(live, project)
    for credential in made.databricks.git.credentials("gitHub"):
        made.databricks.git.delete_credential(credential)  # of another story
    yield made
    made.close()


def test_credential_and_folder_are_made_and_a_second_run_writes_nothing(team: Team, wine: Repository) -> None:
    assert {what: change.action for what, change in team.plan().items()} == {
        CREDENTIAL: "create",
        team.folder: "create",
    }
    assert team.apply().error is None
    head = wine.git("rev-parse", "HEAD")
    before = team.writes()
    plan = team.plan()
    assert plan == {
        CREDENTIAL: Change("keep", CREDENTIAL),
        team.folder: Change("keep", team.folder, f"in step at {head[:7]}"),
    }
    assert team.apply().error is None
    assert team.writes() == before
    assert team.read("train") == TRAIN
    assert wine.token not in team.logged()


def test_what_was_pushed_shows_as_behind_and_is_pulled(team: Team, wine: Repository) -> None:
    first = wine.git("rev-parse", "HEAD")
    assert team.apply().error is None
    second = wine.commit({"notebooks/train.py": TRAIN + "print('more')\n"})
    change = team.plan()[team.folder]
    assert (change.action, change.detail) == (
        "update",
        f"behind: at {first[:7]}, the branch main is at {second[:7]}; pull",
    )
    assert team.apply().error is None
    assert team.plan()[team.folder].detail == f"in step at {second[:7]}"
    assert "more" in team.read("train")
    assert f"pulled main: {second[:7]}" in team.logged()


def test_an_edit_in_the_workspace_is_named_and_is_kept_by_a_pull(team: Team, wine: Repository) -> None:
    assert team.apply().error is None
    team.edit("train", "print('mine')\n")
    team.edit("new", "print('new')\n")
    change = team.plan()[team.folder]
    assert change.action == "keep"
    assert change.warning == "changed here and not committed: new.py, train.py"
    wine.commit({"notebooks/report.py": TRAIN + "print('theirs')\n"})
    assert team.plan()[team.folder].action == "update"
    assert team.apply().error is None
    assert "mine" in team.read("train")
    assert "theirs" in team.read("report")


def test_an_edit_in_the_way_of_a_pull_stops_it_before_anything_is_lost(team: Team, wine: Repository) -> None:
    assert team.apply().error is None
    team.edit("train", "print('mine')\n")
    wine.commit({"notebooks/train.py": TRAIN + "print('theirs')\n"})
    before = team.writes()
    with pytest.raises(ConflictError, match=r"changed here and not committed: train.py") as said:
        team.plan()
    assert "commit and push" in said.value.hint
    assert team.writes() == before
    assert "mine" in team.read("train")


def test_the_platforms_own_refusal_of_a_pull_says_what_to_do(team: Team, wine: Repository) -> None:
    assert team.apply().error is None
    team.edit("train", "print('mine')\n")
    wine.commit({"notebooks/train.py": TRAIN + "print('theirs')\n"})
    folder = team.databricks.git.folder(team.project.git_folder)
    assert folder
    with pytest.raises(ConflictError, match=r"notebooks/train\.py") as said:
        team.databricks.git.pull(folder, "main", None)
    assert said.value.code == "GIT_CONFLICT"
    assert "discard" in said.value.hint
    with pytest.raises(NotFoundError, match="'nope' was not found"):
        team.databricks.git.pull(folder, "nope", None)


def test_another_token_is_given_to_the_one_credential_that_there_is(
    live: LiveSandbox, team: Team, wine: Repository
) -> None:
    assert team.apply().error is None
    other = wine.another_token()
    change = team.plan(ci={"github_token": other})[CREDENTIAL]
    assert (change.action, change.detail) == ("update", "the token is another one now")
    assert team.apply(ci={"github_token": other}).error is None
    assert team.plan(ci={"github_token": other})[CREDENTIAL].action == "keep"
    (kept,) = team.databricks.git.credentials("gitHub")
    assert kept.name.startswith(f"mlops-tui {team.project.name} ")
    assert other not in kept.name
    assert kept.user == "learner"


def test_a_credential_that_somebody_else_has_made_is_taken_over_and_never_doubled(team: Team, wine: Repository) -> None:
    team.databricks.git.add_credential("gitHub", "by hand", "learner", "ghp_" + "x" * 36)
    change = team.plan()[CREDENTIAL]
    assert (change.action, change.detail) == ("update", "takes over the credential by hand")
    assert change.warning
    assert team.apply().error is None
    assert len(team.databricks.git.credentials("gitHub")) == 1
    team.project = replace(team.project, name="another", git_folder=f"/Shared/{fresh('other')}")
    assert team.plan()[CREDENTIAL].detail == "that of another project here, with the same token"


def test_a_token_that_databricks_cannot_use_is_a_sign_in_error(team: Team, wine: Repository) -> None:
    databricks = team.databricks
    databricks.git.add_credential("gitHub", "wrong", "learner", "ghp_" + "y" * 36)
    (wrong,) = databricks.git.credentials("gitHub")
    with pytest.raises(SignInError, match="Invalid Git provider credentials") as said:
        databricks.git.add_folder(team.project.git_folder, wine.url, "gitHub", wrong)
    assert "may read the repository" in said.value.hint
    assert said.value.exit_code == 3
    assert databricks.git.folder(team.project.git_folder) is None
    assert team.apply().error is None  # gives it the good one
    with pytest.raises(NotFoundError, match="Remote repo not found"):
        databricks.git.add_folder(f"{team.project.git_folder}-2", wine.url.replace("wine", "nope"), "gitHub", None)


def test_without_a_token_it_says_which_variable_gives_one_and_what_is_there_is_still_looked_at(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = team.session()
    host = session.clients.ci_host  # of Azure DevOps it could be somebody's Azure sign-in
    without = team.session(ci={"github_token": ""})
    monkeypatch.setattr(type(without.clients), "ci_host", property(lambda _: host))
    for name, value in (("repository_url", "x"), ("repository_id", "1"), ("branch_head", "0" * 40)):
        without.learn(name, value)
    with pytest.raises(UsageError, match="no token of GitHub") as said:
        GitFolder().inspect(without)
    assert "MLOPS_TUI_GITHUB_TOKEN or GH_TOKEN" in said.value.hint
    assert team.apply().error is None
    plan = team.plan(ci={"github_token": ""})
    assert plan[CREDENTIAL].detail == "not checked: no token is given here"
    assert plan[team.folder].detail.startswith("in step at ")


def test_a_folder_of_another_repository_and_a_plain_folder_are_left_alone(
    live: LiveSandbox, team: Team, tmp_path: Path
) -> None:
    other = repository(live, tmp_path)
    other.commit({"notebooks/train.py": TRAIN})
    assert team.apply(ci={"repository": other.clone.name}).error is None
    with pytest.raises(ConflictError, match=f"of another repository: {other.url}"):
        team.plan()
    assert isinstance(team.engine().remove().error, ConflictError)
    assert team.databricks.git.folder(team.project.git_folder)
    with pytest.raises(ConflictError, match="is no Git folder"):
        team.plan(git_folder="/Shared")


def test_a_folder_of_the_other_host_is_told_of_before_a_repository_is_made_there(team: Team) -> None:
    assert team.apply().error is None
    other = team.session(ci={"host": "azure-devops", "azure_devops_token": "a-token"})
    with pytest.raises(ConflictError, match="of another repository: "):
        GitFolder().inspect(other)


def test_notebooks_that_the_repository_lacks_are_named(team: Team, wine: Repository) -> None:
    (wine.clone / "notebooks" / "serve.py").write_text(TRAIN)
    assert team.plan()[team.folder].warning == "not in the repository: serve.py"
    assert team.apply().error is None
    assert team.plan()[team.folder].warning == "not in the repository: serve.py"


def test_a_folder_on_another_branch_is_brought_back(team: Team, wine: Repository) -> None:
    assert team.apply().error is None
    wine.git("checkout", "--quiet", "-b", "next")
    wine.commit({"notebooks/train.py": TRAIN + "print(2)\n"})
    folder = team.databricks.git.folder(team.project.git_folder)
    assert folder
    team.databricks.git.pull(folder, "next", None)
    assert team.plan()[team.folder].detail.startswith("on next, not on main: check that out")
    assert team.apply().error is None
    assert team.read("train") == TRAIN


def test_a_commit_that_was_forced_away_is_told_and_left_behind(team: Team, wine: Repository) -> None:
    gone = wine.commit({"notebooks/train.py": TRAIN + "print('gone')\n"})
    assert team.apply().error is None
    wine.git("reset", "--quiet", "--hard", "HEAD~1")
    wine.git("commit", "--quiet", "--allow-empty", "--message", "another")
    wine.git("push", "--quiet", "--force", wine.url, "main")
    wine.forget(gone)
    assert f"at {gone[:7]}, which the repository does not have any more" in team.plan()[team.folder].detail
    assert team.apply().error is None
    assert team.read("train") == TRAIN


def test_removing_it_takes_the_folder_and_the_credential_unless_something_would_be_lost(team: Team) -> None:
    assert team.apply().error is None
    team.edit("new", "print('never committed')\n")
    team.remove()
    assert "kept the Git folder" in team.logged()
    assert "never committed" in team.read("new")
    team.databricks.notebooks.delete(f"{team.project.git_folder}/notebooks/new")
    team.remove()
    assert team.databricks.git.folder(team.project.git_folder) is None
    assert team.databricks.git.credentials("gitHub") == ()
    team.remove()  # safe to repeat


def test_without_a_repository_there_is_nothing_to_do() -> None:
    project = Project()
    assert GitFolder().wanted(project) == ()
    assert GitFolder().inspect(Session(project, local_cloud("https://localhost:1", ""))) == Finding(())


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("azure-devops", ["azureDevOpsServices", "env.AZURE_DEVOPS_EXT_PAT"]),
        ("github", ["gitHub", "env.GH_TOKEN", "--path /Shared/MLFlow-git", "--branch main"]),
    ],
)
def test_by_hand_it_takes_three_commands_and_no_secret_in_any(host: Any, words: list[str]) -> None:
    text = GitFolder().by_hand(Project(ci=Ci(host=host, azure_devops_token="hush-hush", github_token="hush-hush")))
    assert len(text.splitlines()) == 3
    assert all(word in text for word in words)
    assert "hush-hush" not in text
