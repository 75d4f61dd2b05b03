"""A person makes an Azure ML workspace as azure-ai-ml does it: by a template, with all that stands beside it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest

from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    READER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    owner,
    raw,
    wait_until,
)
from tests.contract.ml_desk import DeskError, MlDesk, ml_desk

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("azure-ml")

PROVIDERS = (
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
)
VERSION = "2024-10-01"
TYPE = "Microsoft.MachineLearningServices/workspaces"


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    return owner(live)


@pytest.fixture(scope="module")
def desk(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlDesk]:
    """Signed in as an application with Contributor on the resource group alone, as notebooks are."""
    azure = owner(live)
    for provider in PROVIDERS:
        azure.resources.providers.register(provider)
    group = azure.group()
    robot = azure.service_principal("the project's own")
    azure.assign(f"{azure.root}/resourceGroups/{group}", robot.principal["id"], CONTRIBUTOR)
    who = {"client_id": robot.application["appId"], "client_secret": robot.secret}
    with ml_desk(live, tmp_path_factory.mktemp("ml"), group, "ws-one", **who) as desk:
        yield desk


def make(ml: MLClient, name: str, location: str = "westeurope") -> dict[str, Any]:
    from azure.ai.ml.entities import Workspace

    made = ml.workspaces.begin_create(Workspace(name=name, location=location, tags={"team": "a"})).result()
    return {name: getattr(made, name) for name in ("name", "location", "storage_account", "key_vault", "tags")} | {
        "insights": made.application_insights,
        "tracking": made.mlflow_tracking_uri,
        "discovery": made.discovery_url,
    }


def names(ml: MLClient) -> list[str]:
    return sorted(str(one.name) for one in ml.workspaces.list())


def test_a_workspace_is_made_with_all_that_it_needs(desk: MlDesk, azure: Azure) -> None:
    started = time.monotonic()
    made = desk.call(make, "ws-one")
    assert time.monotonic() - started < 10
    assert (made["name"], made["location"]) == ("ws-one", "westeurope")
    assert made["tags"]["team"] == "a"
    assert made["tracking"].startswith("azureml://localhost:")
    types = {one.type for one in azure.resources.resources.list_by_resource_group(desk.group)}
    assert types == {
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.Insights/components",
        "Microsoft.OperationalInsights/workspaces",
    }
    account: Any = azure.resources.resources.get_by_id(made["storage_account"], api_version=VERSION)
    assert account.properties["primaryEndpoints"]["blob"].startswith(
        f"https://{account.name}.blob.core.sandbox@localhost:"
    )
    vault: Any = azure.resources.resources.get_by_id(made["key_vault"], api_version=VERSION)
    assert vault.properties["enableRbacAuthorization"] is True
    assert "ws-one" in desk.call(names)


def test_making_it_again_makes_nothing_anew(desk: MlDesk, azure: Azure) -> None:
    first = desk.call(make, "ws-again")
    before = {one.id for one in azure.resources.resources.list_by_resource_group(desk.group)}
    again = desk.call(make, "ws-again")
    assert again["storage_account"] == first["storage_account"]
    assert {one.id for one in azure.resources.resources.list_by_resource_group(desk.group)} == before


def test_a_name_that_azure_refuses_fails_the_deployment(desk: MlDesk) -> None:
    with pytest.raises(DeskError, match="Workspace name 'x' is invalid") as caught:
        desk.call(make, "x")
    assert caught.value.code == "DeploymentFailed"


def test_a_workspace_stays_where_it_was_made(azure: Azure, desk: MlDesk) -> None:
    desk.call(make, "ws-place")
    there = ml_workspace(azure, desk, "ws-place")
    with pytest.raises(HttpResponseError) as caught:
        put(azure, there.id, "northeurope", there.properties)
    assert (caught.value.status_code, code_of(caught.value)) == (409, "InvalidResourceLocation")


def test_a_deleted_workspace_leaves_what_it_was_made_with(desk: MlDesk, azure: Azure) -> None:
    def delete(ml: MLClient, name: str) -> None:
        ml.workspaces.begin_delete(name, delete_dependent_resources=False, permanently_delete=True).result()

    made = desk.call(make, "ws-gone")
    desk.call(delete, "ws-gone")
    assert "ws-gone" not in desk.call(names)
    with pytest.raises(ResourceNotFoundError):
        ml_workspace(azure, desk, "ws-gone")
    azure.resources.resources.get_by_id(made["storage_account"], api_version=VERSION)
    assert desk.call(make, "ws-gone")["storage_account"] != made["storage_account"]


def test_a_workspace_is_made_directly_of_what_is_there(desk: MlDesk, azure: Azure) -> None:
    desk.call(make, "ws-source")
    source = ml_workspace(azure, desk, "ws-source").properties
    parts = {name: source[name] for name in ("storageAccount", "keyVault", "applicationInsights")}
    made = put(azure, f"{azure.root}/resourceGroups/{desk.group}/providers/{TYPE}/ws-direct", "westeurope", parts)
    assert made.properties["provisioningState"] == "Succeeded"
    assert made.properties["storageAccount"] == source["storageAccount"]
    assert uuid.UUID(made.properties["workspaceId"]) != uuid.UUID(source["workspaceId"])


@pytest.mark.parametrize("lacking", ["storageAccount", "keyVault"])
def test_a_workspace_without_its_parts_is_refused(azure: Azure, lacking: str) -> None:
    group = azure.group()
    own_id = f"{azure.root}/resourceGroups/{group}/providers/{TYPE}/ws-bare"
    with pytest.raises(HttpResponseError) as caught:
        put(azure, own_id, "westeurope", {lacking: f"{azure.root}/resourceGroups/{group}/providers/X/y/z"})
    assert (caught.value.status_code, code_of(caught.value)) == (400, "ValidationError")


def test_who_may_only_read_makes_no_workspace(desk: MlDesk, azure: Azure) -> None:
    guest = azure.service_principal("a guest")
    azure.assign(f"{azure.root}/resourceGroups/{desk.group}", guest.principal["id"], READER)
    guests = desk.other(client_id=guest.application["appId"], client_secret=guest.secret)
    with pytest.raises(DeskError) as caught:
        guests.call(make, "ws-guest")
    assert caught.value.code == "AuthorizationFailed"


def ml_workspace(azure: Azure, desk: MlDesk, name: str) -> Any:
    own_id = f"{azure.root}/resourceGroups/{desk.group}/providers/{TYPE}/{name}"
    return azure.resources.resources.get_by_id(own_id, api_version=VERSION)


def put(azure: Azure, own_id: str, location: str, properties: dict[str, Any]) -> Any:
    wanted: Any = {"location": location, "properties": properties}
    resources = azure.resources.resources
    return resources.begin_create_or_update_by_id(own_id, api_version=VERSION, parameters=wanted).result(timeout=20)


def deploy(azure: Azure, group: str, template: Any, **parameters: Any) -> Any:
    """The answer to a deployment's PUT, as it is on the wire."""
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    path = f"{azure.root}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/first"
    body = {"mode": "Incremental", "template": template}
    body["parameters"] = {name: {"value": value} for name, value in parameters.items()}
    path = f"{path}?api-version={VERSION}"
    return raw(azure.live, "PUT", path, json={"properties": body}, Authorization=f"Bearer {token}")


def ended(azure: Azure, path: str) -> Any:
    """The deployment, once it is over."""
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    for _ in wait_until():
        found = raw(azure.live, "GET", f"{path}?api-version={VERSION}", Authorization=f"Bearer {token}").json()
        if found["properties"]["provisioningState"] in ("Succeeded", "Failed"):
            return found
    raise AssertionError


TEMPLATE = {
    "parameters": {
        "name": {"type": "string"},
        "sku": {"type": "string", "defaultValue": "Standard_LRS", "allowedValues": ["Standard_LRS", "Standard_ZRS"]},
        "password": {"type": "securestring", "defaultValue": "hidden"},
    },
    "variables": {"logs": "[concat(parameters('name'), '-logs')]"},
    "resources": [
        {
            "type": "Microsoft.OperationalInsights/workspaces",
            "apiVersion": "2023-09-01",
            "name": "[variables('logs')]",
            "location": "[resourceGroup().location]",
            "dependsOn": ["[resourceId('Microsoft.Storage/storageAccounts', parameters('name'))]"],
        },
        {
            "type": "Microsoft.Storage/storageAccounts",
            "apiVersion": "2023-05-01",
            "name": "[parameters('name')]",
            "location": "[resourceGroup().location]",
            "kind": "StorageV2",
            "sku": {"name": "[parameters('sku')]"},
            "tags": {"quoted": "[[kept]", "long": "[if(equals(length(parameters('name')), 3), 'no', 'yes')]"},
        },
        {
            "condition": "[equals(parameters('sku'), 'Standard_ZRS')]",
            "type": "Microsoft.Nothing/things",
            "name": "[nonsense()]",
        },
    ],
    "outputs": {"blob": {"type": "string", "value": "[reference(parameters('name')).primaryEndpoints.blob]"}},
}


def test_a_template_of_ones_own_is_carried_out(azure: Azure) -> None:
    group, name = azure.group(), f"acct{uuid.uuid4().hex[:8]}"
    answer = deploy(azure, group, TEMPLATE, name=name)
    assert answer.status_code == 201
    found = ended(azure, answer.json()["id"])
    assert found["properties"]["provisioningState"] == "Succeeded"
    assert found["properties"]["outputs"]["blob"]["value"].startswith(f"https://{name}.blob.")
    assert set(found["properties"]["parameters"]) == {"name"}
    listed = {one.name: one for one in azure.resources.resources.list_by_resource_group(group)}
    assert set(listed) == {name, f"{name}-logs"}
    assert listed[name].tags == {"quoted": "[kept]", "long": "yes"}
    assert listed[name].location == "westeurope"


def test_what_depends_on_a_failure_is_not_made(azure: Azure) -> None:
    group = azure.group()
    found = ended(azure, deploy(azure, group, TEMPLATE, name="Not-A-Name").json()["id"])
    assert found["properties"]["provisioningState"] == "Failed"
    assert [one["code"] for one in found["properties"]["error"]["details"]] == ["AccountNameInvalid"]
    assert list(azure.resources.resources.list_by_resource_group(group)) == []


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        ({}, "InvalidTemplate", "The value for the template parameter 'name' is not provided"),
        ({"name": "acct", "colour": "red"}, "InvalidTemplate", "do not correspond to any parameters"),
        ({"name": "acct", "sku": "Premium_LRS"}, "InvalidTemplate", "not part of the allowed value"),
        ({"name": "acct", "sku": "Standard_ZRS"}, "NotImplemented", "the template function 'nonsense'"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_at_once(
    azure: Azure, parameters: dict[str, str], code: str, words: str
) -> None:
    group = azure.group()
    answer = deploy(azure, group, TEMPLATE, **parameters)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501 if code == "NotImplemented" else 400, code)
    assert words in answer.json()["error"]["message"]
    assert list(azure.resources.resources.list_by_resource_group(group)) == []


def test_a_template_is_checked_without_being_carried_out(azure: Azure) -> None:
    group = azure.group()
    path = f"{azure.root}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/trial"
    wanted = {"mode": "Incremental", "template": TEMPLATE, "parameters": {"name": {"value": "acct"}}}
    checked = ask(azure, "POST", f"{path}/validate", {"properties": wanted})
    assert checked.status_code == 200
    assert [one["id"].rsplit("/", 1)[-1] for one in checked.json()["properties"]["validatedResources"]] == [
        "acct",
        "acct-logs",
    ]
    wrong = ask(azure, "POST", f"{path}/validate", {"properties": wanted | {"parameters": {}}})
    assert wrong.json()["error"]["code"] == "InvalidTemplate"
    assert ask(azure, "GET", path).json()["error"]["code"] == "DeploymentNotFound"
    assert list(azure.resources.resources.list_by_resource_group(group)) == []


def test_a_deployment_is_remembered_until_its_group_is_gone(azure: Azure) -> None:
    group, name = azure.group(), f"acct{uuid.uuid4().hex[:8]}"
    path = deploy(azure, group, TEMPLATE, name=name).json()["id"]
    ended(azure, path)
    operations = ask(azure, "GET", f"{path}/operations").json()["value"]
    targets = [one["properties"]["targetResource"] for one in operations]
    assert [one["resourceName"] for one in targets] == [name, f"{name}-logs"]
    assert all("/resourceGroups/" in one["id"] for one in targets)
    everything = ask(azure, "GET", path.rpartition("/")[0]).json()["value"]
    assert [one["id"] for one in everything] == [path]
    azure.resources.resource_groups.begin_delete(group).result(timeout=20)
    azure.resources.resource_groups.create_or_update(group, {"location": "westeurope"})
    assert ask(azure, "GET", path).status_code == 404


def ask(azure: Azure, method: str, path: str, body: Any = None) -> Any:
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    return raw(azure.live, method, f"{path}?api-version={VERSION}", json=body, Authorization=f"Bearer {token}")


def test_the_keys_of_a_workspace_are_those_of_its_parts(desk: MlDesk, azure: Azure) -> None:
    def keys(ml: MLClient, name: str) -> dict[str, Any]:
        found = ml.workspaces.get_keys(name)
        assert found
        return {"storage": found.user_storage_key, "insights": found.app_insights_instrumentation_key}

    made = desk.call(make, "ws-keys")
    listed = ask(azure, "POST", f"{made['storage_account']}/listKeys").json()["keys"]
    insights: Any = azure.resources.resources.get_by_id(made["insights"], api_version=VERSION)
    expected = {"storage": listed[0]["value"], "insights": insights.properties["InstrumentationKey"]}
    assert desk.call(keys, "ws-keys") == expected


def test_a_template_is_carried_out_as_its_caller(azure: Azure) -> None:
    group = azure.group()
    guest = azure.service_principal("a guest of templates")
    azure.assign(f"{azure.root}/resourceGroups/{group}", guest.principal["id"], READER)
    assert deploy(guest.azure, group, TEMPLATE, name="acct").json()["error"]["code"] == "AuthorizationFailed"


def test_a_template_registers_what_its_caller_may_register(azure: Azure) -> None:
    """A right on the resource group alone is not enough for that."""
    group = azure.group()
    network = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-01-01", "name": "net"}
    template = {"resources": [network | {"location": "westeurope"}]}
    robot = azure.service_principal("a robot of templates")
    azure.assign(f"{azure.root}/resourceGroups/{group}", robot.principal["id"], CONTRIBUTOR)
    answer = deploy(robot.azure, group, template)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MissingSubscriptionRegistration")
    assert azure.resources.providers.get("Microsoft.Network").registration_state == "NotRegistered"
    found = ended(azure, deploy(azure, group, template).json()["id"])
    assert azure.resources.providers.get("Microsoft.Network").registration_state in ("Registering", "Registered")
    assert [one["code"] for one in found["properties"]["error"]["details"]] == ["NotImplemented"]


def test_the_azure_clis_body_is_understood(azure: Azure) -> None:
    group, name = azure.group(), f"acct{uuid.uuid4().hex[:8]}"
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    path = f"{azure.root}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/first"
    head = json.dumps({"properties": {"mode": "incremental", "parameters": {"name": {"value": name}}}})
    body: Any = f"{head[:-2]}, template:{json.dumps(TEMPLATE)}}}}}"
    request = HttpRequest(
        "PUT",
        f"{azure.live.origin}{path}?api-version={VERSION}",
        content=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    client: PipelineClient[Any, Any] = PipelineClient(azure.live.origin)
    with client:
        assert client.send_request(request, connection_verify=str(azure.live.ca)).status_code == 201
    assert ended(azure, path)["properties"]["provisioningState"] == "Succeeded"
