"""The token of somebody else's identity provider that stands in for a client secret (workload identity federation)."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlops_tui import redaction
from mlops_tui.errors import SignInError
from mlops_tui.settings import given_text

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud

AUDIENCE = "api://AzureADTokenExchange"
TIMEOUT = 15.0  # seconds for a CI host's token service
LARGEST = 1 << 20  # bytes of its answer
DEVOPS_API = "7.1"


@dataclass(frozen=True)
class TokenService:
    """A CI host gives the job a token for the asking. `bearer` is the job's own right to ask."""

    host: Literal["GitHub", "Azure DevOps"]
    url: str
    bearer: str = field(repr=False)
    ca_bundle: str = ""  # a file; empty: the usual authorities


@dataclass(frozen=True)
class Federated:
    """Where the token comes from; exactly one of the three is given."""

    file: str = ""
    token: str = field(default="", repr=False)
    service: TokenService | None = None

    @classmethod
    def find(cls, file: str, environment: Mapping[str, str], cloud: Cloud) -> Federated | None:
        """The given file, or what the environment offers; None where it offers nothing.

        A cloud of our own must not be shown anybody's real identity: of the environment, only a token service counts
        there that is a part of that cloud.
        """
        if file:
            return cls(file=file)
        service = _github(environment, cloud) or _azure_devops(environment, cloud)
        if not cloud.trusts_public_discovery:
            ours = service is not None and _origin(service.url) == _origin(cloud.authority)
            return cls(service=service) if ours else None
        if token := environment.get("ARM_OIDC_TOKEN", ""):
            redaction.register(token)
            return cls(token=token)
        return cls(service=service) if service else None


def federated_token(source: Federated) -> str:
    """A fresh token: files are read again, for whoever writes them renews them. Raises SignInError."""
    token = source.token
    if source.file:
        try:
            token = Path(source.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"The federated token's file {source.file} cannot be read: {error}."
            raise SignInError(message, hint="Check the path, or that the job still writes it.") from error
    elif source.service:
        token = _ask(source.service)
    redaction.register(token)
    return token


def _github(environment: Mapping[str, str], cloud: Cloud) -> TokenService | None:
    url = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    bearer = environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if not (url and bearer):
        return None
    redaction.register(bearer)
    return TokenService("GitHub", f"{url}&audience={urllib.parse.quote(AUDIENCE, safe='')}", bearer, cloud.ca_bundle)


def _azure_devops(environment: Mapping[str, str], cloud: Cloud) -> TokenService | None:
    """In a job of AzureCLI@2, which names the service connection; the job must pass System.AccessToken on."""
    url = given_text(environment, "SYSTEM_OIDCREQUESTURI")
    connection = given_text(environment, "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")
    bearer = given_text(environment, "SYSTEM_ACCESSTOKEN")
    if not (url and connection and bearer):
        return None
    redaction.register(bearer)
    query = urllib.parse.urlencode({"api-version": DEVOPS_API, "serviceConnectionId": connection})
    return TokenService("Azure DevOps", f"{url.rstrip('/')}?{query}", bearer, cloud.ca_bundle)


def _ask(service: TokenService) -> str:
    """GitHub's OpenID Connect reference: GET {request URL}&audience=…, the answer's `value` is the token. Azure
    DevOps, as azure-identity's AzurePipelinesCredential asks: POST, the answer's `oidcToken` is it."""
    if not service.url.startswith("https://"):
        raise SignInError(f"{service.host}'s token service is not at an https address.")
    headers = {"Authorization": f"Bearer {service.bearer}", "Accept": "application/json"}
    request = urllib.request.Request(service.url, headers=headers)  # noqa: S310 (https, above)
    member = "value"
    if service.host == "Azure DevOps":
        request.method, request.data, member = "POST", b"", "oidcToken"
        request.add_header("Content-Type", "application/json")
        request.add_header("X-TFS-FedAuthRedirect", "Suppress")  # a refusal is a 401, no redirect to a page
    try:
        with _opener(service.ca_bundle).open(request, timeout=TIMEOUT) as response:
            return str(json.loads(response.read(LARGEST))[member])
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(service, error, error.read(LARGEST).decode("utf-8", "replace")) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(service, error) from error


def _refused(service: TokenService, error: Exception, raw: str = "") -> SignInError:
    hint = {
        "GitHub": "Give the job `permissions: id-token: write`.",
        "Azure DevOps": "Give the step `SYSTEM_ACCESSTOKEN: $(System.AccessToken)`, and let the pipeline use its "
        "service connection: `mlops-tui setup`.",
    }[service.host]
    return SignInError(f"{service.host} gave the job no identity token: {error}.", hint=hint, raw=raw)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The job's right to ask is for the one address that it was given with."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(ca_bundle: str) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=ca_bundle or None)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect())


def _origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc.lower()
