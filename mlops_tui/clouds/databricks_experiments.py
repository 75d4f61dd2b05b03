"""Tracked runs in a workspace (MLflow REST API 2.0, through the Databricks SDK: no mlflow needed here)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from databricks.sdk.service import ml

    from mlops_tui.clouds.databricks import Databricks

PAGE = 1000  # runs in one answer
OF_A_BUILD = 200  # more than a sweep can have


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow keeps of a run. Times in seconds."""

    run_id: str
    experiment_id: str
    name: str
    status: str  # RUNNING, FINISHED, FAILED, KILLED, SCHEDULED
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    started: float
    seconds: float | None
    model_ids: tuple[str, ...] = ()  # logged models (MLflow 3); read with one run alone


class Experiments:
    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def runs(self, experiment: str, tags: dict[str, str], limit: int = OF_A_BUILD) -> tuple[TrackedRun, ...]:
        """Runs of an experiment (by its workspace path) that carry all these tags, newest first.

        Empty where there is no such experiment yet.
        """
        client = self._databricks.client
        wanted = " and ".join(f"tags.`{name}` = '{_quoted(value)}'" for name, value in tags.items())
        try:
            with speaking_of(f"the experiment {experiment}"):
                found = client.experiments.get_by_name(experiment).experiment
                if found is None or found.experiment_id is None:
                    return ()
                pages = client.experiments.search_runs(
                    experiment_ids=[found.experiment_id],
                    filter=wanted,
                    max_results=min(limit, PAGE),
                    order_by=["attributes.start_time DESC"],
                )
                runs = []
                for run in pages:
                    runs.append(_tracked(run))
                    if len(runs) == limit:
                        break
                return tuple(runs)
        except NotFoundError:
            return ()

    def get(self, run_id: str) -> TrackedRun:
        """Raises NotFoundError."""
        from databricks.sdk.service import ml

        with speaking_of(f"the tracked run {run_id}"):  # the SDK's own call drops the run's outputs
            query = {"run_id": run_id}
            answer = self._databricks.client.api_client.do("GET", "/api/2.0/mlflow/runs/get", query=query)
        run = answer.get("run") if isinstance(answer, dict) else None
        if not run:
            raise NotFoundError(f"There is no tracked run {run_id}.")
        models = (run.get("outputs") or {}).get("model_outputs") or []
        return replace(_tracked(ml.Run.from_dict(run)), model_ids=tuple(str(one["model_id"]) for one in models))

    def names(self, limit: int) -> tuple[str, ...]:
        """Workspace paths of the experiments that the caller may read, sorted; `limit` at most."""
        with speaking_of("the experiments"):
            listed = self._databricks.client.experiments.list_experiments(max_results=limit)
            return tuple(sorted(one.name or "" for one in itertools.islice(listed, limit)))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _tracked(run: ml.Run) -> TrackedRun:
    info, data = run.info, run.data
    started = (info.start_time or 0) / 1000 if info else 0.0
    ended = info.end_time / 1000 if info and info.end_time else None
    return TrackedRun(
        run_id=(info.run_id if info else None) or "",
        experiment_id=(info.experiment_id if info else None) or "",
        name=(info.run_name if info else None) or "",
        status=info.status.value if info and info.status else "",
        parameters={item.key or "": item.value or "" for item in (data.params if data else None) or []},
        metrics={item.key or "": float(item.value or 0.0) for item in (data.metrics if data else None) or []},
        tags={item.key or "": item.value or "" for item in (data.tags if data else None) or []},
        started=started,
        seconds=ended - started if ended is not None else None,
    )
