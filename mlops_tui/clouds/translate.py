"""What Azure's SDKs raise, as our errors: what happened, what to do now, the service's own words last.

`with speaking_of("the resource group mlops"): …` is the one door. Codes: Entra's "AADSTS error codes" reference and
Azure Resource Manager's "Troubleshoot common deployment errors".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING

from mlops_tui.clouds.advice import (
    AADSTS,
    AADSTS_LINK,
    ARM_ADVICE,
    ARM_LINK,
    FORBIDDEN_CODES,
    GRAPH_ROLE_HINT,
    NOT_FOUND_CODES,
    WAYS,
)
from mlops_tui.errors import (
    CloudError,
    ConflictError,
    ForbiddenError,
    MlopsError,
    NotFoundError,
    SignInError,
    ThrottledError,
    UnreachableError,
)
from mlops_tui.redaction import redact

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

LONGEST_RAW = 4000
ROLE_LINK = "https://learn.microsoft.com/azure/role-based-access-control/role-assignments-cli"
_AADSTS = re.compile(r"AADSTS(\d+)")
_DENIED = re.compile(
    r"with object id '(?P<object_id>[^']+)'.*? perform action '(?P<action>[^']+)'.*? over scope '(?P<scope>[^']+)'",
    re.DOTALL,
)


@dataclass(frozen=True)
class Refusal:
    """A service's answer, taken apart."""

    what: str  # what we were at: "the resource group mlops"
    status: int
    code: str
    text: str

    @property
    def sentence(self) -> str:
        """The first line of what the service says, as one sentence without the ids that only its operators read."""
        line = self.text.strip().splitlines()[0] if self.text.strip() else f"HTTP {self.status}"
        line = re.split(r" Trace ID: | Correlation ID: |\r", line)[0].strip()
        return redact(line if line.endswith((".", "!", "?")) else f"{line}.")

    @property
    def raw(self) -> str:
        return redact(self.text)[:LONGEST_RAW]


@contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """Turn whatever the SDKs raise inside into ours; `what` names the thing we are at, as part of a sentence."""
    from azure.core.exceptions import AzureError
    from requests.exceptions import RequestException

    try:
        yield
    except MlopsError:
        raise
    except AzureError as error:
        raise translated(error, what) from error
    except RequestException as error:
        raise unreachable(what, str(error)) from error
    except JSONDecodeError as error:
        hint = "Is a proxy's or a network's sign-in page in the way? Open any web page in a browser to see."
        raise CloudError(
            f"The answer about {what} is not Azure's.", hint=hint, raw=redact(error.doc)[:LONGEST_RAW]
        ) from error


def translated(error: AzureError, what: str) -> MlopsError:
    """Ours for that one."""
    from azure.core import exceptions as azure

    if ours := _our_own_cause(error):
        return ours
    if isinstance(error, azure.ClientAuthenticationError):
        return _sign_in_error(error, what)
    if isinstance(error, azure.HttpResponseError) and not isinstance(error, azure.IncompleteReadError):
        return refused(_refusal(error, what))
    return unreachable(what, str(error))


def refused(refusal: Refusal) -> MlopsError:
    """Which of our errors an answer of Resource Manager or Graph is."""
    what, code, sentence = refusal.what, refusal.code, refusal.sentence
    raw, about = refusal.raw, f"{refusal.what[:1].upper()}{refusal.what[1:]}"
    if refusal.status == 403 or code in FORBIDDEN_CODES:
        return _forbidden(refusal)
    if refusal.status == 401:
        hint = "The sign-in was accepted, and this service refuses its token: sign in again, to the right tenant."
        return SignInError(f"{about}: {sentence}", hint=hint, raw=raw, code=code)
    hint = ARM_ADVICE.get(code, "")
    link = ARM_LINK if hint else ""
    if refusal.status == 429:
        return ThrottledError(f"{about}: too many requests. {sentence}", hint=hint, link=link, raw=raw, code=code)
    if refusal.status == 404 or code in NOT_FOUND_CODES:
        return NotFoundError(f"Not found: {what}. {sentence}", hint=hint, link=link, raw=raw, code=code)
    if refusal.status in (409, 412):
        return ConflictError(f"{about}: {sentence}", hint=hint, link=link, raw=raw, code=code)
    if refusal.status in (502, 503, 504):
        hint = hint or "The service is down or overloaded; run the same command again in some minutes."
        return UnreachableError(f"{about}: {sentence}", hint=hint, raw=raw, code=code)
    return CloudError(f"{about}: {sentence}", hint=hint, link=link, raw=raw, code=code)


def unreachable(what: str, text: str) -> UnreachableError:
    """Nobody answered; which of the usual reasons, if the text tells."""
    lowered = text.lower()
    reasons = {
        "certificate": "its certificate is not trusted",
        "ssl": "no secure connection came about",
        "refused": "nobody listens there",
        "name or service not known": "its name cannot be resolved",
        "nodename nor servname": "its name cannot be resolved",
        "failed to resolve": "its name cannot be resolved",
        "getaddrinfo": "its name cannot be resolved",
        "timed out": "it did not answer in time",
        "aborted": "the connection broke before the answer came",
        "reset": "the connection broke before the answer came",
    }
    reason = next((words for mark, words in reasons.items() if mark in lowered), "the connection failed")
    hint = "Behind a proxy that opens TLS, set REQUESTS_CA_BUNDLE to its authority." if "certificate" in reason else ""
    return UnreachableError(f"Nobody answers for {what}: {reason}.", hint=hint, raw=redact(text)[:LONGEST_RAW])


def lacking(what: str, action: str, scope: str, object_id: str, *, raw: str = "", code: str = "") -> ForbiddenError:
    """Signed in, but without the right to `action` at `scope`: which role would do, and who types what to give it."""
    role = role_for(action)
    place = assignable_scope(scope)
    kind = f' --assignee-object-id "{object_id}"' if object_id else " --assignee YOU"
    hint = f'Ask an owner for the role {role}: az role assignment create{kind} --role "{role}" --scope "{place}"'
    message = f"Not allowed: {what} ({action} on {place})."
    return ForbiddenError(message, hint=hint, link=ROLE_LINK, raw=raw, code=code)


def role_for(action: str) -> str:
    """The smallest usual built-in role that allows an action."""
    lowered = action.lower()
    if lowered.startswith("microsoft.authorization/roleassignments/"):
        return "Role Based Access Control Administrator"
    return "Reader" if lowered.endswith("/read") else "Contributor"


def assignable_scope(scope: str) -> str:
    """The resource group (or else the subscription) that a scope is in: where people give roles."""
    match = re.match(r"(/subscriptions/[^/]+(?:/resourceGroups/[^/]+)?)", scope, re.IGNORECASE)
    return match.group(1) if match else scope


def _forbidden(refusal: Refusal) -> ForbiddenError:
    denied = _DENIED.search(refusal.text)
    if denied:
        action, scope = denied["action"], denied["scope"]
        # A group that is still to be made is no scope yet that a role could be given at.
        making_group = action.lower() == "microsoft.resources/subscriptions/resourcegroups/write"
        place = re.sub(r"/resourceGroups/.*", "", scope, flags=re.IGNORECASE) if making_group else scope
        return lacking(refusal.what, action, place, denied["object_id"], raw=refusal.raw, code=refusal.code)
    hint = GRAPH_ROLE_HINT if refusal.code == "Authorization_RequestDenied" else ARM_ADVICE.get(refusal.code, "")
    return ForbiddenError(
        f"Not allowed: {refusal.what}. {refusal.sentence}", hint=hint, raw=refusal.raw, code=refusal.code
    )


def _sign_in_error(error: AzureError, what: str) -> MlopsError:
    """A refused or impossible sign-in; azure-identity also wraps lost connections in this class."""
    from azure.core import exceptions as azure
    from azure.identity import CredentialUnavailableError

    text = str(error.message or error)
    if match := _AADSTS.search(text):
        sentence, hint = AADSTS.get(match[1], ("Entra ID refuses the sign-in", ""))
        refusal = Refusal(what, 401, f"AADSTS{match[1]}", text)
        link = f"{AADSTS_LINK}#aadsts-error-codes"
        return SignInError(f"{sentence} ({refusal.code}).", hint=hint, link=link, raw=refusal.raw, code=refusal.code)
    if "Unable to get authority configuration" in text:  # what MSAL makes of a tenant's missing metadata
        sentence, hint = AADSTS["90002"]
        return SignInError(f"{sentence}.", hint=hint, link=AADSTS_LINK, raw=redact(text)[:LONGEST_RAW])
    cause: BaseException | None = None if isinstance(error, CredentialUnavailableError) else error
    while cause is not None:
        if isinstance(cause, (azure.ServiceRequestError, azure.ServiceResponseError, OSError)):
            return unreachable(what, str(cause))
        cause = cause.__cause__
    if isinstance(error, azure.HttpResponseError) and error.response is not None and error.error is not None:
        return refused(_refusal(error, what))  # a token that the service itself will not have
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return SignInError(f"No sign-in: {redact(first)}", hint=WAYS, raw=redact(text)[:LONGEST_RAW])


def _refusal(error: HttpResponseError, what: str) -> Refusal:
    """Code and text from the service's body; long operations fail inside a 200, and say so in `error` alone."""
    body = error.error
    code = str(body.code or "") if body else ""
    text = str(body.message or "") if body else ""
    inner = [f"{detail.code}: {detail.message}" for detail in (body.details or [])] if body else []
    text = "\n".join([text or str(error.message), *inner])
    status = error.status_code or 0
    if status < 400:
        known = {"Conflict": 409, "ResourceNotFound": 404, "AuthorizationFailed": 403, "TooManyRequests": 429}
        status = known.get(code, 400)
    return Refusal(what, status, code, text)


def _our_own_cause(error: BaseException) -> MlopsError | None:
    """Ours, where an SDK wrapped what one of our own callbacks raised."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, MlopsError):
            return cause
        cause = cause.__cause__
    return None
