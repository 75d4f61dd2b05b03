"""What git says no with is told as what happened and what to do."""

from __future__ import annotations

import pytest

from mlops_tui import redaction
from mlops_tui.clouds import git_push
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.git_errors import GitRefusal, translated
from mlops_tui.clouds.git_push import Remote
from mlops_tui.errors import (
    ConflictError,
    ForbiddenError,
    MlopsError,
    NotFoundError,
    SignInError,
    UnreachableError,
    UsageError,
)

URL = "https://github.com/contoso/wine.git"


@pytest.mark.parametrize(
    ("text", "kind", "advice"),
    [
        (f"remote: Invalid username or token.\nfatal: Authentication failed for '{URL}/'", SignInError, "run out"),
        (f"fatal: could not read Username for '{URL}': terminal prompts disabled", SignInError, "run out"),
        (f"remote: TF401027: You need …\nfatal: unable to access '{URL}/': The requested URL returned error: 403",
         ForbiddenError, "right to contribute"),
        (f"remote: Permission to contoso/wine.git denied to ada.\nfatal: unable to access '{URL}/': … error: 403",
         ForbiddenError, "right to contribute"),
        ("! [remote rejected] main (refusing to allow a Personal Access Token to … without `workflow` scope)",
         ForbiddenError, "scope `workflow`"),
        ("remote: error: GH006: Protected branch update failed for refs/heads/main.", ForbiddenError, "ci.branch"),
        ("! [remote rejected] main -> main (TF402455: Pushes to this branch are not permitted)", ForbiddenError,
         "ci.branch"),
        (f"remote: Repository not found.\nfatal: repository '{URL}/' not found", NotFoundError, "ci.repository"),
        ("! [rejected] main -> main (fetch first)", ConflictError, "again"),
        (f"fatal: unable to access '{URL}/': Could not resolve host: github.com", UnreachableError, "connection"),
        (f"fatal: unable to access '{URL}/': SSL certificate problem: self-signed", UnreachableError, "GIT_SSL_CAINFO"),
    ],
)  # fmt: skip
def test_each_refusal_is_told_apart(text: str, kind: type[MlopsError], advice: str) -> None:
    error = translated(GitRefusal(URL, "push", text))
    assert type(error) is kind
    assert advice in error.hint
    assert error.raw == text


def test_the_raw_text_is_redacted() -> None:
    redaction.register("a-token-of-ada")
    assert "a-token" not in translated(GitRefusal(URL, "push", "fatal: a-token-of-ada is odd")).raw


def test_a_machine_without_git_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="git is not installed") as caught:
        git_push.push(Remote(URL, "Basic eA==", AZURE), "main", {}, "none", onto=None)
    assert "apt install git" in caught.value.hint
