"""The connection to one organisation of Azure DevOps, and its refusals as our errors.

A personal access token goes as Basic with an empty user name; without one, Entra's token for Azure DevOps counts
("Use personal access tokens", "Use Microsoft Entra tokens"). Where a credential will not do, the service answers 203 or
302 with a page to sign in with, as often as 401: a page is never an answer.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_tui import redaction
from mlops_tui.clouds import translate
from mlops_tui.clouds.rest import Entity, Rest
from mlops_tui.clouds.translate import Refusal
from mlops_tui.errors import ConflictError, ForbiddenError, MlopsError, SignInError, UsageError

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity

VERSION = "7.1"
PREVIEW = "7.1-preview.1"  # which the released resources take, too
SCOPES = (
    "Project and Team (read, write, & manage), Code (read, write, & manage), Build (read & execute), Environment (read "
    "& manage), Service Connections (read, query, & manage), Pipeline Resources (use and manage), Identity (read)"
)
TOKENS_LINK = (
    "https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate"
)
TAKEN = ("AlreadyExists", "DefinitionExists", "EnvironmentExists", "Duplicate", "ConfigurationExists")


class DevOpsRest(Rest):
    """Paths follow the organisation."""

    def __init__(self, identity: Identity, cloud: Cloud, organization: str, token: str, root: str = "") -> None:
        """`root` is another service's address for the organisation (identities)."""
        from azure.core.pipeline import policies

        redaction.register(token)
        self._identity, self._scope, self._token = identity, cloud.devops_scope, token
        basic = policies.HeadersPolicy({"Authorization": self.authorization()}) if token else None
        super().__init__(identity, cloud, root or f"{cloud.devops}/{organization}", cloud.devops_scope, basic)
        self.organization = organization

    def authorization(self) -> str:
        """The header that signs in, for git as well; registered as a secret. Raises SignInError."""
        if not self._token:
            return f"Bearer {self._identity.token(self._scope)}"
        encoded = base64.b64encode(f":{self._token}".encode()).decode()
        redaction.register(encoded)
        return f"Basic {encoded}"

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        response = super().send(method, path, body, {"api-version": VERSION, **(params or {})}, headers)
        if response.status_code in (203, 302) or "text/html" in response.headers.get("Content-Type", ""):
            raise self.no_sign_in(response.status_code)
        return response

    def values(self, path: str, **params: str) -> list[Entity]:
        """A list that comes whole."""
        return list(self.call("GET", path, None, **params)["value"])

    @contextmanager
    def speaking_of(self, what: str) -> Iterator[None]:
        """Turn the service's refusals into ours; `what` as in `translate.speaking_of`."""
        from azure.core.exceptions import HttpResponseError

        with translate.speaking_of(what):
            try:
                yield
            except HttpResponseError as error:
                if error.response is None:
                    raise
                raise self._refused(error.response, what) from error

    def _refused(self, response: Any, what: str) -> MlopsError:
        """By the message and the type's key in the answer ("ProjectAlreadyExistsException")."""
        status, text, key = response.status_code, "", ""
        try:
            said = response.json()
            text, key = str(said.get("message") or ""), str(said.get("typeKey") or "")
        except (ValueError, AttributeError):
            pass  # a page, or nothing: the status has to do
        refusal = Refusal(what, status, key, text)
        about = f"{what[:1].upper()}{what[1:]}"
        if status == 404 and "text/html" in response.headers.get("Content-Type", ""):
            hint = "Set ci.organization to yours: the NAME in https://dev.azure.com/NAME."
            return UsageError(f"Azure DevOps knows no organisation {self.organization}.", hint=hint)
        if status == 401 and ("user ''" in text or "TF400813" not in text):
            return self.no_sign_in(status, refusal.raw, key)
        if status == 401:
            return ForbiddenError(
                f"This account is no member of the organisation {self.organization} in Azure DevOps.",
                hint="Ask its owner to add it (Organization settings, Users), or set ci.organization to your own.",
                link="https://learn.microsoft.com/azure/devops/organizations/accounts/add-organization-users",
                raw=refusal.raw,
                code=key,
            )
        if status == 403:
            hint = f"Ask an administrator of the project for it. A personal access token needs these scopes: {SCOPES}."
            return ForbiddenError(
                f"Not allowed: {what}. {refusal.sentence}",
                hint=hint,
                link="https://learn.microsoft.com/azure/devops/organizations/security/permissions",
                raw=refusal.raw,
                code=key,
            )
        if status == 409 or any(word in key for word in TAKEN):
            hint = "Choose another name, or ask whoever owns that one for access."
            return ConflictError(f"{about}: {refusal.sentence}", hint=hint, raw=refusal.raw, code=key)
        return translate.refused(refusal)

    def no_sign_in(self, status: int, raw: str = "", key: str = "") -> SignInError:
        """What to say of a credential that will not do."""
        if self._token:
            message = "Azure DevOps does not take the personal access token: it is wrong, has expired or was revoked"
            hint = (
                f"Make another at {self._root}/_usersSettings/tokens with these scopes: {SCOPES}. Then set "
                "AZURE_DEVOPS_EXT_PAT to it; or unset it, and the Azure sign-in counts (az login)."
            )
        else:
            message = "Azure DevOps does not take the Azure sign-in"
            hint = (
                f"The organisation {self.organization} must be connected to the directory that you sign in to (az "
                "login --tenant TENANT); or set AZURE_DEVOPS_EXT_PAT to a personal access token."
            )
        return SignInError(f"{message} (HTTP {status}).", hint=hint, link=TOKENS_LINK, raw=raw, code=key)
