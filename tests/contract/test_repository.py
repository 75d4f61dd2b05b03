"""The project gets a repository on its host, with real git: made once, then the truth, and never overwritten."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.clouds import git_push
from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.git_push import Remote
from mlops_tui.errors import ConflictError, SignInError, UsageError
from mlops_tui.events import Event, LogLine
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox import exports
from mlops_tui.sandbox.process import Address
from mlops_tui.session import Session
from mlops_tui.setup.repository import EDITED, ProjectRepository
from mlops_tui.steps import Finding, Report
from tests.conftest import LiveSandbox
from tests.credentials import of_owner, written

pytestmark = [pytest.mark.xdist_group("github"), pytest.mark.timeout(120)]
STEP = ProjectRepository()


@dataclass
class Desk:
    """Somebody with a project of their own, and with git."""

    live: LiveSandbox
    project: Project
    cloud: Cloud
    file: Path | None
    told: list[Event]

    def session(self, **changes: Any) -> Session:
        session = Session(replace(self.project, **changes), self.cloud, self.file)
        session.learn("tenant_id", self.project.tenant_id)
        session.learn("subscription_id", self.project.subscription_id)
        return session

    def look(self, **changes: Any) -> Finding:
        with closing(self.session(**changes)) as session:
            return STEP.inspect(session)

    def set_up(self, finding: Finding | None = None) -> str:
        """The commit that the branch is at then."""
        with closing(self.session()) as session:
            STEP.apply(session, finding or STEP.inspect(session), Report("repository", self.told.append))
            return session.know("branch_head", "repository")

    def tear_down(self) -> str:
        with closing(self.session()) as session:
            STEP.remove(session, Report("repository", self.told.append))
        last = self.told[-1]
        assert isinstance(last, LogLine)
        return last.text

    def remote(self) -> Remote:
        with closing(self.session()) as session:
            found = session.clients.ci_host.find_repository()
            assert found is not None
            return Remote(found.clone_url, session.clients.ci_host.authorization(), self.cloud)

    def git(self, *arguments: str, folder: Path) -> str:
        """As this person would type it, with a name of their own."""
        environment = git_push._environment(folder, self.remote())
        person = {
            f"GIT_{role}_{what}": "ada@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        ended = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**environment, **person},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def clone(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        self.git("clone", "--quiet", self.remote().url, "copy", folder=folder)
        return folder / "copy"

    def edit(self, folder: Path, *arguments: str) -> None:
        """Commit all that was changed in that clone, and push it."""
        self.git("add", "--all", folder=folder)
        self.git("commit", "--quiet", "-m", "mine [skip ci]", folder=folder)
        self.git("push", "--quiet", folder=folder)


@pytest.fixture(params=["github", "azure-devops"])
def desk(live: LiveSandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    notebooks = tmp_path / "mine"
    notebooks.mkdir()
    (notebooks / "train.py").write_text("# Databricks notebook source\nprint('training')\n")
    file = tmp_path / "mlops.toml"
    file.write_text('# ours\n[project]\nname = "wine"\nnotebooks = "mine"\n\n[azure]\nsign_in = "cli"\n')
    kept = written(live.folder)
    ci = Ci(
        host=request.param,
        organization=kept["ci_organization"],
        repository=re.sub(r"\W|_", "-", request.node.name)[5:60].strip("-"),
        github_token=kept["github_token"],
        azure_devops_token=kept["azure_devops_token"],
    )
    project = Project(**of_owner(live.folder), name="wine", location="northeurope", notebooks=str(notebooks), ci=ci)
    return Desk(live, project, local_cloud(live.origin, str(live.ca)), file, [])


def details(finding: Finding) -> dict[str, tuple[str, str]]:
    return {change.what: (change.action, change.detail) for change in finding.changes}


def test_first_everything_is_brought_there_then_nothing_is_to_do(desk: Desk, tmp_path: Path) -> None:
    planned = desk.look()
    assert [change.action for change in planned.changes] == ["create"] * 5
    head = desk.set_up(planned)
    assert desk.look().pending == ()
    copy = desk.clone(tmp_path / "ada")
    assert desk.git("rev-parse", "HEAD", folder=copy) == head
    assert "[skip ci]" in desk.git("log", "--format=%s", folder=copy)
    assert (copy / "notebooks" / "train.py").read_text().endswith("print('training')\n")
    pipeline = pipeline_file(desk.project)
    assert pipeline is not None
    assert (copy / pipeline.path).read_text() == pipeline.text
    settings = (copy / "mlops.toml").read_text()
    assert settings.startswith("# ours\n[project]\n"), "the project's own file as it stands"
    for line in (
        'notebooks = "notebooks"',
        'location = "northeurope"',
        f'host = "{desk.project.ci.host}"',
        'sign_in = "auto"',
    ):
        assert line in settings
    for name in ("tenant_id", "subscription_id"):
        assert f'{name} = "{getattr(desk.project, name)}"' in settings
    assert desk.project.client_secret not in settings
    assert desk.project.client_id not in settings


def test_what_was_edited_there_is_kept_and_what_is_missing_there_is_added(desk: Desk, tmp_path: Path) -> None:
    desk.set_up()
    copy = desk.clone(tmp_path / "ada")
    (copy / "notebooks" / "train.py").write_text("# mine now\n")
    (copy / ".gitignore").unlink()
    desk.edit(copy)
    found = desk.look()
    assert details(found)["file notebooks/train.py"] == ("keep", EDITED)
    assert [change.what for change in found.pending] == ["file .gitignore"]
    desk.set_up(found)
    assert desk.look().pending == ()
    desk.git("pull", "--quiet", folder=copy)
    assert (copy / "notebooks" / "train.py").read_text() == "# mine now\n"
    assert (copy / ".gitignore").exists()
    assert desk.git("log", "--format=%an", folder=copy).split() == ["mlops-tui", "ada@example.com", "mlops-tui"]


def test_what_somebody_pushed_since_the_plan_stays_theirs(desk: Desk, tmp_path: Path) -> None:
    desk.set_up()
    copy = desk.clone(tmp_path / "ada")
    (copy / ".gitignore").unlink()
    desk.edit(copy)
    planned = desk.look()
    (copy / ".gitignore").write_text("theirs\n")
    desk.edit(copy)
    desk.set_up(planned)
    assert desk.look().pending == ()
    assert details(desk.look())["file .gitignore"] == ("keep", EDITED)


def test_a_push_that_comes_too_late_overwrites_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.set_up()
    with pytest.raises(ConflictError, match="meanwhile"):
        git_push.push(desk.remote(), "main", {"a.txt": b"a"}, "again from nothing", onto=None)
    with pytest.raises(ConflictError, match="meanwhile"):
        git_push.push(desk.remote(), "main", {"a.txt": b"a"}, "on what was there once", onto="0" * 40)


def test_nobody_sees_the_token_in_any_command_line(desk: Desk) -> None:
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:  # it has ended
                    continue

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        desk.set_up()
    finally:
        stop.set()
        watching.join(10)
    assert any("git push" in line or "git-remote-https" in line for line in seen), "it was watched while it pushed"
    secrets = (desk.project.ci.token, desk.remote().authorization.split()[1], desk.project.client_secret)
    assert not [line for line in seen if any(secret in line for secret in secrets)]


def test_a_repository_that_only_this_program_has_filled_goes_with_the_rest(desk: Desk) -> None:
    desk.set_up()
    assert "deleted" in desk.tear_down()
    assert "there is no" in desk.tear_down()


def test_a_repository_with_anybody_elses_commit_on_any_branch_is_kept(desk: Desk, tmp_path: Path) -> None:
    desk.set_up()
    copy = desk.clone(tmp_path / "ada")
    desk.git("checkout", "--quiet", "-b", "idea", folder=copy)
    (copy / "idea.txt").write_text("…")
    desk.git("add", "--all", folder=copy)
    desk.git("commit", "--quiet", "-m", "an idea [skip ci]", folder=copy)
    desk.git("push", "--quiet", "origin", "idea", folder=copy)
    assert "commits of ada@example.com" in desk.tear_down()
    assert desk.look().pending == ()


def test_a_token_that_is_not_good_is_a_sign_in_error_without_the_token(desk: Desk) -> None:
    desk.set_up()
    wrong = replace(desk.remote(), authorization="Basic bm9ib2R5OndyaXRlcy10aGlz")
    with pytest.raises(SignInError) as caught:
        git_push.push(wrong, "main", {"a.txt": b"a"}, "a", onto=None)
    assert caught.value.exit_code == 3
    assert "bm9ib2R5" not in repr(wrong) + caught.value.raw


def test_without_an_organisation_it_says_how_to_give_one(desk: Desk) -> None:
    with pytest.raises(UsageError) as caught:
        desk.look(ci=replace(desk.project.ci, organization=""))
    assert "--ci-organization" in caught.value.raw
    assert "MLOPS_TUI_CI_ORGANIZATION" in caught.value.raw
    assert "ci.organization in mlops.toml" in caught.value.raw


def test_a_secret_in_a_notebook_is_not_brought_to_everybody(desk: Desk) -> None:
    notebook = Path(desk.project.notebooks) / "train.py"
    notebook.write_text(f"# one\ntoken = {desk.project.ci.token!r}\n")
    with closing(desk.session()) as session:
        _ = session.clients.ci_host
    with pytest.raises(UsageError) as caught:
        desk.look()
    assert caught.value.problems == ("notebooks/train.py:2: holds a secret",)


def test_without_a_host_there_is_nothing_to_do(desk: Desk) -> None:
    assert desk.look(ci=Ci()).changes == ()
    assert STEP.wanted(replace(desk.project, ci=Ci())) == ()


def test_git_reaches_it_with_what_the_practice_cloud_exports_alone(desk: Desk, tmp_path: Path) -> None:
    desk.set_up()
    told = exports.environment(desk.live.folder, Address(int(desk.live.origin.rpartition(":")[2])))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= told | {"HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    url = desk.remote().url
    subprocess.run(["git", "clone", "-q", url, str(tmp_path / "copy")], env=environment, timeout=30, check=True)
    assert (tmp_path / "copy" / "notebooks" / "train.py").is_file()
    token = desk.project.ci.token
    assert token not in (tmp_path / "copy" / ".git" / "config").read_text()
