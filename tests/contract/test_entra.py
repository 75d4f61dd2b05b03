"""Signing in to the practice cloud with azure-identity, by every way that needs no browser of its own."""

from __future__ import annotations

import json
import stat
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, DeviceCodeCredential
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import LiveSandbox, serve
from tests.contract.azure_fixtures import (
    LEARNER,
    OPEN,
    Azure,
    GraphClient,
    claims,
    close_clients,  # noqa: F401 (a fixture)
    credentials,
    owner,
    raw,
    secret_credential,
    sign_in_options,
)

pytestmark = pytest.mark.xdist_group("azure")
ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:learner/wine:ref:refs/heads/main"
AUDIENCE = "api://AzureADTokenExchange"


def test_the_owner_signs_in_with_the_written_secret(live: LiveSandbox) -> None:
    kept = credentials(live)
    token = owner(live).credential.get_token(f"{live.origin}/.default").token
    said = claims(token)
    assert said["appid"] == kept["client_id"]
    assert said["tid"] == kept["tenant_id"]
    assert said["aud"] == live.origin
    keys = raw(live, "GET", f"/{kept['tenant_id']}/discovery/v2.0/keys").json()
    verified = jwt.decode(token, jwt.PyJWK(keys["keys"][0]), algorithms=["RS256"], audience=live.origin)
    assert verified["oid"] == said["oid"]


def test_the_secret_is_private_and_only_its_hash_is_in_the_state(live: LiveSandbox) -> None:
    path = live.folder / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    value = credentials(live)["client_secret"].encode()
    for file in live.folder.glob("state.sqlite*"):
        assert value not in file.read_bytes()


@pytest.mark.parametrize("audience", ["2ff814a6-3304-4ab8-85cd-cd0e6f879c1d", "{origin}/graph"])
def test_a_token_is_made_out_for_what_was_asked(live: LiveSandbox, audience: str) -> None:
    audience = audience.format(origin=live.origin)
    assert claims(owner(live).credential.get_token(f"{audience}/.default").token)["aud"] == audience


def test_a_token_for_graph_does_not_open_resource_manager(live: LiveSandbox) -> None:
    token = owner(live).credential.get_token(f"{live.origin}/graph/.default").token
    refused = raw(live, "GET", "/subscriptions?api-version=2022-12-01", Authorization=f"Bearer {token}")
    assert refused.status_code == 401
    assert "wrong audience" in refused.json()["error"]["message"]
    assert refused.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_a_wrong_secret_is_refused_in_entras_words(live: LiveSandbox) -> None:
    client = credentials(live)["client_id"]
    with pytest.raises(ClientAuthenticationError, match=r"AADSTS7000215: Invalid client secret provided") as caught:
        secret_credential(live, client, "wrong").get_token(f"{live.origin}/.default")
    assert "Trace ID" in caught.value.message
    answer = _ask(live, grant_type="client_credentials", client_id=client, client_secret="wrong", scope="x/.default")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.json()["error_codes"] == [7000215]


def test_an_expired_secret_says_so(live: LiveSandbox) -> None:
    graph = owner(live).graph
    application = graph.call("POST", "applications", {"displayName": "late"})
    graph.call("POST", "servicePrincipals", {"appId": application["appId"]})
    start = datetime.now(UTC) - timedelta(days=2)
    dates = {"startDateTime": start.isoformat(), "endDateTime": (start + timedelta(days=1)).isoformat()}
    made = graph.call("POST", f"applications/{application['id']}/addPassword", {"passwordCredential": dates})
    with pytest.raises(
        ClientAuthenticationError, match=r"AADSTS7000222: The provided client secret keys .* are expired"
    ):
        secret_credential(live, application["appId"], made["secretText"]).get_token(f"{live.origin}/.default")


def test_an_unknown_application_says_so(live: LiveSandbox) -> None:
    stranger = "11111111-1111-1111-1111-111111111111"
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS700016: Application with identifier '{stranger}'"):
        secret_credential(live, stranger, "any").get_token(f"{live.origin}/.default")


def test_an_unknown_tenant_says_so(live: LiveSandbox) -> None:
    stranger = "11111111-1111-1111-1111-111111111111"
    for path in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
        answer = raw(live, "GET", f"/{stranger}/{path}")
        assert answer.status_code == 400
        assert answer.json()["error_codes"] == [90002]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scope": ""}, 900144),
        ({"grant_type": ""}, 900144),
        ({"grant_type": "password"}, 70003),
        ({"client_secret": ""}, 7000218),
        ({"scope": "https://nowhere.example/.default"}, 500011),
        ({"scope": "{origin}/user_impersonation"}, 1002012),
        ({"client_secret": "", "client_assertion": "no token"}, 50027),
    ],
)
def test_an_incomplete_request_is_told_what_is_wrong(live: LiveSandbox, change: dict[str, str], code: int) -> None:
    kept = credentials(live)
    form = {"grant_type": "client_credentials", "client_id": kept["client_id"], "client_secret": kept["client_secret"]}
    form |= {"scope": f"{live.origin}/.default"}
    form |= {name: value.format(origin=live.origin) for name, value in change.items()}
    answer = _ask(live, **form)
    assert answer.json()["error_codes"] == [code]
    assert answer.status_code in (400, 401)
    assert kept["client_secret"] not in answer.text()


def test_the_old_resource_parameter_and_basic_authentication_work(live: LiveSandbox) -> None:
    import base64

    kept = credentials(live)
    pair = base64.b64encode(f"{kept['client_id']}:{kept['client_secret']}".encode()).decode()
    form = {"grant_type": "client_credentials", "resource": f"{live.origin}/"}
    answer = raw(live, "POST", f"/{kept['tenant_id']}/oauth2/token", form, Authorization=f"Basic {pair}")
    assert claims(answer.json()["access_token"])["aud"] == f"{live.origin}/"


def test_a_federated_credential_needs_no_secret(live: LiveSandbox) -> None:
    client_id = _federated_application(live, ISSUER)
    with closing(_assertion_credential(live, client_id, _assertion())) as credential:
        token = credential.get_token(f"{live.origin}/.default").token
    assert claims(token)["appid"] == client_id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"sub": "repo:evil/fork:ref:refs/heads/main"},
            "AADSTS700213: .* subject 'repo:evil/fork:ref:refs/heads/main'",
        ),
        ({"iss": "https://vstoken.dev.azure.com/1"}, "AADSTS700211: .* issuer 'https://vstoken.dev.azure.com/1'"),
        ({"aud": "api://other"}, "AADSTS700212: .* audience 'api://other'"),
        ({"exp": 1_700_000_000}, "AADSTS700024: Client assertion is not within its valid time range"),
    ],
)
def test_an_assertion_of_somebody_else_is_refused(live: LiveSandbox, change: dict[str, Any], said: str) -> None:
    client_id = _federated_application(live, ISSUER)
    with (
        closing(_assertion_credential(live, client_id, _assertion(**change))) as credential,
        pytest.raises(ClientAuthenticationError, match=said),
    ):
        credential.get_token(f"{live.origin}/.default")


def test_an_assertion_in_the_sandboxs_own_name_must_bear_its_signature(live: LiveSandbox) -> None:
    issuer = f"{live.origin}/github/oidc"
    client_id = _federated_application(live, issuer)
    with (
        closing(_assertion_credential(live, client_id, _assertion(iss=issuer))) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS50013: Assertion failed signature validation"),
    ):
        credential.get_token(f"{live.origin}/.default")


def test_an_application_without_federated_credentials_trusts_nobody(live: LiveSandbox) -> None:
    with (
        closing(_assertion_credential(live, credentials(live)["client_id"], _assertion())) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS70025"),
    ):
        credential.get_token(f"{live.origin}/.default")


def test_the_learner_signs_in_by_device_code_and_stays_signed_in(live: LiveSandbox) -> None:
    shown: list[str] = []

    def approve(uri: str, code: str, expires: datetime) -> None:
        page = raw(live, "GET", f"/devicelogin?user_code={code}").text()
        assert f'value="{code}"' in page
        assert raw(live, "POST", "/devicelogin", {"user_code": "WRONG"}).status_code == 400
        assert "You have signed in as learner@" in raw(live, "POST", "/devicelogin", {"user_code": code}).text()
        shown.append(uri)

    tenant = credentials(live)["tenant_id"]
    with DeviceCodeCredential(tenant_id=tenant, prompt_callback=approve, **sign_in_options(live)) as credential:
        said = claims(credential.get_token(f"{live.origin}/.default").token)
        assert said["oid"] == LEARNER
        assert said["idtyp"] == "user"
        assert shown == [f"{live.origin}/devicelogin"]
        me = GraphClient(live, credential, f"{live.origin}/v1.0").call("GET", "me")  # by the refresh token
        assert me["userPrincipalName"] == "learner@sandbox.example"
        assert [one.display_name for one in Azure(live, credential).subscriptions.subscriptions.list()]
    assert len(shown) == 1, "the second token came without asking again"


def test_a_device_code_that_nobody_approved_is_pending_and_works_once(live: LiveSandbox) -> None:
    client = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
    asked = {"client_id": client, "scope": f"{live.origin}/.default offline_access openid"}
    begun = raw(live, "POST", "/organizations/oauth2/v2.0/devicecode", asked).json()
    assert begun["user_code"] in begun["message"]
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": client}
    form |= {"device_code": begun["device_code"]}
    assert _ask(live, **form).json()["error"] == "authorization_pending"
    raw(live, "POST", "/devicelogin", {"user_code": begun["user_code"].lower()})
    assert {"access_token", "refresh_token", "id_token", "client_info"} <= _ask(live, **form).json().keys()
    assert _ask(live, **form).json()["error"] == "expired_token"
    refused = _ask(live, grant_type="refresh_token", client_id=client, refresh_token="1.invented", scope="x")
    assert refused.json()["error"] == "invalid_grant"


def test_clients_find_everything_from_the_metadata(live: LiveSandbox) -> None:
    cloud = raw(live, "GET", "/metadata/endpoints?api-version=2022-09-01").json()
    assert cloud["authentication"]["loginEndpoint"] == f"{live.origin}/"
    assert cloud["microsoftGraphResourceId"] == f"{live.origin}/graph"
    old = raw(live, "GET", "/metadata/endpoints?api-version=2019-05-01").json()
    assert [one["resourceManager"] for one in old] == [f"{live.origin}/"]
    for tenant in ("common", "organizations"):
        found = raw(live, "GET", f"/{tenant}/v2.0/.well-known/openid-configuration").json()
        assert found["token_endpoint"] == f"{live.origin}/{tenant}/oauth2/v2.0/token"
    instances = raw(live, "GET", "/common/discovery/instance?api-version=1.1").json()
    assert instances["tenant_discovery_endpoint"].startswith(live.origin)


def test_a_lost_credentials_file_is_written_anew_and_the_old_secret_dies(tmp_path: Path) -> None:
    first = serve(tmp_path)
    before = credentials(next(first))
    with pytest.raises(StopIteration):
        next(first)
    (tmp_path / "credentials.json").unlink()
    second = serve(tmp_path)
    live = next(second)
    after = credentials(live)
    assert after["client_id"] == before["client_id"]
    assert after["client_secret"] != before["client_secret"]
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        secret_credential(live, before["client_id"], before["client_secret"]).get_token(f"{live.origin}/.default")
    application = owner(live).graph.call("GET", f"applications(appId='{after['client_id']}')")
    assert [one["hint"] for one in application["passwordCredentials"]] == [after["client_secret"][:3]]
    while OPEN:
        OPEN.pop().close()
    with pytest.raises(StopIteration):
        next(second)


def _ask(live: LiveSandbox, **form: str) -> Any:
    return raw(live, "POST", f"/{credentials(live)['tenant_id']}/oauth2/v2.0/token", form)


def _federated_application(live: LiveSandbox, issuer: str) -> str:
    """The client id of a new application that trusts the workflow of one branch."""
    made = owner(live).service_principal("workflow")
    trust = {"name": "main-branch", "issuer": issuer, "subject": SUBJECT, "audiences": [AUDIENCE]}
    owner(live).graph.call("POST", f"applications/{made.application['id']}/federatedIdentityCredentials", trust)
    return str(made.application["appId"])


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # somebody's, not the sandbox's


def _assertion(**change: Any) -> str:
    now = int(time.time())
    said = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300}
    return jwt.encode(said | change, KEY, algorithm="RS256", headers={"kid": "theirs"})


def _assertion_credential(live: LiveSandbox, client_id: str, assertion: str) -> ClientAssertionCredential:
    tenant = credentials(live)["tenant_id"]
    return ClientAssertionCredential(tenant, client_id, lambda: assertion, **sign_in_options(live))


def test_the_written_credentials_are_complete(live: LiveSandbox) -> None:
    kept = json.loads((live.folder / "credentials.json").read_text())
    assert set(kept) == {
        *("tenant_id", "client_id", "client_secret", "subscription_id"),
        *("ci_organization", "azure_devops_token", "github_token"),
    }
