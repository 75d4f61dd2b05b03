"""What the platform offers a notebook: others to include and run, paths, packages, secrets, tracking."""

from __future__ import annotations

import base64
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox.notebooks.cluster import NotebookRun
from tests.contract.notebook_desk import (
    CELL,
    Desk,
    Started,
    warm_desk,
)

# The first test of a process warms the cluster, which takes its time on a busy machine.
pytestmark = [pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(240)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return warm_desk(tmp_path)


def test_a_notebook_includes_another_and_shares_its_variables(desk: Desk) -> None:
    desk.write(f"# MAGIC %run ../names\n{CELL}\nsplit = dbutils.widgets.get('split')", "shared/data")
    desk.write("greeting = 'from the names'", "names")
    outcome, output = desk.run(f'# MAGIC %run ./shared/data $split="0.25"\n{CELL}\nprint(split, greeting)')
    assert outcome.state == "SUCCESS", outcome
    assert output == "0.25 from the names\n"
    outcome, _ = desk.run("# MAGIC %run ./nowhere")
    assert outcome.error is not None
    assert outcome.error.split(": ", 1)[1].startswith("Notebook not found: ./nowhere. Notebooks can be specified via")


def test_modules_beside_the_notebook_get_the_same_dbutils(desk: Desk) -> None:
    desk.write(
        "from databricks.sdk.runtime import dbutils, display\n\ndef alpha():\n    return dbutils.widgets.get('alpha')",
        "parameters_module",
    )
    outcome, _ = desk.run("import parameters_module\ndbutils.notebook.exit(parameters_module.alpha())", {"alpha": "7"})
    assert outcome.result == "7", outcome


def test_modules_are_found_at_the_root_of_a_git_folder(desk: Desk) -> None:
    repository = desk.root / "Workspace/Repos/learner@sandbox.example/wine"
    (repository / "notebooks").mkdir(parents=True)
    (repository / "wine_features.py").write_text("columns = ['ph']\n")
    notebook = repository / "notebooks/train.py"
    notebook.write_text("from wine_features import columns\nprint(columns)\n")
    started = Started(next(desk.numbers), desk.root / "output.txt")
    run = NotebookRun(started.run_id, notebook, {}, desk.root, {"DATABRICKS_TOKEN": "dapi-1"}, started.output)
    assert "dapi-1" not in repr(run)
    desk.cluster.submit(run, started.outcomes.put)
    assert started.end()[1] == "['ph']\n"


def test_a_notebook_runs_others_as_jobs_side_by_side(desk: Desk) -> None:
    desk.write(
        "import os, time\ntime.sleep(0.5)\nprint('child', dbutils.widgets.get('n'))\n"
        "dbutils.notebook.exit(dbutils.widgets.get('n') * 2)",
        "child",
    )
    desk.write("raise ValueError('bad input')", "broken")
    outcome, output = desk.run(
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda n: dbutils.notebook.run("./child", 60, {"n": n}), "abcd"))
        try:
            dbutils.notebook.run("./broken", 60)
        except Exception as error:
            print(type(error).__name__, error)
        try:
            dbutils.notebook.run("./child", 0.1, {"n": "late"})
        except Exception as error:
            print(error)
        dbutils.notebook.exit(",".join(results))
        """
    )
    assert outcome.result == "aa,bb,cc,dd", (outcome, output)
    assert {f"child {name}" for name in "abcd"} <= set(output.splitlines())
    assert "WorkflowException com.databricks.NotebookExecutionException: FAILED: ValueError: bad input" in output
    assert "com.databricks.NotebookExecutionException: TIMEDOUT" in output


def test_the_platforms_paths_are_there(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        import glob, os, pathlib, shutil
        import pandas as pd
        for path in ("/databricks-datasets", "/dbfs/databricks-datasets", "dbfs:/databricks-datasets"):
            with open(path + "/wine/red.csv") as file:
                assert len(file.readlines()) == 3
        table = pd.read_csv("/dbfs/databricks-datasets/wine/red.csv", sep=";")
        os.makedirs("/Volumes/main/default/models/v1")
        pathlib.Path("/Volumes/main/default/models/v1/a.txt").write_text("a")
        shutil.copytree("/Volumes/main/default/models", "/dbfs/models")
        table.to_parquet("/dbfs/models/table.parquet")
        print(sorted(glob.glob("/dbfs/models/**", recursive=True)))
        print(len(pd.read_parquet("/dbfs/models/table.parquet")), os.path.exists("/dbfs/nothing"))
        shutil.rmtree("/Volumes/main/default/models")
        print(os.listdir("/Volumes/main/default"))
        # COMMAND ----------
        # MAGIC %sh cat /dbfs/models/v1/a.txt; exit 4
        # COMMAND ----------
        open("/dbfs/nothing")
        """
    )
    assert output.splitlines()[:3] == [
        "['/dbfs/models/', '/dbfs/models/table.parquet', '/dbfs/models/v1', '/dbfs/models/v1/a.txt']",
        "2 False",
        "[]",
    ], output
    assert outcome.error == "FileNotFoundError: [Errno 2] No such file or directory: '/dbfs/nothing'"
    assert (desk.root / "Volumes/main/default").is_dir()


def test_task_values_go_from_task_to_task(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        dbutils.jobs.taskValues.set("best", {"alpha": 0.1})
        print(dbutils.jobs.taskValues.get("prepare", "rows"), dbutils.jobs.taskValues.get("prepare", "x", default=1))
        dbutils.jobs.taskValues.get("prepare", "nothing")
        """,
        task_values={"prepare.rows": 1599},
        task_key="train",
    )
    assert output.startswith("1599 1\n")
    assert outcome.error is not None
    assert outcome.error.startswith("ValueError: Task value not found")
    assert outcome.task_values == {"best": {"alpha": 0.1}}  # kept, though the task failed


def _wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    information = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
        )
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def test_pip_installs_for_this_run_only(desk: Desk, tmp_path: Path) -> None:
    pytest.importorskip("packaging")
    _wheel(tmp_path, "wine_tools", "2.0", "grape_tools>=1")
    _wheel(tmp_path, "grape_tools", "1.5")
    outcome, output = desk.run(
        f"# MAGIC %pip install --no-index --find-links {tmp_path} wine_tools==2.0 pandas\n{CELL}\n"
        f"import grape_tools, wine_tools\n{CELL}\ndbutils.library.restartPython()\n{CELL}\n"
        "print('wine_tools' in globals())\nimport grape_tools, wine_tools\n"
        "dbutils.notebook.exit(wine_tools.version + ' ' + grape_tools.version)"
    )
    if "needs pip in the sandbox's environment, or uv" in output:
        pytest.skip("neither pip nor uv is here")
    assert outcome.result == "2.0 1.5", output
    assert "Requirement already satisfied: pandas (the cluster has pandas " in output
    assert output.endswith("False\nNotebook exited: 2.0 1.5\n")
    outcome, _ = desk.run("import wine_tools")
    assert outcome.error == "ModuleNotFoundError: No module named 'wine_tools'"


def test_an_installed_requirement_needs_no_installer(desk: Desk) -> None:
    from importlib.metadata import version

    outcome, output = desk.run(f"# MAGIC %pip install -q mlflow=={version('mlflow')} 'pandas>=2'")
    assert outcome.state == "SUCCESS"
    assert output.count("Requirement already satisfied") == 2


def test_restarting_python_forgets_variables_and_keeps_widgets(desk: Desk) -> None:
    source = """
        dbutils.widgets.text("alpha", "0.5")
        before = 1
        # COMMAND ----------
        dbutils.library.restartPython()
        # COMMAND ----------
        print("before" in globals(), dbutils.widgets.get("alpha"))
        """
    outcome, output = desk.run(source)
    assert (outcome.state, output) == ("SUCCESS", "False 0.5\n")


def test_runs_side_by_side_share_nothing(desk: Desk) -> None:
    source = """
        import os, random, time
        import mlflow, numpy as np
        os.environ["MINE"] = dbutils.widgets.get("n")
        print(random.random(), np.random.rand())
        time.sleep(0.3)
        print(os.environ["MINE"], os.environ["GIVEN"], sorted(k for k in os.environ if k.startswith("DATABRICKS")))
        print(mlflow.active_run(), os.environ.get("MLFLOW_TRACKING_URI"))
        """
    runs = [desk.start(source, {"n": str(n)}, environment={"GIVEN": f"g{n}"}) for n in range(3)]
    outputs = [run.end()[1].splitlines() for run in runs]
    assert len({lines[0].split()[0] for lines in outputs}) == 3
    assert len({lines[0].split()[1] for lines in outputs}) == 3
    for number, lines in enumerate(outputs):
        assert lines[1:] == [f"{number} g{number} []", "None None"]


TRAINING = """
import mlflow, mlflow.sklearn
import numpy as np, pandas as pd
from matplotlib import pyplot
from mlflow.models import infer_signature
from sklearn.linear_model import ElasticNet

mlflow.set_experiment("wine")
table = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
target = table["a"] * 2
with mlflow.start_run() as run:
    model = ElasticNet(alpha=float(dbutils.widgets.get("alpha"))).fit(table, target)
    mlflow.log_params({"alpha": model.alpha})
    mlflow.log_metrics({"r2": model.score(table, target)})
    figure, axes = pyplot.subplots()
    axes.scatter(target, model.predict(table))
    mlflow.log_figure(figure, "plot.png")
    mlflow.sklearn.log_model(
        model, name="model", pip_requirements=["scikit-learn"],
        signature=infer_signature(table, target), input_example=table.head(2),
    )
dbutils.notebook.exit(run.info.run_id)
"""


def test_trainings_side_by_side_are_tracked(desk: Desk, tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/tracking.db"}
    alphas = ("0.1", "0.5", "0.9")
    desk.run("import mlflow\nmlflow.set_experiment('wine')", environment=environment)
    runs = [desk.start(TRAINING, {"alpha": alpha}, environment=environment) for alpha in alphas]
    ids = []
    for run in runs:
        outcome, output = run.end()
        assert outcome.state == "SUCCESS", output
        ids.append(outcome.result)
    outcome, output = desk.run(
        """
        import json, mlflow
        found = mlflow.search_runs(experiment_names=["wine"], output_format="list")
        dbutils.notebook.exit(json.dumps({r.info.run_id: [r.data.params["alpha"], r.info.status] for r in found}))
        """,
        environment=environment,
    )
    assert outcome.result is not None, output
    assert json.loads(outcome.result) == dict(zip(ids, ([alpha, "FINISHED"] for alpha in alphas), strict=True))


def test_an_open_tracking_run_is_closed_with_the_notebook(desk: Desk, tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/tracking.db"}
    outcome, _ = desk.run(
        "import mlflow\ndbutils.notebook.exit(mlflow.start_run().info.run_id)", environment=environment
    )
    status, output = desk.run(
        f"import mlflow\ndbutils.notebook.exit(mlflow.get_run({outcome.result!r}).info.status)", environment=environment
    )
    assert status.result == "FINISHED", output


class _Workspace(BaseHTTPRequestHandler):
    """The answers of a workspace that a notebook needs to read a secret and list a folder."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        answers: dict[str, Any] = {
            "/api/2.0/secrets/get": {"key": "client_secret", "value": base64.b64encode(b"from-the-scope").decode()},
            "/.well-known/databricks-config": {},
            "/api/2.0/dbfs/get-status": {"path": "/wine", "is_dir": True},
            "/api/2.0/dbfs/list": {"files": [{"path": "/wine/red.csv", "is_dir": False, "file_size": 28}]},
        }
        signed_in = self.headers["Authorization"] == "Bearer dapi-token"
        body = json.dumps(answers.get(path, {})).encode()
        self.send_response(404 if path not in answers else 200 if signed_in else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def workspace() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Workspace)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_secrets_and_files_come_from_the_workspace(desk: Desk, workspace: str) -> None:
    outcome, output = desk.run(
        """
        secret = dbutils.secrets.get("azure", "client_secret")
        print(len(secret), secret, secret[:4])
        # COMMAND ----------
        # MAGIC %fs ls dbfs:/wine
        """,
        environment={"DATABRICKS_HOST": workspace, "DATABRICKS_TOKEN": "dapi-token"},
    )
    assert outcome.state == "SUCCESS", output
    assert "14 [REDACTED] from\n" in output  # known as a secret since it was read
    assert "red.csv" in output
