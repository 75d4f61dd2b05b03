"""Microsoft.Insights/components and Microsoft.OperationalInsights/workspaces: what an Azure ML workspace stands beside.

They are named, placed and tagged as Azure does it; nothing is measured, and the ingestion endpoint leads nowhere.
"""

from __future__ import annotations

import re
import uuid

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, answer
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.resource_type import ResourceType


class MonitoringType(ResourceType):
    """Put, read, tag and delete; subclasses say what a new one is."""

    name_pattern: re.Pattern[str]

    def operations(self) -> list[Operation]:
        return [
            *self.lists(),
            self.on_one("GET", self.found),
            self.on_one("PUT", self.put),
            self.on_one("DELETE", self.delete),
        ]

    def facts(self, own_id: str, asked: Body) -> Body:
        """The properties of a new one."""
        raise NotImplementedError

    def changes(self, asked: Body) -> Body:
        """The properties that a caller may choose, then and later."""
        raise NotImplementedError

    def check_name_of(self, name: str) -> None:
        if not self.name_pattern.fullmatch(name):
            message = f"The name '{name}' is not valid for a resource of type '{self.type_name}'."
            raise self.dialect.error(400, "InvalidResourceName", message)

    def put(self, call: Call) -> Response:
        """201 for a new one, 200 for a change."""
        own_id, wanted = self.id_of(call), call.json()
        location = self.place_of(call, wanted)
        asked = wanted.get("properties") or {}
        with self.store.transaction():
            there = self.store.get(RESOURCE, own_id.lower())
            if there:
                self.check_location(there, location, call.params["group"])
            fixed: Body = there or {
                "id": own_id,
                "name": call.params["name"],
                "type": self.type_name,
                "location": location,
                "properties": self.facts(own_id, asked),
            }
            made = fixed | {"tags": wanted.get("tags") or {}}
            made |= {"kind": wanted["kind"]} if wanted.get("kind") else {}
            made["properties"] = fixed["properties"] | self.changes(asked)
            self.store.put(RESOURCE, own_id.lower(), made)
        return answer(made, 200 if there else 201)


class LogAnalytics(MonitoringType):
    """Log Analytics workspaces (API 2023-09-01)."""

    type_name = "Microsoft.OperationalInsights/workspaces"
    name_pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]")

    def facts(self, own_id: str, asked: Body) -> Body:
        return {"provisioningState": "Succeeded", "customerId": str(uuid.uuid4()), "createdDate": clock.now()}

    def changes(self, asked: Body) -> Body:
        return {
            "sku": asked.get("sku") or {"name": "PerGB2018"},
            "retentionInDays": asked.get("retentionInDays") or 30,
        }


class ApplicationInsights(MonitoringType):
    """Application Insights components (API 2020-02-02)."""

    type_name = "Microsoft.Insights/components"
    name_pattern = re.compile(r"(?!.*\.$)[\w().-]{1,260}")

    def facts(self, own_id: str, asked: Body) -> Body:
        app, key = str(uuid.uuid4()), str(uuid.uuid4())
        return {
            "provisioningState": "Succeeded",
            "AppId": app,
            "ApplicationId": own_id.rsplit("/", 1)[-1],
            "InstrumentationKey": key,
            "ConnectionString": (
                f"InstrumentationKey={key};IngestionEndpoint={self.sandbox.origin}/;ApplicationId={app}"
            ),
            "TenantId": self.sandbox.subscription_id,
            "CreationDate": clock.now(),
        }

    def changes(self, asked: Body) -> Body:
        return {
            "Application_Type": asked.get("Application_Type") or "web",
            "WorkspaceResourceId": asked.get("WorkspaceResourceId"),
            "IngestionMode": "LogAnalytics" if asked.get("WorkspaceResourceId") else "ApplicationInsights",
            "RetentionInDays": asked.get("RetentionInDays") or 90,
        }
