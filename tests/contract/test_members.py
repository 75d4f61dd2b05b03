"""Who gets into the workspace, who is in it, and what they may do there."""

from __future__ import annotations

import base64
import io
import os
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service import iam
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.workspace import (
    AclPermission,
    ImportFormat,
    Language,
)

from mlops_tui.sandbox import process
from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.sandbox import DATABRICKS_APP
from tests.conftest import LiveSandbox, serve
from tests.contract.azure_fixtures import CONTRIBUTOR, READER, close_clients, owner, wait_until  # noqa: F401  (a fixture)
from tests.contract.workspace_users import client, fresh, inside, learner, person, someone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

pytestmark = pytest.mark.xdist_group("members")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSandbox]:
    """A sandbox of this module's own: whether it has a workspace is part of the story."""
    yield from serve(tmp_path_factory.mktemp("members"))


@pytest.fixture
def w(own: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(own, monkeypatch)


@pytest.fixture
def workspace(own: LiveSandbox) -> Any:
    return workspace_of(own)


def workspace_of(live: LiveSandbox) -> Any:
    """The workspace as an Azure resource, made where there is none."""
    azure = owner(live)
    found = list(azure.databricks.workspaces.list_by_subscription())
    if found:
        return found[0]
    azure.resources.providers.register("Microsoft.Databricks")
    for _ in wait_until(20):
        if azure.resources.providers.get("Microsoft.Databricks").registration_state == "Registered":
            break
    group = azure.group()
    properties = {"managedResourceGroupId": f"{azure.root}/resourceGroups/{group}-managed", "computeMode": "Hybrid"}
    wanted: Any = {"location": "westeurope", "sku": {"name": "premium"}, "properties": properties}
    return azure.databricks.workspaces.begin_create_or_update(group, "practice", wanted).result(timeout=30)


def entra_token(own: LiveSandbox, principal: Principal, audience: str = DATABRICKS_APP) -> str:
    with inside(own) as sandbox:
        return sandbox.tokens.mint(principal, audience)


def ask(own: LiveSandbox, path: str, **headers: str) -> requests.Response:
    return requests.get(own.origin + path, headers=headers, timeout=10)


def test_a_host_without_a_workspace_lets_no_entra_sign_in_pass(own: LiveSandbox, w: WorkspaceClient) -> None:
    token = entra_token(own, person("early@sandbox.example"))
    with pytest.raises(PermissionDenied, match="Invalid access to Org: 0"):
        client(own.origin, token).current_user.me()
    assert "workspace_id" not in ask(own, "/.well-known/databricks-config").json()
    assert w.current_user.me().user_name == "learner@sandbox.example"  # personal tokens do without


def test_the_host_says_what_it_is(own: LiveSandbox, w: WorkspaceClient, workspace: Any) -> None:
    answer = ask(own, "/.well-known/databricks-config").json()
    assert answer["cloud"] == "Azure"
    assert answer["workspace_id"] == workspace.workspace_id
    assert str(w.get_workspace_id()) == workspace.workspace_id


def test_who_may_write_the_resource_comes_in_as_an_admin(own: LiveSandbox, w: WorkspaceClient, workspace: Any) -> None:
    azure = owner(own)
    contributor, reader = azure.service_principal(fresh("contributor")), azure.service_principal(fresh("reader"))
    azure.assign(workspace.id, contributor.principal["id"], CONTRIBUTOR)
    azure.assign(workspace.id, reader.principal["id"], READER)
    token = contributor.azure.credential.get_token(f"{DATABRICKS_APP}/.default").token
    inside_now = client(own.origin, token)
    me = inside_now.current_user.me()
    assert me.user_name == contributor.application["appId"]
    assert "admins" in {group.display for group in me.groups or []}
    assert contributor.application["appId"] in {one.application_id for one in w.service_principals.list()}

    token = reader.azure.credential.get_token(f"{DATABRICKS_APP}/.default").token
    with pytest.raises(PermissionDenied, match=f"Unauthorized access to workspace: {workspace.workspace_id}"):
        client(own.origin, token).current_user.me()
    w.service_principals.create(application_id=reader.application["appId"], display_name="A reader")
    again = client(own.origin, token)
    assert {group.display for group in again.current_user.me().groups or []} == {"users"}
    with pytest.raises(PermissionDenied):
        again.users.create(user_name="another@sandbox.example")


def test_a_token_for_another_audience_or_resource_is_refused(
    own: LiveSandbox, w: WorkspaceClient, workspace: Any
) -> None:
    member = person("audience@sandbox.example")
    w.users.create(user_name=member.name)
    with pytest.raises(PermissionDenied, match="wrong audience"):
        client(own.origin, entra_token(own, member, "https://management.azure.com")).current_user.me()
    good = {"Authorization": f"Bearer {entra_token(own, member)}"}
    assert ask(own, "/api/2.0/preview/scim/v2/Me", **good).status_code == 200
    elsewhere = {"X-Databricks-Azure-Workspace-Resource-Id": workspace.id.replace("practice", "another")}
    assert ask(own, "/api/2.0/preview/scim/v2/Me", **good, **elsewhere).status_code == 403


def test_a_call_without_a_credential_is_refused(own: LiveSandbox, w: WorkspaceClient) -> None:
    answer = ask(own, "/api/2.0/secrets/scopes/list")
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    basic = base64.b64encode(f"token:{own.token}".encode()).decode()
    assert ask(own, "/api/2.0/secrets/scopes/list", Authorization=f"Basic {basic}").status_code == 200


def test_a_personal_token_lives_as_long_as_it_was_given(own: LiveSandbox, w: WorkspaceClient) -> None:
    made = w.tokens.create(comment="short", lifetime_seconds=1)
    assert made.token_value
    assert made.token_info
    assert client(own.origin, made.token_value).current_user.me().user_name == "learner@sandbox.example"
    assert made.token_value not in str([one.as_dict() for one in w.tokens.list()])
    time.sleep(1.1)
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        client(own.origin, made.token_value).current_user.me()
    with pytest.raises(InvalidParameterValue, match="must be positive"):
        w.tokens.create(lifetime_seconds=-1)


def test_a_deleted_token_opens_nothing(own: LiveSandbox, w: WorkspaceClient) -> None:
    made = w.tokens.create(comment="to be deleted")
    assert made.token_info
    w.tokens.delete(made.token_info.token_id or "")
    with pytest.raises(PermissionDenied):
        client(own.origin, made.token_value or "").current_user.me()
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        w.tokens.delete(made.token_info.token_id or "")


def test_service_principals_are_added_found_changed_and_removed(w: WorkspaceClient) -> None:
    app = str(uuid.uuid4())
    made = w.service_principals.create(application_id=app, display_name="Trainer", active=True)
    assert made.id
    assert made.id.isdigit()
    found = list(w.service_principals.list(filter=f'applicationId eq "{app}"'))
    assert [(one.id, one.display_name) for one in found] == [(made.id, "Trainer")]
    with pytest.raises(DatabricksError, match="already exists") as twice:
        w.service_principals.create(application_id=app)
    assert twice.value.error_code == "SCIM_409"
    w.service_principals.patch(
        made.id, operations=[iam.Patch(op=iam.PatchOp.REPLACE, path="displayName", value="Coach")], schemas=[]
    )
    assert w.service_principals.get(made.id).display_name == "Coach"
    with pytest.raises(DatabricksError, match="not a valid UUID"):
        w.service_principals.create(application_id="no-uuid")
    w.service_principals.delete(made.id)
    with pytest.raises(NotFound, match=f"ServicePrincipal with id {made.id} not found"):
        w.service_principals.get(made.id)


def test_a_removed_member_is_out_at_once(own: LiveSandbox, w: WorkspaceClient) -> None:
    other, name = someone(own)
    (member,) = w.users.list(filter=f"userName eq '{name}'".replace("'", '"'))
    assert other.current_user.me().id == member.id
    w.users.delete(member.id or "")
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        other.current_user.me()


def test_a_member_who_is_not_active_stays_out(own: LiveSandbox, w: WorkspaceClient) -> None:
    other, _ = someone(own)
    me = other.current_user.me()
    change = [iam.Patch(op=iam.PatchOp.REPLACE, value={"active": False})]
    w.users.patch(me.id or "", operations=change, schemas=[])
    with pytest.raises(PermissionDenied, match="User not authorized"):
        other.current_user.me()


def test_groups_give_their_members_what_they_have(own: LiveSandbox, w: WorkspaceClient) -> None:
    other, name = someone(own)
    me = other.current_user.me()
    scope = fresh("scope")
    w.secrets.create_scope(scope)
    team = w.groups.create(display_name=fresh("team"))
    w.secrets.put_acl(scope, team.display_name or "", AclPermission.READ)
    with pytest.raises(PermissionDenied):
        list(other.secrets.list_secrets(scope))
    join = [iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": me.id}])]
    w.groups.patch(team.id or "", operations=join, schemas=[])
    assert list(other.secrets.list_secrets(scope)) == []
    leave = [iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{me.id}"]')]
    w.groups.patch(team.id or "", operations=leave, schemas=[])
    with pytest.raises(PermissionDenied):
        list(other.secrets.list_secrets(scope))

    (admins,) = [one for one in w.groups.list() if one.display_name == "admins"]
    w.groups.patch(admins.id or "", operations=join, schemas=[])
    assert list(other.secrets.list_secrets(scope)) == []
    assert name in {one.user_name for one in other.users.list()}
    with pytest.raises(BadRequest, match="built in"):
        w.groups.delete(admins.id or "")


def notebook_of(w: WorkspaceClient) -> str:
    """A new notebook of the learner's own; its object id."""
    path = f"/Users/learner@sandbox.example/{fresh('notebook')}"
    w.workspace.upload(path, io.BytesIO(b"1"), format=ImportFormat.SOURCE, language=Language.PYTHON)
    return str(w.workspace.get_status(path).object_id)


def test_a_notebook_is_shared_with_one_person(own: LiveSandbox, w: WorkspaceClient) -> None:
    other, name = someone(own)
    notebook = notebook_of(w)
    with pytest.raises(PermissionDenied, match=f"{name} does not have View permissions on notebook {notebook}"):
        other.permissions.get("notebooks", notebook)
    entry = iam.AccessControlRequest(user_name=name, permission_level=iam.PermissionLevel.CAN_READ)
    w.permissions.update("notebooks", notebook, access_control_list=[entry])
    seen = other.permissions.get("notebooks", notebook)
    assert (seen.object_id, seen.object_type) == (f"/notebooks/{notebook}", "notebook")
    held = {one.user_name or one.group_name: one.all_permissions or [] for one in seen.access_control_list or []}
    assert [(p.permission_level, p.inherited) for p in held[name]] == [(iam.PermissionLevel.CAN_READ, False)]
    assert [(p.permission_level, p.inherited) for p in held["admins"]] == [(iam.PermissionLevel.CAN_MANAGE, True)]
    assert [(p.permission_level, p.inherited) for p in held["learner@sandbox.example"]] == [
        (iam.PermissionLevel.CAN_MANAGE, True)  # it stands in the learner's home
    ]
    with pytest.raises(PermissionDenied, match="Manage"):
        other.permissions.set("notebooks", notebook, access_control_list=[])
    w.permissions.set("notebooks", notebook, access_control_list=[])
    with pytest.raises(PermissionDenied):
        other.permissions.get("notebooks", notebook)


def test_levels_principals_and_objects_are_checked(w: WorkspaceClient) -> None:
    notebook = notebook_of(w)
    wrong = iam.AccessControlRequest(group_name="users", permission_level=iam.PermissionLevel.CAN_RESTART)
    with pytest.raises(InvalidParameterValue, match="CAN_RESTART is not valid for a notebook"):
        w.permissions.update("notebooks", notebook, access_control_list=[wrong])
    nobody = iam.AccessControlRequest(user_name="nobody@x", permission_level=iam.PermissionLevel.CAN_READ)
    with pytest.raises(ResourceDoesNotExist, match=r"Principal: UserName\(nobody@x\) does not exist"):
        w.permissions.update("notebooks", notebook, access_control_list=[nobody])
    with pytest.raises(ResourceDoesNotExist):
        w.permissions.get("notebooks", "12345")
    with pytest.raises(InvalidParameterValue, match="request_object_type is not recognized: toasters"):
        w.permissions.get("toasters", "1")
    levels = w.permissions.get_permission_levels("jobs", "1").permission_levels or []
    assert levels[0].permission_level is iam.PermissionLevel.CAN_VIEW


def test_a_job_has_one_owner(own: LiveSandbox, w: WorkspaceClient) -> None:
    _, name = someone(own)
    job = str(uuid.uuid4().int)[:12]
    with inside(own) as sandbox:
        sandbox.find(Permissions).claim("jobs", job, "learner@sandbox.example")
        assert not sandbox.find(Permissions).allows(person(name), "jobs", job, "CAN_VIEW")
    viewer = iam.AccessControlRequest(user_name=name, permission_level=iam.PermissionLevel.CAN_VIEW)
    with pytest.raises(InvalidParameterValue, match="The job must have exactly one owner"):
        w.permissions.set("jobs", job, access_control_list=[viewer])
    new_owner = iam.AccessControlRequest(user_name=name, permission_level=iam.PermissionLevel.IS_OWNER)
    after = w.permissions.update("jobs", job, access_control_list=[new_owner])
    owners = [
        one.user_name
        for one in after.access_control_list or []
        if any(p.permission_level is iam.PermissionLevel.IS_OWNER for p in one.all_permissions or [])
    ]
    assert owners == [name]
    with inside(own) as sandbox:
        assert sandbox.find(Permissions).allows(person(name), "jobs", job, "CAN_MANAGE")
    group = iam.AccessControlRequest(group_name="users", permission_level=iam.PermissionLevel.IS_OWNER)
    with pytest.raises(InvalidParameterValue, match="A group cannot be the owner"):
        w.permissions.set("jobs", job, access_control_list=[group])


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[LiveSandbox]:
    """A sandbox whose workspace may be deleted."""
    yield from serve(tmp_path)


def test_with_the_workspace_goes_all_that_was_in_it(doomed: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    azure, made = owner(doomed), workspace_of(doomed)
    for w in learner(doomed, monkeypatch):
        w.secrets.create_scope("scope")
        w.secrets.put_secret("scope", "key", string_value="value")
        w.workspace.upload("/Shared/n", io.BytesIO(b"1"), format=ImportFormat.SOURCE, language=Language.PYTHON)
        w.volumes.create("main", "default", "v", VolumeType.MANAGED)
        w.files.upload("/Volumes/main/default/v/a", io.BytesIO(b"x"))
        w.dbfs.put("/a", contents="eA==")

        azure.databricks.workspaces.begin_delete(made.id.split("/")[4], made.name).result(timeout=30)

        with pytest.raises(PermissionDenied, match="Invalid access token"):
            w.current_user.me()
        with inside(doomed) as sandbox:
            kinds = ("personal-token", "secret-scope", "secret", "uc-volume", "permissions", "workspace-member")
            assert [kind for kind in kinds if sandbox.store.items(kind)] == []
        left = [path for path in (doomed.folder / "files").rglob("*") if path.is_file() and "datasets" not in str(path)]
        assert left == []

        workspace_of(doomed)
        token = azure.credential.get_token(f"{DATABRICKS_APP}/.default").token
        successor = client(doomed.origin, token)
        assert {one.path for one in successor.workspace.list("/")} == {"/Repos", "/Shared", "/Users"}
        assert list(successor.workspace.list("/Shared")) == []
        assert list(successor.volumes.list("main", "default")) == []


def test_a_killed_sandbox_forgets_nothing_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "killed"
    address = process.start(folder)
    try:
        with inside(LiveSandbox(folder, address.origin, folder / "ca.pem", "")) as sandbox:
            token = sandbox.members.issue(person("learner@sandbox.example"), "", 0)["token_value"]
        live = LiveSandbox(folder, address.origin, folder / "ca.pem", token)
        for w in learner(live, monkeypatch):
            w.secrets.create_scope("scope")
            w.secrets.put_secret("scope", "key", string_value="value")
            w.workspace.upload("/Shared/n", io.BytesIO(b"1"), format=ImportFormat.SOURCE, language=Language.PYTHON)
            w.volumes.create("main", "default", "v", VolumeType.MANAGED)
            w.files.upload("/Volumes/main/default/v/a", io.BytesIO(b"in a volume"))
            handle = w.dbfs.create("/half").handle
            w.dbfs.add_block(handle or 0, base64.b64encode(b"before, ").decode())

            (folder / "files" / ".partial" / "cut-off").touch()

            os.kill(address.pid, signal.SIGKILL)
            address = process.start(folder)

            w.dbfs.add_block(handle or 0, base64.b64encode(b"after").decode())
            w.dbfs.close(handle or 0)
            with w.dbfs.download("/half") as stream:
                assert stream.read() == b"before, after"
            assert list((folder / "files" / ".partial").iterdir()) == []
            assert w.dbutils.secrets.get("scope", "key") == "value"
            assert w.workspace.download("/Shared/n").read().endswith(b"\n1")
            contents = w.files.download("/Volumes/main/default/v/a").contents
            assert contents is not None
            with contents:
                assert contents.read() == b"in a volume"
            assert [group.display for group in w.current_user.me().groups or []] == ["admins", "users"]
    finally:
        process.stop(folder)


def test_a_standard_workspace_shares_its_scopes_with_all(own: LiveSandbox, w: WorkspaceClient, workspace: Any) -> None:
    with inside(own) as sandbox:
        kept = sandbox.store.get("resource", workspace.id.lower())
        assert kept
        sandbox.store.put("resource", workspace.id.lower(), kept | {"sku": {"name": "standard"}})
        try:
            with pytest.raises(BadRequest, match="Premium Tier is disabled in this workspace"):
                w.secrets.create_scope(fresh("scope"))
            w.secrets.create_scope(fresh("scope"), initial_manage_principal="users")
        finally:
            sandbox.store.put("resource", workspace.id.lower(), kept)
