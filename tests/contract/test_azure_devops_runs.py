"""A pipeline of Azure DevOps runs: queued, followed, approved, ended; by our client, with what setup has wired."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from mlops_tui.clouds.azure_devops import AzureDevOps
from mlops_tui.clouds.azure_devops_rest import PREVIEW
from mlops_tui.clouds.ci_host import Repository, RunOrder
from mlops_tui.clouds.directory import FederatedCredential
from mlops_tui.engine import Engine
from mlops_tui.errors import CloudError, ForbiddenError, NotFoundError
from mlops_tui.events import PipelinePart, PipelineRun
from mlops_tui.events.pipelines import ENDED
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.setup import steps
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import raw
from tests.contract.devops_desk import Git, cloud_of, devops, project_of, switched

pytestmark = [pytest.mark.xdist_group("azure-devops"), pytest.mark.timeout(150)]
NEEDED = ("sign-in", "resource-group", "databricks-workspace", "service-principal", "repository", "pipeline")
PIPELINE = """
trigger: [main]
parameters:
  - {name: build_number, type: string, default: ''}
  - {name: stage, type: string, default: all, values: [all, staging, production]}
stages:
  - stage: Train
    jobs:
      - job: train
        displayName: Train a little
        steps:
          - script: echo "build $BUILD_BUILDNUMBER of $AZURE_CLIENT_ID, stage ${{ parameters.stage }}"
            displayName: Say hello
          - task: AzureCLI@2
            displayName: Sign in
            inputs:
              azureSubscription: PROJECT
              scriptType: bash
              scriptLocation: inlineScript
              inlineScript: python exchange.py
            env:
              SYSTEM_ACCESSTOKEN: $(System.AccessToken)
  - stage: Production
    dependsOn: Train
    jobs:
      - deployment: production
        environment: PROJECT-production
        strategy:
          runOnce:
            deploy:
              steps:
                - script: echo it answers
"""
PUBLISHING = """
trigger: none
steps:
  - script: mkdir out && echo '{}' > out/image.json
  - publish: out
    artifact: drop
"""
EXCHANGE = """
import json, os, ssl, urllib.error, urllib.parse, urllib.request
context = ssl.create_default_context(cafile=os.environ["MLOPS_TUI_PRACTICE_CA"])
def post(url, data, **headers):
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    try:
        return json.load(urllib.request.urlopen(request, context=context, timeout=20))
    except urllib.error.HTTPError as error:
        raise SystemExit(error.read().decode())
connection = os.environ["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"]
url = os.environ["SYSTEM_OIDCREQUESTURI"] + "?api-version=7.1&serviceConnectionId=" + connection
token = post(url, b"", Authorization="Bearer " + os.environ["SYSTEM_ACCESSTOKEN"])["oidcToken"]
origin, tenant = os.environ["MLOPS_TUI_PRACTICE_ORIGIN"], os.environ["AZURESUBSCRIPTION_TENANT_ID"]
form = {"grant_type": "client_credentials", "client_id": os.environ["AZURESUBSCRIPTION_CLIENT_ID"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token, "scope": "https://management.azure.com/.default"}
post(f"{origin}/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode())
print("signed in without a secret")
"""
AResult = TypeVar("AResult")


def soon(look: Callable[[], AResult | None], what: str, seconds: float = 60.0) -> AResult:
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


@dataclass
class Shop:
    """A wired project, and a clone of its repository."""

    live: LiveSandbox
    project: Project
    host: AzureDevOps
    repository: Repository
    git: Git

    def push(self, pipeline: str, branch: str = "main", message: str = "A pipeline [skip ci]") -> str:
        """Always a change: the file ends with a number of its own."""
        text = f"{pipeline.replace('PROJECT', self.project.name)}# {time.time_ns()}\n"
        files = {"azure-pipelines.yml": text, "exchange.py": EXCHANGE}
        return self.git.push(self.repository.clone_url, files, message, branch)

    def until(self, run_id: str, *states: str) -> PipelineRun:
        def look() -> PipelineRun | None:
            run = self.host.run(run_id)
            assert run.state in states or run.state not in ENDED, self.told(run_id)
            return run if run.state in states else None

        return soon(look, f"the run {run_id} is {' or '.join(states)}")

    def parts(self, run_id: str) -> dict[str, PipelinePart]:
        return {part.name: part for part in self.host.parts(run_id)}

    def raw(self, method: str, path: str, body: Any = None) -> Any:
        """As it is on the wire."""
        place = f"/devops/practice/{self.project.name}/_apis/{path}?api-version=7.1"
        return raw(self.live, method, place, json=body, Authorization=self.host.authorization())

    def told(self, run_id: str) -> str:
        lines = [self.host.run(run_id).detail]
        for part in self.host.parts(run_id):
            lines += [f"{part.kind} {part.name}: {part.state} {part.detail}", *self.host.log(run_id, part.id, 0)]
        return "\n".join(lines)


def wired(live: LiveSandbox, project: Project) -> None:
    with closing(Session(project, cloud_of(live))) as session:
        engine = Engine([step for step in steps() if step.name in NEEDED], session, lambda _: None)
        outcome = engine.apply(engine.plan())
        assert outcome.error is None


@pytest.fixture(scope="module")
def shop(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    project = replace(project_of(live, "running"), service_principal="running-app")
    wired(live, project)
    with devops(live, project) as host:
        repository = host.find_repository()
        assert repository is not None
        yield Shop(live, project, host, repository, Git(live, tmp_path_factory.mktemp("clone"), host.authorization()))


def test_a_run_is_followed_to_its_approval_and_beyond(shop: Shop) -> None:
    host = shop.host
    commit = shop.push(PIPELINE)
    run = host.queue(RunOrder("main", build_number="77", stage="all"))
    assert run.branch == "main"
    assert run.commit == commit
    assert run.reason == "manual"
    assert run.url.endswith(f"/_build/results?buildId={run.id}")
    waiting = shop.until(run.id, "waiting")
    assert waiting.detail == "an approval: Production"
    parts = host.parts(run.id)
    assert [(part.kind, part.name, part.state) for part in parts if part.kind == "stage"] == [
        ("stage", "Train", "succeeded"),
        ("stage", "Production", "waiting"),
    ]
    named = {part.name: part for part in parts}
    assert named["Say hello"].parent == named["Train a little"].id
    assert named["Train a little"].parent == named["Train"].id
    hello = "\n".join(host.log(run.id, named["Say hello"].id, 0))
    assert f"build {run.number} of " in hello
    assert "stage all" in hello
    assert host.log(run.id, named["Say hello"].id, 10_000) == ()
    assert "signed in without a secret" in "\n".join(host.log(run.id, named["Sign in"].id, 0))
    [approval] = host.approvals(run.id)
    assert (approval.stage, approval.environment) == ("Production", f"{shop.project.name}-production")
    assert approval.approvers == ("learner@sandbox.example",)
    assert approval.mine
    host.approve(approval, "looks good")
    done = shop.until(run.id, "succeeded")
    assert done.finished is not None
    assert host.approvals(run.id) == ()
    assert host.runs(1) == (done,)
    host.cancel(run.id)  # nothing happens to what has ended


def test_only_an_approver_may_say_yes(shop: Shop, live: LiveSandbox) -> None:
    shop.push(PIPELINE)
    run = shop.host.queue(RunOrder("main"))
    shop.until(run.id, "waiting")
    other = replace(shop.project, ci=replace(shop.project.ci, azure_devops_token=""))
    with devops(live, other) as somebody:  # a member, an administrator even
        [approval] = somebody.approvals(run.id)
        assert not approval.mine
        with pytest.raises(ForbiddenError, match="needs the following permission to perform this action: Approve"):
            somebody.approve(approval, "")
    shop.host.cancel(run.id)
    assert shop.until(run.id, "canceled").state == "canceled"
    shop.host.cancel(run.id)


def test_a_push_starts_a_run_unless_it_says_not_to(shop: Shop) -> None:
    before = shop.host.runs(1)
    shop.push(PIPELINE)
    shop.push(PIPELINE, "elsewhere", "Another branch")
    assert shop.host.runs(1) == before
    commit = shop.push(PIPELINE, "main", "A change")
    [run] = shop.host.runs(1)
    assert (run.commit, run.reason) == (commit, "push")
    shop.host.cancel(run.id)
    shop.until(run.id, "canceled")


def test_an_application_that_trusts_another_subject_is_told_with_both(shop: Shop, live: LiveSandbox) -> None:
    with closing(Session(shop.project, cloud_of(live))) as session:
        directory = session.clients.directory
        application = directory.find_application(shop.project.service_principal)
        assert application is not None
        [trusted] = directory.list_federated_credentials(application.object_id)
        other = FederatedCredential(trusted.name, trusted.issuer, "/of/somebody/else")
        directory.change_federated_credential(application.object_id, other)
    shop.push(PIPELINE)
    run = shop.host.queue(RunOrder("main"))
    failed = shop.until(run.id, "failed")
    sign_in = shop.parts(run.id)["Sign in"]
    said = "\n".join(shop.host.log(run.id, sign_in.id, 0))
    assert "AADSTS700213" in said
    assert trusted.subject in said
    assert "Sign in" in failed.detail
    wired(live, shop.project)
    assert "signed in" in shop.told(shop.until(shop.host.queue(RunOrder("main")).id, "waiting").id)


def test_an_organisation_without_agents_says_what_to_do(shop: Shop, live: LiveSandbox) -> None:
    shop.push(PIPELINE)
    with switched(live, hosted_parallelism=False):
        run = shop.until(shop.host.queue(RunOrder("main")).id, "failed")
    assert "No hosted parallelism has been purchased or granted" in run.detail
    assert "https://aka.ms/azpipelines-parallelism-request" in run.detail
    assert "set ci.pool to a pool of your own agents" in run.detail


def test_what_the_pipeline_may_not_use_ends_it(shop: Shop, live: LiveSandbox) -> None:
    shop.push(PIPELINE)
    connection = shop.host.wires.find_connection(shop.project.name)
    pipeline = shop.host.pipelines.find()
    assert connection is not None
    assert pipeline is not None
    body = {"pipelines": [{"id": pipeline.id, "authorized": False}]}
    place = f"{shop.project.name}/_apis/pipelines/pipelinepermissions/endpoint/{connection.id}"
    shop.host.wires._rest.call("PATCH", place, body, **{"api-version": PREVIEW})
    run = shop.until(shop.host.queue(RunOrder("main")).id, "failed")
    assert "does not have permissions to use the referenced service connection(s)" in run.detail
    shop.host.wires.delete_connection(connection)
    with pytest.raises(CloudError, match="could not be found"):
        shop.host.queue(RunOrder("main"))
    wired(live, shop.project)
    shop.until(shop.host.queue(RunOrder("main")).id, "waiting")


def test_a_file_that_cannot_be_run_is_told_with_its_line(shop: Shop) -> None:
    shop.push("trigger: none\nstages:\n  - stage: A\n    surprise: yes\n")
    with pytest.raises(CloudError) as caught:
        shop.host.queue(RunOrder("main"))
    assert "/azure-pipelines.yml (Line: 4" in caught.value.message
    with pytest.raises(CloudError, match="refs/heads/nowhere"):
        shop.host.queue(RunOrder("nowhere"))
    shop.push(PIPELINE)
    with pytest.raises(CloudError, match="stage"):
        shop.host.queue(RunOrder("main", stage="moon"))


def test_a_no_ends_the_run(shop: Shop, live: LiveSandbox) -> None:
    """Said in Azure DevOps itself, where people say it."""
    shop.push(PIPELINE)
    run = shop.host.queue(RunOrder("main"))
    shop.until(run.id, "waiting")
    [approval] = shop.host.approvals(run.id)
    said = [{"approvalId": approval.id, "status": "rejected", "comment": "not today"}]
    answer = shop.raw("PATCH", "pipelines/approvals", said)
    assert answer.json()["value"][0]["status"] == "rejected"
    shop.until(run.id, "failed")
    assert shop.raw("PATCH", "pipelines/approvals", said).status_code == 400, "it is said already"


def test_what_a_job_publishes_can_be_fetched(shop: Shop) -> None:
    """As Train hands its image over to Staging."""
    shop.push(PUBLISHING)
    run = shop.until(shop.host.queue(RunOrder("main")).id, "succeeded")
    [found] = shop.raw("GET", f"build/builds/{run.id}/artifacts").json()["value"]
    assert found["name"] == "drop"
    content = shop.host._rest.send("GET", found["resource"]["downloadUrl"]).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("drop/image.json") == b"{}\n"


def test_a_file_can_be_tried_before_it_is_pushed(shop: Shop) -> None:
    pipeline = shop.host.pipelines.find()
    assert pipeline is not None
    place = f"pipelines/{pipeline.id}/preview"
    good = shop.raw("POST", place, {"previewRun": True, "yamlOverride": PUBLISHING})
    assert good.json()["finalYaml"] == PUBLISHING
    bad = shop.raw("POST", place, {"previewRun": True, "yamlOverride": "steps: nothing\n"})
    assert (bad.status_code, bad.json()["typeKey"]) == (400, "PipelineValidationException")


def test_where_there_is_no_pipeline_yet_setup_is_named(live: LiveSandbox) -> None:
    with devops(live, project_of(live, "nothing-yet")) as host:
        for look in (lambda: host.runs(1), lambda: host.queue(RunOrder("main"))):
            with pytest.raises(NotFoundError) as caught:
                look()
            assert caught.value.hint == "Make it: mlops-tui setup"
