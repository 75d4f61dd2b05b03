"""Deployments: kept where they are, done by a job where not; production only with a verdict and somebody's yes."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_tui import redaction
from mlops_tui.delivery import approval, deployment, endpoints, follower, jobs
from mlops_tui.delivery.approval import Approval
from mlops_tui.delivery.deployment import Order
from mlops_tui.delivery.parameters import JobKind
from mlops_tui.errors import (
    ApprovalNeeded,
    DeliveryFailedError,
    ForbiddenError,
    Interrupted,
    UsageError,
    ValidationFailedError,
)
from mlops_tui.events import ApprovalAsked, Approved, Deployment, Endpoint, EndpointsRead, Event, LaneState, Stage
from mlops_tui.project import Delivery, Project
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from tests.unit.delivery_cloud import FakeCloud, image_id, version

ONE, OTHER = image_id("a"), image_id("b")
NOBODY: dict[Stage, Endpoint] = {
    "staging": Endpoint("staging", "wine-quality-aci", "Azure Container Instances", "absent"),
    "production": Endpoint("production", "wine-quality-aks", "Kubernetes online endpoint", "absent"),
}


def serving(stage: Stage, image: str, build: str) -> Endpoint:
    behind = Deployment("blue", image, build, 100, "Succeeded")
    return replace(
        NOBODY[stage], health="healthy", url="http://x/score", build=build, image=image, deployments=(behind,)
    )


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[Stage, Endpoint]:
    """What answers; a story may change it."""
    answers = dict(NOBODY)
    monkeypatch.setattr(endpoints, "read_stage", lambda session, stage: answers[stage])
    monkeypatch.setattr(endpoints, "read", lambda session: tuple(answers.values()))
    monkeypatch.setattr(follower, "QUICK", 0.001)
    real = jobs.run

    def run(session: Session, emit: Emit, stage: Stage, kind: JobKind, given: dict[str, str]) -> dict[str, Any]:
        value = real(session, emit, stage, kind, given)
        answers[stage] = serving(stage, value["model_image_id"], given["build_number"])
        return value

    monkeypatch.setattr(jobs, "run", run)
    return answers


def cloud(**tags: str) -> FakeCloud:
    """Two builds; 8 is the newer."""
    versions = [version("2", "8", "r2", OTHER, **tags), version("1", "7", "r1", ONE, verdict="passed")]
    return FakeCloud(versions, in_registry={ONE, OTHER})


def deployed(image: str) -> str:
    return json.dumps({"model_image_id": image, "scoring_uri": "http://x/score", "deployment": "blue"})


def deploy(session: Session, order: Order) -> list[Event]:
    told: list[Event] = []
    deployment.deploy(session, told.append, order)
    return told


def lanes(told: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.lane, event.state, event.build) for event in told if isinstance(event, LaneState)]


def test_staging_gets_the_newest_image_and_a_key_that_is_shown_nowhere(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    made.results = [deployed(OTHER)] * 2
    told = deploy(made.session(), Order("staging"))
    assert lanes(told) == [("staging", "running", "8"), ("staging", "done", "8")]
    assert isinstance(told[-1], EndpointsRead)
    job, given = made.started[0]
    assert (job, given["model_image_id"], given["build_number"]) == (2, OTHER, "8")
    assert (given["service"], given["cpu"]) == ("wine-quality-aci", "1")
    key = made.secrets_["staging_key"]
    assert len(key) >= 40
    assert key not in str(told) + str(made.started)
    assert redaction.redact(f"it is {key}") != f"it is {key}"
    deploy(made.session(), Order("staging", build="8"))
    assert made.secrets_["staging_key"] == key, "made once"


def test_a_key_that_the_scope_shows_is_taken_without_a_look_into_the_vault_behind_it(
    there: dict[Stage, Endpoint],
) -> None:
    made = cloud()
    made.results = [deployed(OTHER)]
    made.secrets_ = {"staging-key": "made-before"}
    project = Project(key_vault="/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v")
    deploy(made.session(project), Order("staging"))
    assert made.secrets_ == {"staging-key": "made-before"}


def test_what_answers_with_that_image_already_is_kept(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    for stage in NOBODY:
        there[stage] = serving(stage, OTHER, "8")
        told = deploy(made.session(), Order(stage, build="8"))
        assert [event.detail for event in told if isinstance(event, LaneState)][-1] == "answers with build 8 already"
    assert made.started == []
    assert made.secrets_ == {}, "and nobody was asked for anything"


@pytest.mark.parametrize("fault", ["unhealthy", "shared traffic", "failed", "another image"])
def test_what_answers_badly_or_in_part_is_deployed_anew(there: dict[Stage, Endpoint], fault: str) -> None:
    made = cloud()
    made.results = [deployed(OTHER)]
    good = serving("staging", OTHER, "8")
    blue = good.deployments[0]
    there["staging"] = {
        "unhealthy": replace(good, health="unhealthy"),
        "shared traffic": replace(
            good, deployments=(replace(blue, traffic=90), Deployment("green", ONE, "7", 10, "Succeeded"))
        ),
        "failed": replace(good, deployments=(replace(blue, state="Failed"),)),
        "another image": serving("staging", ONE, "7"),
    }[fault]
    deploy(made.session(), Order("staging", build="8"))
    assert len(made.started) == 1


def test_a_lost_image_is_told_before_anything_is_begun(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    made.in_registry.clear()
    with pytest.raises(DeliveryFailedError, match="lost"):
        deploy(made.session(), Order("staging"))
    assert made.started == []


def test_a_notebook_after_which_something_else_answers_is_not_believed(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    made.results = [deployed(ONE)]
    with pytest.raises(DeliveryFailedError, match="ended well, and yet staging does not answer with this image"):
        deploy(made.session(), Order("staging", build="8"))


def test_without_a_yes_production_stays_as_it_is_and_the_command_to_go_on_is_told(
    there: dict[Stage, Endpoint],
) -> None:
    made = cloud(verdict="passed")
    told: list[Event] = []
    order = Order("production", build="8", flags=("--file", "my project.toml"))
    with pytest.raises(ApprovalNeeded) as caught:
        deployment.deploy(made.session(), told.append, order)
    command = "mlops-tui deploy production --build 8 --file 'my project.toml' --approve"
    assert caught.value.exit_code == 4
    assert command in caught.value.hint
    (asked,) = [event for event in told if isinstance(event, ApprovalAsked)]
    assert (asked.command, asked.verdict, asked.build) == (command, "passed", "8")
    assert [change.action for change in asked.changes] == ["create", "create"]
    assert "estimate" in asked.cost
    assert lanes(told)[-1][:2] == ("approval", "waiting")
    assert made.started == []
    assert "approved_by" not in made.versions_[0].tags


@pytest.mark.parametrize(
    ("answer", "by"),
    [("the release program", "the release program (0c11e)"), ("", "0c11e"), (ForbiddenError("no"), "0c11e")],
)
def test_a_program_that_approves_is_called_as_the_directory_calls_it(
    there: dict[Stage, Endpoint], monkeypatch: pytest.MonkeyPatch, answer: str | ForbiddenError, by: str
) -> None:
    def display_name(object_id: str) -> str:
        assert object_id == "o-1"
        if isinstance(answer, ForbiddenError):
            raise answer
        return answer

    made = cloud(verdict="passed")
    made.results = [deployed(OTHER)]
    monkeypatch.setattr(FakeCloud, "directory", SimpleNamespace(display_name=display_name), raising=False)
    session = made.session()
    session.learn("caller_name", "0c11e")
    session.learn("caller_id", "o-1")
    told = deploy(session, Order("production", build="8", approval=Approval()))
    (approved,) = [event for event in told if isinstance(event, Approved)]
    assert (approved.by, made.versions_[0].tags["approved_by"]) == (by, by)


def test_an_approval_is_kept_with_the_model_and_told(there: dict[Stage, Endpoint]) -> None:
    made = cloud(verdict="passed")
    made.results = [deployed(OTHER)]
    told = deploy(made.session(), Order("production", build="8", approval=Approval("grace@example.com", "unneeded")))
    (approved,) = [event for event in told if isinstance(event, Approved)]
    assert (approved.by, approved.force) == ("grace@example.com", ""), "nothing had to be overruled"
    tags = made.versions_[0].tags
    assert (tags["approved_by"], tags["approval_force"]) == ("grace@example.com", "")
    assert tags["approved_at"].endswith("+00:00")
    assert tags["run_id"] == "r2", "the other tags stay"
    job, given = made.started[0]
    assert (job, given["service"], given["force"]) == (3, "wine-quality-aks", "")
    assert lanes(told) == [
        ("approval", "running", "8"),
        ("approval", "done", "8"),
        ("production", "running", "8"),
        ("production", "done", "8"),
    ]
    assert made.secrets_ == {}, "an online endpoint makes its own keys"


@pytest.mark.parametrize("verdict", ["", "failed"])
def test_production_refuses_a_build_without_a_passed_verdict_unless_somebody_says_why(
    there: dict[Stage, Endpoint], verdict: str
) -> None:
    made = cloud(**({"verdict": verdict} if verdict else {}))
    for given in (None, Approval()):
        with pytest.raises(ValidationFailedError, match="Production takes no build without a passed validation"):
            deploy(made.session(), Order("production", build="8", approval=given))
    assert made.started == []
    made.results = [deployed(OTHER)]
    told = deploy(made.session(), Order("production", build="8", approval=Approval(force="the old one is down")))
    (approved,) = [event for event in told if isinstance(event, Approved)]
    assert (approved.by, approved.force) == ("ada@example.com", "the old one is down")
    assert made.versions_[0].tags["approval_force"] == "the old one is down"
    assert made.started[0][1]["force"] == "the old one is down"


def test_somebody_at_a_terminal_is_asked_and_may_say_no(there: dict[Stage, Endpoint]) -> None:
    made = cloud(verdict="passed")
    seen: list[ApprovalAsked] = []

    def say_no(question: ApprovalAsked) -> None:
        seen.append(question)

    with pytest.raises(Interrupted, match="Not approved"):
        deploy(made.session(), Order("production", build="8", ask=say_no))
    assert seen[0].build == "8"
    assert made.started == []
    made.results = [deployed(OTHER)]
    deploy(made.session(), Order("production", build="8", ask=lambda _: Approval()))
    assert len(made.started) == 1


def test_without_a_build_production_gets_what_staging_answers_with(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    there["staging"] = serving("staging", ONE, "7")
    there["production"] = serving("production", OTHER, "8")
    asked = deployment.approval_of(made.session())
    assert (asked.build, asked.image, asked.verdict) == ("7", ONE, "passed")
    assert asked.changes[-1].detail == "build 7 in place of build 8"
    assert deployment.approval_of(made.session(), build="8").build == "8"
    assert "--force REASON" in deployment.approval_of(made.session(), build="8").command.replace("'", "")


def test_a_cluster_that_is_there_costs_what_it_costs_now(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    made.cluster_is_there = True
    asked = deployment.approval_of(made.session(), build="8")
    assert [change.action for change in asked.changes] == ["keep", "create"]
    assert asked.changes[0].cost.startswith("as now, about 508 USD")
    assert asked.cost.startswith("nothing on top of what is paid now: about 508 USD")


def test_a_managed_endpoint_costs_twice_while_the_one_before_is_kept(there: dict[Stage, Endpoint]) -> None:
    made = cloud()
    project = Project(delivery=Delivery(production_target="managed"))
    there["production"] = serving("production", ONE, "7")
    asked = deployment.approval_of(made.session(project), build="8")
    assert [change.action for change in asked.changes] == ["update", "keep"]
    assert "199 USD" in asked.cost, "twice the price of a Standard_DS2_v2"


def test_nothing_to_deploy_is_told(there: dict[Stage, Endpoint]) -> None:
    with pytest.raises(UsageError, match="No image has been made yet"):
        deploy(FakeCloud().session(), Order("staging"))


def test_whoever_started_a_ci_build_is_who_approves() -> None:
    assert approval.actor({"GITHUB_ACTOR": "ada"}) == "ada"
    assert approval.actor({"BUILD_REQUESTEDFOR": "Grace Hopper", "BUILD_REQUESTEDFOREMAIL": ""}) == "Grace Hopper"
    assert approval.actor({}) == ""
