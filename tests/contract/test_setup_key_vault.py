"""A project whose secret scope a key vault backs: from nothing to all there, and back; with faults between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service.iam import ServicePrincipalsAPI
from databricks.sdk.service.workspace import AclPermission

from mlops_tui import redaction
from mlops_tui.clouds.cloud import DATABRICKS_APP_ID, Cloud, local_cloud
from mlops_tui.clouds.databricks_secrets import Secrets
from mlops_tui.clouds.directory import Directory
from mlops_tui.clouds.key_vault import OFFICER, Vault, VaultSecrets
from mlops_tui.clouds.roles import Roles
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import ConflictError, ForbiddenError, Interrupted, NotFoundError, UsageError
from mlops_tui.events import Event, to_json
from mlops_tui.project import Project
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.secret_scope import SecretScope
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.setup.vault_scope import READER
from mlops_tui.steps import Report
from tests.conftest import LiveSandbox, serve
from tests.credentials import of_owner

pytestmark = pytest.mark.xdist_group("setup-key-vault")

BEFORE = (SignIn(), ResourceGroup(), DatabricksWorkspace(), ServicePrincipal())
NAMES = ("tenant-id", "client-id", "client-secret", "subscription-id", "resource-group", "workspace-name")
SCOPE = "azureml"


@dataclass
class Desk:
    """Somebody at work on one project, and what is needed to look at what came of it."""

    live: LiveSandbox
    project: Project
    cloud: Cloud
    events: list[Event] = field(default_factory=list)

    @contextmanager
    def session(self, **changes: Any) -> Iterator[Session]:
        """A command of its own, which knows nothing of those before it."""
        with closing(Session(replace(self.project, **changes), self.cloud)) as session:
            yield session

    def engine(self, session: Session) -> Engine:
        return Engine((*BEFORE, SecretScope()), session, self.events.append)

    def plan(self, **changes: Any) -> Plan:
        with self.session(**changes) as session:
            return self.engine(session).plan()

    def set_up(self, **changes: Any) -> Outcome:
        with self.session(**changes) as session:
            engine = self.engine(session)
            return engine.apply(engine.plan())

    def prepare(self) -> None:
        """What comes before the scope, as somebody else's command has left it."""
        with self.session() as session:
            engine = Engine(BEFORE, session, self.events.append)
            assert engine.apply(engine.plan()).error is None

    def remove(self) -> None:
        """The scope's part of a teardown."""
        with self.session() as session:
            self.engine(session).plan()
            SecretScope().remove(session, Report("secret-scope", self.events.append))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return process.ask(
            self.live.folder, process.Address(int(self.live.origin.rpartition(":")[2])), method, path, body
        )

    def writes(self) -> list[str]:
        return [f"{one['method']} {one['path']}" for one in self.ask("GET", "/_sandbox/requests?writes=1")["requests"]]

    def make_vault(self) -> None:
        """What the organisation's security people do."""
        with self.session() as session:
            for namespace in ("Microsoft.KeyVault", "Microsoft.Databricks"):
                session.clients.subscriptions.register_provider(self.project.subscription_id, namespace)
            session.clients.groups.create(self.project.subscription_id, "safe", "westeurope", {})
            resources = session.clients._arm.resources(self.project.subscription_id).resources
            properties = {
                "tenantId": self.project.tenant_id,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
            }
            wanted: Any = {"location": "westeurope", "properties": properties}
            resources.begin_create_or_update_by_id(self.project.key_vault, wanted, api_version="2023-07-01").result()

    def allow(self, role: str = OFFICER, principal_id: str = "") -> None:
        with self.session() as session:
            caller = principal_id or session.clients.identity.caller().object_id
            session.clients.roles.assign(self.project.subscription_id, self.project.key_vault, caller, role)

    def vault(self, session: Session) -> Vault:
        vault = session.clients.key_vaults.get(self.project.key_vault)
        assert vault is not None
        return vault

    def held(self) -> dict[str, str]:
        """What is in the vault."""
        with self.session() as session:
            secrets = session.clients.key_vaults.secrets(self.vault(session))
            found = {name: secrets.read(name) for name in NAMES}
        return {name: secret.value for name, secret in found.items() if secret}

    def put(self, name: str, value: str) -> None:
        """What somebody else does in the vault."""
        with self.session() as session:
            session.clients.key_vaults.secrets(self.vault(session)).put(name, value, {})

    def shown(self) -> dict[str, str]:
        """What notebooks read through the scope."""
        with self.session() as session:
            secrets = session.clients.databricks(self.live.origin).secrets
            return {name: secrets.read(SCOPE, name) or "" for name in sorted(secrets.keys(SCOPE))}

    def passwords(self) -> list[str]:
        """Key ids of the application's client secrets."""
        with self.session() as session:
            application = session.clients.directory.find_application(self.project.service_principal)
            assert application is not None
            return [one.key_id for one in session.clients.directory.list_passwords(application.object_id)]

    def is_granted(self) -> bool:
        with self.session() as session:
            reader = session.clients.directory.find_principal(DATABRICKS_APP_ID)
            assert reader is not None
            found = session.clients.roles.find(self.project.subscription_id, self.project.key_vault, reader, READER)
            return found is not None


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A project that names a vault which nobody has made."""
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # what the clients set is unset again
    sandbox = serve(tmp_path / "sandbox")
    (tmp_path / "sandbox").mkdir()
    live = next(sandbox)
    kept = of_owner(live.folder)
    vault = f"/subscriptions/{kept['subscription_id']}/resourceGroups/safe/providers/Microsoft.KeyVault/vaults/kept"
    yield Desk(live, Project(**kept, key_vault=vault, secret_scope=SCOPE), local_cloud(live.origin, str(live.ca)))
    for _ in sandbox:
        raise AssertionError("the sandbox is served once")


@pytest.fixture
def desk(bare: Desk) -> Desk:
    """The vault is there, and this account may write its secrets."""
    bare.make_vault()
    bare.allow()
    return bare


def test_from_nothing_to_all_there_and_a_second_run_writes_nothing(desk: Desk) -> None:
    plan = desk.plan()
    assert [(change.action, change.what) for change in plan.findings["secret-scope"].changes] == [
        ("create", f"role assignment {READER} for AzureDatabricks on the key vault kept"),
        ("create", f"secret scope {SCOPE}"),
        *(("create", f"key vault secret kept/{name}") for name in NAMES),
    ]
    assert desk.set_up().error is None
    held = desk.held()
    assert set(held) == set(NAMES)
    assert held["tenant-id"] == desk.project.tenant_id
    assert held["workspace-name"] == desk.project.ml_workspace
    assert desk.shown() == held

    before = desk.writes()
    assert desk.plan().pending == 0
    assert desk.set_up().error is None
    assert desk.writes() == before


def test_the_client_secret_is_told_to_the_vault_and_to_nobody_else(desk: Desk) -> None:
    assert desk.set_up().error is None
    value = desk.held()["client-secret"]
    assert len(value) > 20
    assert value not in json.dumps([to_json(event) for event in desk.events])
    assert redaction.redact(f"the secret is {value}") == f"the secret is {redaction.MASK}"
    assert len(desk.passwords()) == 1


def test_a_vault_that_is_not_there_is_told_before_anything_is_made(bare: Desk) -> None:
    before = bare.writes()
    with pytest.raises(NotFoundError) as caught:
        bare.set_up()
    assert "There is no key vault kept" in caught.value.message
    assert "az keyvault create --name kept --resource-group safe" in caught.value.hint
    assert "--enable-rbac-authorization" in caught.value.hint
    assert bare.writes() == before


def test_an_owner_without_a_right_on_the_secrets_learns_which_role_to_ask_for(bare: Desk) -> None:
    bare.make_vault()
    before = bare.writes()
    with pytest.raises(ForbiddenError) as caught:
        bare.set_up()
    with bare.session() as session:
        caller = session.clients.identity.caller().object_id
    assert (
        f'az role assignment create --role "{OFFICER}" --assignee "{caller}" --scope "{bare.project.key_vault}"'
        in caught.value.hint
    )
    assert bare.writes() == before


def test_who_may_only_read_the_secrets_is_told_before_one_is_set(bare: Desk) -> None:
    bare.make_vault()
    bare.allow(READER)
    error: Any = bare.set_up().error
    assert isinstance(error, ForbiddenError)
    assert f'--role "{OFFICER}"' in error.hint
    assert bare.held() == {}


def test_a_changed_value_in_the_vault_is_put_right(desk: Desk) -> None:
    assert desk.set_up().error is None
    desk.put("resource-group", "another")
    pending = desk.plan().findings["secret-scope"].pending
    assert [(change.action, change.what) for change in pending] == [("update", "key vault secret kept/resource-group")]
    assert desk.set_up().error is None
    assert desk.held()["resource-group"] == desk.project.resource_group


def test_a_right_that_somebody_took_away_is_given_again(desk: Desk) -> None:
    assert desk.set_up().error is None
    with desk.session() as session:
        reader = session.clients.directory.find_principal(DATABRICKS_APP_ID) or ""
        roles, subscription = session.clients.roles, desk.project.subscription_id
        found = roles.find(subscription, desk.project.key_vault, reader, READER)
        assert found is not None
        roles.remove(subscription, found)
    with pytest.raises(ForbiddenError):
        desk.shown()
    [change] = desk.plan().findings["secret-scope"].pending
    assert change.what.startswith(f"role assignment {READER}")
    assert desk.set_up().error is None
    assert desk.shown() == desk.held()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_any_write_the_next_run_ends_with_one_of_everything(
    done: bool, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of write is the last one, before or after it was done; then somebody runs the same command again."""
    desk.prepare()
    points = ((Roles, "assign"), (Secrets, "create_scope"), (Directory, "add_password"), (VaultSecrets, "put"))
    for owner, name in points:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dying(getattr(owner, name), done))
            assert isinstance(desk.set_up().error, Interrupted)
        assert desk.set_up().error is None
        assert desk.plan().pending == 0
        assert len(desk.passwords()) == 1
        assert desk.shown() == desk.held()
        assert desk.is_granted()
        desk.remove()


def dying(method: Callable[..., Any], done: bool) -> Callable[..., Any]:
    """The method, but the command ends there."""

    def die(*given: Any, **named: Any) -> None:
        if done:
            method(*given, **named)
        raise Interrupted("killed")

    return die


def test_a_scope_of_another_make_is_told_apart(desk: Desk) -> None:
    assert desk.set_up(key_vault="").error is None
    with pytest.raises(ConflictError, match="backed by DATABRICKS"):
        desk.plan()
    with desk.session() as session:
        session.clients.databricks(desk.live.origin).secrets.delete_scope(SCOPE)
    assert desk.set_up().error is None
    with pytest.raises(ConflictError, match="backed by AZURE_KEYVAULT"):
        desk.plan(key_vault="")


def test_a_personal_token_cannot_back_a_scope_with_a_vault(desk: Desk) -> None:
    desk.prepare()
    with pytest.raises(UsageError, match="personal access token"):
        desk.plan(databricks_token=desk.live.token)


def test_teardown_takes_what_is_ours_and_leaves_the_vault(desk: Desk) -> None:
    desk.put("workspace-name", "somebody's own")
    assert desk.set_up().error is None
    desk.remove()
    assert desk.held() == {"workspace-name": desk.project.ml_workspace}
    assert not desk.is_granted()
    desk.remove()


def test_after_teardown_deleted_secrets_come_back_under_their_names(desk: Desk) -> None:
    assert desk.set_up().error is None
    first = desk.held()["client-secret"]
    desk.remove()
    assert desk.set_up().error is None
    assert set(desk.held()) == set(NAMES)
    assert desk.held()["client-secret"] != first


def test_a_right_that_others_gave_databricks_outlives_us(desk: Desk) -> None:
    with desk.session() as session:
        reader = session.clients.directory.find_principal(DATABRICKS_APP_ID) or ""
        definition = session.clients.roles.definition_id(desk.project.subscription_id, READER)
        body: Any = {
            "properties": {
                "roleDefinitionId": definition,
                "principalId": reader,
                "principalType": "ServicePrincipal",
            }
        }
        assignments = session.clients._arm.authorization(desk.project.subscription_id).role_assignments
        assignments.create(desk.project.key_vault, "11111111-2222-4333-8444-555555555555", body)
    assert desk.set_up().error is None
    desk.remove()
    assert desk.is_granted()


def test_a_build_that_may_not_read_the_directory_or_the_vault_sees_that_all_is_there(desk: Desk) -> None:
    """Training runs as the application that setup made: a role on the group alone, and a look through the scope."""
    assert desk.set_up().error is None
    with desk.session() as session:
        application = session.clients.directory.find_application(desk.project.service_principal)
        assert application is not None
        secret = session.clients.directory.add_password(application.object_id, "tests", 1)
        workspace = session.clients.databricks(desk.live.origin).client
        members = workspace.service(ServicePrincipalsAPI)
        members.create(application_id=application.app_id, display_name=application.name)
        workspace.secrets.put_acl(SCOPE, application.app_id, permission=AclPermission.READ)
    before = desk.writes()
    plan = desk.plan(client_id=application.app_id, client_secret=secret.value)
    assert plan.pending == 0
    assert desk.writes() == before
