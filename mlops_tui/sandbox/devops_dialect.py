"""How Azure DevOps signs its callers in, and how it says no.

Sources: "Use personal access tokens" (Basic, any user name), "Use Microsoft Entra service principals" (bearer tokens
for the application 499b84ac-…); the answers to credentials that will not do as people report them: without any, a
redirect to the sign-in page; with a wrong one, a GET or POST gets 203 with that page, other methods 401 with TF400813
(microsoft/azure-devops-auth-samples issue 52), an expired personal access token 401 with an AccessCheckException, git
401 with a challenge; a caller of another organisation 401 with TF400813 (Azure/azure-devops-cli-extension issue 807).
"""

from __future__ import annotations

import base64
import binascii
import html
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from mlops_tui.sandbox import devops_members
from mlops_tui.sandbox.api import ApiError, Body, Call, Principal
from mlops_tui.sandbox.dialects import FAULTS, Dialect
from mlops_tui.sandbox.host_tokens import HostTokens, TokenHost
from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

HOST: TokenHost = "azure-devops"
NAMESPACE = "Microsoft.TeamFoundation.Framework.Server"
SIGN_IN_PAGE = """<!DOCTYPE html>
<html lang="en-US"><head><title>Azure DevOps Services | Sign In</title></head>
<body><h1>Sign in to continue</h1><p>{what}</p></body></html>
"""


class PageError(ApiError):
    """A page for a browser in place of JSON."""

    def __init__(self, status: int, page: str) -> None:
        super().__init__(status, {})
        self._page = page

    def response(self) -> Response:
        return Response(self._page, self.status, self.headers, media_type="text/html")


class DevOpsDialect(Dialect):
    name = "azure-devops"
    ignores_case = True  # its own list of resources says "Builds", its documentation "builds" (see `devops_locations`)

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        organization = devops_members.find(sandbox.store, call.params["organization"])
        if organization is None:
            page = "<!DOCTYPE html><html><head><title>Azure DevOps Services | Page not found</title></head></html>"
            raise PageError(404, page)
        token, is_basic = _credential(call)
        if not token:
            raise self._no_sign_in(call)
        tokens = HostTokens(sandbox.store)
        principal = tokens.owner(HOST, token)
        if principal is None and tokens.has_ended(HOST, token):
            text = "Access Denied: The Personal Access Token used has expired."
            raise self.error(401, "AccessCheckException", text)
        if principal is None and not is_basic:
            principal = sandbox.tokens.verify(token, sandbox.audiences.devops, lambda _: self._no_sign_in(call))
        if principal is None:
            raise self._no_sign_in(call)
        is_job = _is_job(sandbox, organization, tokens.scopes(token))
        if not is_job and not devops_members.level(organization, principal):
            raise self._no_member(principal)
        return principal

    def _no_sign_in(self, call: Call) -> ApiError:
        if "/_git/" in call.path:
            error = self.error(401, "UnauthorizedRequestException", "TF400813: Resource not available for anonymous.")
            error.headers["WWW-Authenticate"] = 'Basic realm="https://dev.azure.com/"'
            return error
        wants_no_page = call.headers.get("x-tfs-fedauthredirect", "").lower() == "suppress"
        if wants_no_page or call.method not in ("GET", "POST"):
            return self._no_member(None)
        organization = call.params["organization"]
        page = SIGN_IN_PAGE.format(what=html.escape(f"to the organization {organization}"))
        if call.headers.get("authorization"):
            return PageError(203, page)
        error = PageError(302, page)
        error.headers["Location"] = f"/devops-identities/{quote(organization)}/_signin"
        return error

    def _no_member(self, principal: Principal | None) -> ApiError:
        who = principal.object_id if principal else ""
        text = f"TF400813: The user '{who}' is not authorized to access this resource."
        return self.error(401, "UnauthorizedRequestException", text)

    def error(self, status: int, code: str, message: str) -> ApiError:
        """`code` is the service's type key: "ProjectAlreadyExistsException"."""
        body = {
            "$id": "1",
            "innerException": None,
            "message": message,
            "typeName": f"{NAMESPACE}.{code}, {NAMESPACE}",
            "typeKey": code,
            "errorCode": 0,
            "eventId": 3000,
        }
        return ApiError(status, body)

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "InvalidArgumentException", message)

    def fault(self, status: int) -> ApiError:
        text = FAULTS.get(status, ("", "TF400898: An Internal Error Occurred."))[1]
        return self.error(status, "VssServiceException", text)


def _is_job(sandbox: Sandbox, organization: Body, scopes: tuple[str, ...]) -> bool:
    """Whether a token with these scopes was given to a job there (see `devops_host_side`) whose run still goes on."""
    if scopes[:2] != ("job", organization["id"]):
        return False
    run = sandbox.store.get(PIPELINE_RUN, scopes[2])
    return run is not None and run["state"] != "completed"


def credential(call: Call) -> str:
    """The token that came with the call."""
    return _credential(call)[0]


def _credential(call: Call) -> tuple[str, bool]:
    """And whether it came as a password: Basic with any user name."""
    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return (rest if scheme.lower() == "bearer" else ""), False
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2], True
    except (binascii.Error, UnicodeDecodeError):
        return "", True


DEVOPS = DevOpsDialect()
