"""Named models and their versions: in Unity Catalog and in the workspace's own registry; by MLflow and SDK."""

from __future__ import annotations

import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound

from mlops_tui.sandbox import exports
from mlops_tui.sandbox.process import Address
from tests.conftest import LiveSandbox

pytestmark = [
    pytest.mark.xdist_group("mlflow"),
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
]
CATALOG = "/api/2.0/mlflow/unity-catalog"


@pytest.fixture(scope="module")
def workspace(live: LiveSandbox) -> Iterator[WorkspaceClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        yield WorkspaceClient(host=live.origin, token=live.token)


@pytest.fixture(scope="module")
def mlflow(live: LiveSandbox) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        patch.setenv("DATABRICKS_HOST", live.origin)
        patch.setenv("DATABRICKS_TOKEN", live.token)
        patch.setenv("MLFLOW_TRACKING_URI", "databricks")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow
        import mlflow.sklearn

        mlflow.set_experiment("/Shared/Registry")
        yield mlflow


def log_model(mlflow: Any, registry: str, name: str, slope: float) -> Any:
    """Log a model that predicts slope × x and register it under that name; returns what MLflow says of it."""
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    mlflow.set_registry_uri(registry)
    features = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = LinearRegression().fit(features, slope * features["x"])
    with mlflow.start_run():
        return mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(features, model.predict(features)),
            input_example=features.head(1),
            pip_requirements=["scikit-learn"],
            registered_model_name=name,
        )


def predict(mlflow: Any, uri: str) -> float:
    import pandas as pd

    return float(mlflow.pyfunc.load_model(uri).predict(pd.DataFrame({"x": [10.0]}))[0])


# Unity Catalog


def test_a_champion_is_registered_named_and_loaded(mlflow: Any) -> None:
    name = "main.default.winequality"
    first = log_model(mlflow, "databricks-uc", name, slope=2)
    second = log_model(mlflow, "databricks-uc", name, slope=3)
    assert (first.registered_model_version, second.registered_model_version) == ("1", "2")
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(name, "champion", 1)
    assert predict(mlflow, f"models:/{name}@champion") == pytest.approx(20)
    client.set_registered_model_alias(name, "champion", 2)
    assert predict(mlflow, f"models:/{name}@champion") == pytest.approx(30)
    assert predict(mlflow, f"models:/{name}/1") == pytest.approx(20)
    assert client.get_registered_model(name).aliases == {"champion": "2"}
    assert client.get_model_version_by_alias(name, "champion").version == "2"
    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.get_model_version_by_alias(name, "champion")


def test_a_version_carries_its_run_its_maker_and_its_tags(mlflow: Any) -> None:
    name = "main.default.tagged"
    info = log_model(mlflow, "databricks-uc", name, slope=1)
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, "1", "verdict", "passed")
    client.update_model_version(name, "1", description="the first")
    version = client.get_model_version(name, "1")
    assert (version.run_id, version.user_id, version.status) == (info.run_id, "learner@sandbox.example", "READY")
    assert (version.tags, version.description) == ({"verdict": "passed"}, "the first")
    assert client.get_model_version_download_uri(name, "1") == "dbfs:/Models/main/default/tagged/1"
    assert [found.version for found in client.search_model_versions(f"name='{name}'")] == ["1"]


def test_a_version_waits_for_its_files(workspace: WorkspaceClient) -> None:
    do, name = workspace.api_client.do, "main.default.waiting"
    do("POST", f"{CATALOG}/registered-models/create", body={"name": name})
    made = do("POST", f"{CATALOG}/model-versions/create", body={"name": name, "source": "dbfs:/elsewhere"})
    assert isinstance(made, dict)
    version = made["model_version"]
    assert version["status"] == "PENDING_REGISTRATION"
    assert version["storage_location"] == "dbfs:/Models/main/default/waiting/1"
    which = {"name": name, "version": version["version"]}
    with pytest.raises(InvalidParameterValue, match="No MLmodel file was uploaded"):
        do("POST", f"{CATALOG}/model-versions/finalize", body=which)
    do(
        "PUT",
        "/api/2.0/fs/files/Models/main/default/waiting/1/MLmodel",
        data=b"flavors: {}",
        headers={"Content-Type": "application/octet-stream"},
    )
    done = do("POST", f"{CATALOG}/model-versions/finalize", body=which)
    assert isinstance(done, dict)
    assert done["model_version"]["status"] == "READY"


def test_names_have_three_levels_in_a_schema_that_exists(mlflow: Any, workspace: WorkspaceClient) -> None:
    create = f"{CATALOG}/registered-models/create"
    with pytest.raises(InvalidParameterValue, match="three-level name"):
        workspace.api_client.do("POST", create, body={"name": "winequality"})
    with pytest.raises(NotFound, match="Catalog 'nowhere' does not exist"):
        workspace.api_client.do("POST", create, body={"name": "nowhere.default.winequality"})
    with pytest.raises(NotFound, match=r"Schema 'main\.nowhere' does not exist"):
        workspace.api_client.do("POST", create, body={"name": "main.nowhere.winequality"})


def test_a_model_with_versions_is_not_deleted(mlflow: Any) -> None:
    name = "main.default.temporary"
    log_model(mlflow, "databricks-uc", name, slope=1)
    client = mlflow.MlflowClient()
    with pytest.raises(mlflow.exceptions.MlflowException, match="has model versions"):
        client.delete_registered_model(name)
    client.delete_model_version(name, "1")
    client.delete_registered_model(name)
    assert name not in {model.name for model in client.search_registered_models()}
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.get_registered_model(name)


# The workspace's own registry


def test_the_workspace_registry_has_names_stages_and_files(mlflow: Any, workspace: WorkspaceClient) -> None:
    log_model(mlflow, "databricks", "winequality", slope=4)
    assert predict(mlflow, "models:/winequality/1") == pytest.approx(40)
    found = workspace.model_registry.get_model("winequality").registered_model_databricks
    assert found is not None
    assert (found.name, len(found.id or "")) == ("winequality", 32)
    moved = workspace.model_registry.transition_stage("winequality", "1", "Production", archive_existing_versions=True)
    assert moved.model_version_databricks is not None
    latest = list(workspace.model_registry.get_latest_versions("winequality", stages=["Production"]))
    assert [version.version for version in latest] == ["1"]
    assert predict(mlflow, "models:/winequality/Production") == pytest.approx(40)


def test_the_sdk_takes_a_model_of_the_workspace_away_again(workspace: WorkspaceClient) -> None:
    models = workspace.model_registry
    models.create_model("short-lived")
    models.set_model_tag("short-lived", "owner", "learner")
    models.delete_model_tag("short-lived", "owner")
    models.delete_model("short-lived")
    with pytest.raises(NotFound):
        models.get_model("short-lived")


def test_each_registry_shows_its_own_models(mlflow: Any, workspace: WorkspaceClient) -> None:
    log_model(mlflow, "databricks-uc", "main.default.apart", slope=1)
    log_model(mlflow, "databricks", "apart", slope=1)
    in_workspace = {model.name for model in workspace.model_registry.list_models()}
    assert "apart" in in_workspace
    assert "main.default.apart" not in in_workspace
    mlflow.set_registry_uri("databricks-uc")
    in_catalog = {model.name for model in mlflow.MlflowClient().search_registered_models()}
    assert "main.default.apart" in in_catalog
    assert "apart" not in in_catalog
    with pytest.raises(BadRequest, match="looks like a Unity Catalog model"):
        workspace.model_registry.create_model("main.default.other")


def test_a_signed_link_is_for_one_file(mlflow: Any, workspace: WorkspaceClient, live: LiveSandbox) -> None:
    import ssl

    log_model(mlflow, "databricks", "signed", slope=1)
    ask = {"name": "signed", "version": "1", "path": "MLmodel"}
    signed = workspace.api_client.do("GET", "/api/2.0/mlflow/model-versions/get-signed-download-uri", query=ask)
    assert isinstance(signed, dict)
    link = str(signed["signed_uri"])
    context = ssl.create_default_context(cafile=str(live.ca))
    with urllib.request.urlopen(link, context=context, timeout=10) as answer:
        assert b"sklearn" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(link.replace("MLmodel", "conda.yaml"), context=context, timeout=10)
    refused.value.close()
    ask["path"] = "nothing"
    with pytest.raises(NotFound, match="File does not exist: nothing"):
        workspace.api_client.do("GET", "/api/2.0/mlflow/model-versions/get-signed-download-uri", query=ask)


def test_the_environment_that_is_told_leads_to_the_workspaces_registry(
    mlflow: Any, live: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself mlflow would ask Unity Catalog, and see none of the project's models."""
    log_model(mlflow, "databricks", "told", slope=2)
    mlflow.set_registry_uri(None)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    assert mlflow.get_registry_uri() == "databricks-uc"
    told = exports.environment(live.folder, Address(int(live.origin.rpartition(":")[2]), 0))
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", told["MLFLOW_REGISTRY_URI"])
    assert "told" in [one.name for one in mlflow.MlflowClient().search_registered_models()]
