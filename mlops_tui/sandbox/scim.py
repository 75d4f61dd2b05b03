"""Not written yet."""

from __future__ import annotations

from mlops_tui.sandbox.api import Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS


class Scim(Service):
    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        return []
