"""Microsoft Graph 1.0 over azure-core: the SDK made for it is 200 MB for the dozen calls needed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.clouds.rest import Entity, Rest

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

__all__ = ["Entity", "Graph"]


class Graph(Rest):
    """Paths follow /v1.0."""

    next_link = "@odata.nextLink"

    def __init__(self, identity: Identity, cloud: Cloud) -> None:
        super().__init__(identity, cloud, f"{cloud.graph}/v1.0", cloud.graph_scope)
