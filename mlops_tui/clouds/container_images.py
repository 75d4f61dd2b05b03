"""Whether an image is in its registry (Azure Container Registry REST API, AAD token exchange; OCI distribution spec).

The registry takes no token of Entra's itself: that is exchanged for a refresh token, and this for one to pull with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops_tui import __version__, redaction
from mlops_tui.clouds.patience import transport_options
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import CloudError, NotFoundError, UsageError

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
SUFFIXES = (".azurecr.io", ".azurecr.us", ".azurecr.cn")  # of the public clouds' registries
_PART = re.compile(r'(\w+)="([^"]*)"')  # of a WWW-Authenticate header
_IMAGE = re.compile(r"(?P<server>[^\s@]+)/(?P<repository>[^\s@/]+)@(?P<digest>sha256:[0-9a-f]{64})")


class ContainerImages:
    def __init__(self, identity: Identity, cloud: Cloud) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from mlops_tui.clouds.careful_retry import CarefulRetry

        options = transport_options(cloud)
        self._identity = identity
        self._scope = cloud.resource_manager_scope
        self._origin = cloud.resource_manager
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
        if not self._is_known(server):
            raise UsageError(
                f"{image_id!r} is in no registry of this cloud.",
                hint="This account's token is shown to no other. Build the image anew: mlops-tui build",
            )
        try:
            with speaking_of(f"the image {repository} in the registry {server}"):
                path = f"https://{server}/v2/{repository}/manifests/{found['digest']}"
                token = self._token(path, server, repository)
                self._send("HEAD", path, headers={"Authorization": f"Bearer {token}", "Accept": MANIFESTS})
        except NotFoundError:
            return False
        return True

    def close(self) -> None:
        self._client.close()

    def _is_known(self, server: str) -> bool:
        """Whose token is shown there must be sure of the host: anybody may write an image's id into a tag."""
        host = server.partition("/")[0].lower()
        return host.endswith(SUFFIXES) or host == urlsplit(self._origin).netloc

    def _token(self, path: str, server: str, repository: str) -> str:
        """To pull from that repository, for some minutes; from where the registry's refusal of `path` says."""
        from azure.core.rest import HttpRequest

        refusal = self._client.send_request(HttpRequest("HEAD", path, headers={"Accept": MANIFESTS}))
        told = dict(_PART.findall(refusal.headers.get("WWW-Authenticate", "")))
        door, service = told.get("realm", f"https://{server}/oauth2/token"), told.get("service", server)
        if urlsplit(door).netloc != urlsplit(path).netloc:
            raise CloudError(f"The registry {server} wants this account's token shown to {door}: that is refused.")
        caller = self._identity.caller()
        mine = self._identity.token(self._scope)
        given = {"grant_type": "access_token", "service": service, "tenant": caller.tenant_id, "access_token": mine}
        exchange = f"{door.rpartition('/')[0]}/exchange"
        refresh = str(self._send("POST", exchange, data=given).json()["refresh_token"])
        redaction.register(refresh)
        asked = {
            "grant_type": "refresh_token",
            "service": service,
            "scope": f"repository:{repository}:pull",
            "refresh_token": refresh,
        }
        token = str(self._send("POST", door, data=asked).json()["access_token"])
        redaction.register(token)
        return token

    def _send(self, method: str, url: str, **given: Any) -> HttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        response: HttpResponse = self._client.send_request(HttpRequest(method, url, **given))
        if response.status_code >= 400:
            raise HttpResponseError(_words(response), response=response)
        return response


def _words(response: HttpResponse) -> str:
    """The registry's own: it speaks as the distribution specification says, not as Azure's other services do."""
    try:
        said = response.json()["errors"][0]["message"]
    except (ValueError, LookupError, TypeError):
        return f"The registry answers {response.status_code} {response.reason}."
    return str(said)
