"""What the stories of delivery share: a resource group with a registry and an Azure ML workspace, builds, endpoints.

The model is a line through alcohol, served by a small web app: it starts in a fraction of a second.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.clouds.ml_models import API_VERSION as ML_VERSION
from mlops_tui.delivery import endpoints, names
from mlops_tui.events import Event, LogLine, Stage
from mlops_tui.project import Delivery, Project, Training
from mlops_tui.sandbox.store import Store
from mlops_tui.session import Session
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import CONTRIBUTOR, OPEN, ServicePrincipal, credentials, owner
from tests.contract.container_images import pushed

KEY = "a-staging-key-of-the-stories"
ROWS = 40
SERVE = """\
import hmac, json, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    status, answer = 200, {"well": True}
    if scope["path"] == "/score":
        status, answer = await scored(scope, receive)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

async def scored(scope, receive):
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message.get("body", b""), message.get("more_body", False)
    given = dict(scope["headers"]).get(b"authorization", b"").decode()
    if os.environ.get("SCORING_KEY") and not hmac.compare_digest(given, "Bearer " + os.environ["SCORING_KEY"]):
        return 401, {"error": "The key is missing or wrong."}
    table = json.loads(content or b"{}").get("dataframe_split", {})
    if table.get("columns") != ["alcohol", "ash"]:
        return 400, {"error": "Model is missing inputs ['alcohol', 'ash']."}
    print("scored", len(table["data"]), flush=True)
    return 200, {"predictions": [PREDICTION for alcohol, ash in table["data"]]}
"""
NUMBERS = itertools.count(1)


def alcohol(row: int) -> float:
    return 8 + row / 10


def quality(row: int) -> float:
    return float(round(alcohol(row) / 2))


@dataclass(frozen=True)
class Built:
    """A build with its run, its image and its model version."""

    number: str
    run_id: str
    image: str
    version: str


@dataclass
class Place:
    """What all stories of a module share in Azure."""

    live: LiveSandbox
    subscription: str
    group: str
    registry: str
    principal: ServicePrincipal
    scope: str

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"


@dataclass
class Desk:
    """A project of one story, signed in as its owner."""

    place: Place
    session: Session
    events: list[Event] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return self.session.project

    @property
    def resources(self) -> Any:
        return self.session.clients.resources

    def put(self, resource_id: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self.resources.put(resource_id, api_version, body, resource_id).result()
        return made

    def build(self, number: str, slope: float = 0.5, off: float = 0.0, **tags: str) -> Built:
        """A build whose model is quality = slope * alcohol; what is served may be `off` what was trained."""
        predicted = [slope * alcohol(row) for row in range(ROWS)]
        errors = [quality(row) - one for row, one in enumerate(predicted)]
        metrics = {"rmse": math.sqrt(sum(one * one for one in errors) / ROWS)}
        run_id = self.run(predicted, metrics, build_number=number)
        serve = SERVE.replace("PREDICTION", f"{slope!r} * alcohol + {off!r}")
        serve += f"\nBUILD = {number!r}, {self.project.name!r}\n"
        image = pushed(self.place.live.folder, self.place.live.origin, self.place.registry, serve, f"b{number}")
        version = self.register(number, run_id, image, metrics, **tags)
        return Built(number, run_id, image, version)

    def run(self, predicted: list[float], metrics: dict[str, float], **tags: str) -> str:
        """A finished tracked run that has kept its test set and its predictions; its id."""
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        client = self.session.clients.databricks(self.place.live.origin).client
        named = client.experiments.create_experiment(name=f"/Shared/Delivered-{next(NUMBERS)}")
        asked = {"experiment_id": named.experiment_id, "run_name": "line", "start_time": 1_700_000_000_000}
        info = self.mlflow("runs/create", asked | {"tags": listed})["run"]["info"]
        logged = [{"key": key, "value": value, "timestamp": 1, "step": 0} for key, value in metrics.items()]
        self.mlflow("runs/log-batch", {"run_id": info["run_id"], "metrics": logged})
        self.mlflow("runs/update", {"run_id": info["run_id"], "status": "FINISHED", "end_time": 1_700_000_002_500})
        lines = [f"{alcohol(row)},{row},{quality(row):g}" for row in range(ROWS)]
        self.file(info["artifact_uri"], "test_set/test.csv", "\n".join(["alcohol,ash,quality", *lines]) + "\n")
        data = [[quality(row), one] for row, one in enumerate(predicted)]
        table = {"columns": ["quality", "prediction"], "data": data}
        self.file(info["artifact_uri"], "predictions.json", json.dumps(table))
        return str(info["run_id"])

    def file(self, uri: str, path: str, text: str) -> None:
        place = self.place.live.folder / "files" / "dbfs" / uri.removeprefix("dbfs:/") / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def mlflow(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        client = self.session.clients.databricks(self.place.live.origin).client
        answer = client.api_client.do("POST", f"/api/2.0/mlflow/{path}", body=body)
        assert isinstance(answer, dict)
        return answer

    def register(self, number: str, run_id: str, image: str, metrics: dict[str, float], **tags: str) -> str:
        version = str(len(self.versions()) + 1)
        model = f"{names.ml_workspace_id(self.session)}/models/{self.project.delivery.model_name}"
        told = {f"metric_{name}": repr(value) for name, value in metrics.items()}
        told |= {"build_number": number, "build_source": "tests", "run_id": run_id, "model_image_id": image, **tags}
        properties = {"modelUri": f"azureml://models/{number}", "modelType": "mlflow_model", "tags": told}
        self.put(f"{model}/versions/{version}", ML_VERSION, {"properties": properties | {"description": "a line"}})
        return version

    def versions(self) -> Any:
        return self.session.clients.models.versions(
            names.ml_workspace_id(self.session), self.project.delivery.model_name
        )

    def to_staging(self, built: Built, previous: Built | None = None) -> None:
        """A container group as the notebook makes it; waits until it answers."""
        tags = {"build_number": built.number, "model_image_id": built.image, "version": built.version}
        tags |= {"build_source": "tests", "model": self.project.delivery.model_name}
        if previous:
            tags |= {"previous_image_id": previous.image, "previous_build": previous.number}
        self.put(names.container_group_id(self.session), "2023-05-01", self.group_body(built, tags))
        eventually(lambda: self.health("staging") == "healthy")

    def group_body(self, built: Built, tags: dict[str, str]) -> dict[str, Any]:
        service = names.service_name(self.project, "staging")
        container = {
            "image": built.image,
            "ports": [{"port": 5001}],
            "environmentVariables": [{"name": "SCORING_KEY", "secureValue": KEY}],
            "resources": {"requests": {"cpu": 0.5, "memoryInGB": 0.5}},
        }
        principal = self.place.principal
        pulling = {
            "server": built.image.rpartition("/")[0],
            "username": principal.application["appId"],
            "password": principal.secret,
        }
        properties = {
            "containers": [{"name": service, "properties": container}],
            "osType": "Linux",
            "restartPolicy": "Always",
            "imageRegistryCredentials": [pulling],
            "ipAddress": {
                "type": "Public",
                "dnsNameLabel": names.dns_label(self.session),
                "ports": [{"protocol": "TCP", "port": 5001}],
            },
        }
        return {"location": "westeurope", "tags": tags, "properties": properties}

    def to_endpoint(self, built: Built, name: str, kubernetes: bool = False, stage: Stage = "production") -> None:
        """A deployment of that name beside what is there, with all the traffic, as the notebooks make it."""
        endpoint_id = self.endpoint_id(stage)
        kind = {"compute": self.cluster()} if kubernetes else {}
        wanted: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "Key"} | kind}
        there = self.resources.get(endpoint_id, ML_VERSION, "the endpoint")
        if there is None:
            there = self.put(endpoint_id, ML_VERSION, wanted)
        self.deployment(built, f"{endpoint_id}/deployments/{name}", kubernetes)
        before = self.session.clients.online_endpoints.get(
            names.ml_workspace_id(self.session), endpoint_id.split("/")[-1]
        )
        assert before
        tags = {"current_build": built.number, "current_image": built.image}
        if before.tags:
            tags |= {"previous_build": before.tags["current_build"], "previous_image": before.tags["current_image"]}
        traffic = dict.fromkeys(before.traffic, 0) | {name: 100}
        self.put(
            endpoint_id, ML_VERSION, wanted | {"tags": tags, "properties": wanted["properties"] | {"traffic": traffic}}
        )

    def deployment(self, built: Built, deployment_id: str, kubernetes: bool = False) -> None:
        workspace = names.ml_workspace_id(self.session)
        environment = f"{workspace}/environments/b{built.number}/versions/1"
        routes = {kind: {"path": "/ping", "port": 5001} for kind in ("livenessRoute", "readinessRoute")}
        routes["scoringRoute"] = {"path": "/score", "port": 5001}
        properties = {"image": built.image, "osType": "Linux", "inferenceConfig": routes}
        self.put(environment, ML_VERSION, {"properties": properties})
        kind = "Kubernetes" if kubernetes else "Managed"
        asked = {"endpointComputeType": kind, "environmentId": environment}
        asked |= {} if kubernetes else {"instanceType": "Standard_DS2_v2"}
        tags = {"build_number": built.number, "model_image_id": built.image, "version": built.version}
        body = {"location": "westeurope", "tags": tags, "sku": {"name": "Default", "capacity": 1}, "properties": asked}
        self.put(deployment_id, ML_VERSION, body)

    def endpoint_id(self, stage: Stage = "production") -> str:
        service = names.service_name(self.project, stage)
        return f"{names.ml_workspace_id(self.session)}/onlineEndpoints/{service}"

    def cluster(self) -> str:
        """An attached cluster, without the minutes that making one takes."""
        compute_id = f"{names.ml_workspace_id(self.session)}/computes/myaks"
        store = Store(self.place.live.folder)
        facts = {"computeType": "Kubernetes", "provisioningState": "Succeeded"}
        whole = {"id": compute_id, "name": "myaks", "type": "Microsoft.MachineLearningServices/workspaces/computes"}
        store.put("resource", compute_id.lower(), whole | {"location": "westeurope", "properties": facts})
        store.close()
        return compute_id

    def health(self, stage: Stage) -> str:
        return endpoints.read_stage(self.session, stage).health

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def lines(self, level: str = "") -> list[str]:
        return [event.text for event in self.told(LogLine) if not level or event.level == level]


def eventually(true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module", name="place")
def make_place(live: LiveSandbox) -> Iterator[Place]:
    """Made once a module; each story has a project, a workspace and endpoints of its own in it."""
    azure = owner(live)
    kinds = ("ContainerInstance", "ContainerRegistry", "MachineLearningServices", "Storage", "KeyVault", "Insights")
    for kind in kinds:
        azure.resources.providers.register(f"Microsoft.{kind}")
    group = azure.group("delivery")
    principal = azure.service_principal("deliverer")
    group_id = f"{azure.root}/resourceGroups/{group}"
    azure.assign(group_id, principal.principal["id"], CONTRIBUTOR)
    found = Place(live, azure.subscription, group, f"acr{uuid.uuid4().hex[:12]}", principal, f"s-{group}")
    session = signed_in(found, Project())
    try:
        registry = f"{group_id}/providers/Microsoft.ContainerRegistry/registries/{found.registry}"
        body = {"location": "westeurope", "sku": {"name": "Basic"}, "properties": {}}
        session.clients.resources.put(registry, "2023-07-01", body, "the registry").result()
        secrets = session.clients.databricks(live.origin).secrets
        secrets.create_scope(found.scope)
        secrets.put(found.scope, names.STAGING_KEY, KEY)
        secrets.put(found.scope, "client_secret", principal.secret)
        yield found
    finally:
        session.close()
        while OPEN:
            OPEN.pop().close()


@pytest.fixture(name="desk")
def make_desk(place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    name = f"p{uuid.uuid4().hex[:8]}"
    targets = getattr(request, "param", {})  # "production_target": "managed"
    delivery = Delivery(container_registry=place.registry, model_name=f"wine-{name}", **targets)
    training = Training(metrics=("rmse", "mae"))
    project = Project(name=name, ml_workspace=f"ml-{name}", training=training, delivery=delivery)
    made = Desk(place, signed_in(place, project))
    _workspace(made)
    yield made
    made.session.cancelled.set()
    group = names.container_group_id(made.session)
    if going := made.resources.delete(group, "2023-05-01", "the container group"):
        going.result()
    for stage in endpoints.STAGES:
        if going := made.resources.delete(made.endpoint_id(stage), ML_VERSION, "the endpoint"):
            going.result()
    made.session.close()


def signed_in(place: Place, project: Project) -> Session:
    """As the practice subscription's owner."""
    kept, live = credentials(place.live), place.live
    session = Session(
        replace(
            project,
            tenant_id=kept["tenant_id"],
            client_id=kept["client_id"],
            client_secret=kept["client_secret"],
            databricks_token=live.token,
            resource_group=place.group,
            secret_scope=place.scope,
        ),
        local_cloud(live.origin, str(live.ca)),
    )
    session.learn("databricks_host", live.origin)
    session.learn("subscription_id", place.subscription)
    return session


def _workspace(desk: Desk) -> None:
    """An Azure ML workspace, with what it must be made with."""
    below = f"{desk.place.group_id}/providers"
    digits = uuid.uuid4().hex[:10]
    storage = f"{below}/Microsoft.Storage/storageAccounts/sa{digits}"
    vault = f"{below}/Microsoft.KeyVault/vaults/kv{digits}"
    where = {"location": "westeurope"}
    desk.put(storage, "2023-05-01", where | {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}})
    tenant = credentials(desk.place.live)["tenant_id"]
    properties = {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
    desk.put(vault, "2023-07-01", where | {"properties": properties})
    made = where | {
        "identity": {"type": "SystemAssigned"},
        "properties": {"storageAccount": storage, "keyVault": vault},
    }
    desk.put(names.ml_workspace_id(desk.session), ML_VERSION, made)
