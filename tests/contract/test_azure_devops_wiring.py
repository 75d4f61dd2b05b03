"""The pipeline in Azure DevOps is wired by setup: once, completely, and without a secret unless one is wanted."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mlops_tui.clouds.directory import FederatedCredential
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import ConflictError, ForbiddenError, SignInError, UsageError
from mlops_tui.events import Change, Event, LogLine
from mlops_tui.project import Project
from mlops_tui.sandbox.devops_projects import Projects
from mlops_tui.session import Session
from mlops_tui.setup import steps
from mlops_tui.setup.pipeline import Pipeline
from mlops_tui.steps import Report
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import raw
from tests.contract.devops_desk import ask, cloud_of, devops, project_of, switched, with_ci, writes

pytestmark = [pytest.mark.xdist_group("azure-devops"), pytest.mark.timeout(150)]
NEEDED = ("sign-in", "resource-group", "databricks-workspace", "service-principal", "repository", "pipeline")
LEARNER = "00000000-0000-4000-8000-000000001ea4"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projects, "seconds", 0.05)


def engine(live: LiveSandbox, project: Project, session: Session) -> Engine:
    return Engine([step for step in steps() if step.name in NEEDED], session, lambda _: None)


def plan(live: LiveSandbox, project: Project) -> Plan:
    with closing(Session(project, cloud_of(live))) as session:
        return engine(live, project, session).plan()


def set_up(live: LiveSandbox, project: Project) -> Outcome:
    with closing(Session(project, cloud_of(live))) as session:
        made = engine(live, project, session)
        return made.apply(made.plan())


def changes(found: Plan, action: str) -> dict[str, str]:
    listed = found.findings["pipeline"].changes
    return {change.what: change.detail for change in listed if change.action == action}


def pending(found: Plan) -> list[Change]:
    return [change for finding in found.findings.values() for change in finding.pending]


def own(live: LiveSandbox, name: str, **ci: Any) -> Project:
    """An application of its own, too; the resource group and the workspace are everybody's."""
    return replace(project_of(live, name, **ci), service_principal=f"{name}-app")


def test_all_is_made_once_and_a_second_time_nothing_is_written(live: LiveSandbox) -> None:
    project = own(live, "wired")
    first = plan(live, project)
    assert set(changes(first, "create")) == {
        "service connection wired",
        "federated credential mlops-tui-wired-azure-devops",
        "environment wired-staging",
        "environment wired-production",
        "approval of wired-production",
        "pipeline wired",
        "variable azure.tenant_id",
        "variable azure.subscription_id",
        "variable azure.client_id",
        "use of the service connection wired by the pipeline",
        "use of the environment wired-staging by the pipeline",
        "use of the environment wired-production by the pipeline",
    }
    assert set_up(live, project).error is None
    before = writes(live)
    second = plan(live, project)
    assert pending(second) == []
    assert changes(second, "keep")["approval of wired-production"] == "by learner@sandbox.example"
    assert changes(second, "keep")["variable azure.tenant_id"] == project.tenant_id
    assert changes(second, "keep")["federated credential mlops-tui-wired-azure-devops"].startswith("/eid1/")
    assert set_up(live, project).error is None
    assert writes(live) == before


def test_the_application_trusts_what_the_connection_says(live: LiveSandbox) -> None:
    project = own(live, "trusted")
    assert set_up(live, project).error is None
    with closing(Session(project, cloud_of(live))) as session:
        wires, directory = session.clients.azure_devops.wires, session.clients.directory
        connection = wires.find_connection("trusted")
        application = directory.find_application("trusted-app")
        assert connection is not None
        assert application is not None
        assert connection.client_id == application.app_id
        assert connection.subject.startswith("/eid1/c/pub/t/")
        assert connection.subject.endswith(connection.id)
        name = "mlops-tui-trusted-azure-devops"
        right = FederatedCredential(name, connection.issuer, connection.subject)
        assert directory.list_federated_credentials(application.object_id) == (right,)
        # Somebody made the connection anew: it has another subject.
        directory.change_federated_credential(application.object_id, replace(right, subject="/of/before"))
        found = plan(live, project)
        assert [(change.action, change.what) for change in pending(found)] == [
            ("update", f"federated credential {name}")
        ]
        assert changes(found, "update")[f"federated credential {name}"].endswith("in place of /of/before")
        assert set_up(live, project).error is None
        assert directory.list_federated_credentials(application.object_id) == (right,)


def test_stored_secrets_go_straight_into_the_pipeline_and_nobody_reads_them(live: LiveSandbox) -> None:
    project = own(live, "stored", authentication="token")
    assert set_up(live, project).error is None
    before = writes(live)
    found = plan(live, project)
    assert pending(found) == []
    assert "ends 20" in changes(found, "keep")["secret variable databricks.token"]
    assert set_up(live, project).error is None
    assert writes(live) == before
    with devops(live, project) as host:
        pipeline = host.pipelines.find()
        assert pipeline is not None
        assert pipeline.secret == {"databricks.token", "azure.client_secret"}
        for name in pipeline.secret:
            assert pipeline.body["variables"][name] == {"value": None, "isSecret": True, "allowOverride": False}
        assert host.wires.find_connection("stored") is None
        authorization = host.authorization()
    shown = raw(
        live, "GET", f"/devops/practice/stored/_apis/build/definitions/{pipeline.id}", Authorization=authorization
    )
    assert shown.status_code == 200
    assert "dapi" not in shown.text()
    assert "8Q~" not in shown.text()


def test_from_stored_secrets_to_none_and_back_nothing_is_left_behind(live: LiveSandbox) -> None:
    project = own(live, "turned", authentication="token")
    assert set_up(live, project).error is None
    turned = with_ci(project, authentication="federated")
    found = plan(live, turned)
    assert set(changes(found, "remove")) == {"secret variable databricks.token", "secret variable azure.client_secret"}
    [warning] = [change.warning for change in found.findings["pipeline"].changes if change.warning]
    assert "in the repository signs in by stored secrets" in warning
    assert set_up(live, turned).error is None
    assert pending(plan(live, turned)) == []
    with closing(Session(turned, cloud_of(live))) as session:
        tokens = session.clients.databricks(live.origin).tokens.list()
        assert [one for one in tokens if "turned" in one.comment] == []
    back = plan(live, project)
    assert set(changes(back, "remove")) == {
        "service connection turned",
        "federated credential mlops-tui-turned-azure-devops",
    }
    assert set_up(live, project).error is None
    assert pending(plan(live, project)) == []


def test_who_approves_can_be_named_and_must_be_a_member(live: LiveSandbox) -> None:
    project = own(live, "approved", approvers="nobody@example.com")
    with devops(live, project) as host:
        host.make_repository()
    with pytest.raises(UsageError) as caught:
        plan(live, project)
    assert "no members of the organisation" in caught.value.message
    assert caught.value.problems == ("ci.approvers: nobody@example.com",)
    named = with_ci(project, approvers="learner@sandbox.example, mlops-tui sandbox owner")
    assert set_up(live, named).error is None
    kept = changes(plan(live, named), "keep")["approval of approved-production"]
    assert kept.startswith("by learner@sandbox.example, ")
    assert pending(plan(live, with_ci(project, approvers=""))) == [], "whoever is asked there stays"
    fewer = plan(live, with_ci(project, approvers="learner@sandbox.example"))
    assert changes(fewer, "update") == {"approval of approved-production": "by learner@sandbox.example"}


def test_a_pipeline_of_that_name_for_something_else_is_left_alone(live: LiveSandbox) -> None:
    project = own(live, "taken")
    with devops(live, project) as host:
        repository = host.make_repository()
        queue = host.pipelines.queue_named("Azure Pipelines")
        assert queue is not None
        pipeline = host.pipelines.make(repository.id, "main", queue, {})
        body = pipeline.body | {"process": {"type": 2, "yamlFilename": "other.yml"}}
        host.pipelines.put_variables(replace(pipeline, body=body), {}, {}, frozenset())
    with pytest.raises(ConflictError) as caught:
        plan(live, project)
    assert "Another pipeline is named taken in Azure DevOps: of the file other.yml" in caught.value.message


def test_agents_of_ones_own_must_be_there(live: LiveSandbox) -> None:
    project = own(live, "pooled", pool="ours")
    with devops(live, project) as host:
        host.make_repository()
    with pytest.raises(UsageError, match="has no pool of agents named ours"):
        plan(live, project)
    with switched(live, pools=["ours"]):
        assert set_up(live, project).error is None
        assert "use of the pool ours by the pipeline" in changes(plan(live, project), "keep")


def test_only_what_is_ours_is_taken_away(live: LiveSandbox) -> None:
    project = own(live, "gone", project="kept-project")
    with devops(live, own(live, "other", project="kept-project")) as host:
        host.make_repository()
    with devops(live, project) as host:
        host.make_repository()
        host.wires.make_environment("gone-staging")
        mark, host.wires.mark = host.wires.mark, "of somebody else"
        host.wires.make_environment("gone-production")
        host.wires.mark = mark
    assert set_up(live, project).error is None
    with closing(Session(project, cloud_of(live))) as session:
        engine(live, project, session).plan()
        lines: list[Event] = []
        for _ in range(2):  # the second time it is gone already
            Pipeline().remove(session, Report("pipeline", lines.append))
        host = session.clients.azure_devops
        assert host.pipelines.find() is None
        assert host.wires.find_connection("gone") is None
        assert host.wires.find_environment("gone-staging") is None
        assert host.wires.find_environment("gone-production") is not None
        application = session.know("app_object_id", "service-principal")
        assert session.clients.directory.list_federated_credentials(application) == ()
    said = [line.text for line in lines if isinstance(line, LogLine)]
    assert "kept the environment gone-production: it was made by somebody else" in said
    assert "there is no pipeline gone" in said


@pytest.mark.parametrize("token", ["wrong" * 10, ""])
def test_what_is_refused_is_told_before_anything_is_made(live: LiveSandbox, token: str) -> None:
    """A wrong token; a right sign-in that is no member."""
    organization = "practice" if token else "closed"
    ask(live, "POST", "/_sandbox/devops", {"organization": "closed"})
    project = own(live, "refused", azure_devops_token=token, organization=organization)
    before = writes(live)
    with pytest.raises(SignInError if token else ForbiddenError) as caught:
        set_up(live, project)
    assert caught.value.exit_code == 3
    assert ("AZURE_DEVOPS_EXT_PAT" if token else "Organization settings, Users") in caught.value.hint
    assert writes(live) == before


def test_whoever_may_not_make_a_connection_is_told_which_permission_is_missing(live: LiveSandbox) -> None:
    project = own(live, "contributed")
    with devops(live, project) as host:
        host.make_repository()
    with switched(live, members={LEARNER: "contributor"}):
        outcome = set_up(live, project)
    error = outcome.errors["pipeline"]
    assert isinstance(error, ForbiddenError)
    assert "Create service connection" in error.message
    assert "Service Connections (read, query, & manage)" in error.hint
    assert set_up(live, project).error is None, "and with the permission it goes on where it stopped"


def test_the_commands_by_hand_name_what_the_step_makes(live: LiveSandbox) -> None:
    for authentication in ("federated", "token"):
        text = Pipeline().by_hand(own(live, "typed", authentication=authentication))
        assert "az pipelines create --name typed --repository typed" in text
        assert "typed-production" in text
        assert ("federated-credential create" in text) == (authentication == "federated")
        assert ("databricks tokens create" in text) == (authentication == "token")
    assert Pipeline().inspect(Session(Project(), cloud_of(live))).changes == ()
