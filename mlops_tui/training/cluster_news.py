"""What happens to the cluster while a job run waits for it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from mlops_tui.errors import ForbiddenError
from mlops_tui.events import LogLine
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_clusters import Happening
    from mlops_tui.session import Session

EVERY = 1.0  # seconds between looks
BEFORE = 60.0  # seconds before now from which on a cluster's events belong to this story


class ClusterNews:
    def __init__(self, session: Session, databricks: Databricks, emit: Emit, since: float | None = None) -> None:
        """`since`: seconds since 1970, where the story is known to begin at some moment of the workspace's clock."""
        self._session = session
        self._databricks = databricks
        self._emit = emit
        self._due = 0.0
        self._since = int((time.time() - BEFORE if since is None else since) * 1000)

    def is_due(self) -> bool:
        """Whether it is time to look again; then it is not, for a while."""
        now = time.monotonic()
        if now < self._due or not self._session.knows("cluster_id"):
            return False
        self._due = now + EVERY
        return True

    def read(self) -> list[Happening]:
        cluster_id = self._session.know("cluster_id", "cluster")
        try:
            return self._databricks.clusters.events(cluster_id, self._since)
        except ForbiddenError:  # who may run the job need not be allowed to look at its cluster
            self._due = math.inf
            return []

    def tell(self, happenings: list[Happening]) -> bool:
        for happening in happenings:
            self._emit(LogLine(source="cluster", text=f"the cluster {happening.text}"))
            self._since = happening.at + 1
        return bool(happenings)
