"""A person practises with a browser open: no web page drives the practice cloud, and its own records stay sound."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mlops_tui.commands.sandbox import known_practice, practice
from mlops_tui.errors import UsageError
from mlops_tui.sandbox import visit
from mlops_tui.sandbox.artifacts import Artifacts
from mlops_tui.sandbox.process import Address, write_address
from mlops_tui.sandbox.requests import RequestLog
from mlops_tui.sandbox.sandbox import Sandbox
from tests.conftest import LiveSandbox
from tests.credentials import of_owner

pytestmark = pytest.mark.xdist_group("workspace")
FAULT: dict[str, Any] = {"path": "/api/2.0/never-called", "status": 503}


@pytest.fixture
def caller(live: LiveSandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # whatever proxies and certificates this machine has
        session.verify = str(live.ca)
        yield session
        session.delete(f"{live.origin}/_sandbox/faults", timeout=10)


def faults(caller: requests.Session, live: LiveSandbox) -> list[Any]:
    found: list[Any] = caller.get(f"{live.origin}/_sandbox/faults", timeout=10).json()["faults"]
    return found


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},  # a sandboxed frame, or a file
        {"Origin": "http://localhost:3000"},  # somebody else's page on this machine
        {"Host": "evil.example"},  # DNS rebinding
        {"Host": "localhost.evil.example"},
        {"Host": "[::1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_no_page_of_another_site_orders_faults_or_reads_the_request_log(
    live: LiveSandbox, caller: requests.Session, headers: dict[str, str]
) -> None:
    refused = caller.post(f"{live.origin}/_sandbox/faults", json=FAULT, headers=headers, timeout=10)
    assert refused.status_code == 403
    assert "practice cloud" in refused.json()["error"]["message"]
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert caller.get(f"{live.origin}/_sandbox/requests", headers=headers, timeout=10).status_code == 403
    assert faults(caller, live) == []


def test_no_page_of_another_site_signs_the_learner_in(live: LiveSandbox, caller: requests.Session) -> None:
    tenant = f"{live.origin}/{Sandbox.tenant_id}"
    form = {"client_id": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "scope": f"{live.origin}/.default offline_access"}
    shown = caller.post(f"{tenant}/oauth2/v2.0/devicecode", data=form, timeout=10).json()
    typed = {"user_code": shown["user_code"]}
    page = f"{live.origin}/devicelogin"
    assert caller.post(page, data=typed, headers={"Origin": "https://evil.example"}, timeout=10).status_code == 403
    form |= {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": shown["device_code"]}
    assert caller.post(f"{tenant}/oauth2/v2.0/token", data=form, timeout=10).json()["error"] == "authorization_pending"
    # The page itself sends its own origin; a link from elsewhere may lead to it, but nobody may frame it.
    followed = caller.get(page, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, timeout=10)
    assert followed.headers["X-Frame-Options"] == "DENY"
    assert caller.post(page, data=typed, headers={"Origin": live.origin}, timeout=10).status_code == 200
    assert "access_token" in caller.post(f"{tenant}/oauth2/v2.0/token", data=form, timeout=10).json()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "storage.localhost"])
def test_every_name_that_the_certificate_has_is_answered(
    live: LiveSandbox, caller: requests.Session, name: str
) -> None:
    port = live.origin.rsplit(":", 1)[1]
    headers = {"Host": f"{name}:{port}"}
    assert caller.get(f"{live.origin}/_sandbox", headers=headers, timeout=10).json()["origin"] == live.origin


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": "3"}, "count must be of type int"),
        ({"delay": "long"}, "delay must be of type float"),
        ({"delay": 1e9}, "delay is from 0"),
        ({"status": 200}, "status must be an error"),
        ({"count": 0}, "count starts at 1"),
        ({"path": "("}, "missing )"),
        ({"drop": 1}, "drop must be of type bool"),
    ],
)
def test_a_fault_that_cannot_be_carried_out_is_refused_at_once(
    live: LiveSandbox, caller: requests.Session, wrong: dict[str, Any], words: str
) -> None:
    refused = caller.post(f"{live.origin}/_sandbox/faults", json=FAULT | wrong, timeout=10)
    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]
    assert faults(caller, live) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_sandbox/requests?since=yesterday"),
        ("GET", "/api/2.1/jobs/list?limit=--5"),
        ("GET", "/api/2.1/jobs/runs/list?start_time_from=yesterday"),
        ("GET", "/api/2.1/jobs/get?job_id=%C2%B2"),
        ("GET", "/api/2.0/mlflow/experiments/list?max_results=many"),
    ],
)
def test_a_number_that_is_none_is_the_callers_fault(
    live: LiveSandbox, caller: requests.Session, method: str, path: str
) -> None:
    headers = {"Authorization": f"Bearer {live.token}"}
    assert caller.request(method, live.origin + path, headers=headers, timeout=30).status_code == 400


def test_the_request_log_does_not_keep_what_opens_a_signed_link(live: LiveSandbox, caller: requests.Session) -> None:
    sandbox = Sandbox(live.folder, live.origin)
    artifacts = Artifacts(sandbox)
    try:
        file = live.folder / "files" / "databricks-datasets" / "wine-quality" / "winequality-red.csv"
        link = artifacts.signed_link(file)
    finally:
        sandbox.requests.close()
        sandbox.store.close()
    assert caller.get(link, timeout=10).content == file.read_bytes()
    signature = link.split("/signed-artifacts/")[1].split("/")[1]
    log = (live.folder / "requests.jsonl").read_text()
    assert "/signed-artifacts/" in log
    assert signature not in log


def test_the_request_log_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_tui.sandbox.requests.LARGEST_FILE", 2000)
    log = RequestLog(tmp_path / "requests.jsonl")
    for number in range(100):
        log.add("GET", f"/{number}", 200, "", 0.0, "tests")
    log.close()
    assert len(log.list()) == 100
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"requests.jsonl", "requests.before.jsonl"}
    assert max(sizes.values()) < 2500
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_address_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_address(tmp_path, Address(1234))
    assert stat.S_IMODE((tmp_path / "sandbox.json").stat().st_mode) == 0o600


def test_a_job_of_a_pipeline_uses_the_practice_cloud_that_it_was_given(
    live: LiveSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(visit.ORIGIN, live.origin)
    monkeypatch.setenv(visit.AUTHORITY, str(live.ca))
    told: list[str] = []
    given = practice(told.append)
    assert (given.origin, given.ca_bundle, told) == (live.origin, str(live.ca), [])
    assert given.settings == {"tenant_id": of_owner(live.folder)["tenant_id"]}, "and nobody's credentials"
    assert known_practice() == {**given.settings, "origin": live.origin}
    assert list(tmp_path.iterdir()) == [], "nothing was started"


def test_half_a_practice_cloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(visit.ORIGIN, "https://localhost:1")
    monkeypatch.delenv(visit.AUTHORITY, raising=False)
    with pytest.raises(UsageError) as caught:
        practice(lambda _: None)
    assert visit.AUTHORITY in caught.value.raw
