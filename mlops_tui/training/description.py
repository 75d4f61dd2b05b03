"""One tracked run in full: what it used and what it made."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_tui.errors import AccessError, CloudError, NotFoundError
from mlops_tui.events import LogLine, RunDescribed, RunResult
from mlops_tui.steps import Emit
from mlops_tui.training.history import as_figure, as_result

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_experiments import TrackedRun
    from mlops_tui.project import Training
    from mlops_tui.session import Session

ARTIFACTS = 300  # paths told of a run, at most
PREDICTIONS = "predictions.json"  # the table that the training notebook logs
LONGEST = 4 << 20  # bytes of that table
POINTS = 5000  # of predictions told; more than a terminal can draw
Pair = tuple[float, float]


def describe(session: Session, run_id: str, emit: Emit) -> RunDescribed:
    """Raises NotFoundError where there is no such run. What cannot be read of its files is told, and left out."""
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    try:
        run = databricks.experiments.get(run_id)
    except NotFoundError as error:
        hint = "`mlops-tui runs` lists runs with their ids; a run's log names its id, too."
        raise NotFoundError(
            f"There is no tracked run {run_id!r}.", hint=hint, raw=error.raw, code=error.code
        ) from error
    model, artifacts = _artifacts(databricks, run, emit)
    predictions: tuple[Pair, ...] = ()
    if PREDICTIONS in artifacts:
        try:
            predictions = read_predictions(databricks.artifacts.read(run_id, PREDICTIONS, LONGEST))
        except NotFoundError:
            predictions = ()  # removed since it was listed
        except (CloudError, AccessError, ValueError) as error:
            _warn(emit, run.name, f"{PREDICTIONS}: {error}")
    return RunDescribed(
        result=_in_full(run, session.project.training, databricks.host),
        tags=dict(sorted(run.tags.items())),
        artifacts=artifacts,
        model_uri=f"runs:/{run_id}/{model}" if model else "",
        predictions=predictions,
    )


def read_predictions(content: bytes) -> tuple[Pair, ...]:
    """Actual and predicted figures of a table as `mlflow.log_table` writes it; evenly thinned where there are many.

    Raises ValueError for anything but such a table. Rows without two finite figures are left out.
    """
    table = json.loads(content)
    if not isinstance(table, dict) or not isinstance(table.get("data"), list):
        raise ValueError("not a table of columns and data")
    columns = [str(name) for name in table.get("columns") or []]
    if len(columns) < 2:
        raise ValueError("a table of actual and predicted figures has two columns")
    predicted = columns.index("prediction") if "prediction" in columns else 1
    actual = 0 if predicted else 1
    pairs = [pair for row in table["data"] if (pair := _pair(row, actual, predicted)) is not None]
    return tuple(pairs[:: math.ceil(len(pairs) / POINTS) or 1])


def _pair(row: Any, actual: int, predicted: int) -> Pair | None:
    if not isinstance(row, list) or len(row) <= max(actual, predicted):
        return None
    figures = row[actual], row[predicted]
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in figures):
        return None
    return float(figures[0]), float(figures[1])


def _in_full(run: TrackedRun, rule: Training, host: str) -> RunResult:
    """With every parameter and metric, whoever's notebook it was; the project's own metrics first."""
    result = as_result(run, rule, host)
    parameters = result.parameters | {name: as_figure(text) for name, text in sorted(run.parameters.items())}
    return replace(result, parameters=parameters, metrics=result.metrics | dict(sorted(run.metrics.items())))


def _artifacts(databricks: Databricks, run: TrackedRun, emit: Emit) -> tuple[str, tuple[str, ...]]:
    """The model's name among the run's artifacts, empty where there is none; and all of their paths."""
    try:
        paths = list(databricks.artifacts.of_run(run.run_id, ARTIFACTS))
        model = next((path.removesuffix("/MLmodel") for path in paths if path.endswith("/MLmodel")), "")
        for model_id in run.model_ids:
            name = databricks.artifacts.model_name(model_id)
            model = model or name
            of_model = (f"{name}/{path}" for path in databricks.artifacts.of_model(model_id, ARTIFACTS))
            paths += [path for path in of_model if path not in paths]
    except (CloudError, AccessError) as error:
        _warn(emit, run.name, error.message)
        return "", ()
    return model, _first(paths)


def _first(paths: Sequence[str]) -> tuple[str, ...]:
    """The shallow ones first where there are too many; told in the order of their names."""
    return tuple(sorted(sorted(paths, key=lambda path: path.count("/"))[:ARTIFACTS]))


def _warn(emit: Emit, source: str, text: str) -> None:
    emit(LogLine(source=source, text=f"could not be read: {text}", level="warning"))
