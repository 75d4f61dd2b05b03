"""A pushed workflow really runs on GitHub of the practice cloud: jobs, logs, secrets, a yes, an identity token."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.clouds.github import GitHub
from mlops_tui.clouds.rest import Entity
from mlops_tui.errors import ConflictError, ForbiddenError
from mlops_tui.events import PipelinePart, PipelineRun
from mlops_tui.events.pipelines import ENDED
from tests.conftest import LiveSandbox
from tests.contract.github_stories import ADA, Desk, at_a_desk

pytestmark = [pytest.mark.xdist_group("github"), pytest.mark.timeout(120)]
FILE = ".github/workflows/mlops.yml"
EXCHANGE = """
import json, os, ssl, urllib.parse, urllib.request
context = ssl.create_default_context(cafile=os.environ["MLOPS_TUI_PRACTICE_CA"])
address = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange"
asked = urllib.request.Request(address)
asked.add_header("Authorization", "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
token = json.load(urllib.request.urlopen(asked, context=context))["value"]
form = {"grant_type": "client_credentials", "client_id": os.environ["AZURE_CLIENT_ID"], "client_assertion": token}
form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
form["scope"] = os.environ["MLOPS_TUI_PRACTICE_ORIGIN"] + "/.default"
address = os.environ["MLOPS_TUI_PRACTICE_ORIGIN"] + "/" + os.environ["AZURE_TENANT_ID"] + "/oauth2/v2.0/token"
asked = urllib.request.Request(address, urllib.parse.urlencode(form).encode())
answer = json.load(urllib.request.urlopen(asked, context=context))
print("signed in, with", answer["token_type"])
claims = token.split(".")[1]
open("claims", "w").write(claims)
"""
WORKFLOW = """
name: Wine
run-name: Build ${{ inputs.build_number || github.run_number }}
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      build_number:
        type: string
        default: ''
      stage:
        type: choice
        default: all
        options: [all, staging, production]
permissions: {}
jobs:
  train:
    name: Train
    runs-on: ubuntu-latest
    steps:
      - name: Say hello
        run: |
          echo "::group::Run nested"
          echo "hello from $GITHUB_REPOSITORY"
          echo "the secret is $SECRET"
        env:
          SECRET: ${{ secrets.DATABRICKS_TOKEN }}
      - run: mkdir drop && echo '{"build":"${{ vars.AZURE_TENANT_ID }}"}' > drop/image.json
      - uses: actions/upload-artifact@v7
        with:
          name: drop
          path: drop
  production:
    name: Production
    needs: train
    runs-on: ubuntu-latest
    environment: NAME-production
    permissions:
      id-token: write
    steps:
      - name: Sign in
        run: python sign_in.py
        env:
          AZURE_CLIENT_ID: ${{ vars.AZURE_CLIENT_ID }}
          AZURE_TENANT_ID: ${{ vars.AZURE_TENANT_ID }}
      - run: cat claims
"""


@pytest.fixture
def desk(live: LiveSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from at_a_desk(live, tmp_path, monkeypatch)


def workflow(desk: Desk) -> str:
    """The sign-in is a script of many lines, which stands in the step itself: nothing is checked out."""
    script = "\n".join(f"          {line}" for line in EXCHANGE.strip().splitlines())
    return WORKFLOW.replace("NAME", desk.project.name).replace(
        "        run: python sign_in.py", f"        shell: python\n        run: |\n{script}"
    )


def until(look: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def ended(github: GitHub, run_id: str) -> PipelineRun:
    until(lambda: github.run(run_id).state in ENDED)
    return github.run(run_id)


def part(github: GitHub, run_id: str, name: str) -> PipelinePart:
    return next(one for one in github.parts(run_id) if one.name == name)


def test_a_run_waits_for_a_yes_that_a_reviewer_alone_can_give_and_signs_in_without_a_secret(desk: Desk) -> None:
    assert desk.set_up(approvers="ada" if desk.token(ADA) else "").error is None
    github, ada = desk.github(), desk.github(github_token=desk.token(ADA))
    github.settings.set_secret("DATABRICKS_TOKEN", "dapi-hush-hush-hush")
    desk.push({FILE: workflow(desk)}, "Begin [skip ci]")
    assert github.runs(5) == ()

    run = github.queue(RunOrder("main", build_number="77"))
    assert run.number == "77"
    until(lambda: github.run(run.id).state == "waiting")
    train = part(github, run.id, "Train")
    assert train.state == "succeeded"
    steps = [one.name for one in github.parts(run.id) if one.parent == train.id]
    assert [steps[0], steps[1], steps[-2], steps[-1]] == [
        "Set up job",
        "Say hello",
        "Run actions/upload-artifact@v7",
        "Complete job",
    ]
    hello = part(github, run.id, "Say hello")
    told = github.log(run.id, hello.id, 0)
    assert f"hello from {github.full}" in told
    assert "the secret is ***" in told
    assert github.log(run.id, hello.id, len(told) - 1) == told[-1:]
    assert "hush" not in "\n".join(github.log(run.id, train.id, 0))
    assert not part(github, run.id, "Production").has_log

    (waiting,) = github.approvals(run.id)
    assert (waiting.stage, waiting.environment) == ("Production", f"{desk.project.name}-production")
    assert (waiting.approvers, waiting.mine) == (("ada",), False)
    with pytest.raises(ForbiddenError, match="It waits for ada"):
        github.approve(waiting, "mine!")
    (hers,) = ada.approvals(run.id)
    assert hers.mine
    ada.approve(hers, "good enough")
    with pytest.raises(ConflictError, match="no approval any more"):
        ada.approve(hers, "again")

    assert ended(github, run.id).state == "succeeded", github.log(run.id, part(github, run.id, "Production").id, 0)
    assert "signed in, with Bearer" in github.log(run.id, part(github, run.id, "Sign in").id, 0)
    claims = json.loads(
        base64.urlsafe_b64decode(github.log(run.id, part(github, run.id, "Run cat claims").id, 0)[-1] + "==")
    )
    assert claims["sub"] == f"{github.settings.subject_prefix()}:environment:{desk.project.name}-production"
    assert claims["iss"] == desk.cloud.github_token_issuer
    artifacts = list(github._rest.pages(f"{github._root}/actions/runs/{run.id}/artifacts", "artifacts"))
    assert [one["name"] for one in artifacts] == ["drop"]
    packed = github._rest.content(f"{github._root}/actions/artifacts/{artifacts[0]['id']}/zip")
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["image.json"]
    logs = zipfile.ZipFile(io.BytesIO(github._rest.content(f"{github._root}/actions/runs/{run.id}/logs")))
    assert {"0_Train.txt", "1_Production.txt", "Train/1_Set up job.txt", "Train/2_Say hello.txt"} <= {*logs.namelist()}
    assert f"hello from {github.full}" in logs.read("Train/2_Say hello.txt").decode()


def without_run_details(call: Callable[..., Entity]) -> Callable[..., Entity]:
    def older(method: str, path: str, body: Any = None, **params: str) -> Entity:
        body = {name: value for name, value in body.items() if name != "return_run_details"} if body else body
        return call(method, path, body, **params)

    return older


def test_a_push_starts_a_run_and_one_that_says_skip_ci_does_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.set_up().error is None
    github = desk.github()
    desk.push({FILE: workflow(desk), "one.md": "1"}, "Begin [skip ci]")
    commit = desk.push({"one.md": "2"}, "Go on")
    until(lambda: bool(github.runs(5)))
    (run,) = github.runs(5)
    assert (run.reason, run.commit, run.branch, run.number) == ("push", commit, "main", "1")
    until(lambda: github.run(run.id).state == "waiting")
    github.cancel(run.id)
    assert ended(github, run.id).state == "canceled"
    github.cancel(run.id)

    # A host that does not say which run a dispatch has started: the newest of that kind is it.
    monkeypatch.setattr(github._rest, "call", without_run_details(github._rest.call))
    other = github.queue(RunOrder("main"))
    assert (other.reason, other.id != run.id) == ("manual", True)
    github.cancel(other.id)
    assert github.page().endswith(f"{github.full}/actions/workflows/mlops.yml")


def test_a_job_without_the_permission_gets_no_token_and_one_of_another_environment_is_not_trusted(desk: Desk) -> None:
    assert desk.set_up().error is None
    github = desk.github()
    text = workflow(desk).replace("      id-token: write", "      contents: read")
    other = workflow(desk).replace(f"environment: {desk.project.name}-production", "environment: elsewhere")
    desk.push({FILE: text.replace(f"    environment: {desk.project.name}-production\n", "")}, "Begin [skip ci]")
    run = github.queue(RunOrder("main"))
    assert ended(github, run.id).state == "failed"
    assert "KeyError: 'ACTIONS_ID_TOKEN_REQUEST_URL'" in github.log(run.id, part(github, run.id, "Sign in").id, 0)
    job = part(github, run.id, "Production")
    assert job.detail == "", "its log says more"
    annotations = list(github._rest.pages(f"{github._root}/check-runs/{job.id}/annotations"))
    assert [one["message"] for one in annotations] == ["Process completed with exit code 1."]
    desk.push({FILE: other}, "Elsewhere [skip ci]")
    run = github.queue(RunOrder("main"))
    assert ended(github, run.id).state == "failed"
    assert github.settings.environment("elsewhere") is not None, "a job that names one makes it"


def test_a_workflow_that_is_removed_and_comes_back_is_the_same_one_with_its_runs(desk: Desk) -> None:
    github = desk.github()
    github.make_repository()
    plain = "on: [push]\njobs:\n  hello:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n"
    desk.push({FILE: plain}, "Begin")
    (run,) = github.runs(5)
    assert ended(github, run.id).state == "succeeded"
    listed = f"{github.settings._root}/actions/workflows"
    (before,) = github.settings._rest.call("GET", listed)["workflows"]
    desk.remove_file(FILE)
    (gone,) = github.settings._rest.call("GET", listed)["workflows"]
    assert (gone["id"], gone["state"]) == (before["id"], "deleted")
    assert [one.id for one in github.runs(5)] == [run.id]
    desk.push({FILE: plain}, "Again")
    (back,) = github.settings._rest.call("GET", listed)["workflows"]
    assert (back["id"], back["state"]) == (before["id"], "active")
    assert [one.number for one in github.runs(5)] == ["2", "1"], "no two builds have one number"
