"""Notebooks run on a sandbox cluster as they do on Databricks: they print, return, fail, hang, leak and get killed."""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from mlops_tui.sandbox.notebooks import cluster as cluster_module
from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun, Outcome
from mlops_tui.sandbox.process import _alive

pytestmark = pytest.mark.xdist_group("notebooks")

CELL = "\n# COMMAND ----------\n"


@dataclass
class Started:
    """A run on its way."""

    run_id: int
    output: Path
    outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)

    def end(self, timeout: float = 30) -> tuple[Outcome, str]:
        outcome = self.outcomes.get(timeout=timeout)
        return outcome, self.output.read_text()


@dataclass
class Desk:
    """Writes notebooks into a workspace folder and runs them."""

    cluster: Cluster
    root: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def write(self, source: str, name: str = "notebook") -> Path:
        path = self.root / "Workspace/Users/learner@sandbox.example" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# Databricks notebook source\n" + textwrap.dedent(source))
        return path

    def start(self, source: str, parameters: dict[str, str] | None = None, **options: Any) -> Started:
        number = next(self.numbers)
        started = Started(number, self.root / f"output-{number}.txt")
        options = {"environment": {}, **options}
        notebook = self.write(source, f"notebook-{number}")
        run = NotebookRun(number, notebook, parameters or {}, self.root, output=started.output, **options)
        self.cluster.submit(run, started.outcomes.put)
        return started

    def run(self, source: str, parameters: dict[str, str] | None = None, **options: Any) -> tuple[Outcome, str]:
        return self.start(source, parameters, **options).end()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), "warm")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def desk(warm: Cluster, tmp_path: Path) -> Desk:
    assert warm.wait_ready(100)
    return Desk(warm, _root(tmp_path))


def _root(folder: Path) -> Path:
    for name in ("dbfs", "Volumes", "Workspace", "databricks-datasets/wine"):
        (folder / name).mkdir(parents=True)
    (folder / "databricks-datasets/wine/red.csv").write_text("ph;quality\n3.5;5\n3.2;6\n")
    return folder


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def wait_until_gone(pid: int) -> None:
    wait_for(lambda: not _alive(pid))


def pids_in(path: Path, count: int) -> list[int]:
    wait_for(lambda: path.exists() and len(path.read_text().split()) == count)
    return [int(pid) for pid in path.read_text().split()]


def test_a_notebook_reads_its_parameters_and_returns_a_value(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        dbutils.widgets.text("alpha", "0.5")
        dbutils.widgets.dropdown("kind", "red", ["red", "white"])
        print(dbutils.widgets.get("alpha"), getArgument("kind"), dbutils.widgets.get("only_given"))
        print(sorted(dbutils.widgets.getAll()))

        # COMMAND ----------
        # MAGIC %md ## The end
        # COMMAND ----------
        dbutils.notebook.exit({"rmse": 0.7})
        print("never")
        """,
        {"alpha": "0.1", "only_given": "yes"},
    )
    assert outcome.state == "SUCCESS"
    assert outcome.result == "{'rmse': 0.7}"
    assert outcome.seconds > 0
    assert output.splitlines() == [
        "0.1 red yes",
        "['alpha', 'kind', 'only_given']",
        "Notebook exited: {'rmse': 0.7}",
    ]


def test_an_unknown_widget_is_an_error_as_on_the_platform(desk: Desk) -> None:
    outcome, _ = desk.run('dbutils.widgets.get("beta")')
    assert outcome.state == "FAILED"
    assert outcome.error == "InputWidgetNotDefined: No input widget named beta is defined"


def test_exit_inside_except_exception_is_swallowed_as_on_the_platform(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        try:
            dbutils.notebook.exit("early")
        except Exception as error:
            print("caught", type(error).__name__)
        dbutils.notebook.exit("late")
        """
    )
    assert outcome.result == "late"
    assert "caught NotebookExit" in output


def test_a_result_of_more_than_5_mb_is_refused(desk: Desk) -> None:
    outcome, _ = desk.run('dbutils.notebook.exit("x" * (5 * 1024 * 1024 + 1))')
    assert outcome.state == "FAILED"
    assert outcome.error is not None
    assert "larger than 5 MB" in outcome.error
    outcome, _ = desk.run('dbutils.notebook.exit("x" * (5 * 1024 * 1024))')
    assert outcome.result is not None
    assert len(outcome.result) == 5 * 1024 * 1024


def test_a_failure_shows_the_notebooks_own_lines_and_cells(desk: Desk) -> None:
    desk.write("def check(value):\n    raise KeyError(value)\n", "checks_module")
    source = """
        print("first")

        # COMMAND ----------
        import checks_module

        def train():
            try:
                checks_module.check("quality")
            except KeyError as error:
                raise ValueError("no such column") from error

        # COMMAND ----------
        train()

        # COMMAND ----------
        print("never")
        """
    outcome, output = desk.run(source)
    lines = ("# Databricks notebook source\n" + textwrap.dedent(source)).splitlines()
    raised, called = lines.index('        raise ValueError("no such column") from error'), lines.index("train()")
    assert outcome.state == "FAILED"
    assert outcome.error == "ValueError: no such column"
    assert outcome.trace is not None
    assert f"line {called + 1}, cell 3, in <module>\n    train()" in outcome.trace
    assert f'line {raised + 1}, cell 2, in train\n    raise ValueError("no such column") from error' in outcome.trace
    assert "checks_module.py" in outcome.trace
    assert 'File "/Workspace/Users/learner@sandbox.example/notebook-' in outcome.trace
    assert "mlops_tui" not in outcome.trace
    assert outcome.trace in output
    assert "never" not in output


def test_a_syntax_error_fails_its_cell_only(desk: Desk) -> None:
    outcome, output = desk.run(f"print('runs')\n{CELL}\nif True\n    pass\n")
    assert "runs" in output
    assert outcome.trace is not None
    assert "line 6, cell 2" in outcome.trace
    assert "SyntaxError: expected ':'" in outcome.trace
    assert "mlops_tui" not in outcome.trace


def test_sys_exit_fails_the_run_as_on_the_platform(desk: Desk) -> None:
    outcome, _ = desk.run("import sys; sys.exit(0)")
    assert (outcome.state, outcome.error) == ("FAILED", "SystemExit: 0")


def test_secrets_are_never_printed(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        import sys, os, time
        secret = "dapi-very" + "-secret"
        print(secret)
        sys.stdout.write("dapi-very"); sys.stdout.flush(); time.sleep(0.3); sys.stdout.write("-secret\\n")
        os.write(1, b"raw dapi-very"); os.write(2, b"-secret")
        # COMMAND ----------
        # MAGIC %sh echo shell dapi-very-secret
        # COMMAND ----------
        raise RuntimeError(f"401 for {secret}")
        """,
        secrets=("dapi-very-secret", ""),
    )
    everything = output + repr(outcome)
    assert "secret" not in everything.replace('secret = "dapi-very" + "-secret"', "").replace("{secret}", "")
    assert output.startswith("[REDACTED]\n[REDACTED]\nraw [REDACTED]")
    assert "shell [REDACTED]\n" in output
    assert outcome.error == "RuntimeError: 401 for [REDACTED]"


def test_output_comes_while_the_notebook_runs(desk: Desk) -> None:
    started = desk.start("import time\nprint('epoch 1')\nprint('half', end='', flush=True)\ntime.sleep(20)")
    wait_for(lambda: started.output.exists() and started.output.read_text() == "epoch 1\nhalf")
    desk.cluster.cancel(started.run_id)
    assert started.end()[0].state == "CANCELED"


def test_a_million_lines_neither_hang_nor_get_lost(desk: Desk) -> None:
    started = desk.start("for number in range(1_000_000):\n    print('line', number)", secrets=("not there",))
    outcome, output = started.end(60)
    assert outcome.state == "SUCCESS"
    assert output.count("\n") == 1_000_000
    assert output.endswith("line 999999\n")


def test_output_beyond_the_limit_is_cut_and_the_run_goes_on(desk: Desk) -> None:
    outcome, output = desk.run(
        "for _ in range(10_000):\n    print('x' * 99)\ndbutils.notebook.exit('done')", output_limit=50_000
    )
    assert outcome.result == "done"
    assert output.endswith("*** WARNING: max output size exceeded, skipping output. ***\n")
    assert 50_000 < len(output) < 51_000


HANGS = """
import os, subprocess, sys, time
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
plain = subprocess.Popen(["sleep", "300"], **quiet)
stubborn = subprocess.Popen(["bash", "-c", "trap '' TERM; while true; do sleep 1; done"], **quiet)
away = subprocess.Popen(["sleep", "300"], start_new_session=True, **quiet)
with open("/dbfs/pids.new", "w") as file:
    print(os.getpid(), plain.pid, stubborn.pid, away.pid, file=file)
os.rename("/dbfs/pids.new", "/dbfs/pids")
"""
ESCAPES = sys.platform == "linux"  # elsewhere a process that left the group is not found


def test_cancelling_ends_everything_that_the_run_started(desk: Desk) -> None:
    started = desk.start(
        HANGS + "try:\n    time.sleep(300)\nexcept BaseException as end:\n    print('told', type(end))\n    raise"
    )
    pids = pids_in(desk.root / "dbfs/pids", 4)
    asked = time.monotonic()
    desk.cluster.cancel(started.run_id)
    outcome, output = started.end()
    assert outcome.state == "CANCELED"
    assert time.monotonic() - asked < 4
    assert "told" in output  # a training can close its MLflow run
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)


def test_a_run_that_will_not_end_is_killed(desk: Desk) -> None:
    started = desk.start(
        """
        import os, time
        with open("/dbfs/pids", "w") as file:
            print(os.getpid(), file=file)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                print("no")
        """
    )
    (pid,) = pids_in(desk.root / "dbfs/pids", 1)
    desk.cluster.cancel(started.run_id)
    assert started.end()[0].state == "CANCELED"
    assert not _alive(pid)


def test_a_run_out_of_time_is_timed_out(desk: Desk) -> None:
    outcome, output = desk.run("print('began', flush=True)\nimport time\ntime.sleep(60)", timeout=0.5)
    assert outcome.state == "TIMEDOUT"
    assert outcome.error == "Run timed out after 0.5 seconds"
    assert outcome.seconds < 4
    assert output.startswith("began\n")


def test_background_processes_end_with_the_run(desk: Desk) -> None:
    outcome, _ = desk.run(HANGS)
    assert outcome.state == "SUCCESS"
    pids = pids_in(desk.root / "dbfs/pids", 4)
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)


OUT_OF_MEMORY = " This may have been caused by an OOM error. Check your command's memory usage."


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        ("os._exit(3)", "exit code 3."),
        ("ctypes.string_at(0)", "exit code 139 (SIGSEGV: Segmentation fault)."),
        ("os.kill(os.getpid(), signal.SIGKILL)", f"exit code 137 (SIGKILL: Killed).{OUT_OF_MEMORY}"),
    ],
)
def test_a_python_process_that_dies_fails_its_run_only(desk: Desk, crash: str, how: str) -> None:
    outcome, output = desk.run(f"import ctypes, os, signal\nprint('before')\n{crash}")
    assert outcome.state == "FAILED"
    assert outcome.error == f"Fatal error: The Python kernel is unresponsive. The Python process exited with {how}"
    assert output.startswith("before\n")
    assert desk.run("print(1)")[0].state == "SUCCESS"


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


def test_what_is_not_in_the_sandbox_says_so(desk: Desk) -> None:
    outcome, _ = desk.run("spark.read.table('wine')")
    assert outcome.error is not None
    assert outcome.error.startswith("SparkNotHereError: spark.read: Spark is not in the sandbox.")
    outcome, _ = desk.run("# MAGIC %sql SELECT 1")
    assert outcome.error == "CommandError: %sql (cell 1) needs Spark, which is not in the sandbox."
    outcome, _ = desk.run("# MAGIC %sh -e\n# MAGIC false\n# MAGIC echo never")
    assert outcome.error == "CommandError: The shell command failed with exit code 1"


def test_values_are_shown_as_a_notebook_shows_them(desk: Desk) -> None:
    _, output = desk.run(
        """
        import pandas as pd
        display(pd.DataFrame({"rmse": [0.7]}))
        displayHTML("<h1>Wine</h1><style>h1 {}</style>")
        # COMMAND ----------
        40 + 2
        # COMMAND ----------
        "hidden";
        """
    )
    assert output.splitlines() == ["   rmse", "0   0.7", "Wine", "42"]


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


def test_a_cluster_that_is_killed_loses_its_runs_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)  # starts at once
    cluster = Cluster(tmp_path / "cluster", "killed")
    desk = Desk(cluster, _root(tmp_path))
    started = desk.start(HANGS + "time.sleep(300)")  # before the cluster is there
    cluster.start()
    pids = pids_in(desk.root / "dbfs/pids", 4)
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    outcome, _ = started.end()
    assert outcome.state == "LOST"
    assert cluster.state == "terminated"
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)
    assert desk.run("print(1)")[0].state == "LOST"
    cluster.stop()


def test_where_forking_is_not_safe_runs_are_fresh_processes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)
    cluster = Cluster(tmp_path / "cluster", "fresh")
    cluster.start()
    desk = Desk(cluster, _root(tmp_path))
    desk.write("dbutils.notebook.exit(open('/dbfs/a').read())", "child")
    outcome, output = desk.run(
        """
        import os
        kept = 1
        with open("/dbfs/a", "w") as file:
            file.write(dbutils.widgets.get("alpha"))
        # COMMAND ----------
        dbutils.library.restartPython()
        # COMMAND ----------
        import os
        print(os.environ["GIVEN"], "kept" in globals(), "hidden-value")
        dbutils.notebook.exit(dbutils.notebook.run("child"))
        """,
        {"alpha": "0.3"},
        environment={"GIVEN": "yes"},
        secrets=("hidden-value",),
    )
    assert (outcome.state, outcome.result) == ("SUCCESS", "0.3"), output
    assert output.startswith("yes False [REDACTED]\n")
    cluster.stop()


OWNER = """
import sys, time
from pathlib import Path
from mlops_tui.sandbox.notebooks import cluster as module
from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun
module.forking_is_safe = lambda: False
root = Path(sys.argv[1])
cluster = Cluster(root / "cluster", "orphaned")
cluster.start()
cluster.submit(NotebookRun(1, root / "hangs.py", {}, root, {}, root / "output.txt"), print)
while not cluster.pid:
    time.sleep(0.01)
print(cluster.pid, flush=True)
time.sleep(60)
"""


def test_a_sandbox_that_is_killed_takes_its_cluster_and_runs_along(tmp_path: Path) -> None:
    root = _root(tmp_path)
    (root / "hangs.py").write_text(HANGS + "time.sleep(300)")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(root)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        cluster_pid = int(owner.stdout.readline())
        wait_for((root / "dbfs/pids").exists, 60)
        pids = pids_in(root / "dbfs/pids", 4)
        owner.kill()
        owner.wait(10)
    for pid in [cluster_pid, *(pids if ESCAPES else pids[:3])]:
        wait_until_gone(pid)


def test_a_cluster_can_be_stopped_while_it_warms_up(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", "hasty")
    desk = Desk(cluster, _root(tmp_path))
    started = desk.start("print(1)")
    cluster.start()
    wait_for(lambda: cluster.pid)
    asked = time.monotonic()
    cluster.stop()
    assert time.monotonic() - asked < 3
    assert started.end()[0].state == "LOST"
    assert not cluster.wait_ready(1)


def test_a_cluster_stopped_by_its_user_loses_its_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)
    cluster = Cluster(tmp_path / "cluster", "stopped")
    desk = Desk(cluster, _root(tmp_path))
    waiting = desk.start("print(1)")
    desk.cluster.cancel(waiting.run_id)
    cluster.start()
    assert waiting.end()[0].state == "CANCELED"  # it had not begun
    started = desk.start(HANGS + "time.sleep(300)")
    pids = pids_in(desk.root / "dbfs/pids", 4)
    cluster.stop()
    assert started.end()[0].state == "LOST"
    assert not any(_alive(pid) for pid in (pids if ESCAPES else pids[:3]))
    assert cluster.state == "terminated"
