"""make bench: how fast, as ratios against yardsticks measured on the same machine in the same minute.

Seconds differ from machine to machine; ratios hardly do. Everything runs against a practice cloud of its own.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import bench_app, bench_delivery, bench_log

ROOT = Path(__file__).parent.parent
MLOPS_TUI = str(Path(sys.executable).with_name("mlops-tui"))
SWEEPS = 5

# One training as the seeds' notebooks did it, in a process of its own with a tracking store of its own.
FRESH_TRAINING = """
import sys, mlflow, mlflow.sklearn, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
data, folder = sys.argv[1:]
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.sqlite")
mlflow.set_experiment("bench")
np.random.seed(40)
train, test = train_test_split(pd.read_csv(data, sep=";"))
x, y, tx, ty = train.drop(columns="quality"), train["quality"], test.drop(columns="quality"), test["quality"]
with mlflow.start_run():
    model = ElasticNet(alpha=0.5, l1_ratio=0.5, random_state=42).fit(x, y)
    predicted = model.predict(tx)
    mlflow.log_params({"alpha": 0.5, "l1_ratio": 0.5})
    mlflow.log_metrics({"rmse": mean_squared_error(ty, predicted) ** 0.5, "mae": mean_absolute_error(ty, predicted),
                        "r2": r2_score(ty, predicted)})
    mlflow.sklearn.log_model(model, name="model", signature=infer_signature(x, predicted), input_example=x.head(5),
                             pip_requirements=["scikit-learn"])
"""

# One secret, or one notebook, by a process of its own: what a README's list of CLI commands does.
ONE_SECRET = """
import sys
from databricks.sdk import WorkspaceClient
WorkspaceClient().secrets.put_secret("azureml", sys.argv[1], string_value="x")
"""
ONE_NOTEBOOK = """
import base64, sys
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.workspace import ImportFormat, Language
content = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
WorkspaceClient().workspace.import_("/Shared/MLFlow/" + sys.argv[2], content=content, format=ImportFormat.SOURCE,
                                    language=Language.PYTHON, overwrite=True)
"""


@dataclass(frozen=True)
class Result:
    """One line of the table: ours against the yardstick, in seconds; `most` is the ratio aimed at."""

    what: str
    ours: float
    yardstick: str
    theirs: float
    most: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is started below ends on the way out
    with tempfile.TemporaryDirectory(prefix="mlops-tui-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            results = bench.run()
        finally:
            bench.command("sandbox", "stop")
    print(table(results))
    print("\nOne row for the model that is served, beside MLflow's own scoring server (ratio: ours ÷ MLflow's):\n")
    print(bench_delivery.table(bench.served))
    print("\nThe live log beside Textual's own Log and toolong (ratio above 1: ours needs less):\n")
    print(bench_log.table(bench_log.measure()))


class Bench:
    """A home of its own and what is measured in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = ("ARM_", "AZURE_", "DATABRICKS_", "MLOPS_TUI_", "MLFLOW_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment["MLOPS_TUI_HOME"] = str(folder / "data")
        self.served: list[bench_delivery.Served] = []

    def run(self) -> list[Result]:
        importing = self.median([sys.executable, "-c", "import click"], 15)
        first, trained = self.up()
        again, looked = self.up()
        self.served = bench_delivery.measure(self.environment, self.folder / "data", self.folder)
        sweep = statistics.median(self.sweep_seconds() for _ in range(SWEEPS))
        fresh = self.fresh_training()
        return [
            Result(
                "mlops-tui --help", self.median([MLOPS_TUI, "--help"], 15), "python -c 'import click'", importing, 2
            ),
            Result("three tracked runs, warm cluster", sweep, "one training, fresh process", fresh, 1),
            Result("first up with delivery, whole", first, "90 s", 90, 1),
            Result("first up with delivery, whole", first, "its part up to the trained models", trained, 4),
            Result("up again, whole", again, "first up", first, 1),
            Result("up again, whole", again, "its part up to the trained models", looked, 4),
            self.secrets_and_notebooks(),
            *self.app(),
        ]

    def app(self) -> list[Result]:
        """The terminal app: until it is there, and until it answers while its worker is busy with the SDKs."""
        first, empty = bench_app.first_texts(self.environment, self.folder)
        rounds = [bench_app.keys_at_the_start(self.environment, self.folder) for _ in range(4)]
        busy, calm = (
            statistics.median(second for taken in kind for second in taken) for kind in zip(*rounds, strict=True)
        )
        return [
            Result("the app's first text", first, "an empty Textual app's", empty, 1.5),
            Result("a key while the SDKs load, median", busy, "the same key afterwards", calm, 1.5),
        ]

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [MLOPS_TUI, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise SystemExit(
                f"mlops-tui {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def up(self) -> tuple[float, float]:
        """Seconds of the whole, and until the models were trained: then delivery's first lane begins."""
        began, started = time.time(), time.perf_counter()
        out = self.command("up", "--approve", "--output", "json")
        whole = time.perf_counter() - started
        events = [json.loads(line) for line in out.splitlines()]
        return whole, min(float(event["at"]) for event in events if event["type"] == "lane_state") - began

    def sweep_seconds(self) -> float:
        """From the first of the three notebooks' start to the last one's end, as the cluster tells it."""
        out = self.command("train", "--output", "json")
        events = [json.loads(line) for line in out.splitlines()]
        (compared,) = [event for event in events if event["type"] == "runs_compared"]
        return max(float(result["seconds"]) for result in compared["results"])

    def fresh_training(self) -> float:
        data = self.folder / "data/sandbox/files/databricks-datasets/wine-quality/winequality-red.csv"
        script = self.folder / "fresh.py"
        script.write_text(FRESH_TRAINING)

        def once(number: int) -> list[str]:
            store = self.folder / f"store-{number}"
            store.mkdir()
            return [sys.executable, str(script), str(data), str(store)]

        return statistics.median(self.timed(once(number)) for number in range(3))

    def secrets_and_notebooks(self) -> Result:
        """Six secrets and the notebooks: as `setup` writes them, and by one process each."""
        self.command("sandbox", "reset", "--yes")
        out = self.command("setup", "--output", "json")
        events = [json.loads(line) for line in out.splitlines()]
        ends = {
            event["step"]: event["seconds"]
            for event in events
            if event["type"] == "step_state" and event["state"] == "done" and event["seconds"] is not None
        }
        exports = self.command("sandbox", "env").replace("export ", "").splitlines()
        client = dict(line.replace("'", "").split("=", 1) for line in exports)
        kept = {name: client[name] for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "REQUESTS_CA_BUNDLE")}
        secret = [[sys.executable, "-c", ONE_SECRET, f"key{number}"] for number in range(6)]
        paths = sorted((ROOT / "notebooks").glob("*.py"))
        notebook = [[sys.executable, "-c", ONE_NOTEBOOK, str(path), path.stem] for path in paths]
        theirs = sum(self.timed(command, kept) for command in secret + notebook)
        ours = max(ends["secret-scope"], ends["notebooks"])
        return Result("secret scope and notebooks in setup", ours, f"{len(secret + notebook)} CLI processes", theirs, 1)

    def median(self, command: list[str], times: int) -> float:
        return statistics.median(self.timed(command) for _ in range(times))

    def timed(self, command: list[str], extra: dict[str, str] | None = None) -> float:
        started = time.perf_counter()
        environment = self.environment | (extra or {})
        subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, check=True, timeout=300)
        return time.perf_counter() - started


def table(results: list[Result]) -> str:
    """Markdown."""
    rows = ["| what | seconds | yardstick | seconds | ratio | aim |", "|---|---:|---|---:|---:|---:|"]
    show: Callable[[float], str] = lambda value: f"{value:.3f}" if value < 1 else f"{value:.1f}"  # noqa: E731
    for result in results:
        verdict = "" if result.ratio <= result.most else " (missed)"
        rows.append(
            f"| {result.what} | {show(result.ours)} | {result.yardstick} | {show(result.theirs)} "
            f"| {result.ratio:.2f}{verdict} | ≤ {result.most:g} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
