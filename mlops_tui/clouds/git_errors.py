"""What git says no with, as our errors. Its words are those of the C locale; the hosts' own come after "remote:".

GitHub: "Troubleshooting Git", "About protected branches", "Creating rulesets" (GH006, GH013). Azure DevOps: "TF400813"
and the like, "Set Git repository permissions", "Branch policies and settings".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_tui.errors import (
    CloudError,
    ConflictError,
    ForbiddenError,
    MlopsError,
    NotFoundError,
    SignInError,
    UnreachableError,
    UsageError,
)
from mlops_tui.redaction import redact

LONGEST_RAW = 4000
INSTALL_LINK = "https://git-scm.com/downloads"


@dataclass(frozen=True)
class GitRefusal:
    url: str  # of the repository; it holds no credential
    command: str  # "push"
    text: str  # git's own, on standard error


@dataclass(frozen=True)
class _Kind:
    pattern: str
    error: type[MlopsError]
    message: str
    hint: str = ""  # empty: that of the error's kind


# The first that fits counts: a protected branch and a token that lacks a right are both a 403 to git.
_KINDS = (
    _Kind(
        r"without `?workflow`? scope",
        ForbiddenError,
        "The token may not write workflows into {url}.",
        "Give the token the scope `workflow` (of a fine-grained one: Workflows, read and write).",
    ),
    _Kind(
        r"GH006|GH013|TF402455|protected branch|pre-receive hook declined|rule violations",
        ForbiddenError,
        "The branch is protected: {url} takes no direct push to it.",
        "Let the account push there, lift the rule for the first push, or choose another branch: ci.branch.",
    ),
    _Kind(
        r"Authentication failed|could not read (?:Username|Password)|returned error: 401|TF400813|HTTP 401",
        SignInError,
        "{url} takes the sign-in for none of its own.",
        "Check that the token is whole, has not run out, and may read and write code there.",
    ),
    _Kind(
        r"returned error: 403|Permission to \S+ denied|TF401027|HTTP 403",
        ForbiddenError,
        "This account may not push to {url}.",
        "Ask an owner there for the right to contribute, or give the token the right to read and write code.",
    ),
    _Kind(
        r"repository .*not found|returned error: 404|TF401019",
        NotFoundError,
        "There is no repository at {url}, or it is not shown to this account.",
        "Check ci.organization, ci.project and ci.repository.",
    ),
    _Kind(
        r"non-fast-forward|fetch first|stale info|cannot lock ref|failed to update ref|TF402[45]\d\d",
        ConflictError,
        "Somebody else has pushed to {url} meanwhile.",
        "Run the same command again: it looks at what is there now.",
    ),
    _Kind(
        r"SSL certificate|certificate verify|server certificate",
        UnreachableError,
        "The certificate of {url} is not one that this machine believes.",
        "Name the authority's file in GIT_SSL_CAINFO.",
    ),
    _Kind(
        r"Could not resolve|Failed to connect|Couldn't connect|Connection (?:timed out|refused|reset)|Empty reply|"
        r"Operation too slow|unable to access|hung up unexpectedly|RPC failed|returned error: 5\d\d",
        UnreachableError,
        "{url} does not answer.",
    ),
)


def translated(refusal: GitRefusal) -> MlopsError:
    raw = redact(refusal.text.strip())[:LONGEST_RAW]
    for kind in _KINDS:
        if re.search(kind.pattern, refusal.text, re.IGNORECASE):
            return kind.error(kind.message.format_map(_words(refusal)), hint=kind.hint, raw=raw)
    return CloudError(f"git {refusal.command} failed for {redact(refusal.url)}.", raw=raw)


def outrun(url: str) -> MlopsError:
    """The branch is not where it was looked at."""
    return translated(GitRefusal(url, "push", "non-fast-forward"))


def missing() -> UsageError:
    return UsageError(
        "The program git is not installed; the repository is filled by it.",
        hint="Install it (Debian, Ubuntu: sudo apt install git; macOS: xcode-select --install), then run the same "
        "command again.",
        link=INSTALL_LINK,
    )


def _words(refusal: GitRefusal) -> Mapping[str, str]:
    return {"url": redact(refusal.url)}
