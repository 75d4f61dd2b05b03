"""All-purpose clusters: /api/2.0 and 2.1/clusters/… (Databricks REST reference, Clusters 2.1)."""

from __future__ import annotations

import secrets
import string
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.fleet import EVENT, KIND, Fleet, now_ms
from mlops_tui.sandbox.machines import Machine, Machines
from mlops_tui.sandbox.paging import page, slice_page, whole_number
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.runtimes import NODE_TYPES, ZONES, check_specification, describe, spark_versions
from mlops_tui.sandbox.tracking import Tracking

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

GRANTS = "clusters"  # the object type in the permissions API
SERVERLESS = "serverless"  # the id of the cluster behind serverless tasks
JOB_CLUSTERS_KEPT = 30  # of those that have ended
LATEST = 10**15  # ms since 1970: no event is later
SERVERLESS_IDLE = 60  # minutes without a run after which its process ends
# What a caller may not set; all else of a specification is kept as given.
OURS = ("cluster_id", "state", "state_message", "start_time", "terminated_time", "termination_reason", "spec")


def warm_process(folder: Path, name: str) -> Machine:
    """The real thing. Imported late: most sandboxes start before anyone needs a cluster."""
    from mlops_tui.sandbox.notebooks.cluster import Cluster

    return Cluster(folder, name)


class Clusters(Service):
    """Clusters and what they may be made of. `fleet` is their life; runs use it too."""

    dialect = DATABRICKS
    cluster_factory = staticmethod(warm_process)  # tests put their own

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        machines = Machines(sandbox.folder / "clusters", self._machine)
        self._serverless_lock = threading.Lock()
        self.fleet = Fleet(self.store, machines, self._running)

    def _machine(self, folder: Path, name: str) -> Machine:
        """A new warm process; whoever runs notebooks will track them, so MLflow gets ready beside it."""
        factory = type(self).cluster_factory
        if factory is warm_process:
            self.sandbox.find(Tracking).warm_up()
        return factory(folder, name)

    def routes(self) -> list[Endpoint]:
        posts: dict[str, Handler] = {
            "create": self.create,
            "edit": self.edit,
            "start": self.start_cluster,
            "restart": self.restart,
            "delete": self.terminate,
            "permanent-delete": self.permanent_delete,
            "events": self.events,
            "pin": self.pin,
            "unpin": self.pin,
        }
        gets: dict[str, Handler] = {
            "get": self.get,
            "list": self.list,
            "list-node-types": self.node_types,
            "spark-versions": self.spark_versions,
            "list-zones": self.zones,
        }
        found = [("POST", name, handler) for name, handler in posts.items()]
        found += [("GET", name, handler) for name, handler in gets.items()]
        return [
            self.on(method, f"/api/{version}/clusters/{name}", handler)
            for version in ("2.0", "2.1")
            for method, name, handler in found
        ]

    def start(self) -> None:
        self.fleet.recover()

    def stop(self) -> None:
        self.fleet.stop()

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self._remove(key)

    def create(self, call: Call) -> Body:
        wanted = call.json()
        check_specification(call.dialect, wanted)
        cluster_id = self.add(wanted, call.caller, "UI" if wanted.get("cluster_source") == "UI" else "API")
        self.fleet.start(cluster_id, call.caller.name, "CREATING")
        return {"cluster_id": cluster_id}

    def serverless(self) -> str:
        """The one cluster behind all serverless tasks, made at the first; nobody sees it."""
        with self._serverless_lock:
            if self.store.get(KIND, SERVERLESS) is None:
                idle = {"spark_version": "serverless", "autotermination_minutes": SERVERLESS_IDLE}
                self.add(idle, Principal("", "", "", is_user=False), "SERVERLESS", SERVERLESS)
        return SERVERLESS

    def add(self, specification: Body, owner: Principal, source: str, cluster_id: str = "") -> str:
        """A new cluster that is not up yet; its id. `source` is API, UI, JOB, or SERVERLESS (which nobody sees)."""
        if source == "JOB":
            self._forget_old()
        cluster_id = cluster_id or _new_id()
        spec = {name: value for name, value in specification.items() if name not in OURS}
        cluster = {
            "autotermination_minutes": 0,
            "driver_node_type_id": spec.get("node_type_id", ""),
            "cluster_name": "",
            **spec,
            "cluster_id": cluster_id,
            "cluster_source": source,
            "creator_user_name": owner.name,
            "spark_context_id": secrets.randbelow(2**62),
            "start_time": now_ms(),
            "state": "TERMINATED",
            "state_message": "",
            "default_tags": {
                "Vendor": "Databricks",
                "Creator": owner.name,
                "ClusterName": spec.get("cluster_name", ""),
                "ClusterId": cluster_id,
            },
            "spec": spec,
        }
        self.store.put(KIND, cluster_id, cluster)
        self.sandbox.find(Permissions).claim(GRANTS, cluster_id, owner.name)
        return cluster_id

    def get(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_ATTACH_TO")
        return cluster

    def find(self, call: Call) -> Body:
        """The cluster that the call names; the platform's 400 where there is none."""
        return self.named(call, str(call.need("cluster_id")))

    def named(self, call: Call, cluster_id: str) -> Body:
        """The cluster of that id; 400 where there is none."""
        cluster = self.store.get(KIND, cluster_id)
        if cluster is None or cluster["cluster_source"] == "SERVERLESS":
            raise call.dialect.malformed(f"Cluster {cluster_id} does not exist")
        return cluster

    def list(self, call: Call) -> Body:
        rows = [cluster for cluster in self.store.list(KIND) if cluster["cluster_source"] != "SERVERLESS"]
        rows = [cluster for cluster in rows if self.sees(call, cluster["cluster_id"])]
        for field, name in (("filter_by.cluster_states", "state"), ("filter_by.cluster_sources", "cluster_source")):
            if wanted := call.query_all.get(field):
                rows = [row for row in rows if row[name] in wanted]
        rows.sort(key=_recency, reverse=True)
        if call.path.startswith("/api/2.0/"):
            return {"clusters": rows}  # 2.0 does not page
        size = whole_number(call.dialect, call.query, "page_size", 20, 0, 100) or 20
        shown, following = page(rows, size, call.query.get("page_token", ""), _recency, call.dialect)
        return {"clusters": shown, "next_page_token": following, "prev_page_token": ""}

    def node_types(self, call: Call) -> Body:
        return {"node_types": [describe(node, order) for order, node in enumerate(NODE_TYPES)]}

    def spark_versions(self, call: Call) -> Body:
        return {"versions": [{"key": key, "name": name} for key, name in spark_versions().items()]}

    def zones(self, call: Call) -> Body:
        return {"zones": list(ZONES), "default_zone": ZONES[0]}

    def edit(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_MANAGE")
        if cluster["cluster_source"] == "JOB":
            raise call.dialect.malformed("Clusters created by the Jobs service cannot be edited.")
        self._expect(call, cluster, "RUNNING", "TERMINATED")
        wanted = {name: value for name, value in call.json().items() if name not in OURS}
        check_specification(call.dialect, wanted)
        kept = {name: value for name, value in cluster.items() if name not in cluster["spec"]}
        self.store.put(KIND, cluster["cluster_id"], kept | wanted | {"spec": wanted})
        self.fleet.record(
            cluster["cluster_id"],
            "EDITED",
            {"user": call.caller.name, "attributes": wanted, "previous_attributes": cluster["spec"]},
        )
        if cluster["state"] == "RUNNING":
            self.fleet.restart(cluster["cluster_id"], call.caller.name)
        return {}

    def start_cluster(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_RESTART")
        self._expect(call, cluster, "TERMINATED")
        self.fleet.start(cluster["cluster_id"], call.caller.name)
        return {}

    def restart(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_RESTART")
        self._expect(call, cluster, "RUNNING")
        self.fleet.restart(cluster["cluster_id"], call.caller.name)
        return {}

    def terminate(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_RESTART")
        self.fleet.terminate(cluster["cluster_id"], "USER_REQUEST", username=call.caller.name)
        return {}

    def permanent_delete(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_MANAGE")
        self._remove(cluster["cluster_id"])
        return {}

    def pin(self, call: Call) -> Body:
        cluster = self.find(call)
        self.allow(call, cluster, "CAN_MANAGE")
        pinned = call.path.endswith("/pin")
        self.fleet.change(cluster["cluster_id"], {"pinned_by_user_name": call.caller.name if pinned else ""})
        return {}

    def events(self, call: Call) -> Body:
        wanted = call.json()
        cluster_id = self.get(call)["cluster_id"]
        rows = self.store.list(EVENT, f"{cluster_id}/")
        if kinds := wanted.get("event_types"):
            rows = [row for row in rows if row["type"] in kinds]
        first = whole_number(call.dialect, wanted, "start_time", 0, 0, LATEST)
        last = whole_number(call.dialect, wanted, "end_time", now_ms(), 0, LATEST)
        rows = [row for row in rows if first <= row["timestamp"] <= last]
        if wanted.get("order", "DESC") == "DESC":
            rows.reverse()
        sizes = [whole_number(call.dialect, wanted, name, 0, 0, 500) for name in ("page_size", "limit")]
        size = sizes[0] or sizes[1] or 50
        offset = whole_number(call.dialect, wanted, "offset", 0, 0, LATEST)
        shown, following = slice_page(rows[offset:], size, wanted.get("page_token", ""), call.dialect)
        body: Body = {"events": shown, "total_count": len(rows)}
        if following:
            body["next_page"] = {**wanted, "end_time": last, "page_token": following}
        return body

    def _remove(self, cluster_id: str) -> None:
        from mlops_tui.sandbox.libraries import Libraries

        self.fleet.terminate(cluster_id, "USER_REQUEST")
        self.store.delete(KIND, cluster_id)
        self.sandbox.find(Permissions).forget(GRANTS, cluster_id)
        self.sandbox.find(Libraries).forget(cluster_id)
        for key, _ in self.store.items(EVENT, f"{cluster_id}/"):
            self.store.delete(EVENT, key)

    def _forget_old(self) -> None:
        """Of the job clusters that have ended, the platform remembers the latest 30."""
        ended = [one for one in self.store.list(KIND) if one["cluster_source"] == "JOB" and one.get("terminated_time")]
        ended.sort(key=lambda one: int(one["terminated_time"]))
        for cluster in ended[:-JOB_CLUSTERS_KEPT]:
            self._remove(cluster["cluster_id"])

    def _running(self, cluster_id: str) -> None:
        from mlops_tui.sandbox.libraries import Libraries

        self.sandbox.find(Libraries).cluster_is_up(cluster_id)

    def _expect(self, call: Call, cluster: Body, *states: str) -> None:
        if cluster["state"] not in states:
            state = cluster["state"].capitalize()
            raise call.dialect.error(
                400, "INVALID_STATE", f"Cluster {cluster['cluster_id']} is in unexpected state {state}."
            )

    def sees(self, call: Call, cluster_id: str, level: str = "CAN_ATTACH_TO") -> bool:
        """Whether the caller has that level on the cluster; with none at all it is hidden from them."""
        return self.sandbox.find(Permissions).allows(call.caller, GRANTS, cluster_id, level)

    def allow(self, call: Call, cluster: Body, level: str) -> None:
        """Refuse (403) a caller who has not that level on the cluster."""
        if not self.sees(call, cluster["cluster_id"], level):
            raise call.dialect.error(
                403,
                "PERMISSION_DENIED",
                f"{call.caller.name} does not have {level} permissions on {cluster['cluster_id']}.",
            )


def _new_id() -> str:
    letters = string.ascii_lowercase + string.digits
    return f"{datetime.now(UTC):%m%d-%H%M%S}-" + "".join(secrets.choice(letters) for _ in range(8))


def _recency(cluster: Body) -> str:
    return f"{cluster['start_time']:015d} {cluster['cluster_id']}"
