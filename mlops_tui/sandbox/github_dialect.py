"""How GitHub's REST API signs its callers in, says no, and counts.

Shapes: GitHub REST API, "Troubleshooting the REST API", "Rate limits for the REST API", "Permissions required for
fine-grained personal access tokens", "Scopes for OAuth apps". A classic token that lacks a scope finds nothing (404); a
fine-grained one is told which permission is missing (403, `x-accepted-github-permissions`).
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Call, Principal
from mlops_tui.sandbox.dialects import Dialect
from mlops_tui.sandbox.host_tokens import HostTokens

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

DOCUMENTATION = "https://docs.github.com/rest"
LIMIT = 5000  # requests an hour; counted for show, for nobody practises that fast


class GitHubDialect(Dialect):
    """Tokens as `Bearer`, as `token`, or as the password of Basic, which is how git gives them."""

    name = "github"

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        token = token_of(call)
        if not token:
            raise self._unknown("Requires authentication")
        owner = HostTokens(sandbox.store).owner("github", token)
        if owner is None:
            raise self._unknown("Bad credentials")
        return owner

    def _unknown(self, message: str) -> ApiError:
        refused = self.error(401, "", message)
        refused.headers |= {"WWW-Authenticate": 'Basic realm="GitHub"'} | limits()
        return refused

    def error(self, status: int, code: str, message: str) -> ApiError:
        return ApiError(status, {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)})

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "", message or "Problems parsing JSON")

    def not_found(self) -> ApiError:
        """Also of what is there, and not for this caller to know."""
        return self.error(404, "", "Not Found")

    def invalid(self, message: str, *errors: Body) -> ApiError:
        """422; `errors` as GitHub lists them: resource, code, field, message."""
        refused = self.error(422, "", message)
        if errors:
            refused.body["errors"] = list(errors)
        return refused

    def fault(self, status: int) -> ApiError:
        messages = {
            403: "Resource not accessible by personal access token",
            404: "Not Found",
            429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        }
        refused = self.error(status, "", messages.get(status, "Server Error"))
        refused.headers |= limits()
        return refused


def token_of(call: Call) -> str:
    """What the caller signs in with; empty where that is nothing."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return password if password not in ("", "x-oauth-basic") else name
    return value.strip() if scheme.lower() in ("bearer", "token") else ""


def limits() -> dict[str, str]:
    """On every answer."""
    now = int(time.time())
    return {
        "X-GitHub-Media-Type": "github.v3; format=json",
        "x-github-api-version-selected": "2022-11-28",
        "X-RateLimit-Limit": str(LIMIT),
        "X-RateLimit-Remaining": str(LIMIT - 1),
        "X-RateLimit-Reset": str(now - now % 3600 + 3600),
        "X-RateLimit-Resource": "core",
        "X-RateLimit-Used": "1",
    }


GITHUB = GitHubDialect()
