"""Subscription, resource groups and the Databricks workspace of the practice cloud, with the azure-mgmt clients."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.databricks.models import Workspace

from mlops_tui.sandbox import process
from mlops_tui.sandbox.members import Members
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    STRANGER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    credentials,
    owner,
    raw,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("azure")


def requests_since(live: LiveSandbox, since: int) -> list[Any]:
    found: list[Any] = raw(live, "GET", f"/_sandbox/requests?since={since}").json()["requests"]
    return found


def arm(azure: Azure, method: str, path: str, version: str = "2024-03-01") -> Any:
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    query = f"?api-version={version}" if version else ""
    return raw(azure.live, method, path + query, Authorization=f"Bearer {token}")


def test_the_owner_sees_one_subscription_and_its_tenant(azure: Azure) -> None:
    (subscription,) = azure.subscriptions.subscriptions.list()
    assert subscription.state == "Enabled"
    assert azure.subscriptions.subscriptions.get(azure.subscription).display_name == subscription.display_name
    (tenant,) = azure.subscriptions.tenants.list()
    assert tenant.tenant_id == subscription.tenant_id
    locations = {
        one.name: one.display_name for one in azure.subscriptions.subscriptions.list_locations(azure.subscription)
    }
    assert locations["westeurope"] == "West Europe"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/subscriptions/{STRANGER}/resourcegroups", 404, "SubscriptionNotFound"),
        ("/subscriptions/mine/resourcegroups", 400, "InvalidSubscriptionId"),
    ],
)
def test_another_subscription_is_not_found(azure: Azure, path: str, status: int, code: str) -> None:
    answer = arm(azure, "GET", path)
    assert (answer.status_code, error_code(answer)) == (status, code)


def test_every_request_names_an_api_version_but_any_will_do(azure: Azure) -> None:
    refused = arm(azure, "GET", f"{azure.root}/resourcegroups", version="")
    assert (refused.status_code, error_code(refused)) == (400, "MissingApiVersionParameter")
    assert arm(azure, "GET", f"{azure.root}/resourcegroups", version="2099-01-01-preview").status_code == 200


def test_doubled_slashes_are_one(azure: Azure) -> None:
    """`az container export` asks with two."""
    name = f"rg-{uuid.uuid4().hex[:6]}"
    azure.resources.resource_groups.create_or_update(name, {"location": "westeurope"})
    place = f"{azure.root}/resourceGroups/{name}/providers/Microsoft.ContainerInstance"
    assert error_code(arm(azure, "GET", f"{place}//containerGroups/wine")) == "ResourceNotFound"
    assert arm(azure, "GET", f"{azure.root}//resourceGroups//{name}").json()["name"] == name


def test_no_token_no_answer(live: LiveSandbox) -> None:
    answer = raw(live, "GET", "/subscriptions?api-version=2022-12-01")
    assert (answer.status_code, error_code(answer)) == (401, "AuthenticationFailed")


def test_what_the_sandbox_lacks_it_says_aloud(azure: Azure) -> None:
    answer = arm(azure, "PUT", f"{azure.root}/resourceGroups/x/providers/Microsoft.Sql/servers/y")
    assert answer.status_code == 501
    assert "Microsoft.Sql" in answer.json()["error"]["message"]


def test_quotas_can_be_asked_for_before_anything_is_made(azure: Azure) -> None:
    path = f"{azure.root}/providers/Microsoft.Compute/locations/westeurope/usages"
    limits = {one["name"]["value"]: one["limit"] for one in arm(azure, "GET", path).json()["value"]}
    assert limits["cores"] >= limits["standardDSv2Family"] > 0


def test_a_resource_provider_is_registered_on_request(azure: Azure) -> None:
    name = "Microsoft.ContainerRegistry"
    assert azure.resources.providers.get(name.lower()).namespace == name
    assert azure.resources.providers.register(name).registration_state in ("Registering", "Registered")
    for _ in wait_until():
        if azure.resources.providers.get(name).registration_state == "Registered":
            break
    states = {one.namespace: one.registration_state for one in azure.resources.providers.list()}
    assert states["Microsoft.Resources"] == "Registered", "some are registered from the start"
    with pytest.raises(HttpResponseError, match="InvalidResourceNamespace"):
        azure.resources.providers.register("Microsoft.Nonsense")


def test_a_resource_group_lives_from_creation_to_deletion(azure: Azure) -> None:
    groups, name = azure.resources.resource_groups, f"Rg-{uuid.uuid4().hex[:6]}"
    assert not groups.check_existence(name)
    made = groups.create_or_update(name, {"location": "West Europe", "tags": {"a": "1"}})
    assert (made.location, made.tags) == ("westeurope", {"a": "1"})
    assert groups.check_existence(name.upper())
    assert groups.get(name.lower()).name == name, "names keep their letters and are found by any"
    assert groups.update(name, {"tags": {"b": "2"}}).tags == {"b": "2"}
    assert name in [one.name for one in groups.list()]
    poller = groups.begin_delete(name)
    assert groups.get(name).as_dict()["properties"] == {"provisioningState": "Deleting"}
    with pytest.raises(HttpResponseError, match="ResourceGroupBeingDeleted"):
        groups.create_or_update(name, {"location": "westeurope"})
    poller.result()
    with pytest.raises(ResourceNotFoundError) as caught:
        groups.get(name)
    assert code_of(caught.value) == "ResourceGroupNotFound"
    assert f"Resource group '{name}' could not be found." in caught.value.message


@pytest.mark.parametrize(
    ("name", "body", "status", "code", "said"),
    [
        ("a b", {"location": "westeurope"}, 400, "InvalidResourceGroup", "has these invalid characters: ' '"),
        ("dot.", {"location": "westeurope"}, 400, "InvalidResourceGroup", "cannot end with a period"),
        ("x" * 91, {"location": "westeurope"}, 400, "InvalidResourceGroup", "maximum length of '90'"),
        (
            "moon",
            {"location": "moon"},
            400,
            "LocationNotAvailableForResourceGroup",
            "List of available regions is 'eastus,",
        ),
        ("nowhere", {}, 400, "LocationRequired", "The location property is required for this definition."),
    ],
)
def test_a_group_that_breaks_the_rules_is_refused(
    azure: Azure, name: str, body: Any, status: int, code: str, said: str
) -> None:
    answer = put(azure, f"{azure.root}/resourcegroups/{name.replace(' ', '%20')}", body)
    assert (answer.status_code, error_code(answer)) == (status, code)
    assert said in answer.json()["error"]["message"]


def put(azure: Azure, path: str, body: Any) -> Any:
    """Without the checks that the SDK makes before it sends anything."""
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    client: PipelineClient[Any, Any] = PipelineClient(azure.live.origin, policies=[])
    url = f"{azure.live.origin}{path}?api-version=2024-03-01"
    request = HttpRequest("PUT", url, json=body, headers={"Authorization": f"Bearer {token}"})
    with client:
        response = client.send_request(request, connection_verify=str(azure.live.ca))
        response.read()
    return response


def test_a_group_does_not_move(azure: Azure) -> None:
    name = azure.group()
    with pytest.raises(HttpResponseError) as caught:
        azure.resources.resource_groups.create_or_update(name, {"location": "northeurope"})
    assert (caught.value.status_code, code_of(caught.value)) == (409, "InvalidResourceGroupLocation")
    assert "already exists in location 'westeurope'" in caught.value.message


def wanted(azure: Azure, managed: str, **more: Any) -> Workspace:
    """A premium workspace in West Europe."""
    group = f"{azure.root}/resourceGroups/{managed}"
    properties = {"computeMode": "Hybrid", "managedResourceGroupId": group}
    return Workspace({"location": "westeurope", "sku": {"name": "premium"}, "properties": properties} | more)


def register(azure: Azure) -> None:
    azure.resources.providers.register("Microsoft.Databricks")


def test_a_workspace_lives_from_creation_to_deletion(live: LiveSandbox, azure: Azure) -> None:
    register(azure)
    group, managed = azure.group(), f"managed-{uuid.uuid4().hex[:6]}"
    workspaces = azure.databricks.workspaces
    since = len(requests_since(live, 0))
    poller = workspaces.begin_create_or_update(group, "dbw", wanted(azure, managed))
    assert workspaces.get(group, "dbw").provisioning_state == "Creating"
    with pytest.raises(HttpResponseError, match="ConflictingConcurrentWriteNotAllowed"):
        workspaces.begin_create_or_update(group, "dbw", wanted(azure, managed))
    made = poller.result()
    polls = [one for one in requests_since(live, since) if "/operationStatuses/" in one["path"]]
    assert 2 <= len(polls) <= 6
    assert made.provisioning_state == "Succeeded"
    assert f"https://{made.workspace_url}" == live.origin
    assert made.workspace_id.isdigit()
    assert made.as_dict()["sku"] == {"name": "premium"}
    assert azure.resources.resource_groups.get(managed).managed_by == made.id
    listed = [
        one.name for one in azure.resources.resources.list(filter="resourceType eq 'Microsoft.Databricks/workspaces'")
    ]
    assert listed == ["dbw"]
    assert (
        azure.resources.resources.get_by_id(
            str(made.id).replace("resourceGroups", "RESOURCEGROUPS").replace("Microsoft", "microsoft"),
            api_version="2024-05-01",
        ).name
        == "dbw"
    )
    assert [one.id for one in azure.resources.resources.list_by_resource_group(group)] == [made.id]
    with pytest.raises(HttpResponseError, match="DenyAssignmentAuthorizationFailed"):
        azure.resources.resource_groups.begin_delete(managed)
    with pytest.raises(HttpResponseError, match=r"QuotaExceeded.*holds one Databricks workspace at a time"):
        workspaces.begin_create_or_update(group, "second", wanted(azure, "managed-2"))
    tagged = workspaces.begin_update(group, "dbw", {"tags": {"course": "mlops"}}).result()
    assert tagged.tags == {"course": "mlops"}
    workspaces.begin_delete(group, "dbw").result()
    with pytest.raises(ResourceNotFoundError) as caught:
        workspaces.get(group, "dbw")
    assert code_of(caught.value) == "ResourceNotFound"
    assert not azure.resources.resource_groups.check_existence(managed), "the managed group goes with its workspace"


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("ab", {}, "InvalidWorkspaceName"),
        ("with.dot", {}, "InvalidWorkspaceName"),
        ("fine", {"sku": {"name": "gold"}}, "InvalidSku"),
        ("fine", {"location": "moon"}, "LocationNotAvailableForResourceType"),
        ("fine", {"properties": {"computeMode": "Hybrid"}}, "InvalidManagedResourceGroupId"),
    ],
)
def test_a_workspace_that_breaks_the_rules_is_refused(azure: Azure, name: str, change: Any, code: str) -> None:
    register(azure)
    answer = put_workspace(azure, azure.group(), name, wanted(azure, "managed-x", **change))
    assert (answer.status_code, error_code(answer)) == (400, code)


def put_workspace(azure: Azure, group: str, name: str, workspace: Workspace) -> Any:
    path = f"{azure.root}/resourceGroups/{group}/providers/Microsoft.Databricks/workspaces/{name}"
    return put(azure, path, workspace.as_dict())


def error_code(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


def test_a_workspace_needs_its_resource_group(azure: Azure) -> None:
    with pytest.raises(HttpResponseError, match="ResourceGroupNotFound"):
        azure.databricks.workspaces.begin_create_or_update("no-such-group", "dbw", wanted(azure, "managed-y"))


def test_a_failed_deletion_is_told_and_can_be_tried_again(
    live: LiveSandbox, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(azure)
    group = azure.group()
    workspaces = azure.databricks.workspaces
    workspaces.begin_create_or_update(group, "dbw", wanted(azure, f"managed-{uuid.uuid4().hex[:6]}")).result()

    def fail(self: Members) -> None:
        raise RuntimeError("something holds on to it")

    with monkeypatch.context() as patched:
        patched.setattr(Members, "forget_workspace", fail)
        with pytest.raises(HttpResponseError, match="The sandbox failed; its log says where"):
            workspaces.begin_delete(group, "dbw").result()
    assert workspaces.get(group, "dbw").provisioning_state == "Failed"
    workspaces.begin_delete(group, "dbw").result()
    assert list(workspaces.list_by_resource_group(group)) == []


def test_deleting_a_group_takes_its_workspace_and_its_roles_along(azure: Azure) -> None:
    register(azure)
    group, managed = azure.group(), f"managed-{uuid.uuid4().hex[:6]}"
    azure.databricks.workspaces.begin_create_or_update(group, "dbw", wanted(azure, managed)).result()
    deployer = azure.service_principal("temporary").principal["id"]
    azure.assign(f"{azure.root}/resourceGroups/{group}", deployer, CONTRIBUTOR)
    azure.resources.resource_groups.begin_delete(group).result()
    assert list(azure.databricks.workspaces.list_by_subscription()) == []
    assert list(azure.roles.role_assignments.list_for_subscription(filter=f"principalId eq '{deployer}'")) == []
    assert not azure.resources.resource_groups.check_existence(managed)
    again = azure.group()  # and there is room for another
    azure.databricks.workspaces.begin_create_or_update(again, "dbw", wanted(azure, managed)).result()
    azure.databricks.workspaces.begin_delete(again, "dbw").result()


def test_long_work_outlives_a_killed_sandbox(tmp_path: Path) -> None:
    port = process._free_port()
    live = LiveSandbox(tmp_path, f"https://localhost:{port}", tmp_path / "ca.pem", "")
    with started(tmp_path, port) as server:
        azure = owner(live)
        group = azure.group()
        unregistered = put_workspace(azure, group, "dbw", wanted(azure, "managed-z"))
        assert (unregistered.status_code, error_code(unregistered)) == (409, "MissingSubscriptionRegistration")
        register(azure)
        begun = azure.databricks.workspaces.begin_create_or_update(
            group, "dbw", wanted(azure, "managed-z"), polling=False
        )
        assert begun.result().provisioning_state == "Creating"
        server.kill()
    with started(tmp_path, port) as server:
        assert azure.databricks.workspaces.get(group, "dbw").provisioning_state == "Succeeded"
        assert azure.resources.resource_groups.check_existence("managed-z")
        server.terminate()
    assert credentials(live)["client_secret"] not in (tmp_path / "requests.jsonl").read_text()


@contextmanager
def started(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A sandbox in a process of its own; the block must end it."""
    server = subprocess.Popen([sys.executable, "-m", "mlops_tui.sandbox", str(folder), str(port)])
    try:
        for _ in wait_until(30):
            if process.status(folder):
                break
        yield server
        server.wait(15)
    finally:
        server.kill()
        server.wait(5)
