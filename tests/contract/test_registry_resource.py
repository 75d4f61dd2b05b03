"""A person makes container registries: their names, SKUs, admin users, changes and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resource.resources.models import GenericResource

from tests.contract.azure_fixtures import (
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
)
from tests.contract.registry_stories import (
    VERSION,
    create,
    new_name,
    own_registry,
    post,
    registry_owner,
)

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture
def azure(live: LiveSandbox) -> Azure:
    return registry_owner(live)


def test_a_registry_is_made_found_changed_and_deleted(azure: Azure) -> None:
    name, group = new_name(), azure.group()
    made = create(azure, name, group, sku="standard")
    host = azure.live.origin.removeprefix("https://")
    assert made.properties["loginServer"] == f"{host}/{name}"
    assert (made.properties["provisioningState"], made.properties["adminUserEnabled"]) == ("Succeeded", False)
    assert (made.sku.name, made.type) == ("Standard", "Microsoft.ContainerRegistry/registries")
    changed = create(azure, name, group, sku="Premium", adminUserEnabled=True)
    assert (changed.sku.name, changed.properties["adminUserEnabled"]) == ("Premium", True)
    listed = azure.resources.resources.list_by_resource_group(group)
    assert [one.name for one in listed] == [name]
    wanted = GenericResource(tags={"for": "wine"}, properties={"adminUserEnabled": False})
    poller = azure.resources.resources.begin_update_by_id(made.id, wanted, api_version=VERSION)
    patched: Any = poller.result(timeout=20)
    assert (patched.tags, patched.properties["adminUserEnabled"], patched.sku.name) == (
        {"for": "wine"},
        False,
        "Premium",
    )
    with pytest.raises(HttpResponseError, match="Allowed values are: Basic, Standard, Premium"):
        create(azure, name, group, sku="Classic")
    with pytest.raises(HttpResponseError, match="no anonymous pull"):
        create(azure, name, group, anonymousPullEnabled=True)
    azure.resources.resources.begin_delete_by_id(made.id, api_version=VERSION).result(timeout=20)
    with pytest.raises(ResourceNotFoundError):
        azure.resources.resources.get_by_id(made.id, api_version=VERSION)


@pytest.mark.parametrize("name", ["abcd", "with-dash", "x" * 51, "under_score"])
def test_a_registry_has_a_name_that_azure_allows(azure: Azure, name: str) -> None:
    with pytest.raises(HttpResponseError, match="5 to 50 characters") as caught:
        create(azure, name)
    assert caught.value.status_code == 400


def test_a_name_is_taken_everywhere_and_can_be_asked_for(live: LiveSandbox) -> None:
    builds = own_registry(live)
    name = builds.registry.name.upper()
    with pytest.raises(HttpResponseError, match="already in use") as caught:
        create(builds.azure, name)
    assert (caught.value.status_code, code_of(caught.value)) == (409, "AlreadyInUse")
    place = f"{builds.azure.root}/providers/Microsoft.ContainerRegistry/checkNameAvailability"
    for asked, said in ((name, "AlreadyExists"), ("a-b", "Invalid"), (new_name(), None)):
        token = builds.azure.credential.get_token(f"{live.origin}/.default").token
        answer = builds.http().post(
            f"{live.origin}{place}?api-version={VERSION}",
            json={"name": asked, "type": "Microsoft.ContainerRegistry/registries"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert (answer.json()["nameAvailable"], answer.json().get("reason")) == (said is None, said)


def test_the_admin_user_has_passwords_only_where_it_is_enabled(live: LiveSandbox) -> None:
    closed, builds = own_registry(live), own_registry(live, adminUserEnabled=True)
    refused = post(closed, "listCredentials")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "UnAuthorizedForCredentialOperations")
    first = post(builds, "listCredentials").json()
    assert first["username"] == builds.registry.name
    assert [one["name"] for one in first["passwords"]] == ["password", "password2"]
    assert first == post(builds, "listCredentials").json()
    fresh = post(builds, "regenerateCredential", {"name": "password2"}).json()
    assert fresh["passwords"][0] == first["passwords"][0]
    assert fresh["passwords"][1] != first["passwords"][1]
