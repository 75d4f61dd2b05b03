"""A JSON service over azure-core, for services whose SDKs are large or absent for the few calls needed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops_tui import __version__
from mlops_tui.clouds.patience import transport_options

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

Entity = dict[str, Any]


class Rest:
    """Calls and lists. Raises azure-core's errors: use inside `speaking_of`."""

    next_link = "nextLink"  # where a page of a list names the next one

    def __init__(self, identity: Identity, cloud: Cloud, root: str, scope: str, authentication: Any = None) -> None:
        """Each call bears a token of Entra for `scope`, unless another policy of azure-core sees to that."""
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from mlops_tui.clouds.careful_retry import CarefulRetry

        options = transport_options(cloud)
        self._root = root
        self._client: PipelineClient[Any, Any] = PipelineClient(
            base_url=self._root,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy(f"mlops-tui/{__version__}"),
                CarefulRetry(**options),
                authentication or policies.BearerTokenCredentialPolicy(identity.credential, scope),
            ],
            **options,
        )
        self._client.__enter__()  # open now: threads that open it together would each make a session, and lose one

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        """One call, and its answer as it is; `path` follows the root, or is a whole address."""
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        url = path if path.startswith("https:") else f"{self._root}/{path}"
        request = HttpRequest(method, url, json=body, headers=headers, params=params or None)
        response: HttpResponse = self._client.send_request(request)
        if response.status_code >= 400:
            raise HttpResponseError(response=response)
        return response

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Entity:
        """One call. An answer without a body is an empty entity."""
        response = self.send(method, path, body, params)
        return dict(response.json()) if response.content else {}

    def list(self, path: str, **params: str) -> Iterator[Entity]:
        """All pages."""
        page = self.call("GET", path, None, **params)
        yield from page["value"]
        while link := page.get(self.next_link):
            page = self.call("GET", link)
            yield from page["value"]

    def close(self) -> None:
        self._client.close()
