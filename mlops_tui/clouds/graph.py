"""Microsoft Graph 1.0 over azure-core: the SDK made for it is 200 MB for the dozen calls needed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops_tui import __version__
from mlops_tui.clouds.patience import transport_options

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

Entity = dict[str, Any]


class Graph:
    """Calls and lists. Raises azure-core's errors: use inside `speaking_of`."""

    def __init__(self, identity: Identity, cloud: Cloud) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from mlops_tui.clouds.careful_retry import CarefulRetry

        options = transport_options(cloud)
        self._root = f"{cloud.graph}/v1.0"
        self._client: PipelineClient[Any, Any] = PipelineClient(
            base_url=self._root,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy(f"mlops-tui/{__version__}"),
                CarefulRetry(**options),
                policies.BearerTokenCredentialPolicy(identity.credential, cloud.graph_scope),
            ],
            **options,
        )
        self._client.__enter__()  # open now: threads that open it together would each make a session, and lose one

    def call(self, method: str, path: str, body: Entity | None = None, **params: str) -> Entity:
        """One call; `path` follows /v1.0. An answer without a body is an empty entity."""
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        url = path if path.startswith("https:") else f"{self._root}/{path}"
        response = self._client.send_request(HttpRequest(method, url, json=body, params=params or None))
        if response.status_code >= 400:
            raise HttpResponseError(response=response)
        return dict(response.json()) if response.content else {}

    def list(self, path: str, **params: str) -> Iterator[Entity]:
        """All pages."""
        page = self.call("GET", path, None, **params)
        yield from page["value"]
        while link := page.get("@odata.nextLink"):
            page = self.call("GET", link)
            yield from page["value"]

    def close(self) -> None:
        self._client.close()
