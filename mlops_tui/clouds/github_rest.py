"""GitHub's REST API over azure-core. GitHub REST API, version 2022-11-28."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.rest import Entity, Rest

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

VERSION = "2022-11-28"
JSON, RAW = "application/vnd.github+json", "application/vnd.github.raw+json"
MOST = 100  # in a page of a list
NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


class GitHubRest(Rest):
    """Raises azure-core's errors: use inside `github_errors.speaking_of`."""

    def __init__(self, identity: Identity, cloud: Cloud, token: str) -> None:
        super().__init__(identity, cloud, cloud.github_api, "", _authentication(cloud.github_api, token))

    def pages(self, path: str, name: str = "", **params: str) -> Iterator[Entity]:
        """All pages of a list; `name` is the field that has the rows, where the answer is an object."""
        response = self.send("GET", path, None, {"per_page": str(MOST), **params}, {"Accept": JSON})
        while True:
            body = response.json()
            yield from body[name] if name else body
            link = NEXT.search(response.headers.get("Link", ""))
            if link is None:
                return
            response = self.send("GET", link[1], None, None, {"Accept": JSON})

    def content(self, path: str, accept: str = JSON, **params: str) -> bytes:
        """What is not JSON: a file, a log. GitHub answers logs with an address elsewhere, which gets no token."""
        response = self.send("GET", path, None, params, {"Accept": accept})
        if response.status_code in (301, 302, 303, 307, 308):
            response = self.send("GET", response.headers["Location"])
        return bytes(response.read())


def _authentication(root: str, token: str) -> Any:
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class ByToken(SansIOHTTPPolicy[Any, Any]):
        """For GitHub's own addresses alone: logs are kept by others."""

        def on_request(self, request: PipelineRequest[Any]) -> None:
            if request.http_request.url.startswith(f"{root}/"):
                request.http_request.headers["Authorization"] = f"Bearer {token}"
                request.http_request.headers["X-GitHub-Api-Version"] = VERSION

    return ByToken()
