"""Somebody asks a deployed model for predictions: what comes back, from which deployment, and what never gets lost."""

from __future__ import annotations

import os
import signal
import statistics
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.contract.azure_fixtures import close_clients  # noqa: F401 (a fixture)
from tests.contract.endpoint_stories import Desk, desk_fixture, load, named, shared_fixture  # noqa: F401 (fixtures)

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.xdist_group("online-endpoints")


def test_an_answer_comes_back_as_the_model_gave_it(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    assert url == f"{desk.live.origin}/endpoints/{name}/score"
    desk.deploy(name, "blue", "one")
    key = desk.key(name)
    nobody = desk.score(url, key)
    assert (nobody.status_code, "positive weight" in nobody.json()["error"]["message"]) == (404, True)
    desk.traffic(name, blue=100)
    answer = desk.http.post(
        f"{url}?verbose=1",
        content=b'{"rows": [1, 2]}',
        headers={"Authorization": f"Bearer {key}", "x-ms-client-request-id": "me"},
    )
    said = answer.json()
    assert (answer.status_code, said["name"], said["rows"], said["query"]) == (200, "one", [1, 2], "verbose=1")
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert (answer.headers["x-model"], answer.headers["x-ms-client-request-id"]) == ("one", "me")
    assert uuid.UUID(answer.headers["x-ms-request-id"])
    assert "authorization" not in said["heard"], "the key ends at the door"


def test_only_the_keys_open_the_door(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    first, second = desk.key(name), desk.key(name, "secondaryKey")
    assert [desk.score(url, key).status_code for key in (first, second)] == [200, 200]
    assert len({first, second}) == 2
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {first}"},
        {"Authorization": "Bearer no"},
    ):
        refused = desk.http.post(url, json={}, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    desk.ask("POST", f"onlineEndpoints/{name}/regenerateKeys", {"keyType": "Primary", "keyValue": first}, expect=202)
    for _ in range(100):
        if desk.key(name) != first:
            break
        time.sleep(0.05)
    assert [desk.score(url, key).status_code for key in (first, second, desk.key(name))] == [401, 200, 200]
    told = desk.http.get("/_sandbox/requests").json()["requests"]
    asked = [one for one in told if one["path"] == f"/endpoints/{name}/score"]
    assert [one["status"] for one in asked[:3]] == [200, 200, 401]
    assert not any(one["write"] for one in asked), "to score changes nothing"
    kept = b"".join(one.read_bytes() for one in desk.live.folder.glob("*") if one.is_file())
    assert first.encode() not in kept
    assert desk.key(name).encode() not in kept


def test_a_token_opens_an_endpoint_that_asks_for_tokens(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name, authMode="AMLToken")["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.endpoint(name, authMode="AMLToken", traffic={"blue": 100})
    token = desk.ask("POST", f"onlineEndpoints/{name}/token").json()
    assert token["expiryTimeUtc"] > token["refreshAfterTimeUtc"] > time.time()
    assert desk.score(url, token["accessToken"]).status_code == 200
    assert desk.score(url, token["accessToken"][:-2]).status_code == 401
    assert "does not use keys" in desk.ask("POST", f"onlineEndpoints/{name}/listKeys", expect=400).text


def test_a_header_chooses_the_deployment_and_traffic_does_otherwise(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.deploy(name, "green", "two")
    desk.traffic(name, blue=100, green=0)
    key = desk.key(name)
    assert {desk.score(url, key).json()["name"] for _ in range(20)} == {"one"}
    chosen = desk.score(url, key, deployment="green")
    assert (chosen.json()["name"], chosen.headers["azureml-model-deployment"]) == ("two", "green")
    unknown = desk.score(url, key, deployment="red")
    assert (unknown.status_code, "could not be found" in unknown.text) == (404, True)
    desk.traffic(name, blue=30, green=70)
    shares = [desk.score(url, key).json()["name"] for _ in range(200)]
    assert 30 < shares.count("one") < 95, "about thirty in a hundred"


def test_what_the_model_refuses_is_told_as_azure_tells_it(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one", requestSettings={"requestTimeout": "PT1S"})
    desk.traffic(name, blue=100)
    key = desk.key(name)
    refused = desk.score(url, key, status=400)
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert refused.json()["name"] == "one", "the model's own words come with it"
    late = desk.score(url, key, sleep=3)
    assert (late.status_code, late.headers["azureml-model-deployment"]) == (408, "blue")


def test_a_cluster_passes_on_what_the_model_refuses(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name, compute=desk.cluster())["properties"]["scoringUri"]
    assert url == f"{desk.live.origin}/api/v1/endpoint/{name}/score"
    desk.deploy_on_cluster(name, "blue", "one", requestSettings={"requestTimeout": "PT1S"})
    desk.traffic(name, blue=100)
    key = desk.key(name)
    assert desk.score(url, key, rows=[7]).json()["rows"] == [7]
    refused = desk.score(url, key, status=400)
    assert (refused.status_code, refused.json()["name"]) == (400, "one")
    late = desk.score(url, key, sleep=3)
    assert (late.status_code, "within 1000 ms" in late.json()["error"]["message"]) == (504, True)
    assert desk.score(url, key, exit=True).status_code in (502, 503, 504)
    down = desk.score(url, key)
    assert (down.status_code, "no instance that is ready" in down.text) == (503, True)


def test_more_requests_at_once_than_allowed_are_refused(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one", requestSettings={"maxConcurrentRequestsPerInstance": 1})
    desk.traffic(name, blue=100)
    key = desk.key(name)

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(url, json={"sleep": 0.2}, headers={"Authorization": f"Bearer {key}"})

    with load(ask, desk.live) as counted:
        time.sleep(1)
    assert set(counted) == {"one", "HTTP 429"}, "two at once: twice what an instance is said to take"


def test_no_request_is_lost_while_traffic_moves_and_deployments_come_and_go(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.deploy(name, "green", "two")
    desk.traffic(name, blue=100)
    key = desk.key(name)

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(url, json={"sleep": 0.01}, headers={"Authorization": f"Bearer {key}"})

    with load(ask, desk.live) as counted:
        time.sleep(0.3)
        desk.traffic(name, green=100)
        time.sleep(0.3)
        desk.traffic(name, blue=100)
        desk.ask("DELETE", f"onlineEndpoints/{name}/deployments/green", expect=202)
        desk.deploy(name, "blue", "three")
        time.sleep(0.8)
        desk.deploy(name, "green", "four")
        desk.traffic(name, green=100)
        time.sleep(0.3)
    assert set(counted) == {"one", "two", "three", "four"}, counted
    assert counted.total() > 300


def test_a_request_that_is_under_way_is_answered_though_its_deployment_goes(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one", requestSettings={"requestTimeout": "PT20S"})
    key = desk.key(name)
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(url, json={"sleep": 2.5}, headers=headers)

    with load(ask, desk.live, threads=1) as counted:
        time.sleep(0.5)
        desk.ask("DELETE", f"onlineEndpoints/{name}/deployments/blue", expect=202)
        desk.wait(f"onlineEndpoints/{name}/deployments/blue", "gone")
        assert desk.score(url, key, deployment="blue").status_code == 404, "nobody new is let in"
        while not counted:
            time.sleep(0.05)
    assert counted["one"] == 1


def test_faults_can_be_ordered_for_the_door(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    key = desk.key(name)
    desk.http.post("/_sandbox/faults", json={"path": f"/endpoints/{name}/score", "status": 503, "count": 2})
    assert [desk.score(url, key).status_code for _ in range(3)] == [503, 503, 200]


def test_a_killed_instance_costs_nobody_an_answer_while_another_is_there(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one", capacity=2)
    desk.traffic(name, blue=100)
    key = desk.key(name)

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(url, json={"sleep": 0.02}, headers={"Authorization": f"Bearer {key}"})

    first = desk.score(url, key).json()["pid"]
    with load(ask, desk.live) as counted:
        time.sleep(0.3)
        os.kill(first, signal.SIGKILL)
        time.sleep(0.6)
    assert set(counted) == {"one"}, counted
    assert "restarts 1" in desk.logs(name, "blue")


def test_an_endpoint_whose_only_instance_ended_says_so_and_comes_back(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    key = desk.key(name)
    assert desk.score(url, key, exit=True).status_code in (424, 502)
    down = desk.score(url, key)
    assert (down.status_code, down.headers["ms-azureml-model-error-reason"]) == (424, "model_not_ready")
    deadline = time.monotonic() + 20
    while desk.score(url, key).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    told = desk.logs(name, "blue")
    assert "restarts 1" in told
    assert "last exit code 3" in told
    assert "ending, as asked" in told
    assert desk.ask("GET", f"onlineEndpoints/{name}").json()["properties"]["provisioningState"] == "Succeeded"


def test_the_door_adds_little_to_what_the_process_needs(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    headers = {"Authorization": f"Bearer {desk.key(name)}"}

    def p50(client: httpx.Client, url: str, **wish: Any) -> float:
        taken = []
        for _ in range(150):
            began = time.perf_counter()
            assert client.post(url, json=wish, headers=headers).status_code == 200
            taken.append(time.perf_counter() - began)
        return statistics.median(taken[20:])

    port = desk.score(url, desk.key(name)).json()["heard"]["host"].rpartition(":")[2]
    with httpx.Client(timeout=10, trust_env=False) as plain:
        direct = p50(plain, f"http://127.0.0.1:{port}/score", sleep=0.008)
    through = p50(desk.http, url, sleep=0.008)
    print(f"direct {direct * 1000:.2f} ms, through the door {through * 1000:.2f} ms")
    assert through < 2 * direct, (direct, through)
