"""What makes a cluster warm: the packages imported, and one training done that nobody sees.

The first training in a process spends its time in lazy imports, database migrations and font caches; a process that is
forked afterwards has all that behind it.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import re
import sys
import tempfile
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# One thread each: threads of a library do not survive a fork, and runs go side by side instead.
SINGLE_THREADED = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "ARROW_IO_THREADS": "1",
}
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MPLBACKEND": "Agg", "GIT_PYTHON_REFRESH": "quiet"}

# What takes a second to import, and only some notebooks need.
SELDOM = ("azure.ai.ml",)


def warm_up() -> None:
    """Import, train once, forget the traces, and freeze what is there so that forks share its memory."""
    gc.disable()
    importlib.import_module("databricks.sdk.dbutils")
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(prefix="warming-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _train(Path(folder))
            _forget()
    finally:
        logging.disable(level)
    gc.enable()
    gc.freeze()


def prepare_for(notebook: Path) -> None:
    """Import what this notebook, or one that it takes in, speaks of: once here, and not in each of its runs."""
    try:
        text = notebook.read_text(encoding="utf-8")
        taken_in = [notebook.parent / f"{name}.py" for name in re.findall(r"%run \./(\w+)", text)]
        text += "".join(one.read_text(encoding="utf-8") for one in taken_in)
    except (OSError, ValueError):  # the run will tell
        return
    gc.disable()
    for name in SELDOM:
        if name in text and name not in sys.modules:
            with warnings.catch_warnings(), suppress(ImportError):  # here, too
                warnings.simplefilter("ignore")
                importlib.import_module(name)
            gc.freeze()
    gc.enable()


def _train(folder: Path) -> None:
    import numpy as np
    import pandas as pd
    from matplotlib import pyplot
    from sklearn.linear_model import ElasticNet
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
    from sklearn.model_selection import train_test_split

    if find_spec(
        "skops"
    ):  # by which MLflow stores models: it looks through all modules that MLflow has not imported yet
        importlib.import_module("skops.io")
    import mlflow

    experiment = _experiment(mlflow, folder)
    table = pd.DataFrame(np.arange(40.0).reshape(20, 2) % 7, columns=["a", "b"])
    inputs, held_back, target, actual = train_test_split(table, table["a"] * 2 + table["b"], random_state=0)
    with mlflow.start_run(experiment_id=experiment):
        model = ElasticNet(alpha=0.1).fit(inputs, target)
        predicted = model.predict(held_back)
        mlflow.log_params({"alpha": 0.1})
        scores = (mean_absolute_error, mean_squared_error, r2_score)
        mlflow.log_metrics({score.__name__: score(actual, predicted) for score in scores})
        figure, axes = pyplot.subplots()
        axes.scatter(actual, predicted)
        axes.set_title("warming")
        mlflow.log_figure(figure, "figure.png")
        pyplot.close(figure)
        _log_model(mlflow, model, inputs, model.predict(inputs))


def _experiment(mlflow: Any, folder: Path) -> str:
    """In files, which takes no time; in a database, which takes a second, where MLflow has no more files."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    try:
        mlflow.set_tracking_uri((folder / "runs").as_uri())
        return str(mlflow.create_experiment("warming", artifact_location=(folder / "artifacts").as_uri()))
    except mlflow.exceptions.MlflowException:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/tracking.db")
        return str(mlflow.create_experiment("warming", artifact_location=(folder / "artifacts").as_uri()))


def _log_model(mlflow: Any, model: Any, inputs: Any, predicted: Any) -> None:
    importlib.import_module("mlflow.sklearn").log_model(
        model,
        name="model",
        pip_requirements=["scikit-learn"],
        signature=importlib.import_module("mlflow.models").infer_signature(inputs, predicted),
        input_example=inputs.head(2),
    )


def _forget() -> None:
    """Close the training's files: an open one would be shared, its position too, by all forks."""
    mlflow: Any = sys.modules["mlflow"]
    if database := sys.modules.get("mlflow.store.tracking.sqlalchemy_store"):
        engines: dict[str, Any] = database.SqlAlchemyStore._engine_map
        for engine in engines.values():
            engine.dispose()
        engines.clear()
    registry: Any = importlib.import_module("mlflow.tracking._tracking_service.utils")._tracking_store_registry
    registry._get_store_with_resolved_uri.cache_clear()
    mlflow.set_tracking_uri(None)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_ALLOW_FILE_STORE"):
        os.environ.pop(name, None)
    importlib.import_module("matplotlib.font_manager")._get_font.cache_clear()
    importlib.import_module("matplotlib.pyplot").close("all")
    gc.collect()
