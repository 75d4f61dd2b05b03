"""Whether an image is in its registry (Azure Container Registry REST API, AAD token exchange; OCI distribution spec).

The registry takes no token of Entra's itself: that is exchanged for a refresh token, and this for one to pull with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_tui import __version__, redaction
from mlops_tui.clouds.patience import transport_options
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.rest import HttpResponse

    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
_IMAGE = re.compile(r"(?P<server>[^\s@]+)/(?P<repository>[^\s@/]+)@(?P<digest>sha256:[0-9a-f]{64})")


class ContainerImages:
    def __init__(self, identity: Identity, cloud: Cloud) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from mlops_tui.clouds.careful_retry import CarefulRetry

        options = transport_options(cloud)
        self._identity = identity
        self._scope = cloud.resource_manager_scope
        self._client: PipelineClient[Any, Any] = PipelineClient(
            base_url="",
            policies=[policies.UserAgentPolicy(f"mlops-tui/{__version__}"), CarefulRetry(**options)],
            **options,
        )
        self._client.__enter__()  # open now: threads that open it together would each make a session, and lose one

    def exists(self, image_id: str) -> bool:
        """Raises UsageError for what is no image with its digest, ForbiddenError for those who may not look."""
        found = _IMAGE.fullmatch(image_id)
        if not found:
            raise UsageError(
                f"{image_id!r} is no image id.", hint="It must be like NAME.azurecr.io/winequality@sha256:…"
            )
        server, repository = found["server"], found["repository"]
        try:
            with speaking_of(f"the image {repository} in the registry {server}"):
                token = self._token(server, repository)
                path = f"https://{server}/v2/{repository}/manifests/{found['digest']}"
                self._send("HEAD", path, headers={"Authorization": f"Bearer {token}", "Accept": MANIFESTS})
        except NotFoundError:
            return False
        return True

    def close(self) -> None:
        self._client.close()

    def _token(self, server: str, repository: str) -> str:
        """To pull from that repository, for some minutes."""
        caller = self._identity.caller()
        mine = self._identity.token(self._scope)
        given = {"grant_type": "access_token", "service": server, "tenant": caller.tenant_id, "access_token": mine}
        refresh = str(self._send("POST", f"https://{server}/oauth2/exchange", data=given).json()["refresh_token"])
        redaction.register(refresh)
        asked = {
            "grant_type": "refresh_token",
            "service": server,
            "scope": f"repository:{repository}:pull",
            "refresh_token": refresh,
        }
        token = str(self._send("POST", f"https://{server}/oauth2/token", data=asked).json()["access_token"])
        redaction.register(token)
        return token

    def _send(self, method: str, url: str, **given: Any) -> HttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        response: HttpResponse = self._client.send_request(HttpRequest(method, url, **given))
        if response.status_code >= 400:
            raise HttpResponseError(response=response)
        return response
