"""Who may do what in the practice cloud: roles, assignments and Azure's refusals, with azure-mgmt-authorization."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    LEARNER,
    READER,
    STRANGER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
)

pytestmark = pytest.mark.xdist_group("azure")


def test_built_in_roles_bear_azures_own_ids(azure: Azure) -> None:
    expected = {
        "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "Contributor": CONTRIBUTOR,
        "Reader": READER,
        "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
        "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
        "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    }
    for name, role_id in expected.items():
        found = list(azure.roles.role_definitions.list(azure.root, filter=f"roleName eq '{name}'"))
        assert [one.name for one in found] == [role_id]
        assert found[0].id == f"{azure.root}/providers/Microsoft.Authorization/roleDefinitions/{role_id}"
    contributor = azure.roles.role_definitions.get(azure.root, CONTRIBUTOR)
    assert contributor.permissions[0].actions == ["*"]
    assert "Microsoft.Authorization/*/Write" in contributor.permissions[0].not_actions


def test_a_new_service_principal_can_do_nothing(azure: Azure) -> None:
    group = azure.group()
    nobody = azure.service_principal("nobody")
    assert list(nobody.azure.subscriptions.subscriptions.list()) == []
    with pytest.raises(HttpResponseError) as caught:
        nobody.azure.resources.resource_groups.get(group)
    assert (caught.value.status_code, code_of(caught.value)) == (403, "AuthorizationFailed")
    said = (
        f"The client '{nobody.application['appId']}' with object id '{nobody.principal['id']}' does not have "
        "authorization to perform action 'Microsoft.Resources/subscriptions/resourceGroups/read' over scope "
        f"'{azure.root}/resourcegroups/{group}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials."
    )
    assert said in caught.value.message
    for listing in (nobody.azure.resources.resource_groups.list, nobody.azure.resources.resources.list):
        with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
            list(listing())


def test_a_contributor_of_one_group_works_there_and_nowhere_else(azure: Azure) -> None:
    mine, other = azure.group("mine"), azure.group("other")
    deployer = azure.service_principal("deployer")
    scope = f"{azure.root}/resourceGroups/{mine}"
    made = azure.assign(scope, deployer.principal["id"], CONTRIBUTOR)
    assert made.principal_type == "ServicePrincipal"
    groups = deployer.azure.resources.resource_groups
    assert groups.create_or_update(mine, {"location": "westeurope", "tags": {"by": "deployer"}}).tags == {
        "by": "deployer"
    }
    assert [one.name for one in groups.list()] == [mine], "a list shows what one may read"
    assert [one.subscription_id for one in deployer.azure.subscriptions.subscriptions.list()] == [azure.subscription]
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        groups.get(other)
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        groups.create_or_update(f"new-{uuid.uuid4().hex[:6]}", {"location": "westeurope"})


def test_a_contributor_may_not_hand_out_roles(azure: Azure) -> None:
    group = azure.group()
    deployer = azure.service_principal("climber")
    scope = f"{azure.root}/resourceGroups/{group}"
    given = azure.assign(scope, deployer.principal["id"], CONTRIBUTOR)
    with pytest.raises(HttpResponseError, match=r"'Microsoft.Authorization/roleAssignments/write' over scope"):
        deployer.azure.assign(scope, deployer.principal["id"], READER)
    with pytest.raises(HttpResponseError, match=r"'Microsoft.Authorization/roleAssignments/delete' over scope"):
        deployer.azure.roles.role_assignments.delete(scope, given.name)
    assert given.name in [one.name for one in deployer.azure.roles.role_assignments.list_for_scope(scope)]


def test_a_reader_reads_and_a_revoked_role_is_gone_at_once(azure: Azure) -> None:
    group = azure.group()
    guest = azure.service_principal("guest")
    scope = f"{azure.root}/resourceGroups/{group}"
    given = azure.assign(scope, guest.principal["id"], READER)
    assert guest.azure.resources.resource_groups.get(group).name == group
    with pytest.raises(HttpResponseError, match=r"'Microsoft.Resources/subscriptions/resourceGroups/delete'"):
        guest.azure.resources.resource_groups.begin_delete(group)
    assert azure.roles.role_assignments.delete(scope, given.name).name == given.name
    assert azure.roles.role_assignments.delete(scope, given.name) is None, "a second time there is nothing to do"
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        guest.azure.resources.resource_groups.get(group)


def test_everybody_may_ask_what_they_may_do(azure: Azure) -> None:
    group = azure.group()
    someone = azure.service_principal("asking")
    assert list(someone.azure.roles.permissions.list_for_resource_group(group)) == []
    azure.assign(f"{azure.root}/resourceGroups/{group}", someone.principal["id"], READER)
    found = list(someone.azure.roles.permissions.list_for_resource_group(group))
    assert [one.actions for one in found] == [["*/read"]]


def test_lists_of_assignments_know_principal_and_scope(azure: Azure) -> None:
    group = azure.group()
    someone = azure.service_principal("listed")
    person = someone.principal["id"]
    scope = f"{azure.root}/resourceGroups/{group}"
    below = azure.assign(scope, person, READER)
    assignments = azure.roles.role_assignments
    assert [one.id for one in assignments.list_for_subscription(filter=f"principalId eq '{person}'")] == [below.id]
    assert [one.id for one in assignments.list_for_scope(scope, filter=f"assignedTo('{person}')")] == [below.id]
    here = {one.principal_id for one in assignments.list_for_scope(scope, filter="atScope()")}
    assert {person, LEARNER} <= here, "what is inherited from above is shown, too"
    assert below.id not in [one.id for one in assignments.list_for_subscription(filter="atScope()")]
    assert assignments.get(scope, below.name).scope == scope
    with pytest.raises(HttpResponseError, match="UnsupportedFilter"):
        list(assignments.list_for_scope(scope, filter="roleName eq 'Owner'"))


def test_the_same_role_twice_is_a_conflict_but_the_same_request_is_not(azure: Azure) -> None:
    someone = azure.service_principal("twice")
    scope = f"{azure.root}/resourceGroups/{azure.group()}"
    first = azure.assign(scope, someone.principal["id"], READER)
    with pytest.raises(HttpResponseError) as caught:
        azure.assign(scope, someone.principal["id"], READER)
    assert (caught.value.status_code, code_of(caught.value)) == (409, "RoleAssignmentExists")
    assert str(first.name).replace("-", "") in caught.value.message
    again = wanted(azure, someone.principal["id"], READER, principal_type="ServicePrincipal")
    assert azure.roles.role_assignments.create(scope, first.name, again).id == first.id
    other = wanted(azure, LEARNER, READER)
    with pytest.raises(HttpResponseError, match="RoleAssignmentUpdateNotPermitted"):
        azure.roles.role_assignments.create(scope, first.name, other)


def wanted(azure: Azure, principal_id: str, role: str, **more: Any) -> RoleAssignmentCreateParameters:
    definition = f"{azure.root}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return RoleAssignmentCreateParameters(role_definition_id=definition, principal_id=principal_id, **more)


@pytest.mark.parametrize(
    ("principal_id", "role", "more", "status", "code"),
    [
        (STRANGER, READER, {}, 400, "PrincipalNotFound"),
        (LEARNER, STRANGER, {}, 400, "RoleDefinitionDoesNotExist"),
        (LEARNER, READER, {"principal_type": "ServicePrincipal"}, 400, "UnmatchedPrincipalType"),
    ],
)
def test_an_assignment_that_makes_no_sense_is_refused(
    azure: Azure, principal_id: str, role: str, more: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(HttpResponseError) as caught:
        azure.roles.role_assignments.create(azure.root, str(uuid.uuid4()), wanted(azure, principal_id, role, **more))
    assert (caught.value.status_code, code_of(caught.value)) == (status, code)


def test_the_name_of_an_assignment_is_a_guid(azure: Azure) -> None:
    with pytest.raises(HttpResponseError, match="The role assignment ID must be a GUID"):
        azure.roles.role_assignments.create(azure.root, "mine", wanted(azure, LEARNER, READER))


def test_what_is_not_there_is_not_found(azure: Azure) -> None:
    with pytest.raises(ResourceNotFoundError, match="RoleDefinitionDoesNotExist"):
        azure.roles.role_definitions.get(azure.root, STRANGER)
    with pytest.raises(ResourceNotFoundError, match="RoleAssignmentNotFound"):
        azure.roles.role_assignments.get(azure.root, STRANGER)
