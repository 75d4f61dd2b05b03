"""Libraries on clusters: /api/2.0/libraries/… (Databricks REST reference, Libraries 2.0).

A cluster of the sandbox has what the sandbox's own Python environment has, and nothing is ever installed into that: a
package that is there in a fitting version counts as installed, any other fails as on a cluster without internet access.
"""

from __future__ import annotations

import json
import threading
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.clusters import Clusters
from mlops_tui.sandbox.dialects import DATABRICKS

KIND = "cluster-library"
KINDS = ("pypi", "whl", "egg", "jar", "maven", "cran", "requirements")


class Libraries(Service):
    """Documents are keyed "cluster-id/number", so that they are listed in the order in which they were added."""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/api/2.0/libraries/install", self.install),
            self.on("POST", "/api/2.0/libraries/uninstall", self.uninstall),
            self.on("GET", "/api/2.0/libraries/cluster-status", self.cluster_status),
            self.on("GET", "/api/2.0/libraries/all-cluster-statuses", self.all_statuses),
        ]

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)

    def install(self, call: Call) -> Body:
        cluster = self._cluster(call, "CAN_MANAGE")
        wanted = _list_of(call)
        for library in wanted:
            _check(call, library)
        self.add(cluster["cluster_id"], wanted)
        if cluster["state"] == "RUNNING":
            threading.Thread(target=self._install, args=(cluster["cluster_id"],), daemon=True).start()
        return {}

    def _cluster(self, call: Call, level: str) -> Body:
        """The cluster of the call, where the caller has that level on it."""
        clusters = self.sandbox.find(Clusters)
        cluster = clusters.find(call)
        clusters.allow(call, cluster, level)
        return cluster

    def forget(self, cluster_id: str) -> None:
        """The cluster is no more."""
        for key, _ in self.store.items(KIND, f"{cluster_id}/"):
            self.store.delete(KIND, key)

    def add(self, cluster_id: str, wanted: list[Body]) -> None:
        """Set libraries to be installed; those that it has already stay as they are."""
        with self.store.transaction():
            have = {_identity(row["library"]): key for key, row in self.store.items(KIND, f"{cluster_id}/")}
            for library in wanted:
                key = have.get(_identity(library))
                if key is None:
                    number = self.store.next_number("cluster-library")
                    self._set(f"{cluster_id}/{number:010d}", library, "PENDING")
                elif (self.store.get(KIND, key) or {})["status"] == "UNINSTALL_ON_RESTART":
                    self._set(key, library, "PENDING")

    def uninstall(self, call: Call) -> Body:
        cluster = self._cluster(call, "CAN_MANAGE")
        gone = {_identity(library) for library in _list_of(call)}
        for key, row in self.store.items(KIND, f"{cluster['cluster_id']}/"):
            if _identity(row["library"]) not in gone:
                continue
            if cluster["state"] == "TERMINATED":
                self.store.delete(KIND, key)
            else:
                self._set(key, row["library"], "UNINSTALL_ON_RESTART")
        return {}

    def cluster_status(self, call: Call) -> Body:
        cluster = self._cluster(call, "CAN_ATTACH_TO")
        return {"cluster_id": cluster["cluster_id"], "library_statuses": self._rows(cluster["cluster_id"])}

    def all_statuses(self, call: Call) -> Body:
        listed = {key.partition("/")[0] for key, _ in self.store.items(KIND)}
        clusters = sorted(each for each in listed if self.sandbox.find(Clusters).sees(call, each))
        return {"statuses": [{"cluster_id": each, "library_statuses": self._rows(each)} for each in clusters]}

    def cluster_is_up(self, cluster_id: str) -> None:
        """A cluster has just started: what was to go is gone, all else is installed anew."""
        for key, row in self.store.items(KIND, f"{cluster_id}/"):
            if row["status"] == "UNINSTALL_ON_RESTART":
                self.store.delete(KIND, key)
            else:
                self._set(key, row["library"], "PENDING")
        self._install(cluster_id)

    def missing(self, cluster_id: str, wanted: list[Body]) -> str:
        """Install what a task asks for on a cluster that is up; the message of the first failure, or ""."""
        self.add(cluster_id, wanted)
        self._install(cluster_id)
        names = {_identity(library) for library in wanted}
        for row in self._rows(cluster_id):
            if row["status"] == "FAILED" and _identity(row["library"]) in names:
                return f"Library installation failed for {_identity(row['library'])}. {row['messages'][0]}"
        return ""

    def _install(self, cluster_id: str) -> None:
        for key, row in self.store.items(KIND, f"{cluster_id}/"):
            if row["status"] == "PENDING":
                self._set(key, row["library"], "INSTALLING")
                problem = why_not(row["library"])
                self._set(key, row["library"], "FAILED" if problem else "INSTALLED", problem)

    def _set(self, key: str, library: Body, status: str, message: str = "") -> None:
        row = {"library": library, "status": status, "is_library_for_all_clusters": False}
        self.store.put(KIND, key, row | ({"messages": [message]} if message else {}))

    def _rows(self, cluster_id: str) -> list[Body]:
        rows = self.store.list(KIND, f"{cluster_id}/")
        return sorted(rows, key=lambda row: row["status"] == "UNINSTALL_ON_RESTART")  # those come last


def why_not(library: Body) -> str:
    """Why a library cannot be had here, in pip's words where it is pip's matter; "" where it is there."""
    if "pypi" not in library:
        return f"The sandbox's clusters take PyPI packages only; {_identity(library)} was not installed."
    problem = unsatisfied(library["pypi"]["package"])
    if not problem or problem.startswith("ERROR: Invalid requirement"):
        return problem
    return (
        f"{problem}\n"
        "The sandbox's clusters have what its own Python environment has and install nothing from outside: "
        "ask for a version that is there, or install it beside mlops-tui."
    )


def unsatisfied(package: str) -> str:
    """What pip says of a requirement that the sandbox's own environment does not meet; "" where it does."""
    try:
        wanted = Requirement(package)
    except InvalidRequirement as error:
        return f"ERROR: Invalid requirement: {package!r}: {error}"
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        found = "none"
    if found != "none" and wanted.specifier.contains(found, prereleases=True):
        return ""
    return (
        f"ERROR: Could not find a version that satisfies the requirement {package} (from versions: {found})\n"
        f"ERROR: No matching distribution found for {package}"
    )


def _list_of(call: Call) -> list[Body]:
    wanted = call.need("libraries")
    if not isinstance(wanted, list):
        raise call.dialect.malformed("libraries must be a list.")
    return wanted


def _check(call: Call, library: Body) -> None:
    if not isinstance(library, dict) or len([kind for kind in KINDS if kind in library]) != 1:
        raise call.dialect.malformed("Exactly one library type must be specified: " + ", ".join(KINDS))
    if "pypi" in library and not library["pypi"].get("package"):
        raise call.dialect.malformed("Missing required field: pypi.package")


def _identity(library: Body) -> str:
    return json.dumps(library, sort_keys=True)
