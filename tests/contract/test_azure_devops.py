"""Azure DevOps as a host of repositories: our client and real git against the practice organisation."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_tui.clouds.rest import Rest
from mlops_tui.errors import CloudError, ConflictError, ForbiddenError, NotFoundError, SignInError, UsageError
from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.devops_projects import Projects
from mlops_tui.sandbox.host_tokens import HostTokens
from mlops_tui.sandbox.store import Store
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import raw
from tests.contract.devops_desk import Git, ask, devops, project_of, switched

pytestmark = [pytest.mark.xdist_group("azure-devops"), pytest.mark.timeout(100)]
LEARNER = "00000000-0000-4000-8000-000000001ea4"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projects, "seconds", 0.05)


def test_a_repository_comes_with_its_project_and_git_clones_and_pushes_it(live: LiveSandbox, tmp_path: Path) -> None:
    with devops(live, project_of(live, "round-trip")) as host:
        assert host.find_repository() is None
        made = host.make_repository()
        assert made == host.find_repository() == host.make_repository()
        assert made.clone_url == f"{live.origin}/devops/practice/round-trip/_git/round-trip"
        assert host.head(made, "main") is None
        git = Git(live, tmp_path, host.authorization())
        large = base64.b64encode(os.urandom(2_000_000)).decode()  # more than git sends at once
        commit = git.push(made.clone_url, {"notebooks/train.py": "print('ä')\n", "large.txt": large}, "First")
        assert host.head(made, "main") == commit
        files = host.files(made, commit)
        assert set(files) == {"notebooks/train.py", "large.txt"}
        assert files["large.txt"] == git.run("rev-parse", "HEAD:large.txt").stdout.strip()
        assert host.read(made, commit, "notebooks/train.py").decode() == "print('ä')\n"
        with pytest.raises(NotFoundError, match="TF401174"):
            host.read(made, commit, "gone.py")
        other = tmp_path / "other"
        other.mkdir()
        Git(live, other, host.authorization()).run("clone", "--quiet", made.clone_url, "copy")
        assert (other / "copy" / "notebooks" / "train.py").read_text() == "print('ä')\n"
        assert host.delete_repository(made)
        assert not host.delete_repository(made)
        assert host.find_repository() is None


def test_the_first_branch_that_is_pushed_is_the_default_one(live: LiveSandbox, tmp_path: Path) -> None:
    """What Databricks looks for when a Git folder is made of the repository."""
    with devops(live, project_of(live, "other-branch")) as host:
        made = host.make_repository()
        git = Git(live, tmp_path, host.authorization())
        git.push(made.clone_url, {"one.txt": "1"}, "First", branch="feature/x")
        assert "ref: refs/heads/feature/x\tHEAD" in git.run("ls-remote", "--symref", made.clone_url).stdout
        git.push(made.clone_url, {"two.txt": "2"}, "Second", branch="main")
        assert "ref: refs/heads/feature/x\tHEAD" in git.run("ls-remote", "--symref", made.clone_url).stdout
        assert host.delete_repository(made)


def test_a_repository_in_a_project_of_others_goes_alone(live: LiveSandbox) -> None:
    with devops(live, project_of(live, "shared", project="of-others")) as host:
        host.make_repository()
    with devops(live, project_of(live, "second", project="of-others")) as host:
        repository = host.make_repository()
        assert host.wires.find_project() is not None
        assert host.delete_repository(repository)
        assert host.wires.find_project() is not None, "the project stays"


def test_git_is_asked_to_sign_in_and_a_wrong_token_is_turned_away(live: LiveSandbox, tmp_path: Path) -> None:
    with devops(live, project_of(live, "closed")) as host:
        url = host.make_repository().clone_url
    for authorization in ("", "Basic " + base64.b64encode(b":wrong").decode()):
        done = Git(live, tmp_path, authorization).run("ls-remote", url, check=False)
        assert done.returncode != 0
        assert "could not read Username" in done.stderr or "Authentication failed" in done.stderr


def test_a_wrong_personal_access_token_is_told_with_the_scopes_that_another_needs(live: LiveSandbox) -> None:
    with devops(live, project_of(live, "any", azure_devops_token="wrong" * 10)) as host:
        for act in (host.account, host.find_repository, host.make_repository):
            with pytest.raises(SignInError) as caught:
                act()
            assert "does not take the personal access token" in caught.value.message
            assert "(HTTP 203)" in caught.value.message
            assert "AZURE_DEVOPS_EXT_PAT" in caught.value.hint
            assert "Code (read, write, & manage)" in caught.value.hint
            assert "_usersSettings/tokens" in caught.value.hint
            assert "wrong" not in str(vars(caught.value)).replace("it is wrong", "")


def test_a_personal_access_token_that_has_run_out_is_told(live: LiveSandbox) -> None:
    store = Store(live.folder)
    try:
        learner = Principal(LEARNER, "learner@sandbox.example", "Learner", is_user=True)
        old = HostTokens(store).issue("azure-devops", learner, seconds=-1)
    finally:
        store.close()
    with devops(live, project_of(live, "any", azure_devops_token=old)) as host, pytest.raises(SignInError) as caught:
        host.find_repository()
    assert "has expired" in caught.value.message
    assert caught.value.raw == "Access Denied: The Personal Access Token used has expired."
    assert old not in str(vars(caught.value))


@pytest.mark.parametrize("status", [200, 203, 302])
def test_a_page_to_sign_in_with_is_no_answer(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Whatever the status: a browser gets the redirect, others the page itself."""
    assert raw(live, "GET", "/devops/practice/_apis/projects").status_code == 302
    page = SimpleNamespace(status_code=status, headers={"Content-Type": "text/html; charset=utf-8"})
    monkeypatch.setattr(Rest, "send", lambda *_: page)
    with devops(live, project_of(live, "any")) as host, pytest.raises(SignInError, match=f"HTTP {status}"):
        host.account()


def test_a_project_may_have_a_name_that_addresses_must_escape(live: LiveSandbox, tmp_path: Path) -> None:
    with devops(live, project_of(live, "escaped", project="Wine & Ünïts")) as host:
        made = host.make_repository()
        assert made == host.find_repository()
        assert " " not in made.clone_url
        commit = Git(live, tmp_path, host.authorization()).push(made.clone_url, {"a b/ü.py": "1"}, "One")
        assert list(host.files(made, commit)) == ["a b/ü.py"]
        assert host.read(made, commit, "a b/ü.py") == b"1"


def test_without_a_token_the_azure_sign_in_counts(live: LiveSandbox, tmp_path: Path) -> None:
    with devops(live, project_of(live, "by-entra", azure_devops_token="")) as host:
        assert host.account().display == "mlops-tui sandbox owner"
        url = host.make_repository().clone_url
        assert Git(live, tmp_path, host.authorization()).run("ls-remote", url).returncode == 0


def test_whoever_is_no_member_of_the_organisation_is_told_so(live: LiveSandbox) -> None:
    ask(live, "POST", "/_sandbox/devops", {"organization": "another", "members": {}})
    with devops(live, project_of(live, "any", organization="another")) as host, pytest.raises(ForbiddenError) as caught:
        host.find_repository()
    assert "no member of the organisation another" in caught.value.message
    assert f"TF400813: The user '{LEARNER}' is not authorized" in caught.value.raw
    assert caught.value.exit_code == 3


def test_an_organisation_that_is_not_there_is_a_setting_to_put_right(live: LiveSandbox) -> None:
    project = project_of(live, "any", organization="nowhere")
    with devops(live, project) as host, pytest.raises(UsageError, match="knows no organisation nowhere"):
        host.find_repository()


def test_whoever_may_only_read_is_told_what_is_missing(live: LiveSandbox, tmp_path: Path) -> None:
    with devops(live, project_of(live, "read-only")) as host:
        repository = host.make_repository()
        with switched(live, members={LEARNER: "reader"}):
            assert host.find_repository() == repository
            with pytest.raises(AssertionError, match="403"):
                Git(live, tmp_path, host.authorization()).push(repository.clone_url, {"a": "b"}, "No")
            with pytest.raises(ForbiddenError, match="Delete team project") as caught:
                host.delete_repository(repository)
            assert "A personal access token needs these scopes" in caught.value.hint


def test_a_project_that_cannot_be_made_is_told_and_can_be_made_later(live: LiveSandbox) -> None:
    with devops(live, project_of(live, "unlucky")) as host:
        ask(live, "POST", "/_sandbox/devops", {"next_operation": "failed"})
        with pytest.raises(CloudError, match="could not finish the project unlucky"):
            host.make_repository()
        assert host.make_repository().name == "unlucky"


def test_a_name_that_is_taken_by_what_is_not_shown_is_a_conflict(
    live: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a project that is being deleted."""
    with devops(live, project_of(live, "going")) as host:
        host.make_repository()
        monkeypatch.setattr(Projects, "seconds", 60)
        place = host.wires.find_project()
        assert place is not None
        path = f"/devops/practice/_apis/projects/{place.id}?api-version=7.1"
        assert raw(live, "DELETE", path, Authorization=host.authorization()).status_code == 202
        with pytest.raises(ConflictError, match="TF200019"):
            host.make_repository()


def test_an_unknown_route_says_that_it_is_not_built(live: LiveSandbox) -> None:
    assert raw(live, "GET", "/devops/practice/_apis/wit/workitems").status_code == 501
