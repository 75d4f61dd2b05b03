"""A registry's runs: documents "registry-run" by "{registry}/{number}", and how Azure shows them.

Statuses: Queued, Running, and for good Succeeded, Failed, Canceled and Timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.sandbox import clock

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.store import Store

RUN = "registry-run"
PREFIX = "cx"  # of the ids that quick builds get
UNFINISHED = ("Queued", "Running")
LOG_ENDINGS = {"Succeeded": "successful", "Failed": "failed", "Canceled": "canceled", "Timeout": "timedout"}


class RegistryRuns:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, registry: Body, request: Body) -> Body:
        number = self._store.next_number(RUN)
        now = clock.now()
        run: Body = {
            "number": number,
            "run_id": f"{PREFIX}{number}",
            "registry": registry["name"].lower(),
            "registry_id": registry["id"],
            "request": request,
            "status": "Queued",
            "created": now,
            "started": None,
            "finished": None,
            "updated": now,
            "images": [],
            "error": None,
            "archived": False,
        }
        self._store.put(RUN, _key(run), run)
        return run

    def find(self, registry: str, run_id: str) -> Body | None:
        number = run_id.lower().removeprefix(PREFIX)
        return self._store.get(RUN, f"{registry.lower()}/{int(number):010d}") if number.isdecimal() else None

    def of_registry(self, registry: str) -> list[Body]:
        """The newest first."""
        return self._store.list(RUN, f"{registry.lower()}/")[::-1]

    def unfinished(self) -> list[Body]:
        return [one for one in self._store.list(RUN) if one["status"] in UNFINISHED]

    def forget(self, registry: str) -> None:
        for run in self.of_registry(registry):
            self._store.delete(RUN, _key(run))

    def running(self, run: Body) -> bool:
        """Note its start; False where it is not to run any more."""
        return self._change(run, {"status": "Running", "started": clock.now()})

    def end(self, run: Body, status: str, error: str | None = None, images: list[Body] | None = None) -> bool:
        """Note its end; False where it had one already, or its registry is gone."""
        changes: Body = {"status": status, "error": error, "images": images or [], "finished": clock.now()}
        return self._change(run, changes | {"started": run["started"] or clock.now()})

    def archive(self, run: Body, archived: bool) -> Body:
        with self._store.transaction():
            kept = (self._store.get(RUN, _key(run)) or run) | {"archived": archived, "updated": clock.now()}
            self._store.put(RUN, _key(run), kept)
        return kept

    def _change(self, run: Body, changes: Body) -> bool:
        with self._store.transaction():
            kept = self._store.get(RUN, _key(run))
            if kept is None or kept["status"] not in UNFINISHED:
                return False
            if changes["status"] != "Running" and kept["started"]:
                changes = changes | {"started": kept["started"]}
            self._store.put(RUN, _key(run), kept | changes | {"updated": clock.now()})
        return True

    def log_ending(self, registry: str, run_id: str) -> str:
        """How the end of a run is told by its log's metadata; "" while it goes on."""
        run = self.find(registry, run_id)
        return LOG_ENDINGS.get(run["status"], "") if run else "failed"


def _key(run: Body) -> str:
    return f"{run['registry']}/{run['number']:010d}"


def shown(run: Body) -> Body:
    """As Azure answers it."""
    request = run["request"]
    return {
        "id": f"{run['registry_id']}/runs/{run['run_id']}",
        "name": run["run_id"],
        "type": "Microsoft.ContainerRegistry/registries/runs",
        "properties": {
            "runId": run["run_id"],
            "status": run["status"],
            "lastUpdatedTime": run["updated"],
            "runType": "QuickBuild",
            "createTime": run["created"],
            "startTime": run["started"],
            "finishTime": run["finished"],
            "outputImages": run["images"],
            "platform": {"os": "linux", "architecture": "amd64"},
            "agentConfiguration": {"cpu": (request.get("agentConfiguration") or {}).get("cpu") or 2},
            "runErrorMessage": run["error"],
            "provisioningState": {"Succeeded": "Succeeded", "Canceled": "Canceled"}.get(
                run["status"], "Creating" if run["status"] in UNFINISHED else "Failed"
            ),
            "isArchiveEnabled": run["archived"],
        },
    }
