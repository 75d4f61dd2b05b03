"""ACR Tasks' quick builds: upload a source, schedule a run, watch it, read its log, cancel it.

Shapes: Azure REST reference, Container Registry Tasks 2019-06-01-preview (Registries, Runs). A run that the end of the
sandbox interrupts is Failed, and says so; it has left no image.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, empty
from mlops_tui.sandbox.arm import Operation
from mlops_tui.sandbox.build_run import STOPPED, BuildLog, BuildRun, Cancellation, Ended
from mlops_tui.sandbox.container_registries import ONE, TYPE
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.images import Images
from mlops_tui.sandbox.paging import whole_number
from mlops_tui.sandbox.registry_blobs import READ, WRITE, RegistryBlobs
from mlops_tui.sandbox.registry_runs import UNFINISHED, RegistryRuns, shown
from mlops_tui.sandbox.resource_type import ResourceType
from mlops_tui.sandbox.storage import PathError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_tui.sandbox.sandbox import Sandbox

FILTERED = ("RunId", "Status", "RunType", "CreateTime", "FinishTime")
AT_ONCE = 2  # builds; others are queued
UPLOAD_SECONDS, LOG_SECONDS = 3600, 3600  # that signed URLs are good for
SHORTEST, USUAL, LONGEST = 300, 3600, 28800  # seconds that a run may take
STOPPING = 5.0  # seconds that a build has to end with the sandbox or its registry


class RegistryBuilds(ResourceType):
    """The operations of a registry that build; each run has a thread of its own."""

    type_name = TYPE

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._runs = RegistryRuns(sandbox.store)
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(AT_ONCE)
        self._going: dict[tuple[str, str], tuple[Cancellation, threading.Thread]] = {}

    def operations(self) -> list[Operation]:
        run = f"{ONE}/runs/{{run}}"
        return [
            self.does(
                "POST", f"{ONE}/listBuildSourceUploadUrl", f"{TYPE}/listBuildSourceUploadUrl/action", self.upload_url
            ),
            self.does("POST", f"{ONE}/scheduleRun", f"{TYPE}/scheduleRun/action", self.schedule),
            self.does("GET", f"{ONE}/runs", f"{TYPE}/runs/read", self.list_runs),
            self.does("GET", run, f"{TYPE}/runs/read", self.show),
            self.does("PATCH", run, f"{TYPE}/runs/write", self.change),
            self.does("POST", f"{run}/listLogSasUrl", f"{TYPE}/runs/listLogSasUrl/action", self.log_url),
            self.does("POST", f"{run}/cancel", f"{TYPE}/runs/cancel/action", self.cancel),
        ]

    def start(self) -> None:
        """Nothing is half made: runs that were going on have failed, and what they left is removed."""
        for run in self._runs.unfinished():
            ended = Ended("Failed", STOPPED)
            log = self._log(run)
            log.say(f"\r\nRun ID: {run['run_id']} failed. Error: {STOPPED}")
            self._end(run, ended)
        Images(self.sandbox).sweep()
        self.sandbox.find(RegistryBlobs).forget_old_sources()

    def stop(self) -> None:
        with self._lock:
            going = list(self._going.values())
        for canceled, _ in going:
            canceled.ended = Ended("Failed", STOPPED)
            canceled.set()
        _join([thread for _, thread in going])

    def upload_url(self, call: Call) -> Body:
        registry = self.found(call)
        path = f"source/{time.strftime('%Y%m%d%H%M%S', time.gmtime())}/{uuid.uuid4().hex}.tar.gz"
        blobs = self.sandbox.find(RegistryBlobs)
        return {"uploadUrl": blobs.signed_url(registry["name"], path, WRITE, UPLOAD_SECONDS), "relativePath": path}

    def schedule(self, call: Call) -> Body:
        registry, wanted = self.found(call), call.json()
        request = self._request(wanted)
        source = self._source(registry, request["sourceLocation"])
        run = self._runs.add(registry, request)
        self._log(run).begin()
        canceled = Cancellation()
        key = (run["registry"], run["run_id"])
        build = BuildRun(self.sandbox, run, registry["properties"]["loginServer"], source, self._log(run), canceled)
        thread = threading.Thread(target=self._work, args=(run, build), name=f"build-{run['run_id']}", daemon=True)
        with self._lock:
            self._going[key] = (canceled, thread)
        thread.start()
        return shown(run)

    def _request(self, wanted: Body) -> Body:
        """A DockerBuildRequest with all that it may leave out. Raises ApiError (400) for what cannot be run."""
        kind = str(wanted.get("type") or "")
        if kind != "DockerBuildRequest":
            message = f"The sandbox's registries run DockerBuildRequest alone, not '{kind}'."
            raise self.dialect.error(400, "RunTypeNotSupported", message)
        platform = wanted.get("platform") or {}
        system = f"{platform.get('os') or ''}/{platform.get('architecture') or 'amd64'}".lower()
        if system not in ("linux/amd64", "linux/x86"):
            message = f"The sandbox builds images for linux/amd64 alone, not for '{system}'."
            raise self.dialect.error(400, "PlatformNotSupported", message)
        names = wanted.get("imageNames") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.dialect.malformed("imageNames must be a list of strings.")
        if not wanted.get("dockerFilePath"):
            raise self.dialect.malformed("dockerFilePath must be given.")
        return {
            "imageNames": names,
            "isPushEnabled": wanted.get("isPushEnabled") is not False,
            "dockerFilePath": str(wanted["dockerFilePath"]),
            "sourceLocation": str(wanted.get("sourceLocation") or ""),
            "arguments": self._arguments(wanted.get("arguments") or []),
            "target": str(wanted.get("target") or ""),
            "timeout": whole_number(self.dialect, wanted, "timeout", USUAL, SHORTEST, LONGEST),
            "agentConfiguration": wanted.get("agentConfiguration") or {},
        }

    def _source(self, registry: Body, location: str) -> Path:
        """Where the upload is on disk. Raises SourceLocationNotSupported."""
        try:
            if location.startswith("source/"):
                return self.sandbox.find(RegistryBlobs).place(registry["name"], location)
        except PathError as error:
            raise self._no_source(location) from error
        raise self._no_source(location)

    def _no_source(self, location: str) -> ApiError:
        message = (
            f"The source location '{location}' cannot be read: the sandbox builds from what was uploaded to the URL of "
            "listBuildSourceUploadUrl; sourceLocation is its relativePath."
        )
        return self.dialect.error(400, "SourceLocationNotSupported", message)

    def _arguments(self, given: Any) -> list[Body]:
        try:
            return [{"name": str(one["name"]), "value": str(one["value"])} for one in given]
        except (TypeError, KeyError) as error:
            raise self.dialect.malformed("arguments must be a list of objects with name and value.") from error

    def _work(self, run: Body, build: BuildRun) -> None:
        """The run's thread."""
        try:
            with self._slots:
                if self._runs.running(run):  # not canceled while it was queued
                    build.work(lambda ended: self._end(run, ended))
        finally:
            with self._lock:
                del self._going[(run["registry"], run["run_id"])]

    def _end(self, run: Body, ended: Ended) -> bool:
        if ended.images:
            self.sandbox.find(Containers).warm()  # what was built will run soon
        return self._runs.end(run, ended.status, ended.error, list(ended.images))

    def _log(self, run: Body) -> BuildLog:
        return BuildLog(self.sandbox.find(RegistryBlobs).place(run["registry"], _log_blob(run)))

    def list_runs(self, call: Call) -> Body:
        """The newest first; $filter knows RunId, Status, RunType, CreateTime and FinishTime."""
        registry = self.found(call)
        rows = [shown(run) for run in self._runs.of_registry(registry["name"])]
        flat = [row | {name: row["properties"][name[0].lower() + name[1:]] for name in FILTERED} for row in rows]
        size = whole_number(self.dialect, call.query, "$top", 100, 1, 1000)
        chosen = self.filtered(call, flat)[:size]
        return {"value": [{name: one[name] for name in ("id", "name", "type", "properties")} for one in chosen]}

    def _run(self, call: Call) -> Body:
        registry, run_id = self.found(call), call.params["run"]
        run = self._runs.find(registry["name"], run_id)
        if run is None:
            message = f"The run '{run_id}' was not found in the registry '{registry['name']}'."
            raise self.dialect.error(404, "RunNotFound", message)
        return run

    def show(self, call: Call) -> Body:
        return shown(self._run(call))

    def change(self, call: Call) -> Body:
        return shown(self._runs.archive(self._run(call), bool(call.json().get("isArchiveEnabled"))))

    def log_url(self, call: Call) -> Body:
        run = self._run(call)
        url = self.sandbox.find(RegistryBlobs).signed_url(run["registry"], _log_blob(run), READ, LOG_SECONDS)
        return {"logLink": url}

    def cancel(self, call: Call) -> Response:
        """One that is queued ends at once, one that runs with its program."""
        run = self._run(call)
        if run["status"] not in UNFINISHED:
            message = f"The run '{run['run_id']}' has ended ({run['status']}); it can not be canceled."
            raise self.dialect.error(409, "RunNotCancelable", message)
        with self._lock:
            going = self._going.get((run["registry"], run["run_id"]))
        if going:
            going[0].set()
        if run["status"] == "Queued" and self._end(run, Ended("Canceled")):
            self._log(run).say(f"\r\nRun ID: {run['run_id']} was canceled after 0s")
        return empty(200)

    def removed(self, resource: Body) -> None:
        """With the registry go its runs. They end before its files do, and find nobody to tell their end."""
        if resource["type"] != TYPE:
            return
        name = resource["name"].lower()
        self._runs.forget(name)
        with self._lock:
            going = [each for (registry, _), each in self._going.items() if registry == name]
        for canceled, _ in going:
            canceled.set()
        _join([thread for _, thread in going])


def _join(threads: list[threading.Thread]) -> None:
    deadline = time.monotonic() + STOPPING
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _log_blob(run: Body) -> str:
    return f"logs/{run['run_id']}/rawtext.log"
