"""Tracked runs in a workspace (MLflow REST API 2.0, through the Databricks SDK: no mlflow needed here)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from databricks.sdk.service import ml

    from mlops_tui.clouds.databricks import Databricks

PAGE = 200


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


class Experiments:
    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def runs(self, experiment: str, tags: dict[str, str], limit: int = PAGE) -> tuple[TrackedRun, ...]:
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
        with speaking_of(f"the tracked run {run_id}"):
            run = self._databricks.client.experiments.get_run(run_id).run
        if run is None:
            raise NotFoundError(f"There is no tracked run {run_id}.")
        return _tracked(run)


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
