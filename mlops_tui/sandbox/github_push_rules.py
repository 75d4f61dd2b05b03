"""GitHub: which pushes a token is refused, though its owner may push.

A workflow is a program that runs with the repository's secrets: to push one, a classic token needs the scope
`workflow`, a fine-grained one the permission Workflows. The repository's own `update` hook says no, as githooks(5) has
it, in GitHub's words ("Scopes for OAuth apps", `workflow`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

VARIABLE = "PRACTICE_WITHOUT_WORKFLOWS"  # given to the hook: the kind of token that lacks the right
HOOK = f"""#!/bin/sh
# update REF OLD NEW, of the practice cloud
[ -n "${VARIABLE}" ] || exit 0
case "$3" in *[!0]*) ;; *) exit 0 ;; esac
case "$2" in *[!0]*) old=$2 ;; *) old=$(git hash-object -t tree /dev/null) ;; esac
file=$(git diff-tree -r --name-only "$old" "$3" -- .github/workflows | head -n 1)
[ -z "$file" ] && exit 0
echo "refusing to allow a ${VARIABLE} to create or update workflow \\`$file\\` without \\`workflow\\` scope" >&2
exit 1
"""


def install(repository: Path) -> None:
    """Into the bare repository on disk; safe to repeat."""
    hook = repository / "hooks" / "update"
    if not hook.exists():
        hook.parent.mkdir(exist_ok=True, mode=0o700)
        fresh = hook.with_suffix(".new")
        fresh.write_text(HOOK)
        fresh.chmod(0o700)
        fresh.replace(hook)


def for_hooks(scopes: Sequence[str]) -> dict[str, str]:
    """What the hook is told about a token of these scopes; of a token without any there is nothing to say."""
    if not scopes or "workflow" in scopes or "workflows=write" in scopes:
        return {}
    return {VARIABLE: "Personal Access Token"}
