"""A person deploys a model behind an online endpoint: from an image, or without one; and what cannot be deployed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import generate_container_sas

from tests.contract.azure_fixtures import close_clients  # noqa: F401 (a fixture)
from tests.contract.endpoint_stories import Desk, desk_fixture, named, shared_fixture  # noqa: F401 (fixtures)

pytestmark = pytest.mark.xdist_group("online-endpoints")


def test_an_image_that_is_lost_fails_the_deployment_and_its_log_says_why(desk: Desk) -> None:
    managed, kubernetes = named(), named()
    desk.endpoint(managed)
    desk.endpoint(kubernetes, compute=desk.cluster())
    image = f"{desk.live.origin.removeprefix('https://')}/acrstories/winequality@sha256:{'0' * 64}"
    lost: dict[str, Any] = {"environmentId": desk.environment_of(image, "lost")}
    asked = desk.begin(managed, "blue", "one", **lost)
    desk.wait(f"onlineEndpoints/{managed}/deployments/blue", "Failed")
    operation = desk.ask("GET", asked.headers["Azure-AsyncOperation"].removeprefix(desk.live.origin).partition("?")[0])
    error = operation.json()["error"]
    assert (operation.json()["status"], error["code"]) == ("Failed", "BadArgument")
    assert f"'{image}' could not be pulled" in error["message"]
    told = desk.logs(managed, "blue")
    assert "UserContainerImagePull: Failed" in told
    assert "could not be pulled" in told
    on_cluster = {"endpointComputeType": "Kubernetes", "instanceType": None}
    asked = desk.begin(kubernetes, "blue", "one", **lost | on_cluster)
    desk.wait(f"onlineEndpoints/{kubernetes}/deployments/blue", "Failed")
    operation = desk.ask("GET", asked.headers["Azure-AsyncOperation"].removeprefix(desk.live.origin).partition("?")[0])
    assert operation.json()["error"]["code"] == "ImagePullLoopBackOff"
    assert desk.deploy(managed, "blue", "one")["properties"]["provisioningState"] == "Succeeded", "it can be repaired"


def test_a_model_that_cannot_be_loaded_fails_and_the_one_before_goes_on(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    desk.begin(name, "blue", "one", environmentVariables={"BROKEN": "1"})
    desk.wait(f"onlineEndpoints/{name}/deployments/blue", "Failed")
    assert "the model cannot be loaded" in desk.logs(name, "blue")
    assert desk.score(url, desk.key(name)).json()["name"] == "one"
    desk.endpoint(name, traffic={"blue": 100})
    desk.deploy(name, "blue", "two")
    assert desk.score(url, desk.key(name)).json()["name"] == "two"


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"environmentId": "azureml:nowhere:1"}, "The environment 'azureml:nowhere:1' was not found"),
        ({"model": "azureml:nowhere:1"}, "The model 'azureml:nowhere:1' was not found"),
        ({"instanceType": "big"}, "The instance type 'big' is not supported"),
        ({"endpointComputeType": "Kubernetes"}, "must be of type Managed"),
        ({"environmentId": None}, "needs an environment with an image"),
        ({"requestSettings": {"requestTimeout": "soon"}}, "'soon' is not a duration"),
        ({"requestSettings": {"requestTimeout": "PT10M"}}, "must be at most 180 seconds"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_at_once(desk: Desk, properties: dict[str, object], said: str) -> None:
    name = named()
    desk.endpoint(name)
    chosen = {"instanceType": "Standard_DS3_v2", "environmentId": desk.environment("one")} | properties
    refused = desk.ask("PUT", f"onlineEndpoints/{name}/deployments/blue", {"properties": chosen}, expect=400)
    assert said in refused.json()["error"]["message"]
    desk.ask("GET", f"onlineEndpoints/{name}/deployments/blue", expect=404)


def test_the_same_deployment_again_starts_nothing_anew(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.traffic(name, blue=100)
    before = desk.score(url, desk.key(name)).json()["pid"]
    desk.deploy(name, "blue", "one", requestSettings={"requestTimeout": "PT9S"})
    assert desk.score(url, desk.key(name)).json()["pid"] == before


def test_a_deployment_that_is_deleted_and_made_anew_under_its_name_stays(desk: Desk) -> None:
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one")
    desk.ask("DELETE", f"onlineEndpoints/{name}/deployments/blue")
    desk.wait(f"onlineEndpoints/{name}/deployments/blue", "gone")
    desk.deploy(name, "blue", "two")
    desk.traffic(name, blue=100)
    deadline = time.monotonic() + 1.5  # the processes of the one before end meanwhile
    while time.monotonic() < deadline:
        answer = desk.score(url, desk.key(name))
        assert (answer.status_code, answer.json().get("name")) == (200, "two"), answer.text
        time.sleep(0.1)


MODEL = """\
flavors:
  python_function:
    loader_module: wine_loader
    code: code
signature:
  inputs: '[{"type": "double", "name": "acid", "required": true}, {"type": "double", "name": "sugar"}]'
  outputs: '[{"type": "double", "required": true}]'
"""
LOADER = """\
class Wine:
    def predict(self, table, params=None):
        return (table["acid"] * 2 + table["sugar"] / 3).to_numpy()

def _load_pyfunc(path):
    return Wine()
"""


def test_an_mlflow_model_needs_no_image(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_text(MODEL)
    (tmp_path / "model" / "code" / "wine_loader.py").write_text(LOADER)
    rows = [[1.0, 0.5], [2.0, 0.1], [4.0, 0.3]]
    upload(desk, tmp_path / "model", "uploads/wine")
    path = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/uploads/wine"
    desk.ask("PUT", "models/plain/versions/1", {"properties": {"modelUri": path, "modelType": "mlflow_model"}})
    name = named()
    url = desk.endpoint(name)["properties"]["scoringUri"]
    desk.deploy(name, "blue", "one", environmentId=None, model="azureml:plain:1")
    key = desk.key(name)
    expected = [acid * 2 + sugar / 3 for acid, sugar in rows]
    asked = {"columns": ["acid", "sugar"], "data": rows}
    assert desk.score(url, key, "blue", input_data=asked).json() == expected
    assert desk.score(url, key, "blue", dataframe_split=asked).json() == {"predictions": expected}
    refused = desk.score(url, key, "blue", input_data={"columns": ["acid"], "data": [[1.0]]})
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "sugar" in refused.json()["error"]["message"]
    desk.ask("PUT", "models/lost/versions/1", {"properties": {"modelUri": f"{path}-lost", "modelType": "mlflow_model"}})
    desk.begin(name, "green", "one", environmentId=None, model="azureml:lost:1")
    desk.wait(f"onlineEndpoints/{name}/deployments/green", "Failed")
    assert "cannot be served without an environment" in desk.logs(name, "green")


def upload(desk: Desk, folder: Path, place: str) -> None:
    """As azure-ai-ml does, into the default datastore's container, with a signature by the workspace's key."""
    store = desk.ask("GET", "datastores/workspaceblobstore").json()["properties"]
    account, container = store["accountName"], store["containerName"]
    key = desk.ask("POST", "datastores/workspaceblobstore/listSecrets").json()["key"]
    soon = datetime.now(UTC) + timedelta(hours=1)
    signature = generate_container_sas(account, container, account_key=key, permission="cw", expiry=soon)
    host = desk.live.origin.removeprefix("https://")
    for file in folder.rglob("*"):
        if file.is_file():
            place_of_it = f"{container}/{place}/{file.relative_to(folder)}?{signature}"
            url = f"https://{account}.blob.core.sandbox@{host}/{place_of_it}"
            answer = desk.http.put(url, content=file.read_bytes(), headers={"x-ms-blob-type": "BlockBlob"})
            assert answer.status_code == 201, answer.text
