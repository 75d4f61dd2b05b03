"""An Azure ML workspace with small images to deploy, for the stories of online endpoints, asked on the wire."""

from __future__ import annotations

import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.contract.azure_fixtures import Azure, closed_later, owner
from tests.contract.container_images import pushed

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

VERSION = "2024-10-01"
NAMESPACES = ("MachineLearningServices", "KeyVault", "Storage", "ContainerService", "KubernetesConfiguration")
ROUTE = {"path": "/score", "port": 5001}
ROUTES = {
    "livenessRoute": {"path": "/ping", "port": 5001},
    "readinessRoute": {"path": "/ping", "port": 5001},
    "scoringRoute": ROUTE,
}
# Answers with its name; sleeps, fails and ends as the request says.
SERVE = """\
import asyncio, json, os, sys
print("loading NAME", flush=True)
if "BROKEN" in os.environ:
    sys.exit("the model cannot be loaded")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    wish = json.loads(body or b"{}")
    await asyncio.sleep(wish.get("sleep", 0))
    if wish.get("exit"):
        print("ending, as asked", flush=True)
        os._exit(3)
    status = 404 if scope["path"] not in ("/ping", "/score") else wish.get("status", 200)
    heard = {k.decode(): v.decode() for k, v in scope["headers"]}
    answer = {"name": "NAME", "pid": os.getpid(), "rows": wish.get("rows"), "heard": heard}
    answer["query"] = scope["query_string"].decode()
    data = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    headers.append((b"x-model", b"NAME"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
"""


@dataclass
class Desk:
    """One person with a workspace in front of them."""

    live: LiveSandbox
    azure: Azure
    workspace: str  # its id
    http: httpx.Client
    images: dict[str, str] = field(default_factory=dict)  # environment ids by the name that the model answers with

    def ask(self, method: str, path: str, body: Any = None, expect: int | tuple[int, ...] = (200, 201, 202)) -> Any:
        """One call of Resource Manager; `path` is below the workspace, or whole."""
        place = path if path.startswith("/") else f"{self.workspace}/{path}"
        token = self.azure.credential.get_token(f"{self.live.origin}/.default").token
        answer = self.http.request(
            method, place, params={"api-version": VERSION}, json=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code in ((expect,) if isinstance(expect, int) else expect), answer.text
        return answer

    def wait(self, path: str, state: str = "Succeeded", seconds: float = 40.0) -> Any:
        """The resource, once it has come to its end, which must be that one."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.ask("GET", path, expect=(200, 404))
            if found.status_code == 404:
                assert state == "gone", found.text
                return None
            now = found.json()["properties"]["provisioningState"]
            if now in ("Succeeded", "Failed"):
                assert now == state, found.text
                return found.json()
            assert time.monotonic() < deadline, f"{path} is {now}"
            time.sleep(0.05)

    def endpoint(self, name: str, **properties: Any) -> Any:
        """Made, or changed; the resource at its end."""
        self.ask("PUT", f"onlineEndpoints/{name}", {"properties": {"authMode": "Key"} | properties})
        return self.wait(f"onlineEndpoints/{name}")

    def begin(self, endpoint: str, name: str, label: str, capacity: int = 1, **properties: Any) -> Any:
        managed = {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2"}
        chosen = managed | {"environmentId": self.environment(label)} | properties
        body = {"sku": {"name": "Default", "capacity": capacity}, "properties": chosen, "tags": {"label": label}}
        return self.ask("PUT", f"onlineEndpoints/{endpoint}/deployments/{name}", body)

    def deploy(self, endpoint: str, name: str, label: str, capacity: int = 1, **properties: Any) -> Any:
        """A deployment whose model answers with `label`; the resource once it is ready."""
        busy = {"requestSettings": {"maxConcurrentRequestsPerInstance": 50}}
        self.begin(endpoint, name, label, capacity, **busy | properties)
        return self.wait(f"onlineEndpoints/{endpoint}/deployments/{name}")

    def traffic(self, endpoint: str, **shares: int) -> Any:
        return self.endpoint(endpoint, traffic=shares)

    def environment(self, label: str) -> str:
        """The id of an environment whose image answers with `label`; the image is pushed at its first use."""
        if label not in self.images:
            reference = pushed(self.live.folder, self.live.origin, "acrstories", SERVE.replace("NAME", label), label)
            self.images[label] = self.environment_of(reference, label)
        return self.images[label]

    def environment_of(self, image: str, name: str) -> str:
        path = f"environments/{name}/versions/1"
        made = self.ask("PUT", path, {"properties": {"image": image, "inferenceConfig": ROUTES}})
        return str(made.json()["id"])

    def cluster(self, name: str = "myaks") -> str:
        """A Kubernetes cluster of one node with Azure ML's extension, attached once; the id of the compute."""
        if self.ask("GET", f"computes/{name}", expect=(200, 404)).status_code == 200:
            return f"{self.workspace}/computes/{name}"
        place = (
            f"{self.workspace.partition('/providers/')[0]}/providers/Microsoft.ContainerService/managedClusters/{name}"
        )
        pool = {"name": "pool", "count": 1, "vmSize": "Standard_B4ms", "mode": "System", "osType": "Linux"}
        system = {"identity": {"type": "SystemAssigned"}}
        wanted = {"location": "westeurope", "properties": {"dnsPrefix": "wine", "agentPoolProfiles": [pool]}}
        self.ask("PUT", place, system | wanted)
        self.wait(place)
        settings = {"enableInference": "True", "inferenceRouterServiceType": "LoadBalancer"}
        kind = {"extensionType": "Microsoft.AzureML.Kubernetes", "releaseTrain": "stable"}
        scope = {"cluster": {"releaseNamespace": "azureml"}}
        settings["allowInsecureConnections"] = "True"
        extension = f"{place}/providers/Microsoft.KubernetesConfiguration/extensions/azureml"
        self.ask("PUT", extension, system | {"properties": kind | {"scope": scope, "configurationSettings": settings}})
        self.wait(extension)
        compute = f"{self.workspace}/computes/{name}"
        self.ask("PUT", compute, system | {"properties": {"computeType": "Kubernetes", "resourceId": place}})
        self.wait(compute)
        return compute

    def deploy_on_cluster(self, endpoint: str, name: str, label: str, **properties: Any) -> Any:
        on_cluster = {"endpointComputeType": "Kubernetes", "instanceType": None}
        return self.deploy(endpoint, name, label, **on_cluster | properties)

    def key(self, endpoint: str, name: str = "primaryKey") -> str:
        return str(self.ask("POST", f"onlineEndpoints/{endpoint}/listKeys").json()[name])

    def score(self, url: str, key: str, deployment: str = "", **wish: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} | ({"azureml-model-deployment": deployment} if deployment else {})
        return self.http.post(url, json=wish, headers=headers)

    def logs(self, endpoint: str, name: str, **wish: Any) -> str:
        return str(self.ask("POST", f"onlineEndpoints/{endpoint}/deployments/{name}/getLogs", wish).json()["content"])


def open_desk(live: LiveSandbox, azure: Azure) -> Desk:
    """A workspace of one's own, in a resource group of its own."""
    for namespace in NAMESPACES:
        azure.resources.providers.register(f"Microsoft.{namespace}")
    unique = uuid.uuid4().hex[:10]
    group = f"{azure.root}/resourceGroups/{azure.group()}"
    desk = desk_at(live, azure, f"{group}/providers/Microsoft.MachineLearningServices/workspaces/ws-{unique}")
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv-{unique}"
    tenant = {"tenantId": "5a4d0b0c-0000-4000-8000-00000000da7a", "sku": {"name": "standard", "family": "A"}}
    storage = f"{group}/providers/Microsoft.Storage/storageAccounts/st{unique}"
    west = {"location": "westeurope"}
    desk.ask("PUT", vault, west | {"properties": tenant | {"enableRbacAuthorization": True}})
    desk.ask("PUT", storage, west | {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}})
    desk.wait(storage)
    desk.ask("PUT", desk.workspace, west | {"properties": {"keyVault": vault, "storageAccount": storage}})
    desk.wait(desk.workspace)
    return desk


def desk_at(live: LiveSandbox, azure: Azure, workspace: str, images: dict[str, str] | None = None) -> Desk:
    """At a workspace that is there."""
    context = ssl.create_default_context(cafile=str(live.ca))
    http = closed_later(httpx.Client(base_url=live.origin, verify=context, timeout=20))
    return Desk(live, azure, workspace, http, {} if images is None else images)


def clear(desk: Desk) -> None:
    """Every endpoint of the workspace goes, as far as nothing is under way, with what runs for it."""
    for one in desk.ask("GET", "onlineEndpoints").json()["value"]:
        desk.ask("DELETE", one["id"], expect=(202, 204, 409))


def close_desk(desk: Desk) -> None:
    """Its resource group goes, with all that runs in it."""
    desk.azure.resources.resource_groups.begin_delete(desk.workspace.split("/")[4]).result(30)


@pytest.fixture(name="shared", scope="module")
def shared_fixture(live: LiveSandbox) -> tuple[str, dict[str, str]]:
    """The workspace of a module's stories, and the environments that it knows already."""
    made = open_desk(live, owner(live))
    return made.workspace, made.images


@pytest.fixture(name="desk")
def desk_fixture(live: LiveSandbox, shared: tuple[str, dict[str, str]]) -> Iterator[Desk]:
    """Modules import both."""
    made = desk_at(live, owner(live), *shared)
    yield made
    clear(made)


def named(prefix: str = "wine") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@contextmanager
def load(ask: Callable[[httpx.Client], httpx.Response], live: LiveSandbox, threads: int = 4) -> Iterator[Counter[str]]:
    """Ask again and again from some threads while the block runs; counts what came back, by name or by failure."""
    counted: Counter[str] = Counter()
    over, lock = threading.Event(), threading.Lock()

    def work() -> None:
        context = ssl.create_default_context(cafile=str(live.ca))
        with httpx.Client(base_url=live.origin, verify=context, timeout=20) as client:
            while not over.is_set():
                try:
                    answer = ask(client)
                    word = answer.json()["name"] if answer.status_code == 200 else f"HTTP {answer.status_code}"
                except httpx.HTTPError as error:
                    word = type(error).__name__
                with lock:
                    counted[word] += 1

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield counted
    finally:
        over.set()
        for worker in workers:
            worker.join(20)
