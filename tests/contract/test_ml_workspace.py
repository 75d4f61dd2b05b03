"""A person makes an Azure ML workspace as azure-ai-ml does it: by a template, with all that stands beside it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.contract.azure_fixtures import (
    READER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
)
from tests.contract.ml_desk import DeskError, MlDesk, project_desk

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from tests.conftest import LiveSandbox
from tests.contract.test_template_deployments import ask

pytestmark = pytest.mark.xdist_group("azure-ml")

VERSION = "2024-10-01"
TYPE = "Microsoft.MachineLearningServices/workspaces"


@pytest.fixture(scope="module")
def desk(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlDesk]:
    with project_desk(live, tmp_path_factory.mktemp("ml"), "ws-one") as desk:
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
