"""What a Databricks workspace says no with, as our errors: a sentence, what to do now, the page to read.

Codes as in the Databricks REST reference, "Error codes", and as the platform gives them where the reference is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

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

Made = TypeVar("Made")

DOCS = "https://learn.microsoft.com/en-us/azure/databricks"


class AnswerLostError(UnreachableError):
    """The connection broke after the request was sent: it may have been done, or not."""


@dataclass(frozen=True)
class Meaning:
    """What a code or a wording stands for."""

    kind: type[MlopsError]
    hint: str = ""
    link: str = ""


TOKEN_REFUSED = Meaning(
    SignInError,
    "If a personal access token was given, make a new one (workspace, Settings, Developer, Access tokens) or leave it "
    "out and sign in with Entra ID; otherwise sign in again: `az login`.",
    f"{DOCS}/dev-tools/auth/",
)
FORBIDDEN = Meaning(
    ForbiddenError,
    "Ask an admin of the Databricks workspace for the permission, or take the role Contributor on the workspace in "
    "Azure: whoever has that is made an admin at the first sign-in.",
    f"{DOCS}/security/auth/access-control/",
)
QUOTA = Meaning(
    CloudError,
    "Remove what is no longer used, choose a smaller cluster, or ask for more: Azure portal, Subscription, "
    "Usage + quotas.",
    f"{DOCS}/resources/limits",
)
STATE = Meaning(
    ConflictError, "It is busy with something else; wait until that has ended, then run the same command again."
)
GIT_SIGN_IN = Meaning(
    SignInError,
    "Databricks signs in to the host of Git with the token that `mlops-tui setup` has put into your Git credential. "
    "Check that this token has not expired and may read the repository; give a new one and run setup again.",
    f"{DOCS}/repos/get-access-tokens-from-git-provider",
)
GIT_EDITS = Meaning(
    ConflictError,
    "Somebody has edited files in the Git folder and not committed them. Open the folder in the workspace, choose Git, "
    "and commit and push what is to stay, or discard it; then run the same command again.",
    f"{DOCS}/repos/git-operations-with-repos",
)
TAKEN = Meaning(ConflictError, "Something of that name is there already; run the same command again to look at it.")
MISSING = Meaning(
    NotFoundError, "It may have been removed meanwhile; run the same command again to see what is left to do."
)
THROTTLED = Meaning(ThrottledError)
IMPOSSIBLE = Meaning(CloudError, "A setting is not what the workspace accepts; the text says which.")
THEIR_FAULT = Meaning(CloudError, "The fault is on Databricks' side; run the same command again in a minute.")

# Wordings that say more than the code they come with; the first that fits counts.
WORDINGS: tuple[tuple[str, Meaning], ...] = (
    ("invalid access token", TOKEN_REFUSED),
    ("token is expired", TOKEN_REFUSED),
    ("credential was not sent", TOKEN_REFUSED),
    (
        "ip acl",
        Meaning(
            ForbiddenError,
            "The workspace admits only listed addresses; ask its admin to add this machine's, or use the VPN.",
            f"{DOCS}/security/network/front-end/ip-access-list",
        ),
    ),
    (
        "private link",
        Meaning(
            ForbiddenError,
            "The workspace is reached over Azure Private Link only; run this from inside its network.",
            f"{DOCS}/security/network/classic/private-link",
        ),
    ),
    ("git provider credentials", GIT_SIGN_IN),
    ("remote repo not found", Meaning(NotFoundError, GIT_SIGN_IN.hint, GIT_SIGN_IN.link)),
    ("quota", QUOTA),
    (" does not exist", MISSING),  # clusters and jobs say it with INVALID_PARAMETER_VALUE
)
CODES: dict[str, Meaning] = {
    "UNAUTHENTICATED": TOKEN_REFUSED,
    "PERMISSION_DENIED": FORBIDDEN,
    "CUSTOMER_UNAUTHORIZED": FORBIDDEN,
    "QUOTA_EXCEEDED": QUOTA,
    "RESOURCE_LIMIT_EXCEEDED": QUOTA,
    "INVALID_STATE": STATE,
    "RESOURCE_CONFLICT": STATE,
    "ABORTED": STATE,
    "RESOURCE_ALREADY_EXISTS": TAKEN,
    "ALREADY_EXISTS": TAKEN,
    "GIT_CONFLICT": GIT_EDITS,
    "GIT_UNKNOWN_REF": Meaning(NotFoundError, "Check ci.branch, and that the branch was pushed."),
    "GIT_URL_NOT_ON_ALLOW_LIST": Meaning(
        ForbiddenError,
        "The workspace reaches listed repositories only; ask its admin to add this one.",
        f"{DOCS}/repos/enable-disable-repos-with-api",
    ),
    "RESOURCE_DOES_NOT_EXIST": MISSING,
    "NOT_FOUND": MISSING,
    "REQUEST_LIMIT_EXCEEDED": THROTTLED,
    "RESOURCE_EXHAUSTED": THROTTLED,
    "TEMPORARILY_UNAVAILABLE": THROTTLED,
    "INVALID_PARAMETER_VALUE": IMPOSSIBLE,
    "BAD_REQUEST": IMPOSSIBLE,
    "MALFORMED_REQUEST": IMPOSSIBLE,
    "INTERNAL_ERROR": THEIR_FAULT,
}
# Where a code is new to us, the SDK's class still tells the HTTP status.
CLASSES: dict[str, Meaning] = {
    "Unauthenticated": TOKEN_REFUSED,
    "PermissionDenied": FORBIDDEN,
    "NotFound": MISSING,
    "ResourceConflict": STATE,
    "TooManyRequests": THROTTLED,
    "TemporarilyUnavailable": THROTTLED,
    "BadRequest": IMPOSSIBLE,
    "InternalError": THEIR_FAULT,
    "DeadlineExceeded": THEIR_FAULT,
}


@contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise in the block into our errors; `what` begins the message.

    Our own errors pass as they are. A programming error (TypeError, KeyError ...) is none of a cloud's and passes, too.
    """
    import requests
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except MlopsError:
        raise
    except (DatabricksError, requests.RequestException, TimeoutError) as error:
        raise translate(error, what) from error


def made_once(ask: Callable[[], Made], look: Callable[[], Made | None]) -> Made:
    """Make one thing by `ask`. Where its answer is lost, `look` tells whether it was made; if not, ask once more."""
    try:
        return ask()
    except AnswerLostError:
        made = look()
        return made if made is not None else ask()


def translate(error: BaseException, what: str) -> MlopsError:
    """One of ours for one of the SDK's: DatabricksError, an error of requests, or the end of its patience."""
    import requests
    from databricks.sdk.errors.base import DatabricksError

    if isinstance(error, DatabricksError):
        return _refusal(error, str(error.error_code or ""), what)
    if isinstance(error, TimeoutError) and isinstance(error.__cause__, DatabricksError):
        return translate(error.__cause__, what)  # throttled for longer than we wait
    raw = redact(str(error.__cause__ or error))
    if isinstance(error, requests.exceptions.JSONDecodeError):
        hint = "Check the host: it must be a workspace's own address, and no proxy's sign-in page may be in the way."
        return CloudError(f"{_begin(what)}: the host answered, but not as a Databricks workspace.", hint=hint, raw=raw)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return AnswerLostError(f"{_begin(what)}: the connection broke in the middle of the answer.", raw=raw)
    return UnreachableError(f"{_begin(what)}: the Databricks workspace did not answer.", raw=raw)


def _refusal(error: BaseException, code: str, what: str) -> MlopsError:
    text = redact(service_text(error))
    meaning = _meaning(type(error), code, text)
    sentence = text.split("\n", 1)[0].strip() or "Databricks refused without saying why."
    return meaning.kind(f"{_begin(what)}: {sentence}", hint=meaning.hint, link=meaning.link, raw=text, code=code)


def service_text(error: BaseException) -> str:
    """What the service said, without the configuration that the SDK appends to 401s and 403s."""
    return str(error).split(" Config: ", 1)[0].split(" Env: ", 1)[0].strip()


def _meaning(kind: type[BaseException], code: str, text: str) -> Meaning:
    lowered = text.lower()
    for wording, meaning in WORDINGS:
        if wording in lowered:
            return meaning
    if code in CODES:
        return CODES[code]
    by_class = (CLASSES[base.__name__] for base in kind.__mro__ if base.__name__ in CLASSES)
    return next(by_class, Meaning(CloudError))


def _begin(what: str) -> str:
    return what[:1].upper() + what[1:]
