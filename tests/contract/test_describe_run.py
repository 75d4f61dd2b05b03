"""One tracked run in full, read as the app reads it: what it used, what it made, and nothing given away."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk.errors import BadRequest

from mlops_tui import training
from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.errors import NotFoundError
from mlops_tui.events import Event, LogLine, RunDescribed
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.training.description import ARTIFACTS, POINTS, read_predictions
from tests.conftest import LiveSandbox

pytestmark = [pytest.mark.xdist_group("mlflow"), pytest.mark.timeout(240)]

NUMBERS = itertools.count(1)
TABLE = {"columns": ["quality", "prediction"], "data": [[5, 5.25], [6, 5.75], [7, None]]}


@dataclass
class Desk:
    """A session on a workspace, and a run of somebody's in it."""

    live: LiveSandbox
    session: Session
    client: Databricks
    experiment_id: str
    events: list[Event] = field(default_factory=list)

    def api(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.client.api_client.do("POST", f"/api/2.0/mlflow/{path}", body=body)
        assert isinstance(answer, dict)
        return answer

    def run(self, files: dict[str, str], **tags: str) -> str:
        """A finished run with these artifacts; its id."""
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        asked = {"experiment_id": self.experiment_id, "run_name": "a run", "start_time": 1_700_000_000_000}
        info = self.api("runs/create", asked | {"tags": listed})["run"]["info"]
        metrics = [{"key": "rmse", "value": 0.5, "timestamp": 1, "step": 0}]
        metrics.append({"key": "depth", "value": 3.0, "timestamp": 1, "step": 0})
        parameters = [{"key": "alpha", "value": "0.5"}, {"key": "solver", "value": "saga"}]
        self.api("runs/log-batch", {"run_id": info["run_id"], "metrics": metrics, "params": parameters})
        self.api("runs/update", {"run_id": info["run_id"], "status": "FINISHED", "end_time": 1_700_000_002_500})
        for path, text in files.items():
            self.file(info["artifact_uri"], path, text)
        return str(info["run_id"])

    def file(self, uri: str, path: str, text: str) -> None:
        place = self.live.folder / "files" / "dbfs" / uri.removeprefix("dbfs:/") / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def describe(self, run_id: str) -> RunDescribed:
        self.events.clear()
        return training.describe(self.session, run_id, self.events.append)

    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogLine) and event.level == "warning"]


@pytest.fixture
def desk(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    session = Session(Project(databricks_token=live.token), local_cloud(live.origin, str(live.ca)))
    session.learn("databricks_host", live.origin)
    client = session.clients.databricks(live.origin)
    made = client.client.experiments.create_experiment(name=f"/Shared/Described-{next(NUMBERS)}")
    yield Desk(live, session, client, made.experiment_id or "")
    session.close()


def test_a_run_tells_what_it_used_and_what_it_made(desk: Desk) -> None:
    files = {"predictions.json": json.dumps(TABLE), "model/MLmodel": "flavors: {}", "plots/deep/er/picture.png": "x"}
    run_id = desk.run(files, build_number="7", build_source="GitHub", data_sha256="96a2")
    found = desk.describe(run_id)
    assert found.artifacts == ("model/MLmodel", "plots/deep/er/picture.png", "predictions.json")
    assert found.model_uri == f"runs:/{run_id}/model"
    assert found.predictions == ((5.0, 5.25), (6.0, 5.75)), "a row without a prediction is left out"
    assert found.tags["data_sha256"] == "96a2"
    result = found.result
    assert (result.build, result.source, result.started, result.seconds) == ("7", "GitHub", 1_700_000_000.0, 2.5)
    assert result.parameters == {"alpha": 0.5, "solver": "saga"}
    assert result.metrics == {"rmse": 0.5, "depth": 3.0}
    assert result.passed is True
    assert desk.warnings() == []


def test_a_model_of_its_own_is_listed_with_the_run_it_came_from(desk: Desk) -> None:
    run_id = desk.run({})
    asked = {"experiment_id": desk.experiment_id, "name": "forest", "source_run_id": run_id}
    model = desk.api("logged-models", asked)["model"]["info"]
    desk.file(model["artifact_uri"], "MLmodel", "flavors: {}")
    desk.api("runs/outputs", {"run_id": run_id, "models": [{"model_id": model["model_id"], "step": 0}]})
    found = desk.describe(run_id)
    assert found.artifacts == ("forest/MLmodel",)
    assert found.model_uri == f"runs:/{run_id}/forest"


def test_a_foreign_run_without_predictions_is_no_error(desk: Desk) -> None:
    found = desk.describe(desk.run({"notes.txt": "by hand"}))
    assert (found.artifacts, found.predictions, found.model_uri) == (("notes.txt",), (), "")
    assert desk.warnings() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "Expecting value"),
        ("[1, 2]", "not a table"),
        ('{"columns": ["quality"], "data": [[5]]}', "two columns"),
        ('{"data": [' + '["' + "x" * (4 << 20) + '"]]}', "Too long"),
    ],
    ids=["no JSON", "no table", "one column", "too long"],
)
def test_predictions_that_cannot_be_read_are_told_and_the_rest_is_shown(desk: Desk, content: str, said: str) -> None:
    found = desk.describe(desk.run({"predictions.json": content}))
    assert found.artifacts == ("predictions.json",)
    assert found.predictions == ()
    (warning,) = desk.warnings()
    assert said in warning


def test_an_unknown_run_is_named(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="There is no tracked run 'f00d'") as caught:
        desk.describe("f00d")
    assert "mlops-tui runs" in caught.value.hint


def test_the_signed_address_gets_no_token_and_is_in_no_error(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = desk.run({"predictions.json": json.dumps(TABLE)})
    (tmp_path / "netrc").write_text("machine localhost login me password of-another-service\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sent: list[requests.PreparedRequest] = []
    send = requests.Session.send

    def spy(session: requests.Session, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        sent.append(request)
        if "/signed-artifacts/" in (request.url or "") and len(sent) > 20:
            raise requests.ConnectionError(f"refused: {request.url}")
        return send(session, request, **given)

    monkeypatch.setattr(requests.Session, "send", spy)
    assert len(desk.describe(run_id).predictions) == 2
    fetched = [request for request in sent if "/signed-artifacts/" in (request.url or "")]
    assert [request.headers.get("Authorization") for request in fetched] == [None]
    assert any(request.headers.get("Authorization") for request in sent if request not in fetched)
    sent += [fetched[0]] * 20
    assert desk.describe(run_id).predictions == ()
    (warning,) = desk.warnings()
    assert "localhost did not answer" in warning
    assert "signed-artifacts" not in warning


def test_mlflow_s_own_client_takes_the_signed_addresses_too(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = desk.run({"deep/predictions.json": json.dumps(TABLE)})
    for name, value in {
        "DATABRICKS_HOST": desk.live.origin,
        "DATABRICKS_TOKEN": desk.live.token,
        "MLFLOW_TRACKING_URI": "databricks",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "REQUESTS_CA_BUNDLE": str(desk.live.ca),
    }.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow says while it is imported
        from mlflow.store.artifact.databricks_artifact_repo import DatabricksArtifactRepository
    root = f"dbfs:/databricks/mlflow-tracking/{desk.experiment_id}/{run_id}/artifacts"
    fetched = DatabricksArtifactRepository(root).download_artifacts("deep/predictions.json", str(tmp_path))
    assert json.loads(Path(fetched).read_text()) == TABLE


@pytest.mark.parametrize("path", ["predictions.json", ["../../../../../credentials.json"]], ids=["no list", "outside"])
def test_addresses_are_signed_for_artifacts_alone(desk: Desk, path: Any) -> None:
    with pytest.raises(BadRequest):
        desk.api("artifacts/credentials-for-read", {"run_id": desk.run({}), "path": path})


def test_a_run_with_thousands_of_files_is_listed_in_part(desk: Desk) -> None:
    files = {f"checkpoints/{number:04d}.bin": "" for number in range(ARTIFACTS + 20)}
    found = desk.describe(desk.run(files | {"predictions.json": json.dumps(TABLE)}))
    assert len(found.artifacts) == ARTIFACTS
    assert "predictions.json" in found.artifacts


def test_many_predictions_are_thinned_evenly() -> None:
    rows = [[float(number), float(number)] for number in range(3 * POINTS)]
    kept = read_predictions(json.dumps({"columns": ["y", "y_hat"], "data": rows}).encode())
    assert len(kept) == POINTS
    assert kept[:2] == ((0.0, 0.0), (3.0, 3.0))
    swapped = read_predictions(b'{"columns": ["prediction", "quality"], "data": [[1.5, 2], [NaN, 3], ["x", 4], [1]]}')
    assert swapped == ((2.0, 1.5),)
