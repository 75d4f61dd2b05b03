"""Not written yet."""

from __future__ import annotations

from mlops_tui.sandbox.api import Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN


class Entra(Service):
    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return []
