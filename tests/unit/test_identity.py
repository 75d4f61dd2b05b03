"""Which way of signing in is taken, how tokens are kept, what a missing setting says."""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from mlops_tui import redaction
from mlops_tui.clouds import patience
from mlops_tui.clouds.cloud import AZURE, AZURE_CHINA, Cloud, local_cloud
from mlops_tui.clouds.federated import Federated, TokenService, federated_token
from mlops_tui.clouds.federated_subject import SubjectExplained
from mlops_tui.clouds.identity import Identity, KeepingCredential, read_caller
from mlops_tui.errors import SignInError
from mlops_tui.project import Project
from mlops_tui.redaction import redact
from mlops_tui.sandbox import certificates

TENANT, CLIENT = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"


def identity(environment: Mapping[str, str] | None = None, cloud: Cloud = AZURE, **settings: Any) -> Identity:
    return Identity(Project(**settings), cloud, environment or {})


@pytest.mark.parametrize(
    ("environment", "settings", "method"),
    [
        ({}, {"client_secret": "given-secret"}, "environment"),
        ({"ARM_OIDC_TOKEN": "a.b.c"}, {"client_secret": "s3cret-b", "federated_token_file": "/x"}, "environment"),
        ({}, {"federated_token_file": "/x"}, "federated"),
        ({"ARM_OIDC_TOKEN": "a.b.c"}, {}, "federated"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x?y=z", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t0ken"}, {}, "federated"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x?y=z"}, {}, "cli"),
        ({}, {}, "cli"),
        ({}, {"client_secret": "s3cret-c", "sign_in": "browser"}, "browser"),
        ({}, {"sign_in": "device-code"}, "device-code"),
    ],
)
def test_auto_takes_the_first_way_that_is_prepared(
    environment: dict[str, str], settings: dict[str, Any], method: str
) -> None:
    assert identity(environment, **settings).method == method


def test_a_cloud_of_our_own_is_shown_nobodys_real_identity() -> None:
    own = local_cloud("https://localhost:1", "/ca.pem")
    one = identity({"ARM_OIDC_TOKEN": "a.b.c"}, own, tenant_id=TENANT, client_id=CLIENT)
    assert one.method == "environment", "neither the CI host's token nor `az`"
    with pytest.raises(SignInError, match="client_secret"):
        _ = one.credential


@pytest.mark.parametrize("method", ["environment", "federated"])
def test_a_missing_setting_is_named_with_the_other_ways(method: str) -> None:
    with pytest.raises(SignInError) as caught:
        _ = identity(sign_in=method, tenant_id=TENANT).credential
    assert "client_id" in caught.value.message
    assert "az login" in caught.value.hint


def test_no_federated_token_is_told() -> None:
    with pytest.raises(SignInError, match="no federated token"):
        _ = identity(sign_in="federated", tenant_id=TENANT, client_id=CLIENT).credential


def test_without_az_the_last_resort_lists_all_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignInError) as caught:
        identity().token("https://management.azure.com/.default")
    assert "device-code" in caught.value.hint


@pytest.mark.parametrize("cloud", [AZURE, AZURE_CHINA, local_cloud("https://localhost:1", "/ca.pem")])
def test_each_cloud_has_its_own_authority(cloud: Cloud) -> None:
    with closing(identity(cloud=cloud)) as one:
        options = one._options()
    assert options["authority"] == cloud.authority
    assert options["disable_instance_discovery"] is bool(cloud.ca_bundle)
    assert options.get("connection_verify", "") == cloud.ca_bundle


def test_the_secret_is_registered_before_anything_can_print_it() -> None:
    one = identity(client_secret="a-very-secret-secret")
    assert redact("it is a-very-secret-secret") == f"it is {redaction.MASK}"
    assert "a-very-secret" not in repr(one)


class Source:
    """A credential that counts."""

    def __init__(self, lives: float) -> None:
        self.lives = lives
        self.asked: list[tuple[str, ...]] = []
        self.closed = False

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append(scopes)
        time.sleep(0.01)
        return AccessToken(f"token-{len(self.asked)}", int(time.time() + self.lives))

    def close(self) -> None:
        self.closed = True


def test_a_token_is_fetched_once_a_scope_by_however_many_threads() -> None:
    source = Source(3600)
    keeping = KeepingCredential(source)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(keeping.get_token("a").token)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert found == ["token-1"] * 8
    assert keeping.get_token("b").token == "token-2"
    keeping.close()
    assert source.closed


def test_a_token_that_ends_soon_or_was_refused_is_fetched_anew() -> None:
    source = Source(200)
    keeping = KeepingCredential(source)
    assert [keeping.get_token("a").token for _ in range(2)] == ["token-1", "token-2"]
    source.lives = 3600
    assert keeping.get_token("a").token == "token-3"
    assert keeping.get_token("a", claims="{}").token == "token-4"
    assert keeping.get_token("a").token == "token-4"


def token_of(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{body}.signature"


def test_the_caller_is_read_from_the_claims() -> None:
    person = read_caller(token_of(oid="1", tid="2", upn="ada@x.example", scp="user_impersonation"))
    assert (person.name, person.is_user) == ("ada@x.example", True)
    program = read_caller(token_of(oid="1", tid="2", appid=CLIENT, idtyp="app"))
    assert (program.name, program.is_user, program.tenant_id) == (CLIENT, False, "2")


@pytest.mark.parametrize("token", ["", "a.b", "a.!!.c", "a.e30.c"])
def test_what_is_no_token_of_entra_is_refused(token: str) -> None:
    with pytest.raises(SignInError):
        read_caller(token)


def test_the_federated_file_is_read_each_time_for_its_writer_renews_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    source = Federated.find(str(file), {}, AZURE)
    assert source is not None
    with pytest.raises(SignInError, match="cannot be read"):
        federated_token(source)
    for content in ("first.to.ken", "second.to.ken"):
        file.write_text(f"{content}\n")
        assert federated_token(source) == content
    assert redact("second.to.ken") == redaction.MASK


def test_githubs_token_service_must_be_https() -> None:
    source = Federated(service=TokenService("GitHub", "http://x?y", "t0ken"))
    with pytest.raises(SignInError, match="https"):
        federated_token(source)
    assert "t0ken" not in repr(source)


GITHUB_JOB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "{origin}/idtoken?v=2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-job's-right",
}
DEVOPS_JOB = {
    "SYSTEM_OIDCREQUESTURI": "{origin}/jobs/1/oidctoken",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": CLIENT,
    "SYSTEM_ACCESSTOKEN": "the-job's-right",
}


def job(environment: Mapping[str, str], origin: str) -> dict[str, str]:
    return {name: value.format(origin=origin) for name, value in environment.items()}


@pytest.fixture(scope="module")
def token_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, list[str]]]:
    """Origin, authority, and what was asked of a CI host's token service on this machine."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers['Authorization']}")
            self.send_response(302 if "moved" in self.path else 200)
            self.send_header("Location", "https://elsewhere.example/")
            self.end_headers()
            self.wfile.write(json.dumps({"value": "git.hub.token", "oidcToken": "dev.ops.token"}).encode())

        do_GET = do_POST = answer  # noqa: N815 (http.server's names)

        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("tls")
    authority, certificate, key = certificates.ensure(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_address[1]}", str(authority), asked
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize(
    ("environment", "token", "request_line"),
    [
        (GITHUB_JOB, "git.hub.token", "GET /idtoken?v=2&audience=api%3A%2F%2FAzureADTokenExchange"),
        (DEVOPS_JOB, "dev.ops.token", f"POST /jobs/1/oidctoken?api-version=7.1&serviceConnectionId={CLIENT}"),
    ],
)
def test_a_job_of_the_practice_clouds_own_hosts_signs_in_by_their_token(
    environment: Mapping[str, str],
    token: str,
    request_line: str,
    token_service: tuple[str, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    origin, authority, asked = token_service
    cloud = local_cloud(origin, authority)
    one = identity(job(environment, origin), cloud, tenant_id=TENANT, client_id=CLIENT)
    assert one.method == "federated"
    source = Federated.find("", job(environment, origin), cloud)
    assert source is not None
    assert federated_token(source) == token
    assert asked[-1] == f"{request_line} Bearer the-job's-right"
    assert redact(f"{token} by the-job's-right") == f"{redaction.MASK} by {redaction.MASK}"


def test_a_token_service_that_sends_us_elsewhere_is_not_followed(
    token_service: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    origin, authority, _ = token_service
    moved = {**DEVOPS_JOB, "SYSTEM_OIDCREQUESTURI": f"{origin}/moved"}
    source = Federated.find("", moved, local_cloud(origin, authority))
    assert source is not None
    with pytest.raises(SignInError, match="302") as caught:
        federated_token(source)
    assert "SYSTEM_ACCESSTOKEN" in caught.value.hint


@pytest.mark.parametrize("environment", [GITHUB_JOB, DEVOPS_JOB])
def test_a_real_job_that_practises_shows_the_practice_cloud_nothing(environment: Mapping[str, str]) -> None:
    own = local_cloud("https://localhost:1", "/ca.pem")
    assert identity(job(environment, "https://vstoken.example"), own).method == "environment"
    assert identity(job(environment, "https://vstoken.example"), AZURE).method == "federated"


def test_an_own_authority_is_trusted_by_the_whole_process_and_no_proxy_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("NO_PROXY", "example.com")
    patience.trust(AZURE)
    assert os.environ["REQUESTS_CA_BUNDLE"] == ""
    for _ in range(2):
        patience.trust(local_cloud("https://localhost:1", "/ca.pem"))
    assert os.environ["REQUESTS_CA_BUNDLE"] == "/ca.pem"
    assert os.environ["NO_PROXY"] == "example.com,localhost"


@pytest.mark.parametrize("before", ["", "/company.pem"])
def test_a_process_that_goes_on_to_a_public_cloud_believes_the_usual_authorities_again(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, before if name == "REQUESTS_CA_BUNDLE" else "")
    patience.trust(local_cloud("https://localhost:1", "/ca.pem"))
    patience.trust(local_cloud("https://localhost:2", "/other/ca.pem"))
    assert os.environ["REQUESTS_CA_BUNDLE"] == "/other/ca.pem"
    patience.trust(AZURE)
    assert os.environ["REQUESTS_CA_BUNDLE"] == before


def test_a_browser_that_opens_is_announced_to_whoever_is_there() -> None:
    told: list[str] = []
    identity = Identity(Project(sign_in="browser"), AZURE, {}, told.append)
    assert told == [], "nobody is asked before somebody signs in"
    assert identity.credential is identity.credential
    (text,) = told
    assert "your browser" in text


def test_a_job_that_should_be_trusted_and_is_not_is_not_told_that_its_own_subject_was_expected() -> None:
    said = "AADSTS700213: No matching federated identity record found for presented assertion subject '{}'."
    for given in ("repo:contoso/wine:ref:refs/heads/main", "sc://contoso/wine/wine"):
        refused = SubjectExplained(Refusing(said.format(given)), ("environment:wine-staging", "ref:refs/heads/main"))
        with pytest.raises(SignInError) as mismatch:
            refused.get_token("scope")
        assert mismatch.value.message == f"Azure does not trust this job's token (AADSTS700213). Given: {given}."
        assert "mlops-tui setup" in mismatch.value.hint
        assert "ci.branch" not in mismatch.value.hint


class Refusing:
    """Signs nobody in."""

    def __init__(self, said: str) -> None:
        self._said = said

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        raise ClientAuthenticationError(self._said)
