"""GitHub of the practice cloud, beside what wiring and runs ask of it: pages, refusals, git itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from mlops_tui.clouds import github_rest
from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.errors import CloudError, ConflictError, NotFoundError
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import raw
from tests.contract.github_stories import ADA, LEARNER, STRANGER, Desk, at_a_desk

pytestmark = [pytest.mark.xdist_group("github"), pytest.mark.timeout(120)]
FILE = ".github/workflows/mlops.yml"
WORKFLOW = """
name: Wine
on:
  workflow_dispatch:
    inputs:
      build_number:
        required: true
      stage:
        type: choice
        options: [all, staging]
jobs:
  train:
    runs-on: ubuntu-latest
    steps:
      - run: echo hello
"""


@pytest.fixture
def desk(live: LiveSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from at_a_desk(live, tmp_path, monkeypatch)


def test_lists_come_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    github = desk.github()
    github.make_repository()
    for number in range(5):
        github.settings.set_variable(f"V{number}", "value", is_there=False)
    monkeypatch.setattr(github_rest, "MOST", 2)
    assert list(github.settings.variables()) == ["V0", "V1", "V2", "V3", "V4"]
    with pytest.raises(ConflictError, match="Variable already exists"):
        github.settings.set_variable("V1", "value", is_there=False)


@pytest.mark.parametrize(
    ("ref", "inputs", "words"),
    [
        ("nowhere", {"build_number": "1"}, "No ref found for: nowhere"),
        ("main", {"build_number": "1", "colour": "red"}, r'Unexpected inputs provided: \["colour"\]'),
        ("main", {}, "Required input 'build_number' not provided"),
        ("main", {"build_number": "1", "stage": "moon"}, "Provided value 'moon' for input 'stage' not in the list"),
    ],
)
def test_a_dispatch_is_checked_against_the_file(desk: Desk, ref: str, inputs: dict[str, Any], words: str) -> None:
    github = desk.github()
    github.make_repository()
    with pytest.raises(NotFoundError):
        github.runs(5)
    desk.push({FILE: WORKFLOW}, "First [skip ci]")
    assert github.runs(5) == ()
    place = f"{github._root}/actions/workflows/mlops.yml/dispatches"
    with pytest.raises(HttpResponseError, match=words):
        github._rest.call("POST", place, {"ref": ref, "inputs": inputs})


def test_a_workflow_that_nothing_dispatches_cannot_be(desk: Desk) -> None:
    github = desk.github()
    github.make_repository()
    desk.push({FILE: WORKFLOW.replace("workflow_dispatch:\n    inputs:", "push:\n    other:")}, "First [skip ci]")
    with pytest.raises(CloudError, match="Workflow does not have 'workflow_dispatch' trigger"):
        github.queue(RunOrder("main"))


def test_files_are_read_as_they_were_pushed(desk: Desk) -> None:
    github = desk.github()
    found = github.make_repository()
    assert github.head(found, "main") is None
    text = "# Wein, süß\n"
    commit = desk.push({"notebooks/train.py": text, "a b/c#d?.md": text}, "First [skip ci]")
    assert github.head(found, "main") == commit
    assert github.head(found, "other") is None
    files = github.files(found, commit)
    assert set(files) == {"notebooks/train.py", "a b/c#d?.md"}
    assert {github.read(found, commit, path).decode() for path in files} == {text}
    with pytest.raises(NotFoundError):
        github.read(found, commit, "missing.md")


def test_the_first_branch_that_is_pushed_is_the_default_one(desk: Desk) -> None:
    github = desk.github()
    github.make_repository()
    desk.push({FILE: WORKFLOW}, "First [skip ci]", branch="trunk")
    assert github._rest.call("GET", github._root)["default_branch"] == "trunk"
    assert github.runs(1) == (), "its workflows are known"


def test_git_lets_nobody_push_who_may_not(desk: Desk) -> None:
    github = desk.github()
    github.make_repository()
    desk.push({"one.md": "1"}, "First [skip ci]")
    with pytest.raises(subprocess.CalledProcessError) as reader:
        desk.push({"two.md": "2"}, "Second [skip ci]", token=desk.token(ADA))
    assert "403" in reader.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as stranger:
        desk.push({"three.md": "3"}, "Third [skip ci]", token=desk.token(STRANGER))
    assert "not found" in stranger.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as nobody:
        desk.push({"four.md": "4"}, "Fourth [skip ci]", token="ghp_" + "0" * 36)
    assert "Authentication failed" in nobody.value.stderr or "could not read Username" in nobody.value.stderr


@pytest.mark.parametrize("scopes", [("repo",), ("contents=write", "administration=write")])
def test_a_token_without_the_right_to_workflows_pushes_none(desk: Desk, scopes: tuple[str, ...]) -> None:
    desk.github().make_repository()
    token = desk.token(LEARNER, *scopes)
    desk.push({"one.md": "1"}, "First", token=token)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        desk.push({FILE: WORKFLOW}, "Second [skip ci]", token=token)
    assert f"create or update workflow `{FILE}` without `workflow` scope" in refused.value.stderr
    with pytest.raises(NotFoundError):
        desk.github().runs(1)
    desk.push({"two.md": "2"}, "Third [skip ci]", token=desk.token(LEARNER, "repo", "workflow"))


def test_a_no_looks_like_githubs(desk: Desk) -> None:
    told = raw(desk.live, "GET", "/api/v3/user", Authorization="Bearer nonsense")
    assert told.status_code == 401
    assert told.json() == {
        "message": "Bad credentials",
        "documentation_url": "https://docs.github.com/rest",
        "status": "401",
    }
    assert told.headers["X-RateLimit-Limit"] == "5000"
    page = raw(desk.live, "GET", "/practice/anything/actions/runs/1")
    assert page.headers["Content-Type"].startswith("text/html")
    issuer = raw(desk.live, "GET", "/_services/token/.well-known/openid-configuration").json()["issuer"]
    assert issuer == desk.cloud.github_token_issuer
