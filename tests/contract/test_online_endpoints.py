"""A person deploys models to online endpoints of Azure ML: with the real azure-ai-ml, and on the wire for the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tui.sandbox import process
from mlops_tui.sandbox.store import Store
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import (
    READER,
    close_clients,  # noqa: F401 (a fixture)
    credentials,
    owner,
)
from tests.contract.endpoint_stories import Desk, close_desk, desk_at, desk_fixture, named, open_desk, shared_fixture  # noqa: F401 (fixtures)

pytestmark = pytest.mark.xdist_group("online-endpoints")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a sandbox in a process of its own, which is stopped in the end."""
    yield tmp_path / "sandbox"
    process.stop(tmp_path / "sandbox")


def test_azure_ai_ml_deploys_asks_and_deletes(desk: Desk, tmp_path: Path) -> None:
    live = desk.live
    desk.ask("PUT", "models/wine/versions/1", {"properties": {"modelUri": "azureml://x", "modelType": "mlflow_model"}})
    desk.cluster()
    parts = desk.workspace.split("/")
    given = {"origin": live.origin, "credentials": credentials(live), "group": parts[4], "workspace": parts[8]}
    given |= {"environment": "azureml:one:1", "compute": "myaks"}
    desk.environment("one")
    story = Path(__file__).with_name("ml_client_story.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(story)],
        input=json.dumps(given),
        env=os.environ | {"REQUESTS_CA_BUNDLE": str(live.ca)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.rpartition("SEEN ")[2])
    url = f"{live.origin}/endpoints/wine-managed/score"
    assert seen["endpoint"] == ["Succeeded", url, "Managed", "system_assigned", {}]
    assert seen["deployment"] == ["blue", "Succeeded", 1, {"build_number": "7"}]
    assert seen["settings"] == [3000, {"A": "b"}]
    assert seen["no traffic yet"] == {"blue": 0}
    assert seen["bad sum"].startswith("400 UserError")
    assert "must be either 0 or 100; it is 60" in seen["bad sum"]
    assert seen["traffic"] == [{"blue": 100}, {"current_build": "7"}, "Succeeded"]
    assert seen["keys"] == [True, False]
    assert (seen["invoke"], seen["invoke blue"]) == ([1], [1])
    assert "UserContainerImagePull: Succeeded" in seen["logs"]
    assert "loading one" in seen["logs"]
    assert "wine/versions/1 was made available" in seen["initializer"]
    assert seen["list"] == [["wine-managed"], ["blue"]]
    assert seen["scaled"] == 2
    assert "has 100% of the traffic" in seen["has traffic"]
    assert seen["gone"] == []
    url = f"{live.origin}/api/v1/endpoint/wine-aks/score"
    assert seen["kubernetes"] == ["Succeeded", url, "K8S", "myaks"]
    assert seen["green"] == {"green": 100}, "the client leaves shares of 0 away"
    assert seen["invoke aks"] == [2]
    assert seen["left"] == ["green"]


@pytest.mark.parametrize(
    ("name", "properties", "status", "said"),
    [
        ("ab", {}, 400, "between 3 and 32 characters"),
        ("1wine", {}, 400, "start with a letter"),
        ("wine_red", {}, 400, "letters, digits or '-'"),
        ("wine-", {}, 400, "end with a letter or digit"),
        ("w" * 33, {}, 400, "between 3 and 32 characters"),
        ("wine-mode", {"authMode": "AADToken"}, 400, "must be one of Key, AMLToken"),
        ("wine-nowhere", {"compute": "lost"}, 404, "The compute 'lost' was not found"),
        ("wine-early", {"traffic": {"blue": 100}}, 400, "'blue', which does not exist"),
        ("wine-odd", {"traffic": {"blue": "all"}}, 400, "must be a whole number from 0 to 100"),
    ],
)
def test_an_endpoint_that_azure_would_refuse_is_refused(
    desk: Desk, name: str, properties: dict[str, object], status: int, said: str
) -> None:
    body = {"properties": {"authMode": "Key"} | properties}
    refused = desk.ask("PUT", f"onlineEndpoints/{name}", body, expect=status).json()["error"]
    assert refused["code"] == "UserError"
    assert said in refused["message"]
    desk.ask("GET", f"onlineEndpoints/{name}", expect=404)


def test_names_are_taken_once_and_an_endpoint_stays_where_it_is(desk: Desk, live: LiveSandbox) -> None:
    name = named()
    desk.endpoint(name)
    other = open_desk(live, desk.azure)
    taken = other.ask("PUT", f"onlineEndpoints/{name.upper()}", {"properties": {"authMode": "Key"}}, expect=409)
    assert "unique within a region" in taken.json()["error"]["message"]
    close_desk(other)
    moved = {"properties": {"authMode": "Key", "compute": desk.cluster()}}
    assert "cannot be changed" in desk.ask("PUT", f"onlineEndpoints/{name}", moved, expect=400).text


def test_lists_of_resources_spell_whole_names(desk: Desk) -> None:
    name = named()
    desk.endpoint(name)
    kind = "Microsoft.MachineLearningServices/workspaces"
    group, workspace = desk.workspace.split("/")[4], desk.workspace.rpartition("/")[2]
    listed = {one.type: one.name for one in desk.azure.resources.resources.list_by_resource_group(group)}
    assert listed[kind] == workspace
    assert listed[f"{kind}/onlineEndpoints"] == f"{workspace}/{name}"


def test_one_operation_at_a_time(desk: Desk) -> None:
    name = named()
    desk.ask("PUT", f"onlineEndpoints/{name}", {"properties": {"authMode": "Key"}}, expect=201)
    again = desk.ask("PUT", f"onlineEndpoints/{name}", {"properties": {"authMode": "Key"}}, expect=409).json()["error"]
    assert "in Creating provisioning state: an operation is already in progress" in again["message"]
    early = {"properties": {"instanceType": "Standard_DS3_v2", "environmentId": desk.environment("one")}}
    place = f"onlineEndpoints/{name}/deployments/blue"
    assert "Cannot create a deployment in endpoint" in desk.ask("PUT", place, early, expect=409).text
    desk.wait(f"onlineEndpoints/{name}")
    desk.begin(name, "blue", "one")
    assert "Cannot update deployment blue" in desk.ask("PUT", place, early, expect=409).text
    assert "its deployment blue" in desk.ask("DELETE", f"onlineEndpoints/{name}", expect=409).text
    body = {"properties": {"authMode": "Key", "traffic": {"blue": 100}}}
    refused = desk.ask("PUT", f"onlineEndpoints/{name}", body, expect=400)
    assert "because it is in Creating provisioning state" in refused.text
    desk.wait(place)


def test_tags_and_instances_change_by_patch(desk: Desk) -> None:
    name = named()
    desk.endpoint(name)
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    desk.ask("PATCH", f"onlineEndpoints/{name}", {"tags": {"current_build": "3"}}, expect=202)
    kept = desk.wait(f"onlineEndpoints/{name}")
    assert (kept["tags"], kept["properties"]["traffic"]) == ({"current_build": "3"}, {"blue": 100})
    place = f"onlineEndpoints/{name}/deployments/blue"
    desk.ask("PATCH", place, {"sku": {"name": "Default", "capacity": 2}}, expect=202)
    assert desk.wait(place)["sku"]["capacity"] == 2
    assert "Instance 2: Running, ready" in desk.logs(name, "blue")


def test_who_may_read_may_not_have_the_keys(desk: Desk) -> None:
    name = named()
    desk.endpoint(name)
    reader = desk.azure.service_principal("reader")
    desk.azure.assign(desk.workspace, reader.principal["id"], READER)
    theirs = Desk(desk.live, reader.azure, desk.workspace, desk.http)
    assert theirs.ask("GET", f"onlineEndpoints/{name}").json()["name"] == name
    refused = theirs.ask("POST", f"onlineEndpoints/{name}/listKeys", expect=403).json()["error"]
    assert "onlineEndpoints/listKeys/action" in refused["message"]


def test_a_deleted_resource_group_ends_what_ran_in_it(live: LiveSandbox) -> None:
    desk, name = open_desk(live, owner(live)), named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    key = desk.key(name)
    pid = desk.score(url, key).json()["pid"]
    close_desk(desk)
    assert desk.score(url, key).status_code == 404
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the process goes on"
        time.sleep(0.05)


def test_a_deleted_cluster_ends_what_ran_on_it(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name, compute=desk.cluster("short"))["properties"]["scoringUri"]
    desk.deploy_on_cluster(name, "blue", "one")
    desk.traffic(name, blue=100)
    key = desk.key(name)
    assert desk.score(url, key).status_code == 200
    cluster = f"{desk.workspace.partition('/providers/')[0]}/providers/Microsoft.ContainerService/managedClusters/short"
    desk.azure.resources.resources.begin_delete_by_id(cluster, api_version="2024-09-01").result(30)
    assert desk.score(url, key).status_code == 404
    desk.ask("DELETE", f"onlineEndpoints/{name}", expect=202)
    desk.wait(f"onlineEndpoints/{name}", "gone")


def test_a_killed_sandbox_comes_back_with_endpoints_keys_traffic_and_processes(folder: Path) -> None:
    address = process.start(folder)
    live = LiveSandbox(folder, address.origin, folder / "ca.pem", "")
    azure = owner(live)
    desk, name = open_desk(live, azure), named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.deploy(name, "green", "two")
    desk.traffic(name, blue=0, green=100)
    key = desk.key(name)
    before = desk.score(url, key).json()["pid"]
    desk.begin(name, "blue", "three")  # is under way when all ends
    os.kill(address.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{before}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.start(folder).origin == address.origin
    while (answer := desk.score(url, key)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert answer.json()["name"] == "two"
    assert desk.key(name) == key
    desk.wait(f"onlineEndpoints/{name}/deployments/blue")
    assert desk.score(url, key, deployment="blue").json()["name"] == "three"
    while len(containers := containers_of(folder)) > 2:
        assert time.monotonic() < deadline + 20, f"what has given way is still there: {containers}"
        time.sleep(0.1)
    assert [one.split("/")[2] for one in containers] == ["blue", "green"]


def containers_of(folder: Path) -> list[str]:
    store = Store(folder)
    try:
        return [name for name, _ in store.items("container", "online/")]
    finally:
        store.close()
