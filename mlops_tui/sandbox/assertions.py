"""Workload identity federation: a JSON Web Token of a trusted issuer in place of a client secret.

Wording: Entra's AADSTS7002xx codes; rules: Microsoft Graph, federatedIdentityCredential.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt

from mlops_tui.sandbox import oauth
from mlops_tui.sandbox.api import ApiError
from mlops_tui.sandbox.directory import Entity

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SKEW = 300  # seconds that clocks may differ
MORE = (
    "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. "
    "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
)


def check_assertion(sandbox: Sandbox, application: Entity, trusted: list[Entity], assertion: str) -> None:
    """Raises unless one of the application's federated credentials matches issuer, subject and audience.

    An assertion that the sandbox issued itself is verified against the sandbox's key. The signature of any other
    issuer is NOT checked: its keys lie outside this machine, and the practice cloud opens no connection to the
    outside. Azure does check it.
    """
    claims = _read(sandbox, assertion)
    if not trusted:
        why = (
            f"The client '{application['appId']}'({application['displayName']}) has no configured federated identity "
            "credentials."
        )
        raise oauth.refused("invalid_client", 70025, why, 401)
    _check_time(claims)
    issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
    audience = claims.get("aud", "")
    audiences = audience if isinstance(audience, list) else [audience]
    left = [one for one in trusted if one["issuer"].rstrip("/") == issuer.rstrip("/")]
    if not left:
        raise _no_match(700211, "issuer", issuer)
    left = [one for one in left if one["subject"] == subject]
    if not left:
        raise _no_match(700213, "subject", subject)
    if not any(set(one["audiences"]) & set(audiences) for one in left):
        raise _no_match(700212, "audience", ", ".join(map(str, audiences)))


def _read(sandbox: Sandbox, assertion: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        if str(claims.get("iss", "")).startswith(sandbox.origin + "/"):
            key = jwt.PyJWK(sandbox.tokens.jwks()["keys"][0])
            jwt.decode(assertion, key, algorithms=["RS256"], options={"verify_aud": False, "verify_exp": False})
    except jwt.InvalidSignatureError as error:
        raise oauth.refused("invalid_client", 50013, "Assertion failed signature validation.", 401) from error
    except jwt.PyJWTError as error:
        raise oauth.refused("invalid_request", 50027, "JWT token is invalid or malformed.") from error
    return claims


def _check_time(claims: dict[str, Any]) -> None:
    now = time.time()
    until, since = claims.get("exp"), claims.get("nbf", 0)
    if (
        not isinstance(until, int | float)
        or not isinstance(since, int | float)
        or not since - SKEW <= now < until + SKEW
    ):
        why = (
            "Client assertion is not within its valid time range. Current time: "
            f"{_stamp(now)}, expiry time of assertion {_stamp(until)}. Review the documentation at "
            "https://learn.microsoft.com/entra/identity-platform/certificate-credentials."
        )
        raise oauth.refused("invalid_client", 700024, why, 401)


def _stamp(moment: Any) -> str:
    if not isinstance(moment, int | float):
        return "(none)"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _no_match(code: int, what: str, presented: str) -> ApiError:
    why = f"No matching federated identity record found for presented assertion {what} '{presented}'. {MORE}"
    return oauth.refused("invalid_request", code, why)
