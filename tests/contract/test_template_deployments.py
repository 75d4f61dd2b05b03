"""A person deploys a template: resources come up in their order, and what is wrong is said before or after."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest

from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    READER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    raw,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("azure-ml")

VERSION = "2024-10-01"


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
