"""Git folders of the practice workspace: the platform's calls, with its own SDK, and real git behind them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidState,
    NotFound,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
)
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.workspace import ImportFormat, Language

from mlops_tui.sandbox import git_folders
from mlops_tui.sandbox.host_tokens import HostTokens
from tests.contract.git_stories import TRAIN, Repository, repository
from tests.contract.workspace_users import client, fresh, inside, learner, someone
from tests.credentials import written

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = [pytest.mark.xdist_group("git-folders"), pytest.mark.timeout(90)]
GITHUB = "gitHub"


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


@pytest.fixture
def signed_in(live: LiveSandbox, workspace: WorkspaceClient) -> WorkspaceClient:
    """The learner, whose workspace may read their repositories."""
    if not list(workspace.git_credentials.list()):
        token = written(live.folder)["github_token"]
        workspace.git_credentials.create(GITHUB, git_username="learner", personal_access_token=token)
    return workspace


@pytest.fixture
def wine(live: LiveSandbox, tmp_path: Path) -> Repository:
    """With a notebook, a plain module and a settings file."""
    made = repository(live, tmp_path)
    made.commit({"notebooks/train.py": TRAIN, "notebooks/words.py": "WORD = 1\n", "mlops.toml": "[project]\n"})
    return made


def follow(workspace: WorkspaceClient, wine: Repository, **more: Any) -> Any:
    return workspace.repos.create(wine.url, GITHUB, path=f"/Shared/{fresh('git')}", **more)


def edit(workspace: WorkspaceClient, path: str, text: str) -> None:
    content = base64.b64encode(text.encode()).decode()
    workspace.workspace.import_(
        path, content=content, format=ImportFormat.SOURCE, language=Language.PYTHON, overwrite=True
    )


def source(workspace: WorkspaceClient, path: str) -> str:
    return base64.b64decode(workspace.workspace.export(path).content or "").decode()


def kinds(workspace: WorkspaceClient, folder: str) -> dict[str, str]:
    listed = workspace.workspace.list(folder, recursive=True)
    return {str(one.path).removeprefix(folder): one.object_type.value for one in listed if one.object_type}


def test_a_git_folder_holds_the_repositorys_notebooks_and_files(signed_in: WorkspaceClient, wine: Repository) -> None:
    made = follow(signed_in, wine)
    assert (made.branch, made.head_commit_id) == ("main", wine.git("rev-parse", "HEAD"))
    assert signed_in.workspace.get_status(made.path).object_type.value == "REPO"  # type: ignore[union-attr]
    assert kinds(signed_in, made.path) == {
        "/mlops.toml": "FILE",
        "/notebooks/train": "NOTEBOOK",
        "/notebooks/words.py": "FILE",
    }
    assert source(signed_in, f"{made.path}/notebooks/train") == TRAIN
    got = signed_in.repos.get(made.id)
    assert (got.url, got.provider, got.path) == (wine.url, GITHUB, made.path)


def test_what_is_pushed_comes_with_the_next_pull_and_what_was_removed_goes(
    signed_in: WorkspaceClient, wine: Repository
) -> None:
    made = follow(signed_in, wine)
    pushed = wine.commit({"notebooks/train.py": TRAIN + "print('more')\n", "mlops.toml": None, "a/b/new.txt": "new"})
    assert signed_in.repos.get(made.id).head_commit_id != pushed  # nobody has pulled
    signed_in.repos.update(made.id, branch="main")
    assert signed_in.repos.get(made.id).head_commit_id == pushed
    assert source(signed_in, f"{made.path}/notebooks/train").endswith("print('more')\n")
    assert set(kinds(signed_in, made.path)) == {"/a/b/new.txt", "/notebooks/train", "/notebooks/words.py"}


def test_a_branch_or_a_tag_is_checked_out_and_unknown_ones_are_refused(
    signed_in: WorkspaceClient, wine: Repository
) -> None:
    made = follow(signed_in, wine)
    first = wine.git("rev-parse", "HEAD")
    wine.git("tag", "v1")
    wine.git("push", "--quiet", wine.url, "v1")
    wine.git("checkout", "--quiet", "-b", "next")
    second = wine.commit({"notebooks/train.py": TRAIN + "print(2)\n"})
    signed_in.repos.update(made.id, branch="next")
    there = signed_in.repos.get(made.id)
    assert (there.branch, there.head_commit_id) == ("next", second)
    signed_in.repos.update(made.id, tag="v1")
    there = signed_in.repos.get(made.id)
    assert (there.branch, there.head_commit_id) == (None, first)
    with pytest.raises(NotFound, match="The branch 'nope' was not found"):
        signed_in.repos.update(made.id, branch="nope")
    with pytest.raises(DatabricksError, match="Exactly one of branch and tag"):
        signed_in.repos.update(made.id, branch="main", tag="v1")


def test_an_edit_in_the_workspace_is_kept_by_a_pull_unless_it_is_in_the_way(
    signed_in: WorkspaceClient, wine: Repository
) -> None:
    made = follow(signed_in, wine)
    notebook = f"{made.path}/notebooks/train"
    edit(signed_in, notebook, "print('mine')\n")
    elsewhere = wine.commit({"mlops.toml": "[project]\nname = 'other'\n"})
    signed_in.repos.update(made.id, branch="main")
    assert signed_in.repos.get(made.id).head_commit_id == elsewhere
    assert "mine" in source(signed_in, notebook)

    pushed = wine.commit({"notebooks/train.py": TRAIN + "print('theirs')\n"})
    with pytest.raises(ResourceConflict, match=r"notebooks/train.py") as refused:
        signed_in.repos.update(made.id, branch="main")
    assert refused.value.error_code == "GIT_CONFLICT"
    assert "mine" in source(signed_in, notebook)
    assert signed_in.repos.get(made.id).head_commit_id == elsewhere
    signed_in.repos.update(made.id, branch="main", dangerously_force_discard_all=True)
    assert "theirs" in source(signed_in, notebook)
    assert signed_in.repos.get(made.id).head_commit_id == pushed


def test_only_this_clouds_repositories_can_be_followed(signed_in: WorkspaceClient, wine: Repository) -> None:
    with pytest.raises(BadRequest, match="opens no connection to the outside") as refused:
        signed_in.repos.create("https://github.com/contoso/wine.git", GITHUB, path=f"/Shared/{fresh('git')}")
    assert refused.value.error_code == "GIT_URL_NOT_ON_ALLOW_LIST"
    with pytest.raises(BadRequest, match="no repository of the Git provider azureDevOpsServices"):
        signed_in.repos.create(wine.url, "azureDevOpsServices", path=f"/Shared/{fresh('git')}")
    with pytest.raises(BadRequest, match="Remote repo not found"):
        signed_in.repos.create(wine.url.replace("wine-", "nope-"), GITHUB, path=f"/Shared/{fresh('git')}")


def test_a_missing_and_a_wrong_credential_are_told_apart_and_leave_nothing(
    live: LiveSandbox, signed_in: WorkspaceClient, wine: Repository
) -> None:
    other, name = someone(live)
    path = f"/Shared/{fresh('git')}"
    with pytest.raises(PermissionDenied, match="Missing Git provider credentials"):
        other.repos.create(wine.url, GITHUB, path=path)
    made = other.git_credentials.create(GITHUB, git_username=name, personal_access_token="ghp_" + "a" * 36)
    with pytest.raises(PermissionDenied, match="Invalid Git provider credentials"):
        other.repos.create(wine.url, GITHUB, path=path)
    with pytest.raises(NotFound):
        signed_in.workspace.get_status(path)
    assert wine.token not in "".join(file.read_text() for file in (live.folder / "git-folders").rglob("config"))
    good = written(live.folder)["github_token"]
    other.git_credentials.update(made.credential_id, GITHUB, personal_access_token=good)
    assert other.repos.create(wine.url, GITHUB, path=path).id


def test_where_a_git_folder_may_stand(signed_in: WorkspaceClient, wine: Repository) -> None:
    path = follow(signed_in, wine).path
    with pytest.raises(ResourceAlreadyExists, match=f"Repo {path} already exists"):
        signed_in.repos.create(wine.url, GITHUB, path=path)
    with pytest.raises(BadRequest, match="inside another Git folder"):
        signed_in.repos.create(wine.url, GITHUB, path=f"{path}/notebooks/inner")
    with pytest.raises(BadRequest, match=r"must be in the format /Repos/"):
        signed_in.repos.create(wine.url, GITHUB, path="/Repos/only-one")
    with pytest.raises(NotFound, match="parent folder"):
        signed_in.repos.create(wine.url, GITHUB, path=f"/Shared/{fresh('nowhere')}/git")
    made = signed_in.repos.create(wine.url, GITHUB)
    assert made.path == f"/Repos/learner@sandbox.example/{wine.clone.name}"
    assert made.id in [one.id for one in signed_in.repos.list()]  # without a prefix: those in /Repos
    assert path in [one.path for one in signed_in.repos.list(path_prefix="/Shared")]
    assert path not in [one.path for one in signed_in.repos.list()]


def test_many_git_folders_come_in_pages(
    signed_in: WorkspaceClient, wine: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_folders, "PAGE", 2)
    folder = f"/Shared/{fresh('many')}"
    signed_in.workspace.mkdirs(folder)
    made = [signed_in.repos.create(wine.url, GITHUB, path=f"{folder}/{number}").id for number in range(5)]
    assert [one.id for one in signed_in.repos.list(path_prefix=folder)] == made


def test_a_deleted_git_folder_is_gone_whichever_way_it_was_deleted(
    live: LiveSandbox, signed_in: WorkspaceClient, wine: Repository
) -> None:
    first, second = follow(signed_in, wine), follow(signed_in, wine)
    signed_in.repos.delete(first.id)
    signed_in.workspace.delete(second.path, recursive=True)
    for made in (first, second):
        with pytest.raises(NotFound):
            signed_in.repos.get(made.id)
        with pytest.raises(NotFound):
            signed_in.workspace.get_status(made.path)
    assert not {first.path, second.path} & {one.path for one in signed_in.repos.list(path_prefix="/Shared")}


def test_a_notebook_and_a_folder_of_one_name_are_refused(signed_in: WorkspaceClient, wine: Repository) -> None:
    wine.commit({"notebooks/train/data.txt": "1\n"})
    with pytest.raises(BadRequest, match=r"conflicting names: notebooks/train.py and notebooks/train\."):
        follow(signed_in, wine)


def test_a_link_in_a_repository_leads_nowhere(signed_in: WorkspaceClient, wine: Repository) -> None:
    (wine.clone / "passwords").symlink_to("/etc/passwd")
    wine.commit({})
    made = follow(signed_in, wine)
    assert source(signed_in, f"{made.path}/passwords") == "/etc/passwd"


@pytest.mark.usefixtures("workspace")
def test_a_credentials_token_is_never_shown_again(live: LiveSandbox) -> None:
    me, name = someone(live)
    made = me.git_credentials.create(GITHUB, git_username=name, personal_access_token="ghp_secret", name="mine")
    got = me.git_credentials.get(made.credential_id)
    assert (got.name, got.git_username, got.is_default_for_provider) == ("mine", name, True)
    shown = str([one.as_dict() for one in me.git_credentials.list()]) + str(got.as_dict())
    assert "ghp_secret" not in shown
    assert b"ghp_secret" not in (live.folder / "state.sqlite").read_bytes()


@pytest.mark.usefixtures("workspace")
def test_a_user_has_several_credentials_of_one_provider_by_name_and_one_of_them_is_the_default(
    live: LiveSandbox,
) -> None:
    me, _ = someone(live)
    first = me.git_credentials.create(GITHUB, personal_access_token="one", name="one")
    with pytest.raises(DatabricksError, match="already exists"):
        me.git_credentials.create("GITHUB", personal_access_token="again", name="one")
    second = me.git_credentials.create(GITHUB, personal_access_token="two", name="two", is_default_for_provider=True)
    default = {one.credential_id: one.is_default_for_provider for one in me.git_credentials.list()}
    assert default == {first.credential_id: False, second.credential_id: True}
    me.git_credentials.delete(first.credential_id)
    with pytest.raises(NotFound, match="does not exist"):
        me.git_credentials.get(first.credential_id)
    with pytest.raises(DatabricksError, match="Invalid Git provider: sourceforge"):
        me.git_credentials.create("sourceforge", personal_access_token="three")


@pytest.mark.usefixtures("workspace")
def test_a_service_principal_has_one_credential_of_a_provider(live: LiveSandbox) -> None:
    from mlops_tui.sandbox.api import Principal

    name = fresh("application")
    robot = Principal(fresh("id"), name, "Robot", is_user=False, app_id=name)
    with inside(live) as sandbox:
        sandbox.members.welcome(robot)
        token = sandbox.members.issue(robot, "tests", 600)["token_value"]
    w = client(live.origin, token)
    w.git_credentials.create(GITHUB, personal_access_token="one", name="one")
    with pytest.raises(InvalidState, match="Only one credential per provider is allowed for service principals"):
        w.git_credentials.create(GITHUB, personal_access_token="two", name="two")


def test_what_a_kill_has_broken_off_is_finished_by_the_next_start(
    live: LiveSandbox, signed_in: WorkspaceClient, wine: Repository
) -> None:
    made = follow(signed_in, wine)
    (live.folder / "files" / "Workspace" / f"{made.path}/late.txt".lstrip("/")).write_text("git was here")
    stray = live.folder / "git-folders" / "0123456789abcdef"
    stray.mkdir()
    with inside(live) as sandbox:
        git_folders.GitFolders(sandbox).start()
    assert kinds(signed_in, made.path)["/late.txt"] == "FILE"
    assert not stray.exists()
    fetched = (live.folder / "git-folders").glob("*/FETCH_HEAD")
    (git_dir,) = [path.parent for path in fetched if wine.clone.name in path.read_text()]
    (git_dir / "index.lock").touch()
    pushed = wine.commit({"mlops.toml": "[other]\n"})
    signed_in.repos.update(made.id, branch="main")
    assert signed_in.repos.get(made.id).head_commit_id == pushed


def test_a_token_that_was_taken_back_no_longer_pulls(
    live: LiveSandbox, signed_in: WorkspaceClient, wine: Repository
) -> None:
    other, name = someone(live)
    with inside(live) as sandbox:
        owner = HostTokens(sandbox.store).owner("github", wine.token)
        assert owner
        short = HostTokens(sandbox.store).issue("github", owner)
    other.git_credentials.create(GITHUB, git_username=name, personal_access_token=short)
    made = follow(other, wine)
    with inside(live) as sandbox:
        HostTokens(sandbox.store).revoke(short)
    with pytest.raises(PermissionDenied, match="Invalid Git provider credentials"):
        other.repos.update(made.id, branch="main")
