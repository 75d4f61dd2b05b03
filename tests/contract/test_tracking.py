"""MLflow's own client, unpatched, against the sandbox's workspace: experiments, runs, metrics, artifacts, models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied, ResourceAlreadyExists

from mlops_tui.sandbox.mlflow_server import MlflowServer, MlflowServerError
from tests.conftest import LiveSandbox

pytestmark = [pytest.mark.xdist_group("mlflow"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def workspace(live: LiveSandbox) -> Iterator[WorkspaceClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        yield WorkspaceClient(host=live.origin, token=live.token)


@pytest.fixture(scope="module")
def mlflow(live: LiveSandbox) -> Iterator[Any]:
    """MLflow as a notebook has it: told by the environment alone where to go."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow says while it is imported
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        patch.setenv("DATABRICKS_HOST", live.origin)
        patch.setenv("DATABRICKS_TOKEN", live.token)
        patch.setenv("MLFLOW_TRACKING_URI", "databricks")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow
        import mlflow.sklearn

        yield mlflow


def create(workspace: WorkspaceClient, name: str) -> str:
    made = workspace.experiments.create_experiment(name=name).experiment_id
    assert made is not None
    return made


# Experiments


def test_an_experiment_is_an_object_of_the_workspace(workspace: WorkspaceClient) -> None:
    made = create(workspace, "/Shared/Tracking-first")
    found = workspace.experiments.get_by_name("/Shared/Tracking-first").experiment
    assert found is not None
    assert found.experiment_id == made
    assert found.artifact_location == f"dbfs:/databricks/mlflow-tracking/{made}"
    assert ("mlflow.ownerEmail", "learner@sandbox.example") in {(tag.key, tag.value) for tag in found.tags or []}
    names = {experiment.name for experiment in workspace.experiments.list_experiments()}
    assert "/Shared/Tracking-first" in names
    assert "Default" not in names


def test_a_name_that_is_no_path_is_refused(workspace: WorkspaceClient) -> None:
    with pytest.raises(InvalidParameterValue, match="must be an absolute path within the Databricks workspace"):
        create(workspace, "wine")


def test_a_folder_that_does_not_exist_is_named(workspace: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match=r"Parent directory /Shared/nowhere does not exist\."):
        create(workspace, "/Shared/nowhere/wine")
    with pytest.raises(NotFound, match=r"Parent directory /Shared/\.\. does not exist\."):
        create(workspace, "/Shared/../x")
    workspace.workspace.mkdirs("/Shared/Tracking-folder")
    assert create(workspace, "/Shared/Tracking-folder/wine")
    assert create(workspace, "/Users/learner@sandbox.example/wine")


def test_a_name_is_taken_once(workspace: WorkspaceClient) -> None:
    create(workspace, "/Shared/Tracking-twice")
    with pytest.raises(ResourceAlreadyExists, match="/Shared/Tracking-twice"):
        create(workspace, "/Shared/Tracking-twice")


def test_an_experiment_that_is_not_there_is_not_found(workspace: WorkspaceClient) -> None:
    with pytest.raises(NotFound):
        workspace.experiments.get_by_name("/Shared/Tracking-none")
    with pytest.raises(NotFound):
        workspace.experiments.get_experiment("987654321")


def test_nobody_gets_in_without_a_token(live: LiveSandbox, workspace: WorkspaceClient) -> None:
    stranger = WorkspaceClient(host=live.origin, token="dapi" + "0" * 32)
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        stranger.experiments.get_experiment("1")


# Runs


def test_a_run_belongs_to_who_made_it(workspace: WorkspaceClient) -> None:
    experiment = create(workspace, "/Shared/Tracking-owner")
    made = workspace.experiments.create_run(experiment_id=experiment, user_id="somebody-else", run_name="mine").run
    assert made is not None
    assert made.info is not None
    assert made.info.user_id == "learner@sandbox.example"
    assert made.data is not None
    assert [tag.value for tag in made.data.tags or [] if tag.key == "mlflow.user"] == ["learner@sandbox.example"]


def test_metric_history_comes_in_the_order_of_its_steps(workspace: WorkspaceClient) -> None:
    run = workspace.experiments.create_run(experiment_id=create(workspace, "/Shared/Tracking-history")).run
    assert run is not None
    assert run.info is not None
    run_id = run.info.run_id
    for step, value in enumerate((0.9, 0.8, 0.7)):
        workspace.experiments.log_metric("rmse", value, 1_700_000_000_000 + step, run_id=run_id, step=step)
    history = list(workspace.experiments.get_history("rmse", run_id=run_id, max_results=2))
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.8), (2, 0.7)]
    wrong = {"run_id": run_id, "key": "rmse", "value": 0.1, "timestamp": 1, "step": "no number"}
    with pytest.raises(InvalidParameterValue):
        workspace.api_client.do("POST", "/api/2.0/mlflow/runs/log-metric", body=wrong)


def test_a_search_takes_pages_and_reads_filters(workspace: WorkspaceClient) -> None:
    experiment = create(workspace, "/Shared/Tracking-search")
    for number in range(5):
        run = workspace.experiments.create_run(experiment_id=experiment, run_name=f"r{number}").run
        assert run is not None
        assert run.info is not None
        workspace.experiments.set_tag("build_number", str(number % 2), run_id=run.info.run_id)
    found = list(workspace.experiments.search_runs(experiment_ids=[experiment], max_results=2))
    assert len(found) == 5
    odd = workspace.experiments.search_runs(experiment_ids=[experiment], filter="tags.build_number = '1'")
    assert {run.info.run_name for run in odd if run.info} == {"r1", "r3"}
    gone = workspace.experiments.delete_runs(experiment_id=experiment, max_timestamp_millis=int(time.time() * 1000) + 1)
    assert gone.runs_deleted == 5
    assert list(workspace.experiments.search_runs(experiment_ids=[experiment])) == []


def test_what_mlflow_does_not_have_is_said_in_databricks_words(workspace: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="No API found for 'GET /mlflow/no/such/thing'"):
        workspace.api_client.do("GET", "/api/2.0/mlflow/no/such/thing")


# Artifacts and models, by MLflow's client


def test_artifacts_go_up_and_come_down_again(mlflow: Any, workspace: WorkspaceClient, tmp_path: Path) -> None:
    mlflow.set_experiment("/Shared/Tracking-artifacts")
    (tmp_path / "notes.txt").write_text("by file")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "notes.txt"), "deep/er")
        mlflow.log_dict({"gate": 0.8}, "gate.json")
        mlflow.log_text("", "empty.txt")
    run_id = run.info.run_id
    listed = list(workspace.experiments.list_artifacts(run_id=run_id))
    assert {(file.path, file.is_dir) for file in listed} == {("deep", True), ("empty.txt", False), ("gate.json", False)}
    (deep,) = workspace.experiments.list_artifacts(run_id=run_id, path="deep/er")
    assert (deep.path, deep.file_size) == ("deep/er/notes.txt", 7)
    with pytest.raises(InvalidParameterValue, match="Invalid path"):
        list(workspace.experiments.list_artifacts(run_id=run_id, path="../../../.."))
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/gate.json") == {"gate": 0.8}
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/deep/er/notes.txt") == "by file"


@pytest.mark.filterwarnings("ignore")  # MLflow's own, about other readers' concerns
def test_a_model_is_logged_and_loaded_by_its_run(mlflow: Any) -> None:
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import ElasticNet

    features = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 1.0]})
    model = ElasticNet(alpha=0.01).fit(features, [0.0, 1.0, 2.0])
    mlflow.set_experiment("/Shared/Tracking-models")
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(features, model.predict(features)),
            input_example=features.head(1),
            pip_requirements=["scikit-learn"],
        )
    logged = mlflow.get_logged_model(info.model_id)
    assert logged.artifact_location.endswith(f"/logged_models/{info.model_id}/artifacts")
    assert logged.status.value == "READY"
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert list(loaded.predict(features)) == pytest.approx(list(model.predict(features)))


def test_runs_side_by_side_do_not_lose_each_other_s_work(mlflow: Any, workspace: WorkspaceClient) -> None:
    experiment = create(workspace, "/Shared/Tracking-together")
    client = mlflow.MlflowClient()
    failures: list[Exception] = []

    def log_one(number: int) -> None:
        try:
            run_id = client.create_run(experiment, run_name=f"run {number}").info.run_id
            for step in range(5):
                client.log_metric(run_id, "rmse", number + step / 10, step=step)
            client.log_param(run_id, "number", number)
            client.set_terminated(run_id)
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            failures.append(error)

    threads = [threading.Thread(target=log_one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    runs = client.search_runs([experiment])
    assert sorted(run.data.params["number"] for run in runs) == [str(number) for number in range(6)]
    assert all(run.data.metrics["rmse"] == int(run.data.params["number"]) + 0.4 for run in runs)


# The server behind it


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path / "mlflow")
    yield server
    server.stop()


def test_the_server_remembers_over_a_kill_and_starts_again_by_itself(server: MlflowServer) -> None:
    made = server.call("POST", "/api/2.0/mlflow/experiments/create", {"name": "/Shared/kept"})
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    found = server.call("GET", "/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "/Shared/kept"})
    assert found["experiment"]["experiment_id"] == made["experiment_id"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in server.folder.iterdir())
    server.forget()
    assert not server.folder.exists()


def test_a_folder_too_deep_for_a_socket_will_do(tmp_path: Path) -> None:
    server = MlflowServer(tmp_path / "/".join(["a-long-name"] * 10))
    try:
        assert server.call("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}) == {}
        place = server._socket.parent
        assert not place.is_relative_to(tmp_path)
        assert place.stat().st_mode & 0o077 == 0
    finally:
        server.stop()
    assert not place.exists()


def test_a_server_that_cannot_start_says_why(server: MlflowServer) -> None:
    server.folder.mkdir(parents=True)
    (server.folder / "mlflow.sqlite").write_text("this is no database, " * 100)
    with pytest.raises(MlflowServerError, match=r"ended while starting: .*not a database"):
        server.call("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "1"})


def test_the_server_ends_with_a_sandbox_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from mlops_tui.sandbox.mlflow_server import MlflowServer;"
        "server = MlflowServer(pathlib.Path(sys.argv[1])); server.start();"
        "print(server._process.pid, flush=True); time.sleep(60)"
    )
    sandbox = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "m")], stdout=subprocess.PIPE, text=True)
    assert sandbox.stdout is not None
    child = int(sandbox.stdout.readline())
    sandbox.kill()
    sandbox.wait(10)
    sandbox.stdout.close()
    deadline = time.monotonic() + 20
    while _runs(child):
        assert time.monotonic() < deadline, "MLflow's server outlived its sandbox"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
