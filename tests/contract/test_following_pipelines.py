"""A run is followed to its end on both hosts of the practice cloud: real steps, real logs, a real yes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal

import pytest

from mlops_tui import pipeline_operations as operations
from mlops_tui.clouds.azure_devops import AzureDevOps
from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.errors import RunFailedError, UsageError
from mlops_tui.events import (
    Event,
    Identified,
    LogLine,
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePartState,
    PipelineRunsListed,
    PipelineRunState,
)
from mlops_tui.following.looks import Pace
from mlops_tui.pipelines import follow
from mlops_tui.pipelines.approval import Consent
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox.devops_projects import Projects
from mlops_tui.session import Session
from tests.conftest import LiveSandbox
from tests.contract.devops_desk import Git
from tests.credentials import of_owner, written

pytestmark = [pytest.mark.xdist_group("azure-devops"), pytest.mark.timeout(100)]
Host = Literal["azure-devops", "github"]
HOSTS: tuple[Host, ...] = ("azure-devops", "github")

AZURE = """
name: $(Date:yyyyMMdd)$(Rev:.r)
trigger: none
parameters:
  - name: build_number
    type: string
    default: ''
  - name: stage
    type: string
    default: all
stages:
  - stage: Train
    jobs:
      - job: train
        displayName: Train it
        steps:
          - script: for n in 1 2 3; do echo "line $n"; done
            displayName: Say lines
          - script: test '${{ parameters.stage }}' != staging
            displayName: Go on
  - stage: Production
    dependsOn: Train
    jobs:
      - deployment: production
        environment: NAME-production
        strategy:
          runOnce:
            deploy:
              steps:
                - script: echo deployed
                  displayName: Deploy
"""
GITHUB = """
name: pipeline
on:
  workflow_dispatch:
    inputs:
      build_number:
        type: string
        default: ''
      stage:
        type: string
        default: all
permissions: {}
jobs:
  train:
    name: Train
    runs-on: ubuntu-latest
    steps:
      - name: Say lines
        run: for n in 1 2 3; do echo "line $n"; done
      - name: Go on
        run: test "$STAGE" != staging
        env:
          STAGE: ${{ inputs.stage }}
  production:
    name: Production
    needs: train
    runs-on: ubuntu-latest
    environment: NAME-production
    steps:
      - name: Deploy
        run: echo deployed
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projects, "seconds", 0.05)
    monkeypatch.setattr(follow, "LOCAL_PACE", Pace(0.02, 0.2))


@pytest.fixture(scope="module", params=HOSTS)
def project(request: pytest.FixtureRequest, live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With its pipeline on that host, whose production asks its owner."""
    host: Host = request.param
    kept, name = written(live.folder), f"followed-{host}"
    tokens: dict[str, Any] = {one: kept[one] for one in ("azure_devops_token", "github_token")}
    made = Project(**of_owner(live.folder), name=name, ci=Ci(host=host, organization="practice", **tokens))
    with closing(Session(made, local_cloud(live.origin, str(live.ca)))) as session:
        clients = session.clients
        repository = clients.ci_host.make_repository()
        file, text = (
            ("azure-pipelines.yml", AZURE) if host == "azure-devops" else (".github/workflows/mlops.yml", GITHUB)
        )
        git = Git(live, tmp_path_factory.mktemp(host), clients.ci_host.authorization())
        git.push(repository.clone_url, {file: text.replace("NAME", name)}, "Begin [skip ci]")
        if host == "azure-devops":
            _wire(clients.azure_devops, repository.id, name)
        else:
            settings = clients.github.settings
            settings.put_environment(f"{name}-production", [settings.user(clients.github.account().name)])
    return made


def _wire(devops: AzureDevOps, repository_id: str, name: str) -> None:
    environment = devops.wires.make_environment(f"{name}-production")
    devops.wires.put_approval(environment, [devops.account()])
    queue = devops.pipelines.queue_named("Azure Pipelines")
    assert queue is not None
    pipeline = devops.pipelines.make(repository_id, "main", queue, {})
    devops.wires.permit("environment", environment.id, pipeline.id)
    devops.wires.permit("queue", str(queue), pipeline.id)


@pytest.fixture
def session(live: LiveSandbox, project: Project) -> Iterator[Session]:
    with closing(Session(project, local_cloud(live.origin, str(live.ca)))) as opened:
        yield opened


def lines(told: list[Event]) -> list[tuple[str, str]]:
    return [(event.source, event.text) for event in told if isinstance(event, LogLine)]


def ends(told: list[Event]) -> dict[str, str]:
    """How each part was told last, by the source of its log."""
    return {event.source: event.part.state for event in told if isinstance(event, PipelinePartState)}


def test_a_run_is_followed_to_its_end_and_asks_whoever_is_here(session: Session) -> None:
    told: list[Event] = []
    questions: list[PipelineApproval] = []

    def ask(asked: PipelineApproval) -> bool:
        questions.append(asked)
        return True

    said = operations.run(session, told.append, RunOrder("main"), True, Consent(ask=ask))
    assert said.endswith("has succeeded.")
    assert isinstance(told[0], Identified)
    states = [event.run.state for event in told if isinstance(event, PipelineRunState)]
    assert states[-1] == "succeeded"
    assert isinstance(told[-1], PipelineRunState)
    assert [text for source, text in lines(told) if source == "Train · Say lines" and text.startswith("line ")] == [
        "line 1",
        "line 2",
        "line 3",
    ]
    assert lines(told).count(("Production · Deploy", "deployed")) == 1
    [asked] = questions
    assert (asked.stage, asked.environment, asked.mine) == ("Production", f"{session.project.name}-production", True)
    assert [event.by for event in told if isinstance(event, PipelineApproved)] == [
        session.clients.ci_host.account().name
    ]
    ended = ends(told)
    assert {ended[one] for one in ("Train", "Production", "Train · Say lines", "Production · Deploy")} == {"succeeded"}


def test_a_second_command_says_yes_and_follows_and_a_third_is_told_that_nothing_waits(session: Session) -> None:
    started: list[Event] = []
    operations.run(session, started.append, RunOrder("main"))
    [run_id] = [event.id for event in started if isinstance(event, Identified)]
    listed: list[Event] = []
    while not (waiting := [one for one in _listed(session, listed).approvals if one.run == run_id]):
        time.sleep(0.05)
    assert waiting[0].mine
    up_to_now: list[Event] = []
    operations.read_log(session, up_to_now.append, run_id)
    assert any(text == "line 3" for _, text in lines(up_to_now))
    assert [event.command for event in up_to_now if isinstance(event, PipelineApprovalAsked)] == [
        f"mlops-tui ci approve {run_id}"
    ]
    told: list[Event] = []
    assert operations.approve(session, told.append, run_id, "fine", follow=True).endswith("has succeeded.")
    assert ("Production · Deploy", "deployed") in lines(told)
    with pytest.raises(UsageError, match="waits for nobody's yes: it is succeeded"):
        operations.approve(session, told.append, run_id)


def _listed(session: Session, told: list[Event]) -> PipelineRunsListed:
    operations.list_runs(session, told.append)
    last = told[-1]
    assert isinstance(last, PipelineRunsListed)
    return last


def test_a_failure_names_the_step_and_its_page(session: Session) -> None:
    told: list[Event] = []
    with pytest.raises(RunFailedError) as caught:
        operations.run(session, told.append, RunOrder("main", stage="staging"), follow=True)
    [first] = [event for event in told if isinstance(event, Identified)]
    assert caught.value.message.endswith("has failed in Train · Go on.")
    assert caught.value.link == first.url
    assert "exit code" in caught.value.raw.lower() or "code '1'" in caught.value.raw
    assert ends(told)["Production"] in ("skipped", "canceled")


def test_a_run_that_waits_is_cancelled(session: Session) -> None:
    started: list[Event] = []
    operations.run(session, started.append, RunOrder("main"))
    [run_id] = [event.id for event in started if isinstance(event, Identified)]
    assert "being cancelled" in operations.cancel(session, started.append, run_id)
    with pytest.raises(RunFailedError, match="cancelled"):
        operations.read_log(session, started.append, run_id, follow=True)
    assert "has ended already: canceled" in operations.cancel(session, started.append, run_id)
