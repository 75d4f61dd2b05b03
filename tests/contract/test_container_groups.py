"""A person runs containers in Azure Container Instances: with the real client, groups that really answer."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models as aci
from azure.mgmt.resource.resources.models import GenericResource, Sku

from mlops_tui.sandbox import process
from mlops_tui.sandbox.container_keeper import Keeper
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    READER,
    Azure,
    ServicePrincipal,
    close_clients,  # noqa: F401 (a fixture)
    closed_later,
    code_of,
    owner,
)
from tests.contract.container_images import SERVE, ask, eventually, pushed

pytestmark = pytest.mark.xdist_group("containers")
KEY = "a-secret-scoring-key"


@dataclass
class Desk:
    """A resource group with a registry, an image in it, and a service principal that may use both."""

    azure: Azure
    group: str
    registry: str
    image: str
    principal: ServicePrincipal
    client: ContainerInstanceManagementClient

    @property
    def groups(self) -> Any:
        return self.client.container_groups

    def wanted(self, **changes: Any) -> Any:
        """A group with one container as the notebook asks for it."""
        server = self.image.rpartition("/")[0]
        given: dict[str, Any] = {
            "image": self.image,
            "ports": [aci.ContainerPort(port=5001)],
            "cpu": 1.0,
            "memory": 1.5,
            "environment": [aci.EnvironmentVariable(name="SCORING_KEY", secure_value=KEY)],
            "label": None,
            "public": [5001],
            "credentials": (self.principal.application["appId"], self.principal.secret),
            "location": "westeurope",
            "policy": "Always",
            "os_type": "Linux",
            "tags": {"build_number": "7"},
            "container": "api",
        } | changes
        requests = aci.ResourceRequests(cpu=given["cpu"], memory_in_gb=given["memory"])
        container = aci.Container(
            name=given["container"],
            image=given["image"],
            ports=given["ports"],
            environment_variables=given["environment"],
            resources=aci.ResourceRequirements(requests=requests),
        )
        username, password = given["credentials"]
        return aci.ContainerGroup(
            location=given["location"],
            os_type=given["os_type"],
            containers=[container],
            restart_policy=given["policy"],
            tags=given["tags"],
            image_registry_credentials=[
                aci.ImageRegistryCredential(server=server, username=username, password=password)
            ],
            ip_address=aci.IpAddress(
                type="Public", dns_name_label=given["label"], ports=[aci.Port(port=port) for port in given["public"]]
            ),
        )

    def put(self, name: str, **changes: Any) -> Any:
        return self.groups.begin_create_or_update(self.group, name, self.wanted(**changes)).result(30)

    def show(self, name: str) -> Any:
        return self.groups.get(self.group, name)


def port_of(group: Any) -> int:
    return int(group.ip_address.ports[0].port)


def view_of(group: Any) -> Any:
    return group.containers[0].instance_view


def answer(group: Any) -> Any:
    """What its container says, once it does."""
    eventually(lambda: _answers(port_of(group)))
    return json.loads(ask(port_of(group)))


def _answers(port: int) -> bool:
    try:
        return bool(ask(port, "/ping"))
    except OSError:
        return False


@pytest.fixture(scope="module")
def furniture(live: LiveSandbox) -> tuple[str, str, str, ServicePrincipal]:
    """What all stories of the module use and none changes."""
    return furnish(live)


def furnish(live: LiveSandbox) -> tuple[str, str, str, ServicePrincipal]:
    """A resource group, a registry's name, an image in it, and who may use both."""
    azure = owner(live)
    for namespace in ("Microsoft.ContainerInstance", "Microsoft.ContainerRegistry"):
        azure.resources.providers.register(namespace)
    group, registry = azure.group(), f"acr{uuid.uuid4().hex[:10]}"
    where = f"{azure.root}/resourceGroups/{group}"
    place = f"{where}/providers/Microsoft.ContainerRegistry/registries/{registry}"
    wanted = GenericResource(location="westeurope", sku=Sku(name="Basic"), properties={})
    azure.resources.resources.begin_create_or_update_by_id(place, wanted, api_version="2023-07-01").result(30)
    image = pushed(live.folder, live.origin, registry)
    principal = azure.service_principal("deliverer")
    azure.assign(where, principal.principal["id"], CONTRIBUTOR)
    return group, registry, image, principal


@pytest.fixture
def desk(
    live: LiveSandbox, furniture: tuple[str, str, str, ServicePrincipal], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setattr(Keeper, "first_pause", 0.1)
    azure = owner(live)
    made = Desk(azure, *furniture, client(azure))
    yield made
    for one in list(made.groups.list()):
        made.groups.begin_delete(one.id.split("/")[4], one.name).result(20)


def client(azure: Azure) -> ContainerInstanceManagementClient:
    return closed_later(ContainerInstanceManagementClient(azure.credential, azure.subscription, **azure._options))


def test_a_group_is_made_answers_and_is_deleted(desk: Desk) -> None:
    label = f"wine-{uuid.uuid4().hex[:8]}"
    made = desk.put("wine-aci", label=label)
    assert made.provisioning_state == "Succeeded"
    assert made.instance_view.state == "Running"
    assert (made.ip_address.ip, made.ip_address.fqdn, made.ip_address.dns_name_label) == (
        "127.0.0.1",
        "localhost",
        label,
    )
    assert port_of(made) != 5001
    said = answer(made)
    assert said["environment"]["SCORING_KEY"] == KEY
    view = view_of(made)
    assert (view.current_state.state, view.restart_count, view.previous_state) == ("Running", 0, None)
    assert {event.name for event in view.events} >= {"Pulling", "Pulled", "Started"}
    assert f'Pulling image "{made.containers[0].image}"' in [event.message for event in view.events]
    assert made.tags == {"build_number": "7"}
    assert [one.name for one in desk.groups.list_by_resource_group(desk.group)] == ["wine-aci"]
    assert [one.name for one in desk.groups.list()] == ["wine-aci"]
    desk.groups.begin_delete(desk.group, "wine-aci").result(20)
    with pytest.raises(ResourceNotFoundError):
        desk.show("wine-aci")
    eventually(lambda: not _answers(port_of(made)))
    desk.groups.begin_delete(desk.group, "wine-aci").result(20)  # once more does no harm


def test_what_is_secret_never_comes_back(desk: Desk, live: LiveSandbox) -> None:
    plain = aci.EnvironmentVariable(name="STAGE", value="staging")
    made = desk.put("secretive", environment=[plain, aci.EnvironmentVariable(name="SCORING_KEY", secure_value=KEY)])
    shown = {one.name: (one.value, one.secure_value) for one in made.containers[0].environment_variables}
    assert shown == {"STAGE": ("staging", None), "SCORING_KEY": (None, None)}
    assert [(one.username, one.password) for one in made.image_registry_credentials] == [
        (desk.principal.application["appId"], None)
    ]
    answer(made)
    files = [path for path in live.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []


def test_the_log_of_a_container_is_read(desk: Desk) -> None:
    answer(desk.put("talking"))
    logs: Any = desk.client.containers.list_logs
    eventually(lambda: "asked for /score" in logs(desk.group, "talking", "api").content)
    everything = logs(desk.group, "talking", "api").content.splitlines()
    assert everything[0] == "loading"
    assert logs(desk.group, "talking", "api", tail=1).content.splitlines() == everything[-1:]
    assert logs(desk.group, "talking", "api", tail=1, timestamps=True).content.startswith("20")
    with pytest.raises(ResourceNotFoundError):
        logs(desk.group, "talking", "other")
    request = aci.ContainerExecRequest(command="/bin/sh", terminal_size=None)
    with pytest.raises(HttpResponseError, match="cannot exec") as caught:
        desk.client.containers.execute_command(desk.group, "talking", "api", request)
    assert caught.value.status_code == 501


def test_a_killed_container_comes_back_and_azure_says_so(desk: Desk) -> None:
    made = desk.put("mortal")
    os.kill(answer(made)["pid"], signal.SIGKILL)
    eventually(lambda: view_of(desk.show("mortal")).restart_count == 1)
    eventually(lambda: view_of(desk.show("mortal")).current_state.state == "Running")
    after = desk.show("mortal")
    assert (view_of(after).previous_state.state, view_of(after).previous_state.exit_code) == ("Terminated", 137)
    assert port_of(after) == port_of(made)
    assert answer(after)["pid"]


def test_one_that_cannot_load_its_model_is_seen_to_crash(desk: Desk) -> None:
    made = desk.put("broken", environment=[aci.EnvironmentVariable(name="BROKEN", value="yes")])
    assert made.provisioning_state == "Succeeded"
    eventually(lambda: view_of(desk.show("broken")).restart_count >= 2)
    eventually(lambda: view_of(desk.show("broken")).current_state.state == "Waiting")
    state = view_of(desk.show("broken"))
    assert state.current_state.detail_status.startswith("CrashLoopBackOff")
    assert state.previous_state.exit_code == 1
    logs: Any = desk.client.containers.list_logs(desk.group, "broken", "api")
    assert "the model cannot be loaded" in logs.content


def test_a_task_that_is_not_restarted_ends(desk: Desk) -> None:
    desk.put("task", policy="Never", environment=[aci.EnvironmentVariable(name="BROKEN", value="yes")])
    eventually(lambda: desk.show("task").instance_view.state == "Failed")
    state = view_of(desk.show("task"))
    assert (state.current_state.state, state.current_state.exit_code, state.restart_count) == ("Terminated", 1, 0)


def test_a_group_is_stopped_started_and_restarted(desk: Desk) -> None:
    made = desk.put("resting")
    pid = answer(made)["pid"]
    desk.groups.stop(desk.group, "resting")
    eventually(lambda: view_of(desk.show("resting")).current_state.state == "Terminated")
    assert desk.show("resting").instance_view.state == "Stopped"
    with pytest.raises(HttpResponseError) as caught:
        desk.groups.begin_restart(desk.group, "resting").result(20)
    assert code_of(caught.value) == "ContainerGroupStopped"
    desk.groups.begin_start(desk.group, "resting").result(30)
    started = desk.show("resting")
    assert (started.instance_view.state, started.provisioning_state) == ("Running", "Succeeded")
    again = answer(started)["pid"]
    assert again != pid
    desk.groups.begin_restart(desk.group, "resting").result(20)
    eventually(lambda: _pid(started) not in (None, again))


def _pid(group: Any) -> int | None:
    try:
        return int(json.loads(ask(port_of(group)))["pid"])
    except (OSError, ValueError):
        return None


def test_another_image_replaces_the_first_and_the_same_changes_nothing(desk: Desk, live: LiveSandbox) -> None:
    first = desk.put("changing")
    pid = answer(first)["pid"]
    desk.put("changing", tags={"build_number": "8"})
    same = desk.show("changing")
    assert (same.tags, answer(same)["pid"]) == ({"build_number": "8"}, pid)
    other = pushed(live.folder, live.origin, desk.registry, SERVE + "# the second\n", "2")
    changed = desk.put("changing", image=other)
    assert changed.containers[0].image == other
    assert port_of(changed) == port_of(first)
    eventually(lambda: _pid(changed) not in (None, pid))


def test_a_groups_own_answer_can_be_sent_back(desk: Desk) -> None:
    made = desk.put("mirror")
    again = desk.show("mirror")
    again.containers[0].environment_variables[0].secure_value = KEY
    again.image_registry_credentials[0].password = desk.principal.secret
    after = desk.groups.begin_create_or_update(desk.group, "mirror", again).result(30)
    assert port_of(after) == port_of(made)
    assert after.containers[0].ports[0].port == 5001


@pytest.mark.parametrize(
    "change", [{"cpu": 2.0}, {"memory": 2.0}, {"policy": "Never"}, {"container": "other"}], ids=str
)
def test_what_a_group_was_made_with_stays(desk: Desk, change: dict[str, Any]) -> None:
    desk.put("fixed")
    with pytest.raises(HttpResponseError, match="you must delete it first and then create a new one") as caught:
        desk.put("fixed", **change)
    assert caught.value.status_code == 400
    assert desk.show("fixed").provisioning_state == "Succeeded"


def test_a_group_of_two_has_a_port_for_each(desk: Desk) -> None:
    wanted = desk.wanted()
    beside = desk.wanted(container="beside", ports=[aci.ContainerPort(port=8080)]).containers[0]
    wanted.containers.append(beside)
    wanted.ip_address.ports.append(aci.Port(port=8080))
    made = desk.groups.begin_create_or_update(desk.group, "pair", wanted).result(30)
    first, second = (port.port for port in made.ip_address.ports)
    assert first != second
    eventually(lambda: _answers(first) and _answers(second))
    assert json.loads(ask(first))["pid"] != json.loads(ask(second))["pid"]
    for change, code in (({"name": "api"}, "DuplicateContainerName"), ({"ports": None}, "InvalidIpAddressPorts")):
        for name, value in change.items():
            setattr(beside, name, value)
        with pytest.raises(HttpResponseError) as caught:
            desk.groups.begin_create_or_update(desk.group, "pair", wanted)
        assert code_of(caught.value) == code
        beside.name = "beside"


def test_a_stopped_group_is_deployed_anew_with_other_resources(desk: Desk) -> None:
    desk.put("revived")
    desk.groups.stop(desk.group, "revived")
    made = desk.put("revived", cpu=2.0, container="other")
    assert (made.instance_view.state, made.containers[0].resources.requests.cpu) == ("Running", 2.0)
    assert answer(made)["pid"]
    with pytest.raises(ResourceNotFoundError):
        desk.client.containers.list_logs(desk.group, "revived", "api")


@pytest.mark.parametrize("name", ["Upper", "under_score", "-first", "last-", "two--dashes", "x" * 64])
def test_a_name_is_one_that_azure_allows(desk: Desk, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        desk.put(name)
    assert (caught.value.status_code, code_of(caught.value)) == (400, "InvalidContainerGroupName")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"container": "Api"}, "InvalidContainerName"),
        ({"label": "Wine"}, "InvalidDnsNameLabel"),
        ({"label": "wine"}, "InvalidDnsNameLabel"),
        ({"cpu": 8.0}, "ServiceUnavailable"),
        ({"memory": 17.0}, "ServiceUnavailable"),
        ({"cpu": 0.0}, "InvalidResourceRequests"),
        ({"os_type": "Windows"}, "InvalidOsType"),
        ({"policy": "Sometimes"}, "InvalidRestartPolicy"),
        ({"public": [80]}, "InvalidIpAddressPorts"),
        ({"public": []}, "MissingIpAddressPorts"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceType"),
        ({"environment": [aci.EnvironmentVariable(name="SCORING_KEY")]}, "InvalidEnvironmentVariable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),  # the same in every process
)
def test_what_azure_refuses_is_refused(desk: Desk, change: dict[str, Any], code: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        desk.put("refused", **change)
    assert code_of(caught.value) == code
    with pytest.raises(ResourceNotFoundError):  # nothing half made
        desk.show("refused")


@pytest.mark.parametrize(
    ("properties", "where"),
    [
        ("text", "'properties' must be an object"),
        ({"containers": {}}, "'properties.containers' must be a list"),
        (
            {"containers": [{"properties": {"ports": [None]}}]},
            r"properties.ports\[0\]' must be an object",
        ),
        ({"containers": [{"properties": {"command": [1]}}]}, r"command\[0\]' must be a string"),
    ],
)
def test_what_is_malformed_is_said(desk: Desk, properties: Any, where: str) -> None:
    place = f"{desk.azure.root}/resourceGroups/{desk.group}/providers/Microsoft.ContainerInstance/containerGroups/bad"
    wanted: Any = {"location": "westeurope", "properties": properties}
    with pytest.raises(HttpResponseError, match=where) as caught:
        desk.azure.resources.resources.begin_create_or_update_by_id(place, wanted, api_version="2023-05-01")
    assert code_of(caught.value) == "InvalidRequestContent"


def test_an_image_that_cannot_be_pulled_is_not_accessible(desk: Desk) -> None:
    app_id, secret = desk.principal.application["appId"], desk.principal.secret
    stranger = desk.azure.service_principal("stranger")
    server = desk.image.rpartition("/")[0]
    for change in (
        {"credentials": (app_id, "wrong")},
        {"credentials": (stranger.application["appId"], stranger.secret)},
        {"credentials": ("", "")},
        {"image": f"{server}/winequality@sha256:{'0' * 64}", "credentials": (app_id, secret)},
        {"image": f"{server}/winequality:lost", "credentials": (app_id, secret)},
        {"image": "nginx", "credentials": (app_id, secret)},
    ):
        with pytest.raises(HttpResponseError, match="Please check the image and registry credential") as caught:
            desk.put("refused", **change)
        assert code_of(caught.value) == "InaccessibleImage"
        assert secret not in str(caught.value)
    answer(desk.put("tagged", image=f"{server}/winequality:1"))


def test_labels_and_cores_of_a_region_run_out(desk: Desk) -> None:
    label = f"wine-{uuid.uuid4().hex[:8]}"
    desk.put("first", label=label, cpu=4.0)
    with pytest.raises(HttpResponseError, match="Try using a different label") as caught:
        desk.put("second", label=label)
    assert code_of(caught.value) == "DnsNameLabelNotAvailable"
    desk.put("elsewhere", label=label, location="northeurope", cpu=4.0)
    desk.put("third", cpu=4.0)
    with pytest.raises(HttpResponseError, match="Limit: '10', Usage: '8' Requested: '4'") as caught:
        desk.put("fourth", cpu=4.0)
    assert code_of(caught.value) == "ContainerGroupQuotaReached"
    desk.groups.stop(desk.group, "third")
    desk.put("fourth", cpu=4.0)


def test_who_may_do_what(desk: Desk, live: LiveSandbox) -> None:
    desk.put("guarded")
    reader = desk.azure.service_principal("reader")
    desk.azure.assign(f"{desk.azure.root}/resourceGroups/{desk.group}", reader.principal["id"], READER)
    theirs = client(reader.azure)
    assert theirs.container_groups.get(desk.group, "guarded").name == "guarded"
    theirs.containers.list_logs(desk.group, "guarded", "api")
    for act in (theirs.container_groups.stop, theirs.container_groups.begin_delete):
        with pytest.raises(HttpResponseError) as caught:
            act(desk.group, "guarded")
        assert code_of(caught.value) == "AuthorizationFailed"


def test_tags_are_changed_alone_and_a_resource_group_takes_all_with_it(desk: Desk) -> None:
    group = desk.azure.group()
    desk.groups.begin_create_or_update(group, "doomed", desk.wanted()).result(30)
    tagged = desk.groups.update(group, "doomed", aci.Resource(tags={"verdict": "passed"}))
    assert tagged.tags == {"verdict": "passed"}
    port = port_of(tagged)
    answer(tagged)
    desk.azure.resources.resource_groups.begin_delete(group).result(30)
    eventually(lambda: not _answers(port))


def test_groups_come_back_with_a_killed_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    address = process.start(folder)
    try:
        live = LiveSandbox(folder, address.origin, folder / "ca.pem", "")
        furniture = furnish(live)
        azure = owner(live)
        desk = Desk(azure, *furniture, client(azure))
        running = desk.put("running", label="wine-running")
        pid = answer(running)["pid"]
        desk.put("halted")
        desk.groups.stop(desk.group, "halted")
        desk.groups.begin_create_or_update(desk.group, "under-way", desk.wanted())
        os.kill(address.pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists())

        process.start(folder)
        again = desk.show("running")
        assert (again.ip_address.dns_name_label, again.tags) == ("wine-running", {"build_number": "7"})
        assert port_of(again) == port_of(running)
        said = answer(again)
        assert said["pid"] != pid
        assert said["environment"]["SCORING_KEY"] == KEY
        assert desk.show("halted").instance_view.state == "Stopped"
        eventually(lambda: desk.show("under-way").provisioning_state == "Succeeded")
        assert answer(desk.show("under-way"))["environment"]["SCORING_KEY"] == KEY
    finally:
        process.stop(folder)
    eventually(lambda: not _answers(port_of(running)))
