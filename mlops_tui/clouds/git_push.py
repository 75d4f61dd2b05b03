"""Commits into a repository on its host, by the real git: one commit with some files, on top of what is there.

git gets the credential in its environment (GIT_CONFIG_COUNT, git-config(1)), never on a command line, which every
process of the machine may read. No configuration of the user's counts, and no hook or helper of theirs is run.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlops_tui.clouds.git_errors import GitRefusal, missing, outrun, translated
from mlops_tui.errors import UnreachableError

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud

NAME, MAIL = "mlops-tui", "mlops-tui@noreply.invalid"
SECONDS = 300.0  # for a fetch or a push
STALLED_SECONDS = 60  # after which git gives up a transfer that does not move
# What git needs of the environment: where programs are, how the network is reached, whom it believes.
PASSED_ON = ("PATH", "TMPDIR", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@dataclass(frozen=True)
class Remote:
    """A repository on its host, and how git signs in there (`CiHost.authorization`)."""

    url: str
    authorization: str
    cloud: Cloud

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"


def push(remote: Remote, branch: str, files: Mapping[str, bytes], message: str, *, onto: str | None) -> str:
    """Add the files to the branch (path -> content) by one commit, and return that commit's id.

    `onto` is the commit that the branch is at; None where there is no such branch yet. Raises UsageError without git,
    SignInError, ForbiddenError, NotFoundError, ConflictError where somebody else has pushed meanwhile,
    UnreachableError, CloudError.
    """
    with TemporaryDirectory(prefix="mlops-tui-git-") as folder:
        git = _Git(Path(folder), remote)
        git("init", "--quiet", "--bare", ".")
        reference = f"refs/heads/{branch}"
        if onto:
            git("fetch", "--quiet", "--no-tags", "--depth=1", "--", remote.url, f"+{reference}:{reference}")
            if git("rev-parse", reference).strip() != onto:
                raise outrun(remote.url)
        git("fast-import", "--quiet", "--date-format=raw", stdin=_stream(reference, files, message, onto))
        git("push", "--quiet", "--", remote.url, f"{reference}:{reference}")
        return git("rev-parse", reference).strip()


def strangers(remote: Remote) -> tuple[str, ...]:
    """Who besides this program has commits anywhere in the repository, by name. Raises as `push`."""
    with TemporaryDirectory(prefix="mlops-tui-git-") as folder:
        git = _Git(Path(folder), remote)
        git("init", "--quiet", "--bare", ".")
        git("fetch", "--quiet", "--", remote.url, "+refs/*:refs/there/*")
        listed = git("log", "--all", "--format=%an%x00%ae%x00%ce").splitlines()
    found: set[str] = set()
    for line in listed:
        author, mail, committer = line.split("\0")
        if (mail, committer) != (MAIL, MAIL):
            found.add(author)
    return tuple(sorted(found))


class _Git:
    """git in a folder of its own."""

    def __init__(self, folder: Path, remote: Remote) -> None:
        self._folder = folder
        self._remote = remote
        self._environment = _environment(folder, remote)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        try:
            ended = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=self._environment,
                input=stdin,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise missing() from error
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"git {arguments[0]} did not end within {SECONDS:.0f} s.") from error
        if ended.returncode:
            raise translated(GitRefusal(self._remote.url, arguments[0], ended.stderr.decode("utf-8", "replace")))
        return ended.stdout.decode("utf-8", "replace")


def _environment(folder: Path, remote: Remote) -> dict[str, str]:
    settings = {
        "http.extraHeader": f"Authorization: {remote.authorization}",
        "http.followRedirects": "false",  # the header is for this one host
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(STALLED_SECONDS),
        "credential.helper": "",
        "core.hooksPath": os.devnull,
    }
    passed_on = {name: os.environ[name] for name in (*PASSED_ON, *PROXIES) if name in os.environ}
    if remote.cloud.ca_bundle:  # a cloud of our own: it is near, and has an authority of its own
        settings["http.proxy"] = ""
        passed_on["GIT_SSL_CAINFO"] = remote.cloud.ca_bundle  # outranks http.sslCAInfo
    counted = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        counted |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {
        **passed_on,
        **counted,
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "LC_ALL": "C",  # its messages are told apart
    }


def _stream(reference: str, files: Mapping[str, bytes], message: str, onto: str | None) -> bytes:
    """One commit, as git-fast-import(1) reads it."""
    text = message.encode()
    parts = [
        f"commit {reference}\n".encode(),
        f"committer {NAME} <{MAIL}> {int(time.time())} +0000\n".encode(),
        b"data %d\n%s\n" % (len(text), text),
    ]
    if onto:
        parts.append(f"from {onto}\n".encode())
    for path, content in files.items():
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(content), content))
    return b"".join(parts)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode()
