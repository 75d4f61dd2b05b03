"""The sandbox's own door: is it up, what was asked of it, what shall go wrong. Not part of any real service."""

from __future__ import annotations

import os

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service, answer, empty
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.parameters import whole_number


class Control(Service):
    """/_sandbox/…"""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [
            self.on("GET", "/_sandbox", self.describe),
            self.on("GET", "/_sandbox/requests", self.list_requests),
            self.on("GET", "/_sandbox/faults", self.list_faults),
            self.on("POST", "/_sandbox/faults", self.order_fault),
            self.on("DELETE", "/_sandbox/faults", self.clear_faults),
        ]

    def describe(self, call: Call) -> Body:
        return {"origin": self.sandbox.origin, "pid": os.getpid(), "folder": str(self.sandbox.folder)}

    def list_requests(self, call: Call) -> Body:
        since = whole_number(call, "since", 0)
        return {"requests": self.sandbox.requests.list(since, writes_only=call.query.get("writes") == "1")}

    def list_faults(self, call: Call) -> Body:
        return {"faults": self.sandbox.faults.list()}

    def order_fault(self, call: Call) -> Response:
        try:
            self.sandbox.faults.order(call.json())
        except ValueError as error:
            raise call.dialect.malformed(str(error)) from error
        return answer({"faults": self.sandbox.faults.list()}, 201)

    def clear_faults(self, call: Call) -> Response:
        self.sandbox.faults.clear()
        return empty(204)
