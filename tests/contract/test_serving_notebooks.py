"""The notebooks of delivery against a sandbox: from a build's runs to an image, to staging, and to production.

One service principal does it all, with what its secret scope holds, as on Databricks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient

from mlops_tui.sandbox.container_keeper import Keeper
from tests.conftest import LiveSandbox
from tests.contract.delivery_desk import ML, MODEL, NEXT, STAGING_KEY, Delivery, delivery_in
from tests.contract.notebook_desk import wait_for

pytestmark = [pytest.mark.xdist_group("delivery-notebooks"), pytest.mark.timeout(300)]

GROUP = "Microsoft.ContainerInstance/containerGroups/wine-quality-aci"
BUILD_NOTEBOOK, ACI, AKS, MANAGED = (
    "serving_build_container_image",
    "serving_deploy_to_aci",
    "serving_deploy_to_aks",
    "serving_deploy_to_managed_endpoint",
)
ACIDS = {"fixed acidity": 7.4, "volatile acidity": 0.7, "citric acid": 0.0}
SULPHUR = {"free sulfur dioxide": 11.0, "total sulfur dioxide": 34.0, "sulphates": 0.56}
REST = {"residual sugar": 1.9, "chlorides": 0.076, "density": 0.9978, "pH": 3.51, "alcohol": 9.4}
WINE = ACIDS | SULPHUR | REST
# A run whose model asks for a package that nobody has.
BROKEN = """# Databricks notebook source
import mlflow, mlflow.sklearn
import pandas as pd
from sklearn.linear_model import LinearRegression

dbutils.widgets.text("build_number", "")
mlflow.set_experiment("/Shared/WineQuality")
with mlflow.start_run(tags={"build_number": dbutils.widgets.get("build_number")}):
    mlflow.log_metrics({"rmse": 0.1})
    model = LinearRegression().fit(pd.DataFrame({"a": [1.0, 2.0]}), [1, 2])
    mlflow.sklearn.log_model(model, name="model", pip_requirements=["mlflow", "no-such-package-of-anybody==1.0"])
dbutils.notebook.exit("{}")
"""


# A run whose model works where images are built, and not where they run.
SULKING = """# Databricks notebook source
import os
import mlflow

class Sulking(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        if "UVICORN_PORT" in os.environ:
            raise RuntimeError("I will not work here")

    def predict(self, context, model_input, params=None):
        return [1.0]

dbutils.widgets.text("build_number", "")
mlflow.set_experiment("/Shared/WineQuality")
with mlflow.start_run(tags={"build_number": dbutils.widgets.get("build_number")}):
    mlflow.log_metrics({"rmse": 0.1})
    mlflow.pyfunc.log_model(name="model", python_model=Sulking(), pip_requirements=["mlflow"])
dbutils.notebook.exit("{}")
"""


@pytest.fixture(scope="module")
def delivery(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    yield from delivery_in(live, tmp_path_factory.mktemp("delivery"))


@pytest.fixture(scope="module")
def built(delivery: Delivery) -> dict[str, Any]:
    return delivery.result(BUILD_NOTEBOOK)


@pytest.fixture(scope="module")
def image(built: dict[str, Any]) -> str:
    return str(built["model_image_id"])


@pytest.fixture(scope="module")
def next_image(delivery: Delivery, built: dict[str, Any]) -> str:
    """Of a build whose notebook is killed while the registry is at work."""
    before = len(delivery.writes())
    delivery.start(BUILD_NOTEBOOK, **NEXT).kill_when(lambda log: "is ordered" in log)
    made = delivery.result(BUILD_NOTEBOOK, **NEXT)
    assert "these very files are in the registry already" in delivery.logs[-1]
    assert sum("scheduleRun" in line for line in delivery.writes()[before:]) == 1
    return str(made["model_image_id"])


def test_the_best_model_of_a_build_becomes_an_image(delivery: Delivery, built: dict[str, Any]) -> None:
    log = delivery.logs[-1]
    assert "Run alpha 0.5: rmse 0.793164" in log
    assert "Best of build 20260101.7: alpha 0.1" in log
    assert "  Step 7/11 : RUN python serve.py --check\n" in log
    assert "  The model predicts [" in log
    assert (built["build_number"], built["build_source"], built["model"]) == ("20260101.7", "DevOps", "winequality")
    assert built["metrics"]["rmse"] == pytest.approx(0.7128829045893679, rel=1e-9)
    registry, _, name = built["model_image_id"].rpartition("/")
    assert registry.startswith(f"{delivery.live.origin.removeprefix('https://')}/mlops")
    assert name.startswith("winequality@sha256:")
    kept = {name: built[name] for name in ("build_number", "build_source", "run_id", "model_image_id", "version")}
    kept |= {f"metric_{name}": repr(value) for name, value in built["metrics"].items()}
    assert delivery.versions() == [kept]


def test_mlflow_knows_the_model_too(delivery: Delivery, built: dict[str, Any]) -> None:
    client = WorkspaceClient(host=delivery.live.origin, token=delivery.live.token)
    (version,) = client.model_registry.search_model_versions(filter="name='winequality'")
    assert version.run_id == built["run_id"]
    tags = {tag.key: tag.value for tag in version.tags or []}
    assert tags["model_image_id"] == built["model_image_id"]
    assert tags["metric_rmse"] == repr(built["metrics"]["rmse"])


def test_building_again_makes_nothing_anew(delivery: Delivery, built: dict[str, Any]) -> None:
    before = len(delivery.writes())
    assert delivery.result(BUILD_NOTEBOOK) == built
    assert "Image: build 20260101.7 has its image already" in delivery.logs[-1]
    written = [line for line in delivery.writes()[before:] if "/providers/" in line or "/mlflow/" in line]
    assert [line for line in written if "search" not in line] == []


def test_a_build_that_was_killed_before_the_model_was_registered_goes_on(
    delivery: Delivery, built: dict[str, Any]
) -> None:
    delivery.arm("DELETE", f"{MODEL}/{built['version']}")
    before = len(delivery.writes())
    again = delivery.result(BUILD_NOTEBOOK)
    assert again["model_image_id"] == built["model_image_id"]
    assert "these very files are in the registry already" in delivery.logs[-1]
    assert not any("scheduleRun" in line for line in delivery.writes()[before:])
    assert [one["model_image_id"] for one in delivery.versions()] == [built["model_image_id"]]


def test_what_cannot_be_built_is_said_in_a_sentence(delivery: Delivery, built: dict[str, Any]) -> None:
    broken = delivery.folder / "broken.py"
    broken.write_text(BROKEN)
    delivery.result(broken, build_number="broken")
    gated = delivery.start(BUILD_NOTEBOOK, gate="rmse < 0.1")
    failing = delivery.start(BUILD_NOTEBOOK, build_number="broken")
    assert "No run of build 20260101.7 passes the gate 'rmse < 0.1': nothing is built" in gated.refusal()
    refusal = failing.refusal()
    assert "ended as Failed" in refusal
    assert "No matching distribution found for no-such-package-of-anybody==1.0" in refusal
    assert {one["build_number"] for one in delivery.versions()} == {"20260101.7"}


def test_a_workspace_that_is_there_already_gets_the_registry(delivery: Delivery, image: str) -> None:
    other = "Microsoft.MachineLearningServices/workspaces/mlops-other"
    kept = delivery.arm("GET", ML)
    parts = {name: kept["properties"][name] for name in ("storageAccount", "keyVault", "applicationInsights")}
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": parts}
    delivery.arm("PUT", other, body)
    wait_for(lambda: delivery.arm("GET", other)["properties"]["provisioningState"] == "Succeeded")
    client = WorkspaceClient(host=delivery.live.origin, token=delivery.live.token)
    client.secrets.create_scope("other")
    for key, value in (delivery.kept | {"workspace_name": "mlops-other"}).items():
        client.secrets.put_secret("other", key, string_value=value)
    assert delivery.result(BUILD_NOTEBOOK, secret_scope="other")["model_image_id"] == image
    registry = image.rpartition("/")[0].rpartition("/")[2]
    assert delivery.arm("GET", other)["properties"]["containerRegistry"].endswith(f"/registries/{registry}")


def test_staging_answers_and_a_second_deployment_changes_nothing(delivery: Delivery, image: str) -> None:
    first = delivery.result(ACI, model_image_id=image, service="Wine-Quality-ACI")
    log = delivery.logs[-1]
    assert "  Started: " in log
    assert "Smoke test: 10 rows as predicted by the model; without the key: 401" in log
    assert (first["service"], first["stage"], first["build_number"]) == ("wine-quality-aci", "staging", "20260101.7")
    row = {"dataframe_records": [WINE]}
    key = {"Authorization": f"Bearer {STAGING_KEY}"}
    assert len(httpx.post(first["scoring_uri"], json=row, headers=key).json()["predictions"]) == 1
    assert httpx.post(first["scoring_uri"], json=row).status_code == 401
    before = len(delivery.writes())
    assert delivery.result(ACI, model_image_id=image, service="wine-quality-aci") == first
    assert not any("containerGroups" in line for line in delivery.writes()[before:])


def test_staging_remembers_which_build_it_replaced(delivery: Delivery, image: str, next_image: str) -> None:
    assert next_image != image
    delivery.result(ACI, model_image_id=next_image, service="wine-quality-aci", **NEXT)
    tags = delivery.arm("GET", GROUP)["tags"]
    assert (tags["build_number"], tags["model_image_id"]) == ("20260101.8", next_image)
    assert (tags["previous_build"], tags["previous_image_id"]) == ("20260101.7", image)


def test_what_cannot_be_deployed_is_said_before_anything_is_touched(delivery: Delivery, image: str) -> None:
    lost = image.rpartition(":")[0] + ":" + "0" * 64
    before = len(delivery.writes())
    unnamed = delivery.start(MANAGED, model_image_id="None")
    gone = delivery.start(ACI, model_image_id=lost)
    assert unnamed.refusal().startswith("'None' is no image that can be deployed")
    assert "is not in its registry any more" in gone.refusal()
    assert not any("/providers/" in line for line in delivery.writes()[before:])


def test_a_wrong_password_and_a_missing_one_are_told_apart(delivery: Delivery) -> None:
    client = WorkspaceClient(host=delivery.live.origin, token=delivery.live.token)
    for scope, more in (("expired", {"client_secret": "of-last-year"}), ("emptied", {})):
        client.secrets.create_scope(scope)
        for key, value in (delivery.kept | {"client_secret": "", "staging_key": ""} | more).items():
            if value:
                client.secrets.put_secret(scope, key, string_value=value)
    expired, emptied = (delivery.start(BUILD_NOTEBOOK, secret_scope=scope) for scope in ("expired", "emptied"))
    assert "AADSTS7000215" in expired.refusal()
    assert emptied.refusal().startswith("The secret scope 'emptied' has no key 'client_secret'.")


def test_a_managed_endpoint_answers_and_what_azure_refuses_leaves_no_deployment(delivery: Delivery, image: str) -> None:
    service = "wine-quality-managed-staging"
    refusal = delivery.refused(MANAGED, model_image_id=image, service=service, instance_type="Standard_Nothing")
    assert "Standard_Nothing" in refusal
    assert delivery.arm("GET", f"{ML}/onlineEndpoints/{service}/deployments")["value"] == []
    made = delivery.result(MANAGED, model_image_id=image, service=service)
    assert (made["service"], made["stage"], made["deployment"]) == (service, "staging", "blue")


def test_an_image_that_falls_over_is_told_with_its_log_and_leaves_the_old_one_as_it_is(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keeper, "first_pause", 0.01)
    service, build = "wine-quality-managed-staging", {"build_number": "sulking"}
    (delivery.folder / "sulking.py").write_text(SULKING)
    delivery.result(delivery.folder / "sulking.py", **build)
    sulking = delivery.result(BUILD_NOTEBOOK, registered_model="", **build)["model_image_id"]
    group = delivery.start(ACI, model_image_id=sulking, service="sulking-aci", **build)
    endpoint = delivery.start(MANAGED, model_image_id=sulking, service=service, **build)
    refusal = group.refusal()
    assert "The container sulking-aci has fallen over" in refusal
    assert "RuntimeError: I will not work here" in refusal
    refusal = endpoint.refusal()
    assert refusal.startswith("Deployment green failed: User container has crashed")
    assert "RuntimeError: I will not work here" in refusal
    kept = delivery.arm("GET", f"{ML}/onlineEndpoints/{service}/deployments")["value"]
    assert [one["name"] for one in kept] == ["blue"]
    assert delivery.arm("GET", f"{ML}/onlineEndpoints/{service}")["properties"]["traffic"] == {"blue": 100}


def test_production_takes_a_model_that_has_passed_its_validation(delivery: Delivery, image: str) -> None:
    version = next(one["version"] for one in delivery.versions() if one["build_number"] == "20260101.7")
    delivery.tag_version(version, verdict="failed")
    assert "has failed its validation; it does not go to production" in delivery.refused(AKS, model_image_id=image)
    delivery.tag_version(version, verdict="passed")
    first = delivery.result(AKS, model_image_id=image)
    assert (first["service"], first["stage"], first["deployment"]) == ("wine-quality-aks", "production", "blue")
    for line in ("Kubernetes cluster myaks: done", "Azure ML extension of the cluster: done", "Compute myaks: done"):
        assert line in delivery.logs[-1]
    before = len(delivery.writes())
    assert delivery.result(AKS, model_image_id=image) == first
    assert not any(line.startswith(("PUT", "DELETE", "PATCH")) for line in delivery.writes()[before:])


def test_the_next_model_starts_beside_the_old_one_and_a_reason_opens_production(
    delivery: Delivery, image: str, next_image: str
) -> None:
    given = {"model_image_id": next_image, "force": "the fair is tomorrow"} | NEXT
    before = len(delivery.writes())
    killed = delivery.start(AKS, **given)
    killed.kill_when(lambda _: any(is_start_of_green(line) for line in delivery.writes()[before:]))
    printed = killed.output.read_text()  # of the live log, the last third of a second has died with it
    assert "goes to production all the same: the fair is tomorrow" in printed
    assert "Deployment green: starts without traffic, beside blue" in printed
    second = delivery.result(AKS, **given)
    assert second["deployment"] == "green"
    assert sum(is_start_of_green(line) for line in delivery.writes()[before:]) == 1
    log = delivery.logs[-1]
    assert "Deployment green: runs this image already, without traffic" in log
    assert log.index("Smoke test") < log.index("all traffic to green") < log.rindex("Smoke test")
    endpoint = delivery.arm("GET", f"{ML}/onlineEndpoints/wine-quality-aks")
    assert {name: share for name, share in endpoint["properties"]["traffic"].items() if share} == {"green": 100}
    assert endpoint["tags"] == {
        "current_build": "20260101.8",
        "current_image": next_image,
        "previous_build": "20260101.7",
        "previous_image": image,
    }
    kept = delivery.arm("GET", f"{ML}/onlineEndpoints/wine-quality-aks/deployments")["value"]
    assert {one["name"]: one["tags"]["build_number"] for one in kept} == {"blue": "20260101.7", "green": "20260101.8"}


def is_start_of_green(request: str) -> bool:
    return request.startswith("PUT ") and request.endswith("/wine-quality-aks/deployments/green")


def test_no_secret_is_in_any_log(delivery: Delivery) -> None:
    keys = [
        delivery.arm("POST", f"{ML}/onlineEndpoints/{service}/listKeys")["primaryKey"]
        for service in ("wine-quality-managed-staging", "wine-quality-aks")
    ]
    files = [*delivery.folder.glob("*.txt"), *(delivery.live.folder / "files/Volumes/main/logs").rglob("*")]
    for secret in (delivery.kept["client_secret"], STAGING_KEY, delivery.live.token, *keys):
        assert [path for path in files if path.is_file() and secret in path.read_text()] == []
