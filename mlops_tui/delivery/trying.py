"""Trying an endpoint: real rows to ask it about, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tui.delivery import endpoints, kept_rows, keys, versions
from mlops_tui.delivery.kept_rows import Cell
from mlops_tui.errors import CloudError, DeliveryFailedError, UsageError
from mlops_tui.events import Deployment, Predicted, RowsRead, Stage

if TYPE_CHECKING:
    from mlops_tui.session import Session


def read_rows(session: Session, build: str = "", limit: int = 5) -> RowsRead:
    """The first rows of a build's kept test set; of the newest build's where none is named. Raises UsageError."""
    version = versions.of_build(session, build)
    kept = kept_rows.read(session, versions.run_of(version))
    return RowsRead(
        build=version.tags.get(versions.BUILD, ""),
        rows=tuple(kept_rows.numbers(row) for row in kept.rows[:limit]),
        target=kept.target[:limit],
    )


def predict(session: Session, stage: Stage, rows: Sequence[Mapping[str, Cell]], deployment: str = "") -> Predicted:
    """What a stage, or one `deployment` in it, says to these rows. Raises UsageError for rows that do not fit."""
    endpoint = endpoints.require(session, stage)
    asked = _asked(endpoint.deployments, deployment, stage)
    version = versions.of_image(session, asked.image if asked else endpoint.image)
    wanted: Sequence[Mapping[str, Cell]] = rows
    if version is not None:
        try:
            wanted = kept_rows.fitted(rows, kept_rows.read(session, versions.run_of(version)))
        except DeliveryFailedError:
            wanted = rows  # the run is gone, and with it what the model takes: the endpoint will say
    key = keys.endpoint_key(session, stage)
    alone = deployment if len(endpoint.deployments) > 1 else ""
    scored = session.clients.scoring.score(endpoint.url, key, wanted, alone)
    if odd := [number for number, one in enumerate(scored.predictions, 1) if not math.isfinite(one)]:
        raise CloudError(f"{stage.capitalize()} answers row {odd[0]} with no number.", hint="See what the row lacks.")
    by = scored.deployment or (asked.name if asked else "")
    build = next((one.build for one in endpoint.deployments if one.name == by), endpoint.build)
    return Predicted(
        stage=stage,
        rows=tuple(kept_rows.numbers(row) for row in wanted),
        predictions=scored.predictions,
        milliseconds=round(scored.milliseconds, 3),
        build=build,
        deployment=by,
    )


def _asked(deployments: Sequence[Deployment], name: str, stage: Stage) -> Deployment | None:
    """The one of that name; else the one that has the traffic. Raises UsageError for an unknown name."""
    if not name:
        return endpoints.with_traffic(tuple(deployments))
    found = next((one for one in deployments if one.name == name), None)
    if found is None:
        there = ", ".join(one.name for one in deployments)
        raise UsageError(f"{stage.capitalize()} has no deployment {name!r}.", hint=f"It has {there}.")
    return found
