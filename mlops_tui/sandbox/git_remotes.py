"""Repositories as the workspace reaches them: real git over https, at the practice cloud's own hosts of Git.

What is said no with are the platform's words as people have met them: "Missing Git provider credentials" and "Invalid
Git provider credentials" are PERMISSION_DENIED, a repository that is not there is BAD_REQUEST; a URL that may not be
used is GIT_URL_NOT_ON_ALLOW_LIST (the platform's code where an admin has listed what may). Databricks documentation,
"Errors and troubleshooting for Git folders"; knowledge base, "Permission denied error on jobs integrated with Git".
"""

from __future__ import annotations

import base64
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops_tui.sandbox.api import ApiError
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.git_credentials import AZURE_DEVOPS, GITHUB, GitCredential, GitCredentials
from mlops_tui.sandbox.git_server import PATIENCE, environment, git

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Principal
    from mlops_tui.sandbox.sandbox import Sandbox

PLACES = {  # of repositories at this origin
    AZURE_DEVOPS: re.compile(r"/devops/[^/]+/[^/]+/_git/[^/]+/?"),
    GITHUB: re.compile(r"/[^/]+/[^/]+?(\.git)?/?"),
}
MISSING = "Missing Git provider credentials. Go to User Settings > Git Integration to set up your Git credentials."
INVALID = (
    "Invalid Git provider credentials. Go to User Settings > Git Integration to ensure that:\n"
    "1. You have entered a username with your Git provider credentials.\n"
    "2. You have selected the correct Git provider with your credentials.\n"
    "3. Your personal access token or app password has the correct repo access.\n"
    "4. Your personal access token has not expired.\n"
    "5. If you have SSO enabled with your Git provider, be sure to authorize your token."
)
NOT_FOUND = (
    "Remote repo not found. Please ensure that:\n"
    "1. Your remote Git repo URL is valid.\n"
    "2. Your personal access token or app password has the correct repo access."
)
REFUSED = re.compile(r"Authentication failed|could not read (Username|Password)|error: 40[13]")
ABSENT = re.compile(r"not found|error: 404")
EVERYTHING = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
# A repository comes from somebody else: nothing in it may make git run or reach anything.
CONFIGURATION = {
    "core.symlinks": "false",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
}


@dataclass(frozen=True)
class Remote:
    """A repository, and what the caller has to sign in to it."""

    url: str
    provider: str
    credential: GitCredential | None

    @property
    def address(self) -> str:
        """GitHub takes its URLs with and without the ending."""
        url = self.url.rstrip("/")
        return url if self.provider != GITHUB or url.endswith(".git") else f"{url}.git"


class GitRemotes:
    """Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def check(self, url: str, provider: str) -> None:
        """Refuse (400) what is none of this cloud's own repositories."""
        origin, parts = urlsplit(self._sandbox.origin), urlsplit(url)
        if (parts.scheme, parts.hostname, parts.port) != (origin.scheme, origin.hostname, origin.port):
            message = (
                f"The remote Git repo URL {_without_user(url)} is not on the allow list. The practice cloud opens no "
                f"connection to the outside; its own repositories are at {self._sandbox.origin}."
            )
            raise DATABRICKS.error(400, "GIT_URL_NOT_ON_ALLOW_LIST", message)
        is_devops = PLACES[AZURE_DEVOPS].fullmatch(parts.path) is not None
        fitting = AZURE_DEVOPS if is_devops else GITHUB
        if provider != fitting or not PLACES[fitting].fullmatch(parts.path):
            raise DATABRICKS.malformed(f"The URL {_without_user(url)} is no repository of the Git provider {provider}.")

    def of(self, owner: Principal, url: str, provider: str, credential_id: int | None = None) -> Remote:
        """Raises ApiError as `check` does, and where the credential that is named is not there."""
        self.check(url, provider)
        credential = self._sandbox.find(GitCredentials).find(owner, provider, credential_id)
        if credential_id is not None and credential is None:
            message = f"Git credential with id {credential_id} does not exist for provider {provider}."
            raise DATABRICKS.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        return Remote(_without_user(url), provider, credential)

    def fetch(self, git_dir: Path, remote: Remote) -> None:
        """All branches and tags as they are there now, into a repository that is made where it is not.

        Nobody else may be at work in it: what is locked there was left behind by a git that was killed.
        """
        for lock in git_dir.rglob("*.lock"):
            lock.unlink()
        if not git_dir.exists():
            git_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            git(None, "init", "--quiet", "--bare", "--template=", str(git_dir))
            for name, value in {"core.bare": "false", **CONFIGURATION}.items():
                git(git_dir, "config", name, value)
        self._ask(remote, f"--git-dir={git_dir}", "fetch", "--quiet", "--prune", "--no-recurse-submodules", EVERYTHING)

    def default_branch(self, remote: Remote) -> str:
        """The branch that the host hands out where none is named."""
        said = self._ask(remote, "ls-remote", "--symref", ("HEAD",))
        found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", said, re.MULTILINE)
        return found[1] if found else "main"

    def _ask(self, remote: Remote, *arguments: str | tuple[str, ...]) -> str:
        """A command of git that talks to the host; the last argument are what stands behind the URL."""
        *before, behind = arguments
        words = [str(word) for word in before]
        done = subprocess.run(
            ["git", *words, remote.address, *behind],
            env=environment() | self._signed_in(remote),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            umask=0o077,
        )
        if done.returncode:
            raise _refusal(remote, done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def _signed_in(self, remote: Remote) -> dict[str, str]:
        variables = {"GIT_SSL_CAINFO": str(self._sandbox.folder / "ca.pem")}
        if remote.credential is None:
            return variables
        pair = f"{remote.credential.user}:{remote.credential.token}"
        header = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"
        return variables | {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._sandbox.origin}/.extraHeader",
            "GIT_CONFIG_VALUE_0": header,
        }


def _refusal(remote: Remote, said: str) -> ApiError:
    if REFUSED.search(said):
        return DATABRICKS.error(403, "PERMISSION_DENIED", INVALID if remote.credential else MISSING)
    if ABSENT.search(said):
        return DATABRICKS.error(400, "BAD_REQUEST", NOT_FOUND)
    last = said.strip().rpartition("\n")[2]
    return DATABRICKS.error(400, "GIT_REMOTE_ERROR", f"Error communicating with the remote Git repo: {last}")


def _without_user(url: str) -> str:
    """Hosts hand out URLs with a name in them; a password in one would not be ours to show."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
