"""What a job is told whose token has a subject that Azure does not trust: the one given, and those that were expected.

Entra says the given one alone (AADSTS700213). GitHub, "OpenID Connect reference": a subject is the repository's prefix,
and behind it the environment, or else the branch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.advice import AADSTS_LINK
from mlops_tui.errors import SignInError
from mlops_tui.redaction import redact

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

CODE = "AADSTS700213"
GIVEN = re.compile(r"presented assertion subject '([^']+)'")
CONTEXT = re.compile(r":(?:environment|ref|pull_request|job_workflow_ref)(?::|$)")
MEND = (
    "The application trusts another subject, or none: run `mlops-tui setup` again. It shows both, and lets the "
    "application trust what the host sends."
)
WHERE = (
    "Run the workflow on the branch that mlops.toml names (ci.branch), with the environments that setup has made. If "
    "the repository was renamed or moved, run `mlops-tui setup` again."
)


class SubjectExplained:
    """A TokenCredential around another that signs in by a job's token."""

    def __init__(self, inner: TokenCredential, contexts: Sequence[str]) -> None:
        """`contexts`: how the subjects end that setup has let the application trust ("environment:staging")."""
        self._inner = inner
        self._contexts = tuple(contexts)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Raises SignInError where the subject is the reason, whatever azure-identity raises otherwise."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return self._inner.get_token(*scopes, **options)
        except ClientAuthenticationError as error:
            text = str(error.message or error)
            given = GIVEN.search(text)
            if CODE not in text or given is None:
                raise
            raise _mismatch(given[1], self._contexts, text) from error

    def close(self) -> None:
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


def _mismatch(given: str, contexts: Sequence[str], text: str) -> SignInError:
    """What the application really trusts a job may not look up: known is what setup lets it trust."""
    start = CONTEXT.search(given)
    expected = [f"{given[: start.start()]}:{context}" for context in contexts] if start else []
    told, hint = "", MEND
    if expected and given not in expected:
        told = f" Expected: {' or '.join(expected)}."
        hint = WHERE
    return SignInError(
        f"Azure does not trust this job's token ({CODE}). Given: {given}.{told}",
        hint=hint,
        link=f"{AADSTS_LINK}#aadsts-error-codes",
        raw=redact(text)[:4000],
        code=CODE,
    )
