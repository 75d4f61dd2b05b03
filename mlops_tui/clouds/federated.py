"""The token of somebody else's identity provider that stands in for a client secret (workload identity federation)."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_tui import redaction
from mlops_tui.errors import SignInError

AUDIENCE = "api://AzureADTokenExchange"
TIMEOUT = 15.0  # seconds for GitHub's token service


@dataclass(frozen=True)
class Federated:
    """Where the token comes from; exactly one of the three is given."""

    file: str = ""
    token: str = field(default="", repr=False)
    request_url: str = ""  # GitHub Actions: a service that gives one for the asking
    request_token: str = field(default="", repr=False)

    @classmethod
    def find(cls, file: str, environment: Mapping[str, str]) -> Federated | None:
        """The given file, or what the environment offers; None where it offers nothing."""
        if file:
            return cls(file=file)
        if token := environment.get("ARM_OIDC_TOKEN", ""):
            redaction.register(token)
            return cls(token=token)
        url = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
        bearer = environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        if url and bearer:
            redaction.register(bearer)
            return cls(request_url=url, request_token=bearer)
        return None


def federated_token(source: Federated) -> str:
    """A fresh token: files are read again, for whoever writes them renews them. Raises SignInError."""
    token = source.token
    if source.file:
        try:
            token = Path(source.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"The federated token's file {source.file} cannot be read: {error}."
            raise SignInError(message, hint="Check the path, or that the job still writes it.") from error
    elif source.request_url:
        token = _ask_github(source)
    redaction.register(token)
    return token


def _ask_github(source: Federated) -> str:
    """GitHub's OpenID Connect reference: GET {request URL}&audience=…, the answer's `value` is the token."""
    if not source.request_url.startswith("https://"):
        raise SignInError("GitHub's token service is not at an https address.")
    url = f"{source.request_url}&audience={urllib.parse.quote(AUDIENCE, safe='')}"
    headers = {"Authorization": f"Bearer {source.request_token}", "Accept": "application/json"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (https, above)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 (https, above)
            return str(json.load(response)["value"])
    except (urllib.error.URLError, OSError, ValueError, KeyError) as error:
        hint = "Give the job `permissions: id-token: write`."
        raise SignInError(f"GitHub gave the job no identity token: {error}.", hint=hint) from error
