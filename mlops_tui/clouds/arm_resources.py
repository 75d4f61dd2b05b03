"""Any Azure resource by its id, where no SDK is worth its weight: looked at, made, changed, removed, acted upon.

Long operations as Resource Manager tells of them ("Track asynchronous Azure operations"): a status to ask for
(Azure-AsyncOperation), a place to look at until it answers with something other than 202 (Location), or the resource's
own provisioningState.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.translate import Refusal, refused, speaking_of
from mlops_tui.errors import CloudError, NotFoundError

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

    from mlops_tui.clouds.arm import Arm

Resource = dict[str, Any]
LOOK_SECONDS = 5.0  # between looks at a long operation, where neither the service nor the cloud names a time
LONGEST_PAUSE = 60.0
FAILED = ("failed", "canceled")
ENDED = ("succeeded", *FAILED)


class ArmResources:
    """Ids are Azure's: "/subscriptions/…/resourceGroups/…/providers/…". Raises the errors of `translate`."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def get(self, resource_id: str, api_version: str, what: str) -> Resource | None:
        """None where there is none, nor what it would be in."""
        try:
            with speaking_of(what):
                return _body(self.send("GET", resource_id, api_version))
        except NotFoundError:
            return None

    def list(self, path: str, api_version: str, what: str) -> list[Resource]:
        """All pages; none where there is nothing that it could be in."""
        try:
            with speaking_of(what):
                return self._arm.list(path.split("/")[2], path, api_version)
        except NotFoundError:
            return []

    def put(self, resource_id: str, api_version: str, body: Resource, what: str) -> Operation:
        """Made, or made anew: what the body does not say is gone afterwards."""
        return self._begin("PUT", resource_id, api_version, body, what)

    def patch(self, resource_id: str, api_version: str, body: Resource, what: str) -> Operation:
        return self._begin("PATCH", resource_id, api_version, body, what)

    def delete(self, resource_id: str, api_version: str, what: str) -> Operation | None:
        """None where there is none."""
        try:
            with speaking_of(what):
                first = self.send("DELETE", resource_id, api_version)
        except NotFoundError:
            return None
        return None if first.status_code == 204 else Operation(self, "DELETE", resource_id, api_version, first, what)

    def post(
        self, resource_id: str, action: str, api_version: str, what: str, body: Resource | None = None
    ) -> Operation:
        """Have the resource do something: "listKeys", "restart"."""
        return self._begin("POST", f"{resource_id}/{action}", api_version, body, what)

    def _begin(self, method: str, path: str, api_version: str, body: Resource | None, what: str) -> Operation:
        with speaking_of(what):
            return Operation(self, method, path, api_version, self.send(method, path, api_version, body), what)

    def send(
        self, method: str, path: str, api_version: str = "", body: Resource | None = None, at: str = ""
    ) -> HttpResponse:
        """One call on what has that path, or for its sake `at` an address that the service has named.

        Raises azure-core's errors: use inside `speaking_of`.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest
        from azure.mgmt.core.exceptions import ARMErrorFormat

        params = {"api-version": api_version} if api_version and not at else None
        request = HttpRequest(method, at or path, json=body, params=params, headers={"Accept": "application/json"})
        response = self._arm.resources(path.split("/")[2]).send_request(request)
        if response.status_code >= 400:
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
        return response

    @property
    def look_seconds(self) -> float:
        return self._arm.cloud.poll_seconds or LOOK_SECONDS


class Operation:
    """Something under way in the cloud, to be waited for in small pieces (see `setup.waiting.finish`)."""

    def __init__(
        self, resources: ArmResources, method: str, path: str, api_version: str, first: HttpResponse, what: str
    ) -> None:
        self._resources = resources
        self._method, self._path, self._api_version = method, path, api_version
        self._what = what
        self._headers = {name.lower(): value for name, value in first.headers.items()}
        self._answer = _body(first)
        self._ended = False
        self.status = ""  # the service's word for where it stands
        self._judge(first)
        self._due = time.monotonic() + self._pause(first)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, well or badly, within that time."""
        until = time.monotonic() + seconds
        while not self._ended:
            now = time.monotonic()
            time.sleep(max(min(self._due, until) - now, 0))
            if self._due > until:
                return False
            with speaking_of(self._what):
                self._look()
        return True

    def result(self) -> Resource:
        """What came of it: the resource as it is now, or what an action answers. Waits for the end."""
        while not self.wait(LONGEST_PAUSE):
            pass
        self._raise_failure()
        if self._method not in ("PUT", "PATCH"):
            return self._answer
        with speaking_of(self._what):
            return _body(self._resources.send("GET", self._path, self._api_version))

    def _look(self) -> None:
        status_at, result_at = self._headers.get("azure-asyncoperation"), self._headers.get("location")
        if status_at:
            response = self._resources.send("GET", self._path, at=status_at)
        elif result_at and self._method != "PUT":
            response = self._resources.send("GET", self._path, at=result_at)
        else:
            response = self._resources.send("GET", self._path, self._api_version)
        self._answer = _body(response)
        self._judge(response)
        if self._ended and status_at and result_at and self._method == "POST" and self.status.lower() == "succeeded":
            self._answer = _body(self._resources.send("GET", self._path, at=result_at))
        self._due = time.monotonic() + self._pause(response)

    def _judge(self, response: HttpResponse) -> None:
        """Whether that answer is the last."""
        if self._headers.get("azure-asyncoperation"):
            self.status = str(self._answer.get("status") or "")
            self._ended = self.status.lower() in ENDED
            return
        properties = self._answer.get("properties")
        self.status = str((properties if isinstance(properties, dict) else {}).get("provisioningState") or "")
        if response.status_code == 202 or (self._headers.get("location") and response.status_code == 201):
            self._ended = False
        elif self._method in ("PUT", "PATCH"):
            self._ended = not self.status or self.status.lower() in ENDED
        else:
            self._ended = True

    def _raise_failure(self) -> None:
        if self.status.lower() not in FAILED:
            return
        error = self._answer.get("error") or {}
        inner = [f"{one.get('code')}: {one.get('message')}" for one in error.get("details") or []]
        text = "\n".join([str(error.get("message") or f"It ended as {self.status}."), *inner])
        raise refused(Refusal(self._what, 400, str(error.get("code") or ""), text))

    def _pause(self, response: HttpResponse) -> float:
        """What the service asks for, else the cloud's own pace."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        for name, unit in (("x-ms-retry-after-ms", 1000.0), ("retry-after-ms", 1000.0), ("retry-after", 1.0)):
            try:
                asked = float(headers.get(name, 0)) / unit
            except ValueError:  # a date, which Resource Manager does not send
                continue
            if asked > 0:
                return min(asked, LONGEST_PAUSE)
        return self._resources.look_seconds


def _body(response: HttpResponse) -> Resource:
    if not response.content:
        return {}
    found = response.json()
    if not isinstance(found, dict):
        raise CloudError("Azure answered with something other than an object.", raw=str(found)[:1000])
    return found
