"""Work that outlasts a request, as Azure Resource Manager shows it to clients that poll.

An operation is a document with the moment at which it is due; no thread waits for it. Whoever calls next after that
moment brings it to its end (`settle`), after a restart too: a killed sandbox loses no operation.

Shapes: Azure Resource Manager, "Track asynchronous Azure operations".
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call, answer, empty
from mlops_tui.sandbox.arm import GROUP, NOT_FINAL, RESOURCE, Operation, ResourceProvider

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")
KIND = "operation"
FINAL = ("Succeeded", "Failed")  # provisioning states of a resource that nothing is at work on
KEPT = 3600  # seconds that a finished operation can still be asked for
Ending = Callable[[str], None]  # gets the target's id; must be safe to repeat; an ApiError makes the operation fail


def is_final(resource: Body) -> bool:
    return resource["properties"]["provisioningState"] in FINAL


def shown(resource: Body) -> Response:
    """The answer to a GET, which clients repeat until the state is final."""
    return answer(resource, headers={} if is_final(resource) else NOT_FINAL)


class NotYet(Exception):  # noqa: N818 (no error: an ending says so when what it waits for still goes on)
    """The operation goes on; its ending is asked again by whoever calls next."""


class LongRunning(ResourceProvider):
    """Operation statuses (Azure-AsyncOperation) and operation results (Location)."""

    seconds: ClassVar[float] = 0.25  # two or three polls, at the 100 ms that NOT_FINAL asks for

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._lock = threading.Lock()
        self._endings: dict[str, Ending] = {}

    def operations(self) -> list[Operation]:
        place = "/subscriptions/{subscription}/providers/{namespace}/locations/{location}"
        return [
            self.does("GET", f"{place}/operationStatuses/{{id}}", "", self.status),
            self.does("GET", f"{place}/operationResults/{{id}}", "", self.result),
            self.does("GET", "/subscriptions/{subscription}/operationresults/{id}", "", self.result),
        ]

    def ends(self, verb: str, ending: Ending) -> None:
        """Say what an operation of that verb does when it is due."""
        self._endings[verb] = ending

    def begin(self, verb: str, target: str) -> str:
        """Start one; its id."""
        operation_id = str(uuid.uuid4())
        now = time.time()
        kept = {"id": operation_id, "verb": verb, "target": target, "status": "InProgress", "error": None}
        self.store.put(KIND, operation_id, kept | {"started": now, "due": now + self.seconds})
        return operation_id

    def accepted(self, call: Call, verb: str, resource: Body, status: int, location: str = "") -> Response:
        """Begin an operation; the answer to a PUT or PATCH with the resource as it stands now."""
        namespace = resource["type"].partition("/")[0]
        operation_id = self.begin(verb, resource["id"])
        headers = self.status_headers(call, operation_id, namespace, location or resource["location"])
        return answer(resource, status, headers)

    def accepted_empty(self, call: Call, verb: str, target: str) -> Response:
        """Begin an operation; the answer to a DELETE or POST."""
        return empty(202, self.result_headers(call, self.begin(verb, target)))

    def succeed(self, target: str) -> None:
        """The ending of what only takes its time: the resource is made or changed."""
        with self.store.transaction():
            kept = self.store.get(RESOURCE, target.lower())
            if kept and kept["properties"]["provisioningState"] in ("Creating", "Updating"):
                kept["properties"]["provisioningState"] = "Succeeded"
                self.store.put(RESOURCE, target.lower(), kept)

    def status_headers(self, call: Call, operation_id: str, namespace: str, location: str) -> dict[str, str]:
        """For the answer to a PUT or PATCH: poll the status, then read the resource."""
        place = f"/subscriptions/{self.sandbox.subscription_id}/providers/{namespace}/locations/{location}"
        return {"Azure-AsyncOperation": self._url(call, f"{place}/operationStatuses/{operation_id}")} | NOT_FINAL

    def result_headers(self, call: Call, operation_id: str) -> dict[str, str]:
        """For the answer to a DELETE: poll until it is no longer 202."""
        path = f"/subscriptions/{self.sandbox.subscription_id}/operationresults/{operation_id}"
        return {"Location": self._url(call, path)} | NOT_FINAL

    def _url(self, call: Call, path: str) -> str:
        return f"{self.sandbox.origin}{path}?api-version={call.query['api-version']}"

    def settle(self) -> None:
        """Bring every operation that is due to its end."""
        with self._lock:
            now = time.time()
            for key, kept in self.store.items(KIND):
                if kept["status"] == "InProgress" and kept["due"] <= now:
                    self._end(kept)
                elif kept["due"] < now - KEPT:
                    self.store.delete(KIND, key)

    def _end(self, kept: Body) -> None:
        try:
            self._endings[kept["verb"]](kept["target"])
            kept["status"] = "Succeeded"
        except NotYet:
            return
        except ApiError as error:
            self._fail(kept, error)
        except Exception:  # a defect of ours fails this one operation, not every later call that settles it again
            log.exception("%s of %s", kept["verb"], kept["target"])
            message = "The sandbox failed; its log says where."
            self._fail(kept, self.dialect.error(500, "InternalServerError", message))
        # Last, so that a sandbox killed in between repeats the ending instead of losing it.
        self.store.put(KIND, kept["id"], kept)

    def _fail(self, kept: Body, error: ApiError) -> None:
        kept |= {"status": "Failed", "error": error.body["error"]}
        for kind in (RESOURCE, GROUP):
            if target := self.store.get(kind, kept["target"].lower()):
                target["properties"]["provisioningState"] = "Failed"
                self.store.put(kind, kept["target"].lower(), target)

    def _find(self, call: Call) -> Body:
        kept = self.store.get(KIND, call.params["id"].lower())
        if kept is None:
            message = f"The operation '{call.params['id']}' could not be found."
            raise self.dialect.error(404, "NotFound", message)
        return kept

    def status(self, call: Call) -> Response:
        kept = self._find(call)
        body = {"id": call.path, "name": kept["id"], "status": kept["status"], "startTime": _stamp(kept["started"])}
        if kept["status"] == "InProgress":
            return answer(body, headers=NOT_FINAL)
        body["endTime"] = _stamp(kept["due"])
        if kept["error"]:
            body["error"] = kept["error"]
        return answer(body)

    def result(self, call: Call) -> Response:
        kept = self._find(call)
        if kept["status"] == "InProgress":
            return empty(202, self.result_headers(call, kept["id"]))
        if kept["error"]:
            return answer({"error": kept["error"]}, 409)
        return empty(204)


def _stamp(seconds: float) -> str:
    return clock.text(datetime.fromtimestamp(seconds, UTC))
