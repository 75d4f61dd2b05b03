"""A Kubernetes cluster is made, gets Azure ML's extension, and is attached to a workspace, by the real clients."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resource.resources.models import GenericResource

from mlops_tui.sandbox.regions import FAMILIES
from mlops_tui.sandbox.store import Store
from mlops_tui.sandbox.vm_sizes import vm_size
from tests.contract.azure_fixtures import (
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    owner,
    raw,
)

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("containers")
CLUSTERS, EXTENSIONS = "Microsoft.ContainerService/managedClusters", "Microsoft.KubernetesConfiguration/extensions"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
SETTINGS = {
    "enableInference": "True",
    "inferenceRouterServiceType": "LoadBalancer",
    "allowInsecureConnections": "True",
}


@dataclass
class Desk:
    azure: Azure
    group: str
    region: str

    def id_of(self, name: str) -> str:
        return f"{self.azure.root}/resourceGroups/{self.group}/providers/{CLUSTERS}/{name}"

    def put(self, resource_id: str, wanted: dict[str, Any], version: str) -> Any:
        return self.azure.resources.resources.begin_create_or_update_by_id(
            resource_id, GenericResource(wanted), api_version=version
        )

    def cluster(self, name: str, **changes: Any) -> Any:
        """A poller for a cluster as the notebook asks for it."""
        given: dict[str, Any] = {"count": 3, "size": "Standard_B4ms", "prefix": "wine", "pool": "pool"} | changes
        pool = {
            "name": given["pool"],
            "count": given["count"],
            "vmSize": given["size"],
            "mode": given.get("mode", "System"),
            "osType": "Linux",
            "type": "VirtualMachineScaleSets",
        }
        wanted = {
            "location": given.get("location", self.region),
            "identity": given.get("identity", {"type": "SystemAssigned"}),
            "tags": given.get("tags", {}),
            "properties": {"dnsPrefix": given["prefix"], "agentPoolProfiles": [pool]},
        }
        return self.put(self.id_of(name), wanted, "2024-09-01")

    def extension(self, cluster: str, name: str = "azureml", **changes: Any) -> Any:
        properties = {
            "extensionType": "Microsoft.AzureML.Kubernetes",
            "releaseTrain": "stable",
            "scope": {"cluster": {"releaseNamespace": "azureml"}},
            "configurationSettings": SETTINGS,
        } | changes
        place = f"{self.id_of(cluster)}/providers/{EXTENSIONS}/{name}"
        return self.put(place, {"identity": {"type": "SystemAssigned"}, "properties": properties}, "2023-05-01")

    def show(self, resource_id: str, version: str = "2024-09-01") -> Any:
        return self.azure.resources.resources.get_by_id(resource_id, api_version=version)

    def delete(self, resource_id: str, version: str = "2024-09-01") -> None:
        self.azure.resources.resources.begin_delete_by_id(resource_id, api_version=version).result(20)

    def workspace(self) -> str:
        """The name of a workspace, which is only what the store says of it."""
        name = f"ws-{uuid.uuid4().hex[:8]}"
        place = f"{self.azure.root}/resourceGroups/{self.group}/providers/{WORKSPACES}/{name}"
        body = {"id": place, "name": name, "type": WORKSPACES}
        store = Store(self.azure.live.folder)
        facts = {"provisioningState": "Succeeded", "workspaceId": str(uuid.uuid4())}
        store.put("resource", place.lower(), body | {"location": "westeurope", "tags": {}, "properties": facts})
        store.close()
        return name


@pytest.fixture
def desk(live: LiveSandbox) -> Iterator[Desk]:
    """A resource group, which goes afterwards: quotas are of the region."""
    azure = owner(live)
    for namespace in ("Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"):
        azure.resources.providers.register(namespace)
    made = Desk(azure, azure.group("aks"), "westeurope")
    yield made
    azure.resources.resource_groups.begin_delete(made.group).result(20)


@pytest.fixture
def ml(live: LiveSandbox, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")  # the client changes it, for all that come after
    origin = live.origin
    places = {
        "azure_portal": origin,
        "resource_manager": origin,
        "active_directory": origin,
        "aml_resource_id": origin,
        "registry_discovery_endpoint": origin,
        "storage_endpoint": f"sandbox@{origin.removeprefix('https://')}",
    }
    return azure_ml().MLClient(
        desk.azure.credential,
        desk.azure.subscription,
        desk.group,
        desk.workspace(),
        show_progress=False,
        enable_telemetry=False,
        cloud=f"Sandbox{uuid.uuid4().hex[:6]}",
        cloud_metadata=places,
    )


def azure_ml() -> Any:
    """azure.ai.ml, whose import warns of what its libraries will no longer have one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import azure.ai.ml.entities
    return azure.ai.ml


def compute(cluster_id: str, name: str = "myaks") -> Any:
    entities = azure_ml().entities
    identity = entities.IdentityConfiguration(type="SystemAssigned")
    return entities.KubernetesCompute(name=name, resource_id=cluster_id, namespace="default", identity=identity)


def test_a_cluster_is_made_scaled_listed_and_deleted(desk: Desk) -> None:
    poller = desk.cluster("myaks", tags={"made": "by test"})
    assert desk.show(desk.id_of("myaks")).properties["provisioningState"] == "Creating"
    made = poller.result(20)
    facts = made.properties
    assert (facts["provisioningState"], facts["powerState"]) == ("Succeeded", {"code": "Running"})
    assert made.identity.principal_id
    assert made.tags == {"made": "by test"}
    assert [(pool["count"], pool["vmSize"]) for pool in facts["agentPoolProfiles"]] == [(3, "Standard_B4ms")]
    nodes = facts["nodeResourceGroup"]
    assert nodes == f"MC_{desk.group}_myaks_westeurope"
    assert desk.azure.resources.resource_groups.check_existence(nodes)
    assert desk.cluster("usual", size=None).result(20).properties["agentPoolProfiles"][0]["vmSize"] == "Standard_DS2_v2"
    desk.delete(desk.id_of("usual"))
    again = desk.cluster("myaks", count=4).result(20)
    assert again.properties["agentPoolProfiles"][0]["count"] == 4
    assert again.properties["fqdn"] == facts["fqdn"]
    listed = desk.azure.resources.resources.list_by_resource_group(desk.group)
    assert [(one.name, one.type) for one in listed] == [("myaks", CLUSTERS)]
    desk.delete(desk.id_of("myaks"))
    assert not desk.azure.resources.resource_groups.check_existence(nodes)
    with pytest.raises(ResourceNotFoundError):
        desk.show(desk.id_of("myaks"))


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("-aks", {}, "InvalidResourceName"),
        ("a.ks", {}, "InvalidResourceName"),
        ("x" * 64, {}, "InvalidResourceName"),
        ("aks", {"pool": "Pool"}, "InvalidParameter"),
        ("aks", {"pool": "x" * 13}, "InvalidParameter"),
        ("aks", {"count": 0}, "InvalidParameter"),
        ("aks", {"mode": "User"}, "InvalidParameter"),
        ("aks", {"prefix": ""}, "InvalidParameter"),
        ("aks", {"identity": None}, "InvalidParameter"),
        ("aks", {"size": "Standard_Z4"}, "BadRequest"),
        ("aks", {"size": "Standard_B1ms"}, "SystemPoolSkuTooLow"),
        ("aks", {"location": "atlantis"}, "LocationNotAvailableForResourceType"),
    ],
)
def test_what_azure_refuses_is_refused(desk: Desk, name: str, change: dict[str, Any], code: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        desk.cluster(name, **change)
    assert code_of(caught.value) == code
    assert list(desk.azure.resources.resources.list_by_resource_group(desk.group)) == []


def test_vcpus_run_out(desk: Desk) -> None:
    expected = "Insufficient vcpu quota requested 104, remaining 100 for family standardBSFamily for region westeurope"
    with pytest.raises(HttpResponseError, match=expected) as caught:
        desk.cluster("big", count=26)
    assert code_of(caught.value) == "ErrCode_InsufficientVCPUQuota"
    desk.cluster("first", count=15).result(20)
    assert usages(desk) == {"cores": (60, 100), "standardBSFamily": (60, 100), "standardDSv2Family": (0, 100)}
    with pytest.raises(HttpResponseError, match="requested 44, remaining 40"):
        desk.cluster("second", count=11)
    with pytest.raises(HttpResponseError, match="requested 44, remaining 40 for all families together"):
        desk.cluster("second", count=11, size="Standard_D4s_v3")
    desk.cluster("elsewhere", count=11, location="northeurope").result(20)
    desk.delete(desk.id_of("first"))
    desk.cluster("second", count=11).result(20)


@pytest.mark.parametrize(
    ("name", "cores", "family"),
    [
        ("Standard_B4ms", 4, "standardBSFamily"),
        ("standard_b2s", 2, "standardBSFamily"),
        ("Standard_DS3_v2", 4, "standardDSv2Family"),
        ("Standard_D8s_v5", 8, "standardDSv5Family"),
        ("Standard_D4ds_v5", 4, "standardDDSv5Family"),
        ("Standard_E16s_v3", 16, "standardESv3Family"),
        ("Standard_F4s_v2", 4, "standardFSv2Family"),
        ("Standard_NC8as_T4_v3", 8, "standardNCASv3T4Family"),
    ],
)
def test_a_size_says_its_vcpus_and_its_family(name: str, cores: int, family: str) -> None:
    size = vm_size(name)
    assert size is not None
    assert (size.cores, size.family) == (cores, family)
    assert family in FAMILIES


@pytest.mark.parametrize("name", ["", "B4ms", "Standard_DS9_v2", "Standard_D4s_v9", "Standard_B4ms; x"])
def test_an_unknown_size_is_none(name: str) -> None:
    assert vm_size(name) is None


def usages(desk: Desk) -> dict[str, tuple[int, int]]:
    """Used and allowed vCPUs, as who asks before making anything sees them."""
    token = desk.azure.credential.get_token(f"{desk.azure.live.origin}/.default").token
    path = f"{desk.azure.root}/providers/Microsoft.Compute/locations/westeurope/usages?api-version=2024-07-01"
    listed = raw(desk.azure.live, "GET", path, Authorization=f"Bearer {token}").json()["value"]
    found = {one["name"]["value"]: (one["currentValue"], one["limit"]) for one in listed}
    return {name: found[name] for name in ("cores", "standardBSFamily", "standardDSv2Family")}


def test_what_a_cluster_was_made_with_stays_and_one_operation_runs_at_a_time(desk: Desk) -> None:
    poller = desk.cluster("fixed")
    with pytest.raises(HttpResponseError) as caught:
        desk.cluster("fixed")
    assert code_of(caught.value) == "OperationNotAllowed"
    poller.result(20)
    for change in ({"size": "Standard_D4s_v3"}, {"prefix": "other"}):
        with pytest.raises(HttpResponseError) as caught:
            desk.cluster("fixed", **change)
        assert code_of(caught.value) == "PropertyChangeNotAllowed"


def test_node_pools_are_read_and_kubectl_is_told_that_there_is_no_kubernetes(desk: Desk) -> None:
    desk.cluster("myaks").result(20)
    place = f"{desk.id_of('myaks')}/agentPools"
    assert desk.show(f"{place}/pool").properties["vmSize"] == "Standard_B4ms"
    token = desk.azure.credential.get_token(f"{desk.azure.live.origin}/.default").token
    headers: Any = {"Authorization": f"Bearer {token}"}
    pools = raw(desk.azure.live, "GET", f"{place}?api-version=2024-09-01", **headers).json()["value"]
    assert [pool["name"] for pool in pools] == ["pool"]
    act = f"{desk.id_of('myaks')}/listClusterUserCredential?api-version=2024-09-01"
    answer = raw(desk.azure.live, "POST", act, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotImplemented")
    assert "kubectl" in answer.json()["error"]["message"]


def test_the_extension_is_installed_read_and_removed(desk: Desk) -> None:
    with pytest.raises(ResourceNotFoundError):
        desk.extension("myaks")
    poller = desk.cluster("myaks")
    with pytest.raises(HttpResponseError) as caught:
        desk.extension("myaks")
    assert code_of(caught.value) == "ClusterNotReady"
    poller.result(20)
    secret = {"sslKeyPemFile": "private-key", "sslCertPemFile": "certificate"}
    made = desk.extension("myaks", configurationProtectedSettings=secret).result(20)
    assert made.properties["provisioningState"] == "Succeeded"
    assert made.properties["configurationProtectedSettings"] == {"sslKeyPemFile": "", "sslCertPemFile": ""}
    assert made.identity.principal_id
    with pytest.raises(HttpResponseError) as caught:
        desk.extension("myaks", "twice")
    assert code_of(caught.value) == "ExtensionAlreadyInstalled"
    place = made.id
    desk.delete(place, "2023-05-01")
    with pytest.raises(ResourceNotFoundError):
        desk.show(place, "2023-05-01")
    desk.extension("myaks").result(20)
    desk.delete(desk.id_of("myaks"))
    desk.cluster("myaks").result(20)
    with pytest.raises(ResourceNotFoundError):  # it went with the first cluster
        desk.show(place, "2023-05-01")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "at least one of enableTraining and enableInference"),
        ({"enableInference": "True"}, "inferenceRouterServiceType must be set"),
        ({"enableInference": "True", "inferenceRouterServiceType": "NodePort"}, "set allowInsecureConnections"),
    ],
)
def test_settings_that_do_not_fit_fail_the_installation(desk: Desk, settings: dict[str, str], why: str) -> None:
    desk.cluster("myaks").result(20)
    with pytest.raises(HttpResponseError, match=why):
        desk.extension("myaks", configurationSettings=settings).result(20)
    failed = desk.show(f"{desk.id_of('myaks')}/providers/{EXTENSIONS}/azureml", "2023-05-01")
    assert failed.properties["provisioningState"] == "Failed"
    assert why in failed.properties["statuses"][0]["message"]
    assert desk.extension("myaks").result(20).properties["provisioningState"] == "Succeeded"


def test_an_unknown_extension_is_refused(desk: Desk) -> None:
    desk.cluster("myaks").result(20)
    with pytest.raises(HttpResponseError) as caught:
        desk.extension("myaks", extensionType="Microsoft.Flux")
    assert code_of(caught.value) == "ExtensionTypeRegistrationGetFailed"


def test_a_cluster_is_attached_found_and_detached(desk: Desk, ml: Any) -> None:
    desk.cluster("myaks").result(20)
    desk.extension("myaks").result(20)
    made = ml.compute.begin_create_or_update(compute(desk.id_of("myaks"))).result(20)
    assert (made.name, made.type, made.provisioning_state) == ("myaks", "kubernetes", "Succeeded")
    found = ml.compute.get("myaks")
    assert (found.resource_id, found.namespace, found.location) == (desk.id_of("myaks"), "default", "westeurope")
    assert [one.name for one in ml.compute.list()] == ["myaks"]
    assert ml.compute.begin_create_or_update(compute(desk.id_of("myaks"))).result(20).provisioning_state == "Succeeded"
    with pytest.raises(HttpResponseError, match="use the action Detach"):
        ml.compute.begin_delete("myaks").result(20)
    ml.compute.begin_delete("myaks", action="Detach").result(20)
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("myaks")
    assert desk.show(desk.id_of("myaks")).properties["provisioningState"] == "Succeeded"


def test_what_cannot_be_attached_is_said(desk: Desk, ml: Any) -> None:
    def attach(cluster: str, name: str = "myaks") -> str:
        with pytest.raises(HttpResponseError) as caught:
            ml.compute.begin_create_or_update(compute(desk.id_of(cluster), name))
        return str(caught.value)

    assert "Cannot find Kubernetes cluster" in attach("lost")
    poller = desk.cluster("one")
    assert "is not ready" in attach("one")
    poller.result(20)
    assert "Install it, then attach the cluster" in attach("one")
    installing = desk.extension("one")
    assert "is in provisioning state 'Creating'" in attach("one")
    installing.result(20)
    for name in ("x", "1aks", "my_aks", "aks-", "x" * 17):
        assert "Compute name" in attach("one", name)
    assert list(ml.compute.list()) == []
    ml.compute.begin_create_or_update(compute(desk.id_of("one"))).result(20)
    desk.cluster("two").result(20)
    desk.extension("two").result(20)
    assert "already, attached to" in attach("two")


def test_a_compute_whose_cluster_is_deleted_says_so_and_works_again_with_a_new_one(desk: Desk, ml: Any) -> None:
    desk.cluster("myaks").result(20)
    desk.extension("myaks").result(20)
    ml.compute.begin_create_or_update(compute(desk.id_of("myaks"))).result(20)
    desk.delete(desk.id_of("myaks"))
    lost = ml.compute.get("myaks")
    assert (lost.provisioning_state, lost.provisioning_errors) == ("Failed", "ClusterNotFound")
    desk.cluster("myaks").result(20)
    desk.extension("myaks").result(20)
    again = ml.compute.begin_create_or_update(compute(desk.id_of("myaks"))).result(20)
    assert (again.provisioning_state, again.provisioning_errors) == ("Succeeded", None)


def test_a_resource_group_takes_the_cluster_and_its_machines_with_it(desk: Desk) -> None:
    group = desk.azure.group("doomed")
    other = Desk(desk.azure, group, "westeurope")
    nodes = other.cluster("myaks").result(20).properties["nodeResourceGroup"]
    other.extension("myaks").result(20)
    desk.azure.resources.resource_groups.begin_delete(group).result(20)
    assert not desk.azure.resources.resource_groups.check_existence(nodes)
    store = Store(desk.azure.live.folder)
    assert store.list("kubernetes-extension", other.id_of("myaks").lower()) == []
    store.close()
