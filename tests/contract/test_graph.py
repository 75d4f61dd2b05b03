"""Applications, service principals and their secrets in the practice cloud's directory, over Microsoft Graph."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import (
    LEARNER,
    STRANGER,
    GraphClient,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    credentials,
    owner,
    raw,
    secret_credential,
)

pytestmark = pytest.mark.xdist_group("azure")


@pytest.fixture
def graph(live: LiveSandbox) -> GraphClient:
    return owner(live).graph


def refusal(graph: GraphClient, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str, str]:
    """Status, code and message of a call that must fail."""
    with pytest.raises(HttpResponseError) as caught:
        graph.call(method, path, body, **query)
    assert caught.value.status_code is not None
    return caught.value.status_code, code_of(caught.value), caught.value.message


def test_an_application_lives_from_registration_to_deletion(live: LiveSandbox, graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "wine deployer"})
    assert made["@odata.context"] == f"{live.origin}/graph/v1.0/$metadata#applications/$entity"
    one = f"applications/{made['id']}"
    graph.call("PATCH", one, {"displayName": "renamed", "tags": ["mlops-tui"]})
    found = graph.call("GET", f"applications(appId='{made['appId']}')")
    assert (found["displayName"], found["tags"]) == ("renamed", ["mlops-tui"])
    principal = graph.call("POST", "servicePrincipals", {"appId": made["appId"]})
    assert principal["appDisplayName"] == "renamed"
    graph.call("DELETE", one)
    for gone in (one, f"servicePrincipals/{principal['id']}"):
        status, code, message = refusal(graph, "GET", gone)
        assert (status, code) == (404, "Request_ResourceNotFound")
        assert message.startswith("(Request_ResourceNotFound) Resource '")


def test_both_addresses_of_graph_are_the_same(live: LiveSandbox, graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "two doors"})
    old = GraphClient(live, owner(live).credential, f"{live.origin}/v1.0")
    assert old.call("GET", f"applications/{made['id']}")["appId"] == made["appId"]


def test_filters_find_what_the_tools_ask_for(graph: GraphClient) -> None:
    name = f"filter {uuid.uuid4().hex[:6]}"
    uri = f"api://{uuid.uuid4()}"
    made = graph.call("POST", "applications", {"displayName": name, "identifierUris": [uri]})
    principal = graph.call("POST", "servicePrincipals", {"appId": made["appId"]})
    for text in (
        f"displayName eq '{name.upper()}'",
        f"startswith(displayName, '{name[:10]}')",
        f"identifierUris/any(s:s eq '{uri}')",
        f"appId eq '{made['appId']}' and not (displayName eq 'other')",
        f"displayName eq 'other' or id in ('{made['id']}')",
    ):
        assert [one["id"] for one in graph.list("applications", filter=text)] == [made["id"]], text
    text = f"servicePrincipalNames/any(c:c eq '{made['appId']}')"
    assert [one["id"] for one in graph.list("servicePrincipals", filter=text)] == [principal["id"]]
    assert list(graph.list("applications", filter="appId eq 'nobody'")) == []


def test_long_lists_come_in_pages(graph: GraphClient) -> None:
    name = uuid.uuid4().hex
    made = {graph.call("POST", "applications", {"displayName": name})["id"] for _ in range(5)}
    query = {"filter": f"displayName eq '{name}'", "top": "2", "count": "true", "select": "id"}
    first = graph.call("GET", "applications", **query)
    assert len(first["value"]) == 2
    assert first["@odata.count"] == 5
    assert first["value"][0].keys() == {"id"}
    assert {one["id"] for one in graph.list("applications", **query)} == made


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filter": "displayName eq"}, "(BadRequest) Invalid filter clause"),
        ({"filter": "displayName like 'x'"}, "(BadRequest) Invalid filter clause"),
        ({"top": "0"}, "Invalid page size specified: '0'. Must be between 1 and 999 inclusive."),
        ({"skiptoken": "x"}, "page token value has expired"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(graph: GraphClient, query: dict[str, str], said: str) -> None:
    status, _, message = refusal(graph, "GET", "applications", **query)
    assert status == 400
    assert said in message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "A value is required for property 'displayName' of resource 'Application'."),
        ({"displayName": "x" * 257}, "Invalid value specified for property 'displayName'"),
        ({"displayName": "x", "appId": STRANGER}, "Property 'appId' is read-only and cannot be set."),
        ({"displayName": "x", "passwordCredentials": [{}]}, "Use addPassword"),
    ],
)
def test_an_application_that_makes_no_sense_is_refused(graph: GraphClient, body: Any, said: str) -> None:
    status, code, message = refusal(graph, "POST", "applications", body)
    assert (status, code) == (400, "Request_BadRequest")
    assert said in message


def test_a_client_secret_is_shown_once_and_works_until_it_is_removed(live: LiveSandbox, graph: GraphClient) -> None:
    made = owner(live).service_principal("secretive")
    one = f"applications/{made.application['id']}"
    wanted = {"passwordCredential": {"displayName": "second", "endDateTime": "2199-01-01T00:00:00Z"}}
    second = graph.call("POST", f"{one}/addPassword", wanted)
    assert len(second["secretText"]) == 40
    assert second["hint"] == second["secretText"][:3]
    assert second["endDateTime"].startswith("2199-01-01T00:00:00")
    shown = graph.call("GET", one)["passwordCredentials"]
    assert [entry["secretText"] for entry in shown] == [None, None]
    scope = f"{live.origin}/.default"
    assert secret_credential(live, made.application["appId"], second["secretText"]).get_token(scope).token
    graph.call("POST", f"{one}/removePassword", {"keyId": second["keyId"]})
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        secret_credential(live, made.application["appId"], second["secretText"]).get_token(scope)
    assert made.azure.credential.get_token(scope).token, "the other one still works"
    status, _, message = refusal(graph, "POST", f"{one}/removePassword", {"keyId": second["keyId"]})
    assert status == 400
    assert second["keyId"] in message
    for file in live.folder.glob("state.sqlite*"):
        assert second["secretText"].encode() not in file.read_bytes()


def test_secrets_made_at_once_are_all_kept(graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "busy"})
    with ThreadPoolExecutor(4) as threads:
        path = f"applications/{made['id']}/addPassword"
        given = list(threads.map(lambda _: graph.call("POST", path, {})["keyId"], range(8)))
    kept = graph.call("GET", f"applications/{made['id']}")["passwordCredentials"]
    assert {entry["keyId"] for entry in kept} == set(given)


@pytest.mark.parametrize(
    "dates", [{"endDateTime": "yesterday"}, {"startDateTime": "2026-02-01T00:00:00Z", "endDateTime": "2026-01-01"}]
)
def test_a_secret_with_impossible_dates_is_refused(graph: GraphClient, dates: dict[str, str]) -> None:
    made = graph.call("POST", "applications", {"displayName": "dates"})
    path = f"applications/{made['id']}/addPassword"
    assert refusal(graph, "POST", path, {"passwordCredential": dates})[:2] == (400, "Request_BadRequest")


def test_federated_credentials_are_made_changed_and_removed(graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "trusting"})
    path = f"applications/{made['id']}/federatedIdentityCredentials"
    trust = {"name": "main", "issuer": "https://token.example", "subject": "repo:a/b", "audiences": ["api://x"]}
    one = graph.call("POST", path, trust)
    assert [entry["name"] for entry in graph.list(path)] == ["main"]
    assert refusal(graph, "POST", path, trust)[:2] == (409, "Request_MultipleObjectsWithSameKeyValue")
    same = refusal(graph, "POST", path, trust | {"name": "other"})
    assert same[:2] == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert "A value is required for property 'subject'" in refusal(graph, "POST", path, trust | {"subject": ""})[2]
    assert "exactly one audience" in refusal(graph, "POST", path, trust | {"audiences": ["a", "b"]})[2]
    graph.call("PATCH", f"{path}/{one['id']}", {"subject": "repo:a/c"})
    assert graph.call("GET", f"{path}/main")["subject"] == "repo:a/c"
    graph.call("DELETE", f"{path}/{one['id']}")
    assert refusal(graph, "GET", f"{path}/{one['id']}")[0] == 404


def test_an_application_has_at_most_twenty_federated_credentials(graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "many"})
    path = f"applications/{made['id']}/federatedIdentityCredentials"
    trust = {"issuer": "https://token.example", "audiences": ["api://x"]}
    for number in range(20):
        graph.call("POST", path, trust | {"name": f"branch-{number}", "subject": f"{number}"})
    assert refusal(graph, "POST", path, trust | {"name": "one-more", "subject": "more"})[0] == 400


def test_a_service_principal_needs_an_application_and_is_the_only_one(graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "single"})
    stranger = str(uuid.uuid4())
    status, code, message = refusal(graph, "POST", "servicePrincipals", {"appId": stranger})
    assert (status, code) == (400, "Request_BadRequest")
    assert f"The appId '{stranger}' of the service principal does not reference a valid application object." in message
    graph.call("POST", "servicePrincipals", {"appId": made["appId"]})
    again = refusal(graph, "POST", "servicePrincipals", {"appId": made["appId"]})
    assert again[:2] == (409, "Request_MultipleObjectsWithSameKeyValue")
    found = graph.call("GET", f"servicePrincipals(appId='{made['appId']}')")
    graph.call("DELETE", f"servicePrincipals/{found['id']}")
    assert graph.call("GET", f"applications/{made['id']}")["id"] == made["id"], "the application stays"


def test_whoever_registers_an_application_owns_it(graph: GraphClient) -> None:
    made = graph.call("POST", "applications", {"displayName": "owned"})
    path = f"applications/{made['id']}/owners"
    assert [one["@odata.type"] for one in graph.list(path)] == ["#microsoft.graph.servicePrincipal"]
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{LEARNER}"}
    graph.call("POST", f"{path}/$ref", reference)
    assert LEARNER in [one["id"] for one in graph.list(path)]
    assert refusal(graph, "POST", f"{path}/$ref", reference)[0] == 400


def test_an_ordinary_service_principal_may_not_touch_applications(live: LiveSandbox) -> None:
    made = owner(live).service_principal("humble")
    for method, path, body in (
        ("POST", "applications", {"displayName": "mine"}),
        ("GET", "applications", None),
        ("POST", f"applications/{made.application['id']}/addPassword", {}),
        ("POST", "servicePrincipals", {"appId": made.application["appId"]}),
    ):
        status, code, message = refusal(made.azure.graph, method, path, body)
        assert (status, code) == (403, "Authorization_RequestDenied"), path
        assert "Insufficient privileges to complete the operation." in message


def test_me_is_for_people(live: LiveSandbox, graph: GraphClient) -> None:
    status, code, message = refusal(graph, "GET", "me")
    assert (status, code) == (400, "BadRequest")
    assert "/me request is only valid with delegated authentication flow." in message
    assert graph.call("GET", "users/learner@sandbox.example")["id"] == LEARNER
    assert [one["id"] for one in graph.list("organization")] == [credentials(live)["tenant_id"]]


def test_objects_are_found_by_their_ids_whatever_they_are(live: LiveSandbox, graph: GraphClient) -> None:
    made = owner(live).service_principal("by id")
    ids = [LEARNER, made.principal["id"], str(uuid.uuid4())]
    found = graph.call("POST", "directoryObjects/getByIds", {"ids": ids})["value"]
    assert {one["@odata.type"] for one in found} == {"#microsoft.graph.user", "#microsoft.graph.servicePrincipal"}
    users = graph.call("POST", "directoryObjects/getByIds", {"ids": ids, "types": ["user"]})["value"]
    assert [one["id"] for one in users] == [LEARNER]
    assert refusal(graph, "POST", "directoryObjects/getByIds", {"ids": ["x"]})[1] == "Request_BadRequest"


def test_no_token_no_answer(live: LiveSandbox) -> None:
    answer = raw(live, "GET", "/graph/v1.0/applications")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert answer.json()["error"]["innerError"]["request-id"]
