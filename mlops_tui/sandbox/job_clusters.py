"""The clusters that job runs have made for their tasks, which end with them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.clusters import Clusters
from mlops_tui.sandbox.fleet import KIND as CLUSTER
from mlops_tui.sandbox.run_states import CannotRunError

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox


class JobClusters:
    """Safe to use from any thread."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._made: dict[tuple[int, str], str] = {}

    def cluster_for(self, run: Body, spec: Body) -> str:
        """The cluster that a task names, or the one made for it: per job cluster key, per task, or serverless.

        Raises CannotRunError.
        """
        if cluster_id := spec.get("existing_cluster_id"):
            if self._sandbox.store.get(CLUSTER, cluster_id) is None:
                raise CannotRunError(f"Cluster {cluster_id} does not exist", "INVALID_CLUSTER_REQUEST")
            return str(cluster_id)
        key = spec.get("job_cluster_key", "")
        if not key and not spec.get("new_cluster"):
            return self._sandbox.find(Clusters).serverless()
        shared = {each["job_cluster_key"]: each["new_cluster"] for each in run["settings"].get("job_clusters") or []}
        made: Body = shared[key] if key else spec["new_cluster"]
        name = (run["run_id"], f"shared/{key}" if key else f"own/{spec['task_key']}")
        with self._lock:
            if name not in self._made:
                title = {"cluster_name": f"job-{run['job_id']}-run-{run['run_id']}-{key or spec['task_key']}"}
                owner = Principal(**run["owner"])
                self._made[name] = self._sandbox.find(Clusters).add(made | title, owner, "JOB")
            return self._made[name]

    def close(self, run_id: int) -> None:
        """End those that were made for a job run."""
        with self._lock:
            keys = [key for key in self._made if key[0] == run_id]
            clusters = [self._made.pop(key) for key in keys]
        for cluster_id in clusters:
            self._sandbox.find(Clusters).fleet.terminate(cluster_id, "JOB_FINISHED")
