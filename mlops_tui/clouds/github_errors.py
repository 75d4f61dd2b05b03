"""What GitHub says no with, as our errors.

GitHub REST API: "Troubleshooting the REST API", "Rate limits for the REST API", "Permissions required for fine-grained
personal access tokens" (`x-accepted-github-permissions`), "Scopes for OAuth apps" (`x-oauth-scopes`). Who may not know
of a thing is told 404, so that a 404 can mean a missing permission, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.translate import LONGEST_RAW, translated
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
    from azure.core.exceptions import HttpResponseError

TOKEN_LINK = (
    "https://docs.github.com/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens"  # noqa: S105
)
RATE_LINK = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
# What the wizard and its pipeline need, as GitHub's page for new tokens names it.
PERMISSIONS = (
    "Administration, Actions, Contents, Deployments, Environments, Secrets, Variables and Workflows (read and write)"
)
TOKEN_HINT = (
    "Set GH_TOKEN (or GITHUB_TOKEN) to a personal access token of yours: a classic one with the scopes repo and "
    f"workflow, or a fine-grained one for this owner with the repository permissions {PERMISSIONS}. "
    "With the GitHub CLI: export GH_TOKEN=$(gh auth token)"
)
ALL_OF_IT = (
    "Setup as a whole takes the scopes repo and workflow of a classic token, of a fine-grained one the repository "
    f"permissions {PERMISSIONS}."
)
NO_REVIEWERS = "ensure the billing plan supports the required reviewers"


class NoReviewersError(CloudError):
    """The owner's plan does not let a private repository ask for a yes. The environment is there now, without it."""

    default_hint = (
        'Required reviewers need a public repository (ci.visibility = "public") or, for a private one, GitHub '
        "Enterprise. Choose one of these, or another host (ci.host)."
    )


@contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """As `translate.speaking_of`, in GitHub's words."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except MlopsError:
        raise
    except HttpResponseError as error:
        raise (refused(error, what) if error.response is not None else translated(error, what)) from error
    except AzureError as error:
        raise translated(error, what) from error
    except (KeyError, json.JSONDecodeError) as error:
        hint = "Is a proxy's or a network's sign-in page in the way, or is ci.organization not on github.com?"
        raise CloudError(f"The answer about {what} is not GitHub's: {redact(str(error))[:200]}.", hint=hint) from error


def refused(error: HttpResponseError, what: str) -> MlopsError:
    """Which of our errors an answer of GitHub's is."""
    response: Any = error.response
    status, text = int(response.status_code or 0), _text(response)
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers).items()}
    about = f"{what[:1].upper()}{what[1:]}"
    raw = redact(text)[:LONGEST_RAW]
    sentence = _sentence(text, status)
    if status == 401:
        return SignInError("GitHub does not accept the token.", hint=TOKEN_HINT, link=TOKEN_LINK, raw=raw)
    if status == 429 or _is_throttled(status, text, headers):
        wait = headers.get("retry-after", "")
        hint = f"Run the same command again in {wait} seconds." if wait else ""
        return ThrottledError(f"{about}: GitHub asks for patience. {sentence}", hint=hint, link=RATE_LINK, raw=raw)
    if status == 403 or (status == 404 and _lacks_scope(headers)):
        return _forbidden(what, sentence, raw, headers)
    if status == 404:
        hint = "Check the names; what a token may not see GitHub does not admit to. " + TOKEN_HINT
        return NotFoundError(f"Not found: {what}.", hint=hint, link=TOKEN_LINK, raw=raw)
    if NO_REVIEWERS in text:
        message = f"Not on this plan: {what}. GitHub lets no private repository of this owner ask for reviewers."
        return NoReviewersError(message, raw=raw)
    if status == 409 or "already exists" in text:
        return ConflictError(f"{about}: {sentence}", raw=raw)
    if status >= 500:
        return UnreachableError(f"{about}: {sentence}", hint="See https://www.githubstatus.com/", raw=raw)
    return CloudError(f"{about}: {sentence}", raw=raw)


def _forbidden(what: str, sentence: str, raw: str, headers: dict[str, str]) -> ForbiddenError:
    """Names what the token lacks, where GitHub does."""
    if needed := headers.get("x-accepted-github-permissions"):
        spoken = " or ".join(one.strip().replace("=", ": ") for one in needed.split(";"))
        hint = f"Give the fine-grained token the repository permission {spoken.replace(',', ' and')}. {ALL_OF_IT}"
    elif needed := headers.get("x-accepted-oauth-scopes"):
        have = headers.get("x-oauth-scopes") or "none"
        hint = f"The token has the scopes: {have}. Make one with: {needed}. {ALL_OF_IT}"
    else:
        hint = "Ask an administrator of the repository for the role, or sign in as somebody who has it. " + TOKEN_HINT
    return ForbiddenError(f"Not allowed: {what}. {sentence}", hint=hint, link=TOKEN_LINK, raw=raw)


def _lacks_scope(headers: dict[str, str]) -> bool:
    """Of a classic token: none of the scopes that would do is among its own."""
    accepted = {one.strip() for one in headers.get("x-accepted-oauth-scopes", "").split(",")} - {""}
    return bool(accepted) and not accepted & {one.strip() for one in headers.get("x-oauth-scopes", "").split(",")}


def _is_throttled(status: int, text: str, headers: dict[str, str]) -> bool:
    return status == 403 and ("rate limit" in text.lower() or headers.get("x-ratelimit-remaining") == "0")


def _text(response: Any) -> str:
    try:
        return str(response.text())
    except ValueError:
        return ""


def _sentence(text: str, status: int) -> str:
    """`message` and the messages of `errors`, as one line."""
    try:
        body = json.loads(text)
        errors = body.get("errors") or []
    except (ValueError, AttributeError):
        return f"HTTP {status}."
    details = (
        [errors]
        if isinstance(errors, str)
        else [str(one.get("message", "")) for one in errors if isinstance(one, dict)]
    )
    parts = [str(body.get("message") or f"HTTP {status}"), *filter(None, details)]
    return redact(" ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts))
