"""The life of clusters: PENDING, RUNNING, RESTARTING, TERMINATING, TERMINATED, with the events that tell of it.

A cluster is a document of kind "cluster"; while it is up, a warm process stands behind it. Every change is committed
before anybody is told. Event types and termination reasons are those of the Databricks REST reference, Clusters 2.1.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import Body

if TYPE_CHECKING:
    from mlops_tui.sandbox.machines import Machine, Machines
    from mlops_tui.sandbox.store import Store

log = logging.getLogger("mlops_tui.sandbox")

KIND = "cluster"
EVENT = "cluster-event"
START_TIMEOUT = 180.0  # seconds until a warm process that is not ready counts as failed
WATCH = 0.5  # seconds between two looks at idle and lost clusters
MINUTE = 60.0  # seconds; idle times are given in minutes

Told = Callable[[str], None]  # called with "" when the cluster runs, or with the reason why it never will


def now_ms() -> int:
    return int(time.time() * 1000)


class Fleet:
    """Starts and ends clusters and knows the warm process of each; safe to use from any thread."""

    def __init__(self, store: Store, machines: Machines, on_running: Callable[[str], None]) -> None:
        self._store = store
        self._machines = machines
        self._on_running = on_running
        self._lock = threading.RLock()
        self._up: dict[str, Machine] = {}
        self._waiting: dict[str, list[Told]] = {}
        self._busy: Counter[str] = Counter()
        self._last_used: dict[str, float] = {}
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def recover(self) -> None:
        """After the death of a sandbox: what was up is not, and says so."""
        for cluster in self._store.list(KIND):
            if cluster["state"] != "TERMINATED":
                self._end(cluster, "CLOUD_PROVIDER_SHUTDOWN", "CLOUD_FAILURE", {})
                self._close(cluster["cluster_id"])

    def stop(self) -> None:
        """The sandbox ends: every cluster is terminated, with the processes behind it."""
        self._stopping.set()
        self.recover()
        with self._lock:
            self._up.clear()
            self._waiting.clear()
        self._machines.stop()
        if self._watcher:
            self._watcher.join(5)

    def start(self, cluster_id: str, user: str, event: str = "STARTING") -> None:
        """Bring it up; returns at once. The cluster must be TERMINATED, or new (event CREATING)."""
        with self._lock:
            now = now_ms()
            fresh = {"state": "PENDING", "state_message": "Setting up the driver.", "last_restarted_time": now}
            cluster = self.change(cluster_id, fresh, drop=("terminated_time", "termination_reason"))
            self.record(cluster_id, event, {"user": user, "cluster_size": size_of(cluster)})
            machine = self._up[cluster_id] = self._machines.lease()
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
                self._watcher.start()
        threading.Thread(target=self._await, args=(cluster_id, machine), daemon=True).start()

    def restart(self, cluster_id: str, user: str) -> None:
        """End what runs on it and bring it up again; returns at once."""
        with self._lock:
            self.change(cluster_id, {"state": "RESTARTING", "state_message": "Restarting the cluster."})
            self.record(cluster_id, "RESTARTING", {"user": user})
            machine = self._up.pop(cluster_id, None)
            idle = not self._busy[cluster_id]

        def again() -> None:
            if machine:
                self._machines.give_back(machine, idle)
            with self._lock:
                cluster = None if self._stopping.is_set() else self._store.get(KIND, cluster_id)
                if cluster and cluster["state"] == "RESTARTING":  # else it was terminated or deleted meanwhile
                    self.start(cluster_id, user)

        threading.Thread(target=again, daemon=True).start()

    def terminate(self, cluster_id: str, code: str, kind: str = "SUCCESS", **parameters: str) -> None:
        """End it and what runs on it; returns at once, TERMINATED follows. Does nothing where it is ended already."""
        with self._lock:
            cluster = self._store.get(KIND, cluster_id)
            if cluster is None or cluster["state"] in ("TERMINATING", "TERMINATED"):
                return
            cluster = self._end(cluster, code, kind, parameters)
            machine = self._up.pop(cluster_id, None)
            waiting = self._waiting.pop(cluster_id, [])
            idle = not self._busy[cluster_id]
        for told in waiting:
            told(f"Cluster {cluster_id} was terminated: {cluster['state_message']}")

        def finish() -> None:
            if machine:
                self._machines.give_back(machine, idle)
            if not self._stopping.is_set():
                self._close(cluster_id)

        threading.Thread(target=finish, daemon=True).start()

    def when_running(self, cluster_id: str, user: str, told: Told) -> None:
        """Have `told` called once, at once or later; a terminated cluster is started, as by a job's run."""
        with self._lock:
            cluster = self._store.get(KIND, cluster_id)
            state = cluster["state"] if cluster else ""
            if state not in ("", "RUNNING"):
                self._waiting.setdefault(cluster_id, []).append(told)
                if state == "TERMINATED":
                    self.start(cluster_id, user)
                return
        told("" if cluster else f"Cluster {cluster_id} does not exist")

    def machine(self, cluster_id: str) -> Machine | None:
        """The warm process of a cluster that is up."""
        with self._lock:
            return self._up.get(cluster_id)

    def hold(self, cluster_id: str) -> None:
        """A run uses it: it is not idle."""
        with self._lock:
            self._busy[cluster_id] += 1

    def let_go(self, cluster_id: str) -> None:
        with self._lock:
            self._busy[cluster_id] -= 1
            self._last_used[cluster_id] = time.monotonic()

    def change(self, cluster_id: str, fields: Body, drop: tuple[str, ...] = ()) -> Body:
        """Write fields of a cluster that exists."""
        with self._store.transaction():
            cluster = self._store.get(KIND, cluster_id)
            assert cluster is not None, cluster_id
            cluster = {name: value for name, value in cluster.items() if name not in drop} | fields
            self._store.put(KIND, cluster_id, cluster)
        return cluster

    def record(self, cluster_id: str, event: str, details: Body) -> None:
        """Add to the cluster's event log."""
        number = self._store.next_number("cluster-event")
        body = {"cluster_id": cluster_id, "timestamp": now_ms(), "type": event, "details": details}
        self._store.put(EVENT, f"{cluster_id}/{number:010d}", body)

    def _await(self, cluster_id: str, machine: Machine) -> None:
        try:
            ready = machine.wait_ready(START_TIMEOUT)
        except Exception:  # a defect of ours: the cluster has failed to start, and says so
            log.exception("cluster %s", cluster_id)
            ready = False
        with self._lock:
            if self._up.get(cluster_id) is not machine or self._stopping.is_set():
                return  # terminated or restarted meanwhile
            if ready:
                cluster = self.change(cluster_id, {"state": "RUNNING", "state_message": ""})
                self.record(cluster_id, "RUNNING", {"current_num_workers": size_of(cluster).get("num_workers", 0)})
                self._last_used[cluster_id] = time.monotonic()
                waiting = self._waiting.pop(cluster_id, [])
        if not ready:
            self.terminate(cluster_id, "DRIVER_LAUNCH_TIMEOUT", "CLOUD_FAILURE")
            return
        self._on_running(cluster_id)
        for told in waiting:
            told("")

    def _end(self, cluster: Body, code: str, kind: str, parameters: dict[str, str]) -> Body:
        reason: dict[str, Any] = {"code": code, "type": kind, "parameters": parameters}
        fields = {
            "state": "TERMINATING",
            "state_message": explain(reason),
            "termination_reason": reason,
        }
        self.record(cluster["cluster_id"], "TERMINATING", {"reason": reason})
        return self.change(cluster["cluster_id"], fields)

    def _close(self, cluster_id: str) -> None:
        with self._lock:
            with self._store.transaction():
                if self._store.get(KIND, cluster_id) is None:
                    return  # permanently deleted meanwhile
                self.change(cluster_id, {"state": "TERMINATED", "terminated_time": now_ms()})
            wanted_again = cluster_id in self._waiting
            if wanted_again and not self._stopping.is_set():
                self.start(cluster_id, "")

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH):
            with self._lock:
                up = dict(self._up)
            for cluster_id, machine in up.items():
                self._look_at(cluster_id, machine)

    def _look_at(self, cluster_id: str, machine: Machine) -> None:
        """End it where its process is gone, or where it was idle for as long as it may be."""
        cluster = self._store.get(KIND, cluster_id)
        if cluster is None or cluster["state"] != "RUNNING":
            return
        if machine.state == "terminated":
            self.terminate(cluster_id, "COMMUNICATION_LOST", "CLOUD_FAILURE")
            return
        minutes = cluster.get("autotermination_minutes", 0)
        with self._lock:
            idle = not self._busy[cluster_id] and time.monotonic() - self._last_used[cluster_id]
        if minutes and idle and idle > minutes * MINUTE:
            self.terminate(cluster_id, "INACTIVITY", inactivity_duration_min=str(minutes))


def size_of(cluster: Body) -> Body:
    """The size as events and specifications have it: num_workers or autoscale."""
    if "autoscale" in cluster:
        return {"autoscale": cluster["autoscale"]}
    return {"num_workers": cluster.get("num_workers", 0)}


def explain(reason: Body) -> str:
    """A termination reason as the platform's state_message says it."""
    minutes = reason["parameters"].get("inactivity_duration_min", "")
    texts = {
        "USER_REQUEST": "Terminated by user",
        "JOB_FINISHED": "Job run finished",
        "INACTIVITY": f"Inactive cluster terminated (inactive for {minutes} minutes).",
        "COMMUNICATION_LOST": "The driver is gone: its process ended unexpectedly.",
        "DRIVER_LAUNCH_TIMEOUT": "The driver did not become ready in time.",
        "CLOUD_PROVIDER_SHUTDOWN": "The sandbox was stopped while the cluster was up.",
    }
    return texts.get(reason["code"]) or str(reason["code"])
