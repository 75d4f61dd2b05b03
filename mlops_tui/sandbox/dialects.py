"""How each family of services signs its callers in, and how it says no.

The error shapes are those of the vendors' references: Microsoft REST API guidelines for Azure Resource Manager and
Graph, OAuth 2.0 (RFC 6749) with Entra's additions, and the Databricks REST API's `error_code` and `message`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Call, Principal

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox


class Dialect:
    """The open dialect: anyone may call, errors are plain. The others refine it."""

    name = "open"
    ignores_case = False  # in paths

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal | None:
        """Who calls. Raises ApiError where the service asks for a credential and this one will not do."""
        return None

    def error(self, status: int, code: str, message: str) -> ApiError:
        return ApiError(status, {"error": {"code": code, "message": message}})

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "BadRequest", message)

    def fault(self, status: int) -> ApiError:
        """An ordered fault, in this dialect's words."""
        code, message = FAULTS.get(status, ("InternalServerError", "The server encountered an internal error."))
        return self.error(status, code, message)


FAULTS = {
    403: ("AuthorizationFailed", "The client does not have authorization to perform this action."),
    404: ("ResourceNotFound", "The resource was not found."),
    409: ("Conflict", "The request conflicts with the state of the resource."),
    429: ("TooManyRequests", "The request was throttled. Please retry after some time."),
    503: ("ServiceUnavailable", "The service is temporarily unavailable. Please try again later."),
}


class ArmDialect(Dialect):
    """Azure Resource Manager: bearer tokens for the management audience."""

    name = "arm"

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise self._refused(sandbox, "AuthenticationFailed", message)
        return sandbox.tokens.verify(
            token, sandbox.audiences.arm, lambda why: self._refused(sandbox, "InvalidAuthenticationToken", why)
        )

    def _refused(self, sandbox: Sandbox, code: str, message: str) -> ApiError:
        error = self.error(401, code, message)
        authority = f"{sandbox.origin}/{sandbox.tenant_id}"
        error.headers["WWW-Authenticate"] = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return error


class GraphDialect(Dialect):
    """Microsoft Graph: bearer tokens for Graph's audience."""

    name = "graph"

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        token = call.headers.get("authorization", "").partition(" ")[2]
        if not token:
            raise self.error(401, "InvalidAuthenticationToken", "Access token is empty.")
        return sandbox.tokens.verify(
            token, sandbox.audiences.graph, lambda why: self.error(401, "InvalidAuthenticationToken", why)
        )

    def error(self, status: int, code: str, message: str) -> ApiError:
        request_id = str(uuid.uuid4())
        inner = {
            "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
            "request-id": request_id,
            "client-request-id": request_id,
        }
        return ApiError(status, {"error": {"code": code, "message": message, "innerError": inner}})

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "Request_BadRequest", message)


class KeyVaultDialect(Dialect):
    """A Key Vault's data plane: bearer tokens for Key Vault's audience, and a challenge where there is none.

    Error shapes: Key Vault REST API reference 7.4, "Authentication, requests and responses".
    """

    name = "key-vault"

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self._challenge(sandbox, "AKV10000: Request is missing a Bearer or PoP token.", "")
        return sandbox.tokens.verify(
            token,
            sandbox.audiences.key_vault,
            lambda why: self._challenge(sandbox, f"AKV10022: {why}", ', error="invalid_token"'),
        )

    def _challenge(self, sandbox: Sandbox, message: str, what: str) -> ApiError:
        error = self.error(401, "Unauthorized", message)
        authority = f"{sandbox.origin}/{sandbox.tenant_id}"
        challenge = f'Bearer authorization="{authority}", resource="https://vault.azure.net"{what}'
        error.headers["WWW-Authenticate"] = challenge
        return error

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "BadParameter", message)

    def fault(self, status: int) -> ApiError:
        codes = {403: "Forbidden", 404: "SecretNotFound", 429: "Throttled"}
        default, message = FAULTS.get(status, ("InternalServerError", "The server encountered an internal error."))
        return self.error(status, codes.get(status, default), message)


class DatabricksDialect(Dialect):
    """The Databricks workspace API: Entra tokens for Databricks' audience, or personal access tokens."""

    name = "databricks"

    def sign_in(self, sandbox: Sandbox, call: Call) -> Principal:
        return sandbox.members.sign_in(call)

    def error(self, status: int, code: str, message: str) -> ApiError:
        return ApiError(status, {"error_code": code, "message": message})

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "INVALID_PARAMETER_VALUE", message)

    def fault(self, status: int) -> ApiError:
        codes = {403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST", 409: "RESOURCE_CONFLICT"}
        codes |= {429: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE"}
        return self.error(status, codes.get(status, "INTERNAL_ERROR"), f"An ordered fault: HTTP {status}.")


OPEN = Dialect()
ARM = ArmDialect()
GRAPH = GraphDialect()
KEY_VAULT = KeyVaultDialect()
DATABRICKS = DatabricksDialect()
