"""What the image serves: `serve.py`, as the notebook `image_contents` has it, under uvicorn, on a model of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import ElasticNet

from mlops_tui.sandbox.notebooks.source import parse
from mlops_tui.sandbox.process import _free_port

pytestmark = [
    pytest.mark.xdist_group("serve"),
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),  # this, and the next, are MLflow's own
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "image_contents.py"
COLUMNS = ["fixed acidity", "pH", "alcohol"]
KEY = "a-key-of-staging-0123456789"


def serve_source() -> str:
    """The text of serve.py: the value of SERVE in the notebook."""
    for cell in parse(NOTEBOOK.read_text()):
        if cell.language == "python" and "SERVE = '''" in cell.source:
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign):
                    return str(ast.literal_eval(node.value))
    raise AssertionError("the notebook has no SERVE")


def write_app(folder: Path, broken: bool = False) -> pd.DataFrame:
    """serve.py and its model in `folder`; the rows that the model was fitted to."""
    random = np.random.default_rng(7)
    rows = pd.DataFrame(random.random((40, len(COLUMNS))) * 10 / 3, columns=COLUMNS)
    model = ElasticNet(alpha=0.01).fit(rows, random.random(40))
    mlflow.sklearn.save_model(
        model,
        folder / "model",
        signature=infer_signature(rows, model.predict(rows)),
        input_example=rows.head(2),
        pip_requirements=["mlflow"],
    )
    (folder / "serve.py").write_text(serve_source())
    if broken:
        for path in (folder / "model").glob("model.*"):  # its name and kind are MLflow's
            path.write_bytes(b"no model")
    return rows


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"} | more


@dataclass
class Served:
    """A model behind two servers."""

    rows: pd.DataFrame
    predictions: list[float]  # as mlflow.pyfunc gives them here
    keyed: httpx.Client  # its server wants a key, and it sends that
    open: httpx.Client

    def score(self, body: object, path: str = "/score") -> Any:
        answer = self.keyed.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]

    def refused(self, body: object) -> str:
        """Why with status 400."""
        answer = self.keyed.post("/score", json=body)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"]["message"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("app")
    rows = write_app(folder)
    predictions = mlflow.pyfunc.load_model(str(folder / "model")).predict(rows).tolist()
    with ExitStack() as stack:
        clients = [stack.enter_context(started(folder, **more)) for more in ({"SCORING_KEY": KEY}, {})]
        for client in clients:
            wait_until_ready(client)
        clients[0].headers["Authorization"] = f"Bearer {KEY}"
        yield Served(rows, predictions, *clients)


@contextmanager
def started(folder: Path, **more: str) -> Iterator[httpx.Client]:
    """A client of a server that is starting. uvicorn learns host and port from the environment, as in the image."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "serve:app"],
        cwd=folder,
        env=environment(UVICORN_HOST="127.0.0.1", UVICORN_PORT=str(port), **more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        process.terminate()
        process.wait(10)


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            assert client.get("/ping").status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        else:
            return


def test_it_says_that_it_is_ready_and_what_it_runs(served: Served) -> None:
    assert served.open.get("/health").json() == {"status": "ready"}
    version = served.open.get("/version").json()
    assert version["mlflow"] == mlflow.__version__
    assert version["python"] == sys.version.split()[0]


def test_every_shape_of_json_gives_the_very_predictions_of_the_model(served: Served) -> None:
    split, records = served.rows.to_dict("split", index=False), served.rows.to_dict("records")
    indexed = served.rows.to_dict("split")
    for body in (
        {"dataframe_split": split},
        {"dataframe_records": records},
        {"instances": records},
        {"inputs": records},
        {"inputs": served.rows.to_dict("list")},
        {"input_data": indexed},
    ):
        assert served.score(body) == served.predictions, list(body)  # to the last bit
    assert served.score({"dataframe_split": split}, "/invocations") == served.predictions


def test_whole_numbers_and_other_orders_of_columns_are_taken_as_they_are_meant(served: Served) -> None:
    row = {"fixed acidity": 3, "pH": 2, "alcohol": 1}
    expected = served.score({"dataframe_records": [{name: float(value) for name, value in row.items()}]})
    assert served.score({"dataframe_records": [row]}) == expected
    assert served.score({"dataframe_records": [dict(reversed(row.items())) | {"quality": 5}]}) == expected


def test_what_cannot_be_scored_is_refused_with_a_sentence(served: Served) -> None:
    row = served.rows.head(1).to_dict("records")[0]
    without = {name: value for name, value in row.items() if name != "alcohol"}
    assert "missing inputs ['alcohol']" in served.refused({"dataframe_records": [without]})
    assert "could not convert string to float: 'strong'" in served.refused({"inputs": [row | {"alcohol": "strong"}]})
    assert "contains NaN" in served.refused({"dataframe_records": [row | {"alcohol": None}]})
    assert served.refused({"dataframe_split": {"columns": COLUMNS, "data": []}}) == "The request has no rows."
    assert "it has rows" in served.refused({"rows": [row]})
    assert "it has nothing" in served.refused({})
    assert "exactly one of" in served.refused({"instances": [row], "inputs": [row]})
    assert "JSON object" in served.refused([row])
    assert "must be a dictionary" in served.refused({"dataframe_split": [1]})
    answer = served.keyed.post("/score", content=b"{not json")
    assert (answer.status_code, "not JSON" in answer.json()["error"]["message"]) == (400, True)


def test_without_the_key_nothing_is_scored(served: Served) -> None:
    body = {"dataframe_records": served.rows.head(1).to_dict("records")}
    for header in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
        answer = served.keyed.post("/score", json=body, headers=header)
        assert answer.status_code == 401
        assert "Bearer" in answer.json()["error"]["message"]
        assert KEY not in answer.text
    assert served.keyed.get("/ping", headers={"Authorization": ""}).status_code == 200
    assert served.open.post("/score", json=body).json()["predictions"] == served.predictions[:1]


def test_other_methods_and_paths_are_none(served: Served) -> None:
    assert served.open.get("/score").status_code == 405
    assert served.open.post("/ping").status_code == 405
    assert served.open.get("/elsewhere").status_code == 404


def test_one_row_takes_a_few_milliseconds(served: Served) -> None:
    body = {"dataframe_split": served.rows.head(1).to_dict("split", index=False)}
    taken = []
    for _ in range(60):
        started_at = time.perf_counter()
        served.score(body)
        taken.append(time.perf_counter() - started_at)
    assert sorted(taken)[len(taken) // 4] < 0.05  # 4 ms here; machines under load take their time


def test_the_check_of_the_image_says_whether_it_can_serve(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    rows = write_app(good)
    write_app(bad, broken=True)
    command = [sys.executable, "serve.py", "--check"]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    checks = [subprocess.Popen(command, cwd=folder, env=environment(), **options) for folder in (good, bad)]
    (said, trouble), (_, reason) = (check.communicate(timeout=60) for check in checks)
    assert [check.returncode for check in checks] == [0, 1], trouble
    expected = mlflow.pyfunc.load_model(str(good / "model")).predict(rows.head(2))
    assert said.strip() == f"The model predicts {expected}"
    assert "Traceback" in reason
