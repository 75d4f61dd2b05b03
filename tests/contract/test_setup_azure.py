"""Setup's first five steps against a sandbox of their own: from nothing, again, after every kind of interruption."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.directory import FederatedCredential
from mlops_tui.clouds.identity import Identity
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import (
    ForbiddenError,
    Interrupted,
    MlopsError,
    NotFoundError,
    SignInError,
    UnreachableError,
    UsageError,
)
from mlops_tui.events import Event, LogLine, StepState
from mlops_tui.project import Delivery, Project
from mlops_tui.redaction import redact
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from mlops_tui.setup import waiting
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.ml_workspace import MlWorkspace
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.steps import Step
from tests.conftest import LiveSandbox, serve
from tests.credentials import of_owner

pytestmark = pytest.mark.xdist_group("setup-azure")
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
GROUP = "mlops-wine"
WORKSPACE = "mlops-wine-dbw"
APPLICATION = "MLOps-Databricks"


def steps() -> tuple[Step, ...]:
    return (SignIn(), ResourceGroup(), DatabricksWorkspace(), MlWorkspace(), ServicePrincipal())


@dataclass
class Azure:
    """An empty subscription of one's own, and what is needed to look at it."""

    live: LiveSandbox
    project: Project
    cloud: Cloud
    events: list[Event] = field(default_factory=list)

    @contextmanager
    def session(self, **changes: Any) -> Iterator[Session]:
        with closing(Session(replace(self.project, **changes), self.cloud)) as session:
            yield session

    def plan(self, **changes: Any) -> Plan:
        with self.session(**changes) as session:
            return self.engine(session).plan()

    def set_up(self, **changes: Any) -> Outcome:
        """Plan and apply, as one command does."""
        with self.session(**changes) as session:
            engine = self.engine(session)
            return engine.apply(engine.plan())

    def remove(self, **changes: Any) -> Outcome:
        with self.session(**changes) as session:
            return self.engine(session).remove()

    def engine(self, session: Session) -> Engine:
        self.events.clear()
        return Engine(steps(), session, self.events.append)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        address = process.Address(int(self.live.origin.rpartition(":")[2]))
        return process.ask(self.live.folder, address, method, path, body)

    def writes(self) -> list[str]:
        return [f"{one['method']} {one['path']}" for one in self.ask("GET", "/_sandbox/requests?writes=1")["requests"]]

    def lines(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogLine)]


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # what the clients set is unset again
    sandbox = serve(tmp_path / "sandbox")
    (tmp_path / "sandbox").mkdir()
    live = next(sandbox)
    kept = of_owner(live.folder)
    project = Project(
        **kept,
        resource_group=GROUP,
        databricks_workspace=WORKSPACE,
        service_principal=APPLICATION,
    )
    yield Azure(live, project, local_cloud(live.origin, str(live.ca)))
    for _ in sandbox:
        raise AssertionError("the sandbox is served once")


@dataclass
class Program:
    """A service principal that can sign in."""

    object_id: str
    client_id: str
    client_secret: str

    @property
    def sign_in(self) -> dict[str, str]:
        return {"client_id": self.client_id, "client_secret": self.client_secret}


def make_program(azure: Azure, name: str, *roles: str) -> Program:
    """A new principal with roles on the subscription."""
    with azure.session() as session:
        directory = session.clients.directory
        application = directory.create_application(name)
        principal = directory.create_principal(application.app_id)
        for role in roles:
            subscription = azure.project.subscription_id
            session.clients.roles.assign(subscription, f"/subscriptions/{subscription}", principal, role)
        secret = directory.add_password(application.object_id, "tests", 1)
    return Program(principal, application.app_id, secret.value)


def count_of_each(azure: Azure) -> dict[str, int]:
    """How many of each thing there are; looks past the wrappers that might hide a double."""
    with azure.session() as session:
        clients = session.clients
        graph = clients.directory._graph
        named = {"$filter": f"displayName eq '{APPLICATION}'"}
        applications = list(graph.list("applications", **named))
        principals = list(graph.list("servicePrincipals", **named))
        subscription = azure.project.subscription_id
        group = clients.groups.get(subscription, GROUP)
        assert group is not None
        assigned = clients._arm.authorization(subscription).role_assignments.list_for_scope(group.id)
        on_group = [one for one in assigned if (one.scope or "").lower() == group.id.lower()]
        workspaces = list(clients._arm.databricks(subscription).workspaces.list_by_subscription())
    return {
        "applications": len(applications),
        "principals": len(principals),
        "assignments": len(on_group),
        "workspaces": len(workspaces),
    }


ONE_OF_EACH = {"applications": 1, "principals": 1, "assignments": 1, "workspaces": 1}


def test_from_an_empty_subscription_to_one_of_each(azure: Azure) -> None:
    plan = azure.plan()
    assert azure.writes() == [], "a plan writes nothing"
    actions = [(change.action, change.what) for finding in plan.findings.values() for change in finding.pending]
    assert actions == [
        ("update", "resource provider Microsoft.Databricks"),
        ("create", f"resource group {GROUP}"),
        ("create", f"Databricks workspace {WORKSPACE}"),
        ("update", "resource providers of delivery"),
        ("create", f"application {APPLICATION}"),
        ("create", f"service principal of {APPLICATION}"),
        ("create", f"role assignment Contributor on the resource group {GROUP}"),
    ]
    assert azure.set_up().error is None
    assert count_of_each(azure) == ONE_OF_EACH


def test_a_second_time_there_is_nothing_to_do_and_nothing_is_written(azure: Azure) -> None:
    assert azure.set_up().error is None
    before = azure.writes()
    with azure.session() as session:
        engine = azure.engine(session)
        plan = engine.plan()
        assert plan.pending == 0
        assert engine.apply(plan).error is None
        assert session.know("databricks_host", "databricks-workspace") == azure.live.origin
        assert session.know("workspace_id", "databricks-workspace").endswith(f"/workspaces/{WORKSPACE}")
        learned = {name: session.know(name, "") for name in ("app_id", "app_object_id", "principal_id")}
    assert len(set(learned.values())) == 3
    assert azure.writes() == before


WRITES = {
    "the provider": ("POST", ".*/providers/Microsoft.Databricks/register"),
    "the group": ("PUT", f"(?i).*/resourcegroups/{GROUP}"),
    "the workspace": ("PUT", ".*/providers/Microsoft.Databricks/workspaces/.*"),
    "the application": ("POST", ".*/applications"),
    "the principal": ("POST", ".*/servicePrincipals"),
    "the assignment": ("PUT", ".*/roleAssignments/.*"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_line_lost_after_any_write_leaves_one_of_each_in_the_end(azure: Azure, write: str) -> None:
    method, path = WRITES[write]
    # The SDKs repeat a PUT by themselves, so the line must stay dead for a while to be noticed.
    azure.ask("POST", "/_sandbox/faults", {"method": method, "path": path, "drop": True, "count": 20})
    outcome = azure.set_up()
    assert isinstance(outcome.error, UnreachableError), write
    assert "broke before the answer came" in outcome.error.message
    azure.ask("DELETE", "/_sandbox/faults")
    assert azure.set_up().error is None
    assert azure.plan().pending == 0
    assert count_of_each(azure) == ONE_OF_EACH


def test_interrupted_while_azure_builds_the_workspace_the_next_time_waits_for_that_one(azure: Azure) -> None:
    with azure.session() as session:
        engine = Engine(steps(), session, lambda event: _stop_when_asked_for_the_workspace(session, event))
        plan = engine.plan()
        with pytest.raises(Interrupted):
            engine.apply(plan)
    change = azure.plan().findings["databricks-workspace"].pending
    assert [one.detail for one in change] == ["begun already (Creating): wait for it"] or not change
    puts = [write for write in azure.writes() if write.startswith("PUT") and WORKSPACE in write]
    assert azure.set_up().error is None
    assert [write for write in azure.writes() if write.startswith("PUT") and WORKSPACE in write] == puts
    assert count_of_each(azure) == ONE_OF_EACH


def _stop_when_asked_for_the_workspace(session: Session, event: Event) -> None:
    if isinstance(event, LogLine) and event.text.startswith("asked Azure for the Databricks workspace"):
        session.cancelled.set()


def test_a_wrong_secret_is_told_as_such_and_never_repeated(azure: Azure) -> None:
    assert logging.getLogger("azure.identity").hasHandlers(), "else Python writes the SDK's warnings to stderr"
    with pytest.raises(SignInError) as caught:
        azure.plan(client_secret="not-the-secret-1")
    error = caught.value
    assert error.exit_code == 3
    assert error.code == "AADSTS7000215"
    assert "client secret is wrong" in error.message
    assert "az ad app credential reset" in error.hint
    assert "not-the-secret-1" not in f"{error.message}{error.hint}{error.raw}"


@pytest.mark.parametrize(("setting", "said"), [("client_id", "client id"), ("tenant_id", "no such tenant")])
def test_an_unknown_application_or_tenant_is_named(azure: Azure, setting: str, said: str) -> None:
    with pytest.raises(SignInError) as caught:
        azure.plan(**{setting: "11111111-2222-4333-8444-555555555555"})
    assert said in caught.value.message
    assert "ARM_TENANT_ID" in caught.value.hint


def test_a_principal_without_a_role_is_told_what_to_ask_for(azure: Azure) -> None:
    program = make_program(azure, "no-role")
    before = azure.writes()
    for subscription in (azure.project.subscription_id, ""):
        with pytest.raises(ForbiddenError) as caught:
            azure.plan(**program.sign_in, subscription_id=subscription)
        assert caught.value.exit_code == 3
        assert "az role assignment create" in caught.value.hint
        assert program.object_id in caught.value.hint
    assert azure.writes() == before


def test_a_program_that_may_make_nothing_learns_it_before_anything_is_made(azure: Azure) -> None:
    program = make_program(azure, "contributor", "Contributor")
    before = azure.writes()
    with pytest.raises(ForbiddenError) as caught:
        azure.set_up(**program.sign_in)
    assert "Application Developer" in caught.value.hint
    assert azure.writes() == before
    subscription, action = azure.project.subscription_id, "Microsoft.Authorization/roleAssignments/write"
    with azure.session(**program.sign_in) as session, pytest.raises(ForbiddenError) as caught:
        session.clients.roles.require(subscription, f"/subscriptions/{subscription}", action, "give the role")
    assert '--role "Role Based Access Control Administrator"' in caught.value.hint
    assert program.object_id in caught.value.hint


def test_a_program_with_a_role_on_the_group_alone_sees_that_all_is_there(azure: Azure) -> None:
    assert azure.set_up().error is None
    with azure.session() as session:
        directory = session.clients.directory
        application = directory.find_application(APPLICATION)
        assert application is not None
        secret = directory.add_password(application.object_id, "tests", 1)
    plan = azure.plan(client_id=application.app_id, client_secret=secret.value)
    assert plan.pending == 0
    details = {change.detail for change in plan.findings["service-principal"].changes}
    assert details == {"not checked: this account may not read the directory"}


def test_a_reader_is_told_what_making_the_group_takes(azure: Azure) -> None:
    program = make_program(azure, "reader", "Reader")
    with azure.session(**program.sign_in) as session, pytest.raises(ForbiddenError) as caught:
        Engine((SignIn(), ResourceGroup()), session, azure.events.append).plan()
    assert '--role "Contributor"' in caught.value.hint
    assert f"/subscriptions/{azure.project.subscription_id}" in caught.value.hint


def test_other_targets_need_other_providers_and_who_may_not_register_them_is_told_what_to_type(azure: Azure) -> None:
    managed = Delivery(staging_target="managed", production_target="managed")
    assert azure.set_up(delivery=managed).error is None
    assert azure.plan(delivery=managed).pending == 0
    pending = azure.plan().findings["ml-workspace"].pending
    assert [(one.action, one.what) for one in pending] == [("update", "resource providers of delivery")]
    named = pending[0].detail.removeprefix("register Microsoft's ")
    assert set(named.split(", ")) == {"ContainerInstance", "ContainerService", "KubernetesConfiguration"}

    program = make_program(azure, "reader", "Reader")
    with pytest.raises(ForbiddenError, match="register the resource provider") as caught:
        azure.plan(**program.sign_in)
    for name in named.split(", "):
        assert f"az provider register --namespace Microsoft.{name} --wait" in caught.value.hint
    assert azure.set_up().error is None
    assert azure.plan().pending == 0
    assert azure.plan(**program.sign_in).findings["ml-workspace"].pending == ()


def test_two_applications_of_one_name_are_listed_and_neither_is_touched(azure: Azure) -> None:
    with azure.session() as session:
        made = [session.clients.directory.create_application(APPLICATION) for _ in range(2)]
    with pytest.raises(UsageError) as caught:
        azure.plan()
    assert all(any(one.app_id in problem for problem in caught.value.problems) for one in made)


def test_what_was_there_before_is_adopted_and_survives_the_teardown(azure: Azure) -> None:
    with azure.session() as session:
        session.clients.groups.create(azure.project.subscription_id, GROUP, "northeurope", {"owner": "somebody"})
        session.clients.directory.create_application(APPLICATION)
    plan = azure.plan()
    kept = [change for change in plan.findings["resource-group"].changes if change.action == "keep"]
    assert "cannot move to westeurope" in kept[0].detail
    assert azure.set_up().error is None
    assert azure.remove().error is None
    warnings = [line for line in azure.lines() if "was not made by this project" in line]
    assert len(warnings) == 2
    after = {name: len(finding.pending) for name, finding in azure.plan().findings.items()}
    assert after["resource-group"] == 0
    assert after["databricks-workspace"] == 1
    assert after["service-principal"] == 1, "the application stays, its role is taken away"


def test_teardown_takes_away_what_was_made_and_can_be_repeated(azure: Azure) -> None:
    assert azure.set_up().error is None
    assert azure.remove().error is None
    writes = azure.writes()
    assert azure.remove().error is None
    assert azure.writes() == writes
    assert azure.plan().pending == 5, "only the resource provider stays registered"
    order = [event.step for event in azure.events if isinstance(event, StepState)]
    assert order[0] == "sign-in"


def test_a_workspace_is_adopted_by_the_address_people_paste(azure: Azure) -> None:
    assert azure.set_up().error is None
    pasted = f"{azure.live.origin}/?o=2814749767106561#folder/1"
    with azure.session(databricks_host=pasted) as session:
        plan = azure.engine(session).plan()
        assert session.know("databricks_host", "") == azure.live.origin
        assert session.know("workspace_id", "").endswith(f"/workspaces/{WORKSPACE}")
    assert [change.action for change in plan.findings["databricks-workspace"].changes] == ["keep"]


def test_a_better_tier_is_an_update_and_keeps_the_tags(azure: Azure) -> None:
    assert azure.set_up(databricks_sku="standard").error is None
    plan = azure.plan()
    assert [one.action for one in plan.findings["databricks-workspace"].pending] == ["update"]
    assert azure.set_up().error is None
    with azure.session() as session:
        found = session.clients.workspaces.get(azure.project.subscription_id, GROUP, WORKSPACE)
    assert found is not None
    assert (found.sku, found.tags["made_by"]) == ("premium", "mlops-tui")


def test_names_that_azure_would_refuse_are_refused_before_it_is_asked(azure: Azure) -> None:
    for wrong in ({"resource_group": "ends.with."}, {"databricks_workspace": "a b"}, {"ml_workspace": "-x"}):
        with pytest.raises(UsageError):
            azure.plan(**wrong)
    assert azure.writes() == []


def test_a_secret_is_shown_once_and_works_until_it_is_removed(azure: Azure) -> None:
    assert azure.set_up().error is None
    with azure.session() as session:
        directory = session.clients.directory
        application = directory.find_application(APPLICATION)
        assert application is not None
        made = directory.add_password(application.object_id, "mlops-tui azureml", 30)
        assert redact(f"it is {made.value}") == "it is [REDACTED]"
        assert made.value not in repr(made)
        (listed,) = directory.list_passwords(application.object_id)
        assert (listed.key_id, listed.name, listed.value) == (made.key_id, "mlops-tui azureml", "")
        assert made.value.startswith(listed.hint)
        assert 29 < (listed.ends.timestamp() - time.time()) / 86400 < 30.1
        azure.plan(client_id=application.app_id, client_secret=made.value)
        for _ in range(2):
            directory.remove_password(application.object_id, made.key_id)
        assert directory.list_passwords(application.object_id) == ()
    with pytest.raises(SignInError, match="client secret is wrong"):
        azure.plan(client_id=application.app_id, client_secret=made.value)


def test_a_ci_job_signs_in_with_its_federated_token(azure: Azure, tmp_path: Path) -> None:
    jwt = pytest.importorskip("jwt")
    trust = FederatedCredential(
        "main", "https://token.actions.githubusercontent.com", "repo:me/wine:ref:refs/heads/main"
    )
    with azure.session() as session:
        directory = session.clients.directory
        application = directory.create_application("ci")
        directory.create_principal(application.app_id)
        assert directory.add_federated_credential(application.object_id, trust)
        assert not directory.add_federated_credential(application.object_id, trust)
        assert directory.list_federated_credentials(application.object_id) == (trust,)
    claims = {"iss": trust.issuer, "aud": "api://AzureADTokenExchange", "exp": int(time.time()) + 300}
    file = tmp_path / "token"
    project = Project(tenant_id=azure.project.tenant_id, client_id=application.app_id, federated_token_file=str(file))
    key = "a key of 32 characters or more, for tests"
    for subject, accepted in ((trust.subject, True), ("repo:evil/fork:ref:refs/heads/main", False)):
        file.write_text(jwt.encode(claims | {"sub": subject}, key, algorithm="HS256"))
        with closing(Identity(project, azure.cloud, {})) as identity:
            assert identity.method == "federated"
            if accepted:
                assert identity.caller().name == application.app_id
                continue
            with pytest.raises(SignInError) as caught:
                identity.caller()
            assert caught.value.code == "AADSTS700213"
            assert subject in caught.value.raw


def test_a_person_signs_in_by_device_code_and_is_asked_once(azure: Azure) -> None:
    import urllib.parse
    import urllib.request
    from ssl import create_default_context

    shown: list[str] = []

    def approve(text: str) -> None:
        shown.append(text)
        form = urllib.parse.urlencode({"user_code": text.rsplit(" ", 1)[1]}).encode()
        context = create_default_context(cafile=str(azure.live.ca))
        urllib.request.urlopen(f"{azure.live.origin}/devicelogin", form, 10, context=context).close()

    signed_in = {"client_id": "", "client_secret": "", "sign_in": "device-code"}
    with azure.session(**signed_in) as session:
        session.prompt = approve
        plan = azure.engine(session).plan()
        assert session.know("caller_name", "sign-in") == "learner@sandbox.example"
    assert plan.pending == 7
    assert len(shown) == 1
    assert f"{azure.live.origin}/devicelogin" in shown[0]


def test_nobody_to_read_a_device_code_is_an_error_and_not_a_long_wait(azure: Azure) -> None:
    started = time.monotonic()
    with pytest.raises(SignInError, match="nobody is there"):
        azure.plan(client_id="", client_secret="", sign_in="device-code")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("status", "method"), [(429, "GET"), (503, "GET"), (429, "PUT")])
def test_a_busy_azure_is_ridden_out(azure: Azure, status: int, method: str) -> None:
    fault = {"path": "(?i).*/resourcegroups/[^/]*", "method": method, "status": status, "count": 2}
    azure.ask("POST", "/_sandbox/faults", fault)
    assert azure.set_up().error is None


def test_a_principal_that_is_not_known_everywhere_yet_is_waited_for(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "NEWS_PAUSE", 0.05)
    azure.ask("POST", "/_sandbox/faults", {"path": ".*/roleAssignments/.*", "method": "PUT", "status": 404, "count": 2})
    assert azure.set_up().error is None
    assert sum("not known everywhere yet" in line for line in azure.lines()) == 2
    monkeypatch.setattr(waiting, "NEWS_SECONDS", 0.2)
    with azure.session() as session, pytest.raises(NotFoundError):
        session.clients.directory.create_principal("11111111-2222-4333-8444-555555555555")


def test_a_dead_cloud_is_told_within_seconds(azure: Azure) -> None:
    dead = local_cloud(f"https://localhost:{process._free_port()}", str(azure.live.ca))
    started = time.monotonic()
    with (
        closing(Session(azure.project, dead)) as session,
        pytest.raises(MlopsError) as caught,
    ):
        azure.engine(session).plan()
    assert isinstance(caught.value, UnreachableError)
    assert "nobody listens there" in caught.value.message
    assert time.monotonic() - started < 5
