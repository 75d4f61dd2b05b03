# Databricks notebook source
# MAGIC %md
# MAGIC # Train a model of wine quality
# MAGIC
# MAGIC This notebook fits one ElasticNet model to the red wine data: eleven chemical measurements of a wine on one side,
# MAGIC the marks that tasters gave it (0 to 10) on the other. It keeps everything that somebody needs to judge the model
# MAGIC later, or to make it again, as one *run* in MLflow.
# MAGIC
# MAGIC It runs unchanged on Azure Databricks and in the sandbox of mlops-tui. Run it three times with other values of
# MAGIC `alpha` and `l1_ratio`, and the *experiment* shows you which model is best.

# COMMAND ----------

# MAGIC %md
# MAGIC ## What you can choose
# MAGIC
# MAGIC | widget | meaning |
# MAGIC |---|---|
# MAGIC | `alpha` | how strongly large coefficients are punished; 0 is plain linear regression |
# MAGIC | `l1_ratio` | how: 1 drops features altogether (lasso), 0 only makes them smaller (ridge) |
# MAGIC | `build_number`, `build_source` | which build this run belongs to; without a number you started it by hand |
# MAGIC | `run_name` | what the run is called in the experiment |
# MAGIC | `experiment` | where runs are kept: a path in the workspace whose folder exists |
# MAGIC | `data_path` | a table with a column `quality`, separated by `;` or `,` |
# MAGIC | `log_path` | a folder on a volume or DBFS to which the output is also written while the notebook runs |

# COMMAND ----------

dbutils.widgets.text("alpha", "0.5")
dbutils.widgets.text("l1_ratio", "0.5")
dbutils.widgets.text("build_number", "")
dbutils.widgets.text("build_source", "manual")
dbutils.widgets.text("run_name", "")
dbutils.widgets.text("experiment", "/Shared/WineQuality")
dbutils.widgets.text("data_path", "/databricks-datasets/wine-quality/winequality-red.csv")
dbutils.widgets.text("log_path", "")

# COMMAND ----------

import contextlib
import hashlib
import io
import json
import logging
import os
import time
import uuid

import cloudpickle
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import sklearn
from matplotlib.figure import Figure
from mlflow.models import infer_signature
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

logging.getLogger("mlflow").setLevel(logging.ERROR)  # its hints are for other readers than this log's
mlflow.sklearn.autolog(disable=True)  # Databricks would record a second time what we record below

# COMMAND ----------

# MAGIC %md
# MAGIC ## The live log
# MAGIC
# MAGIC Copies what is printed to files, so that you can watch this notebook while it runs. The next line takes in another
# MAGIC notebook, `live_log`, as if its cells stood here; it must be alone in its cell.

# COMMAND ----------

# MAGIC %run ./live_log

# COMMAND ----------

# MAGIC %md
# MAGIC ## The data
# MAGIC
# MAGIC Every Databricks workspace has the wine data under `/databricks-datasets`. Depending on the cluster, Python sees
# MAGIC that path as it is, below `/dbfs`, or only through `dbutils`; we try one after the other. The fingerprint (SHA-256)
# MAGIC goes with the run: it proves later which data the model has seen.

# COMMAND ----------


def read_data(path):
    """The table at `path`, and the SHA-256 of its bytes."""
    content = read_bytes(path.removeprefix("dbfs:"))
    separator = ";" if b";" in content.splitlines()[0] else ","
    table = pd.read_csv(io.BytesIO(content), sep=separator)
    if "quality" not in table.columns:
        raise ValueError(f"The table at {path} has no column 'quality'; it has {', '.join(table.columns)}.")
    return table, hashlib.sha256(content).hexdigest()


def read_bytes(path):
    for place in (path, f"/dbfs{path}"):
        if os.path.exists(place):
            with open(place, "rb") as file:
                return file.read()
    return dbutils.fs.head(f"dbfs:{path}", 100_000_000).encode()


# COMMAND ----------

# MAGIC %md
# MAGIC ## Training
# MAGIC
# MAGIC A quarter of the wines is kept back to test the model with wines it has never seen. The seed makes the split the
# MAGIC same every time: only so can runs be compared with each other, and with the published figures of this example.
# MAGIC
# MAGIC | metric | meaning |
# MAGIC |---|---|
# MAGIC | `rmse` | typical error in marks, large errors count more; lower is better |
# MAGIC | `mae` | average error in marks; lower is better |
# MAGIC | `r2` | share of the differences between wines that the model explains; 1 is all of it |

# COMMAND ----------


def split(table):
    """Three quarters to train with, one quarter to test with."""
    np.random.seed(40)
    return train_test_split(table)


def measure(actual, predicted):
    return {
        "rmse": float(np.sqrt(mean_squared_error(actual, predicted))),
        "r2": float(r2_score(actual, predicted)),
        "mae": float(mean_absolute_error(actual, predicted)),
    }


# COMMAND ----------

# MAGIC %md
# MAGIC ## What is kept of a run
# MAGIC
# MAGIC Besides parameters and metrics: the model with the exact versions it was made with, so that a container image can be
# MAGIC built from it; the test set, so that the deployed model can be asked the very same questions; and a picture of how
# MAGIC its predictions compare with the truth.

# COMMAND ----------


def keep_model(model, features, predicted):
    """Log the model as `model`. Giving the requirements saves MLflow some seconds of finding them out."""
    packages = {"mlflow": mlflow, "scikit-learn": sklearn, "pandas": pd, "numpy": np, "cloudpickle": cloudpickle}
    major = int(mlflow.__version__.split(".")[0])
    mlflow.sklearn.log_model(
        model,
        **{"name" if major >= 3 else "artifact_path": "model"},
        signature=infer_signature(features, predicted),
        input_example=features.head(5),
        pip_requirements=[f"{name}=={package.__version__}" for name, package in packages.items()],
    )


def keep_test(test, predicted):
    """Log the test set, and predictions against actual marks as a picture and as a table."""
    mlflow.log_text(test.to_csv(index=False), "test_set/test.csv")
    table = pd.DataFrame({"quality": test["quality"].to_numpy(), "prediction": predicted})
    mlflow.log_table(table, "predictions.json")
    figure = Figure(figsize=(6, 6))
    axes = figure.subplots()
    axes.scatter(table["quality"], table["prediction"], s=12, alpha=0.4)
    span = [table["quality"].min(), table["quality"].max()]
    axes.plot(span, span, linestyle="--", color="grey", label="a perfect model")
    axes.set(xlabel="quality as tasted", ylabel="quality as predicted", title="Predicted against actual quality")
    axes.legend()
    mlflow.log_figure(figure, "plots/predicted_vs_actual.png")


# COMMAND ----------

# MAGIC %md
# MAGIC ## The run
# MAGIC
# MAGIC If anything in here fails, MLflow marks the run as failed, the reason goes to the live log, and the job fails too.

# COMMAND ----------


def train(choices):
    """One run of the experiment; returns what the notebook's caller wants to know."""
    alpha, l1_ratio = float(choices["alpha"]), float(choices["l1_ratio"])
    build_number = choices["build_number"] or str(uuid.uuid4())
    build_source = (choices["build_number"] and choices["build_source"]) or "manual"
    print(f"Build {build_number} ({build_source}): ElasticNet with alpha={alpha}, l1_ratio={l1_ratio}")

    tags = {"build_number": build_number, "build_source": build_source, "data_source": choices["data_path"]}
    with contextlib.redirect_stderr(io.StringIO()):  # where MLflow recommends a product, in every run
        # Of several runs that make the experiment at the same moment, MLflow sets it for one alone: so we name it.
        experiment = mlflow.set_experiment(choices["experiment"]).experiment_id
    with mlflow.start_run(experiment_id=experiment, run_name=choices["run_name"] or None, tags=tags) as run:
        print(f"Run: {run.info.run_id} ({run.info.run_name}) in {choices['experiment']}")
        mlflow.log_params({"alpha": alpha, "l1_ratio": l1_ratio})

        table, sha256 = read_data(choices["data_path"])
        mlflow.set_tag("data_sha256", sha256)
        print(f"Data: {len(table):,} rows, {len(table.columns)} columns from {choices['data_path']} ({sha256[:12]}…)")

        training, test = split(table)
        features, test_features = training.drop(columns="quality"), test.drop(columns="quality")
        print(f"Split: {len(training):,} rows to train with, {len(test):,} rows to test with")

        started = time.perf_counter()
        model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=42).fit(features, training["quality"])
        milliseconds = (time.perf_counter() - started) * 1000
        print(f"Fit: {milliseconds:.0f} ms, {np.count_nonzero(model.coef_)} of {len(model.coef_)} features in use")

        predicted = model.predict(test_features)
        metrics = measure(test["quality"], predicted)
        mlflow.log_metrics(metrics)
        print("Metrics: " + ", ".join(f"{name} {value:.6f}" for name, value in metrics.items()))

        keep_model(model, features, predicted)
        keep_test(test, predicted)
        model_uri = f"runs:/{run.info.run_id}/model"
        print(f"Model: {model_uri}")
    return {"run_id": run.info.run_id, **metrics, "model_uri": model_uri, "build_number": build_number}


# COMMAND ----------

names = ("alpha", "l1_ratio", "build_number", "build_source", "run_name", "experiment", "data_path", "log_path")
choices = {name: dbutils.widgets.get(name).strip() for name in names}
with LiveLog(choices["log_path"]):
    outcome = train(choices)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(outcome))
