"""What the token endpoint's grants share: its errors, its tenants, and for whom a token is asked.

Wording and codes: Microsoft Entra authentication and authorization error codes (AADSTS).
"""

from __future__ import annotations

import uuid
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

DOMAIN = "sandbox.example"  # the tenant's verified domain; it names the tenant as well as its id does
TENANT_NAME = "Sandbox"
OPENID_SCOPES = {"openid", "profile", "email", "offline_access"}


def refused(error: str, code: int, why: str, status: int = 400) -> ApiError:
    """An error of the token endpoint: `error` is OAuth's word, `code` is Entra's number."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}"
    described = f"AADSTS{code}: {why} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    body = {
        "error": error,
        "error_description": described,
        "error_codes": [code],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    return ApiError(status, body)


def check_tenant(sandbox: Sandbox, tenant: str) -> None:
    """Raises AADSTS90002 for a tenant that is not this one."""
    if tenant.lower() not in (sandbox.tenant_id, DOMAIN, "common", "organizations"):
        why = (
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
            "correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant."
        )
        raise refused("invalid_request", 90002, why)


def need(form: dict[str, str], name: str) -> str:
    """A parameter of the form, or AADSTS900144."""
    if not form.get(name):
        why = f"The request body must contain the following parameter: '{name}'."
        raise refused("invalid_request", 900144, why)
    return form[name]


def audience(sandbox: Sandbox, form: dict[str, str], is_user: bool) -> str:
    """For whom the token is asked: `resource` (v1.0) or the first resource in `scope` (v2.0).

    A client that signs in by itself must ask for "{resource}/.default". Raises AADSTS500011 for an unknown resource.
    """
    if "resource" in form:
        wanted = need(form, "resource")
    else:
        scopes = [one for one in need(form, "scope").split() if one not in OPENID_SCOPES]
        if not is_user and not all(one.endswith("/.default") for one in scopes):
            why = (
                f"The provided value for scope {form['scope']} is not valid. Client credential flows must have a scope "
                "value with /.default suffixed to the resource identifier (application ID URI)."
            )
            raise refused("invalid_scope", 1002012, why)
        wanted = _resource_of(scopes[0]) if scopes else f"{sandbox.origin}/graph"
    known = {resource for field in fields(sandbox.audiences) for resource in getattr(sandbox.audiences, field.name)}
    if wanted.rstrip("/") not in known:
        why = (
            f"The resource principal named {wanted} was not found in the tenant named {TENANT_NAME}. This can happen "
            "if the application has not been installed by the administrator of the tenant or consented to by any user "
            "in the tenant. You might have sent your authentication request to the wrong tenant."
        )
        raise refused("invalid_resource", 500011, why)
    return wanted


def _resource_of(scope: str) -> str:
    """ "https://host//.default" asks for "https://host/": only the last part is the permission's name."""
    resource, _, _ = scope.rpartition("/")
    return resource or scope
