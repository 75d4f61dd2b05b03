"""How Azure Storage answers: its headers, its errors in XML, and which requests are meant for it at all.

Shapes and codes: Azure Storage REST reference, "Status and error codes" and "Blob service error codes".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Call, not_built
from mlops_tui.sandbox.dialects import FAULTS, Dialect

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

VERSION = "2025-05-05"  # of the service, on every answer
MESSAGES = {
    "BlobNotFound": (404, "The specified blob does not exist."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidBlobOrBlock": (400, "The specified blob or block content is invalid."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "Md5Mismatch": (400, "The MD5 value specified in the request did not match with the MD5 value calculated."),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "AuthenticationFailed": (
        403,
        (
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
            "correctly including the signature."
        ),
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
}


class BlobError(ApiError):
    """An ApiError that answers in XML."""

    def response(self) -> Response:
        error = self.body["error"]
        detail = error.get("detail") or ""
        more = f"<AuthenticationErrorDetail>{escape(detail)}</AuthenticationErrorDetail>" if detail else ""
        headers = service_headers() | {"x-ms-error-code": error["code"]} | self.headers
        message = f"{error['message']}\nRequestId:{headers['x-ms-request-id']}\nTime:{clock.now()}"
        text = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{escape(error['code'])}</Code><Message>{escape(message)}</Message>{more}</Error>"
        )
        return Response(text, self.status, headers, media_type="application/xml")


class BlobDialect(Dialect):
    """Who calls is found out by `blob_access`: an account key or a signed address is nobody's in particular."""

    name = "blob"

    def sign_in(self, sandbox: Sandbox, call: Call) -> None:
        """Raises the sandbox's plain 501 for what was not meant for Azure Storage: its paths would fit nearly all."""
        if not is_for_storage(call):
            raise not_built(call)

    def error(self, status: int, code: str, message: str) -> BlobError:
        return BlobError(status, {"error": {"code": code, "message": message}})

    def malformed(self, message: str) -> BlobError:
        return self.error(400, "InvalidInput", message)

    def refuse(self, code: str, detail: str = "", headers: Mapping[str, str] | None = None) -> BlobError:
        """One of the service's own errors, in its words."""
        status, message = MESSAGES[code]
        return BlobError(status, {"error": {"code": code, "message": message, "detail": detail}}, headers)

    def missing(self, call: Call, what: str) -> BlobError:
        """An operation of the service that the sandbox does not have."""
        text = f"The sandbox does not have {what} of Azure Blob Storage (yet); nothing was done."
        return self.error(501, "NotImplemented", text)

    def fault(self, status: int) -> BlobError:
        codes = {403: "AuthorizationFailure", 404: "BlobNotFound", 429: "ServerBusy", 503: "ServerBusy"}
        default, message = FAULTS.get(status, ("InternalError", "The server encountered an internal error."))
        return self.error(status, codes.get(status, default), message)


BLOBS = BlobDialect()


def is_for_storage(call: Call) -> bool:
    """Every client of Azure Storage sends a version, or has a signed address."""
    return "x-ms-version" in call.headers or ("sig" in call.query and "sv" in call.query)


def service_headers() -> dict[str, str]:
    """On every answer."""
    return {"x-ms-request-id": str(uuid.uuid4()), "x-ms-version": VERSION, "Server": "Windows-Azure-Blob/1.0"}


def http_date(moment: str) -> str:
    """Of a moment as the store keeps it (see `clock`)."""
    return f"{clock.parse(moment).astimezone(UTC):%a, %d %b %Y %H:%M:%S GMT}"


def now() -> datetime:
    return datetime.now(UTC)
