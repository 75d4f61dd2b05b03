"""A program in CI that may not read the directory: it works on what a person has set up, and says what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service.iam import AccessControlRequest, PermissionLevel, PermissionsAPI, ServicePrincipalsAPI
from databricks.sdk.service.workspace import AclPermission

from mlops_tui import operations
from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.delivery.parameters import TITLES, kinds
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import ForbiddenError
from mlops_tui.events import Change, Event, Planned
from mlops_tui.project import ClusterSpec, Project
from mlops_tui.sandbox import process
from mlops_tui.sandbox.clusters import Clusters as ServedClusters
from mlops_tui.session import Session
from mlops_tui.setup import steps
from tests.conftest import LiveSandbox, serve
from tests.contract.test_setup_databricks import QuickMachine
from tests.credentials import of_owner

pytestmark = [pytest.mark.xdist_group("ci-identity"), pytest.mark.timeout(170)]
NAME = "ci"
NOT_CHECKED = "not checked: this account may not read the directory"


@dataclass
class Team:
    """A person who owns the subscription, and the sandbox that they work in."""

    live: LiveSandbox
    project: Project
    cloud: Cloud

    def plan(self, **changes: Any) -> Plan:
        with closing(Session(replace(self.project, **changes), self.cloud)) as session:
            return Engine(steps(), session, lambda _: None).plan()

    def set_up(self, **changes: Any) -> Outcome:
        with closing(Session(replace(self.project, **changes), self.cloud)) as session:
            engine = Engine(steps(), session, lambda _: None)
            return engine.apply(engine.plan())

    def in_workspace(self, act: Callable[[Databricks], object]) -> None:
        """What the owner does in the workspace by hand."""
        with closing(Session(self.project, self.cloud)) as session:
            act(session.clients.databricks(self.live.origin))

    def writes(self) -> list[str]:
        address = process.Address(int(self.live.origin.rpartition(":")[2]))
        listed = process.ask(self.live.folder, address, "GET", "/_sandbox/requests?writes=1")["requests"]
        return [f"{line['method']} {line['path']}" for line in listed]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The owner has set everything up."""
    folder = tmp_path_factory.mktemp("ci")
    (folder / "train.py").write_text("# Databricks notebook source\nprint('training')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServedClusters, "cluster_factory", staticmethod(QuickMachine))
        for live in serve(tmp_path_factory.mktemp("sandbox")):
            kept = of_owner(live.folder)
            project = Project(**kept, notebooks=str(folder), cluster=ClusterSpec(name=NAME))
            made = Team(live, project, local_cloud(live.origin, str(live.ca)))
            assert made.set_up().error is None
            yield made


def hire(project: Project, cloud: Cloud, name: str, role: str = "Contributor") -> dict[str, str]:
    """A service principal with that role on the project's resource group, and no right in the directory."""
    with closing(Session(project, cloud)) as session:
        directory, roles = session.clients.directory, session.clients.roles
        application = directory.create_application(name)
        principal = directory.create_principal(application.app_id)
        group = session.clients.groups.get(project.subscription_id, project.resource_group)
        assert group is not None
        roles.assign(project.subscription_id, group.id, principal, role)
        secret = directory.add_password(application.object_id, "tests", 1)
    return {"client_id": application.app_id, "client_secret": secret.value}


@pytest.fixture
def program(team: Team, request: pytest.FixtureRequest) -> dict[str, str]:
    """Contributor on the resource group: thus an admin of the workspace, at the first sign-in there."""
    return hire(team.project, team.cloud, request.node.name)


@pytest.fixture
def member(team: Team, request: pytest.FixtureRequest) -> dict[str, str]:
    """Reader on the resource group, and one of the workspace's members without any permission of its own."""
    made = hire(team.project, team.cloud, request.node.name, "Reader")

    def join(there: Databricks) -> None:
        there.client.service(ServicePrincipalsAPI).create(application_id=made["client_id"])

    team.in_workspace(join)
    return made


def details(plan: Plan, step: str) -> dict[str, str]:
    return {change.what: change.detail for change in plan.findings[step].changes}


def pending(plan: Plan) -> list[Change]:
    return [change for finding in plan.findings.values() for change in finding.pending]


def test_everything_is_kept_and_nothing_is_written(team: Team, program: dict[str, str]) -> None:
    before = team.writes()
    plan = team.plan(**program)
    assert pending(plan) == []
    assert set(details(plan, "service-principal").values()) == {NOT_CHECKED}
    scope = details(plan, "secret-scope")
    assert [what for what, detail in scope.items() if detail == NOT_CHECKED] == [
        "secret azureml/client_id",
        "secret azureml/client_secret",
    ]
    assert len(scope) == 7
    assert team.set_up(**program).error is None
    assert team.writes() == before


def test_the_two_secrets_that_it_cannot_judge_are_not_even_read(team: Team, program: dict[str, str]) -> None:
    address = process.Address(int(team.live.origin.rpartition(":")[2]))
    team.plan(**program)
    listed = process.ask(team.live.folder, address, "GET", "/_sandbox/requests")["requests"]
    paths = [line["path"] for line in listed if line["caller"] == program["client_id"]]
    assert len([path for path in paths if path.endswith("/secrets/get")]) == 4


def test_what_it_may_put_right_it_puts_right(team: Team, program: dict[str, str]) -> None:
    team.in_workspace(lambda there: there.secrets.put("azureml", "resource_group", "another"))
    assert [(change.action, change.what) for change in pending(team.plan(**program))] == [
        ("update", "secret azureml/resource_group")
    ]
    assert team.set_up(**program).error is None
    assert pending(team.plan()) == [], "and the owner, who sees everything, agrees"


def test_it_brings_the_notebooks_of_its_commit_in_and_looks_at_nothing_else(
    team: Team, program: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("# Databricks notebook source\nprint('training better')\n")
    project = replace(team.project, **program, notebooks=str(tmp_path))  # type: ignore[arg-type] # all are texts
    told: list[Event] = []
    with closing(Session(project, team.cloud)) as session:
        operations.setup(session, told.append, only=("notebooks",))
    planned = [event.step for event in told if isinstance(event, Planned)]
    assert planned == ["sign-in", "resource-group", "databricks-workspace", "notebooks"]
    assert [change.what for change in pending(team.plan())] == ["notebook /Shared/MLFlow/train"]
    assert team.set_up().error is None, "as it was, for the stories that follow"


def test_a_lost_client_secret_needs_somebody_with_the_directory(team: Team, program: dict[str, str]) -> None:
    team.in_workspace(lambda there: there.client.secrets.delete_secret("azureml", "client_secret"))
    before = team.writes()
    with pytest.raises(ForbiddenError) as caught:
        team.set_up(**program)
    assert caught.value.exit_code == 3
    assert "It lacks client_secret" in caught.value.message
    assert "mlops-tui setup" in caught.value.hint
    assert team.writes() == before, "it is known before anything is made"
    assert team.set_up().error is None
    assert pending(team.plan(**program)) == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"secret_scope": "nowhere"}, "The scope is not there, or this account may not read it"),
        ({"databricks_workspace": "another"}, "The workspace is still to be made"),
    ],
)
def test_what_cannot_be_made_without_the_directory_is_said_before_anything_is_made(
    team: Team, program: dict[str, str], missing: dict[str, str], said: str
) -> None:
    before = team.writes()
    with pytest.raises(ForbiddenError, match=said):
        team.set_up(**program, **missing)
    assert team.writes() == before


def test_a_group_that_is_not_there_cannot_be_told_from_one_that_is_not_shown(
    team: Team, program: dict[str, str]
) -> None:
    with pytest.raises(ForbiddenError) as caught:
        team.plan(**program, resource_group="nowhere")
    assert "The resource group nowhere is not there, or this account has no role on it" in caught.value.message
    assert f'--scope "/subscriptions/{team.project.subscription_id}"' in caught.value.hint


def test_a_member_without_permissions_is_told_to_ask_for_them(team: Team, member: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError) as caught:
        team.plan(**member)
    assert "databricks secrets put-acl azureml YOUR_CLIENT_ID READ" in caught.value.hint


def test_a_member_with_the_permissions_it_needs_finds_everything(team: Team, member: dict[str, str]) -> None:
    """What an owner gives who wants no CI job to be an admin."""
    who = member["client_id"]

    def permit(there: Databricks) -> None:
        there.client.secrets.put_acl("azureml", who, AclPermission.READ)
        [cluster] = there.clusters.named(NAME)
        names = ("Train", *(TITLES[kind] for kind in kinds(team.project)))
        jobs = [job for name in names for job in there.jobs.named(f"{team.project.job_prefix} ({name})")]
        for kind, number, level in (
            ("clusters", cluster.id, PermissionLevel.CAN_RESTART),
            *(("jobs", str(job.id), PermissionLevel.CAN_MANAGE_RUN) for job in jobs),
        ):
            entry = AccessControlRequest(service_principal_name=who, permission_level=level)
            there.client.service(PermissionsAPI).update(kind, number, access_control_list=[entry])

    team.in_workspace(permit)
    before = team.writes()
    assert pending(team.plan(**member)) == []
    assert team.writes() == before
