"""Repositories of Git on this machine, served over smart HTTP by git's own CGI program, `git http-backend`.

A bare repository is at `{sandbox folder}/git/{host}/{key}.git`. Nothing of the environment or the configuration of
whoever runs the sandbox counts: git is started with a few variables of ours and reads the repository's own file alone.

Sources: git-http-backend(1), gitprotocol-http(5), git(1) on GIT_CONFIG_NOSYSTEM and GIT_CONFIG_GLOBAL.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from starlette.responses import Response

from mlops_tui.sandbox.api import Call

KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
COMMIT = re.compile(r"[0-9a-f]{40}")
SERVICES = ("info/refs", "git-upload-pack", "git-receive-pack")  # the smart protocol; no host serves the dumb one
PATIENCE = 120  # seconds that one program of git may take
LOCKED = threading.Lock()
PUSHES: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)  # one push at a time for each repository


@dataclass(frozen=True)
class Update:
    """What a push has done to a branch: None before is a new one, None after is one that is gone."""

    branch: str  # "main"
    before: str | None
    after: str | None


Pushed = Callable[[list[Update]], None]


class GitRepositories:
    """The bare repositories of one host ("azure-devops", "github"). Holds no state: make one wherever it is needed."""

    def __init__(self, folder: Path, host: str) -> None:
        self._folder = folder / "git" / host

    def create(self, key: str, branch: str = "main") -> Path:
        """An empty one; one that is there stays. The key ("practice/wine-quality") is the host's own to choose."""
        path = self._place(key)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            git(None, "init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(path))
            git(path, "config", "http.receivepack", "true")
            git(path, "config", "http.getanyfile", "false")
            git(path, "config", "receive.autogc", "false")  # which would go on in the background
        return path

    def path(self, key: str) -> Path | None:
        """None where there is none."""
        path = self._place(key)
        return path if path.is_dir() else None

    def rename(self, key: str, new: str) -> None:
        """Raises LookupError where there is none, FileExistsError where one of the new name is."""
        old, path = self.path(key), self._place(new)
        if old is None:
            raise LookupError(key)
        if path.exists():
            raise FileExistsError(new)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        old.rename(path)

    def delete(self, key: str) -> None:
        """Safe to repeat."""
        path = self.path(key)
        if path is not None:
            shutil.rmtree(path)

    def _place(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"no name of a repository: {key!r}")
        return self._folder / f"{key}.git"


def heads(path: Path) -> dict[str, str]:
    """Branch -> commit."""
    listed = git(path, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/").decode()
    return {
        ref.removeprefix("refs/heads/"): commit
        for commit, _, ref in (line.partition(" ") for line in listed.splitlines())
    }


def head(path: Path, branch: str) -> str | None:
    """The branch's commit; None where there is no such branch."""
    return heads(path).get(branch)


def default_branch(path: Path) -> str:
    """What HEAD names, whether it is there or not."""
    return (path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")


def settle_default(path: Path, updates: list[Update]) -> None:
    """On both hosts the first branch that is pushed to an empty repository is its default one."""
    pushed = [update.branch for update in updates if update.after]
    if pushed and default_branch(path) not in heads(path):
        git(path, "symbolic-ref", "HEAD", f"refs/heads/{pushed[0]}")


def tree(path: Path, commit: str) -> dict[str, str]:
    """Path -> git's id of the content, of every file. Raises LookupError for what is no commit here."""
    return _listed(path, commit, "-r")


def folders(path: Path, commit: str) -> dict[str, str]:
    """The same of every folder; the top one's path is empty."""
    top = _of_commit(path, commit, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    return {"": top} | _listed(path, commit, "-r", "-d")


def _listed(path: Path, commit: str, *options: str) -> dict[str, str]:
    listed = _of_commit(path, commit, "ls-tree", *options, "-z", "--full-tree", commit).decode("utf-8", "replace")
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    return {name: what.split()[2] for what, _, name in entries}


def show(path: Path, commit: str, file: str) -> bytes:
    """A file's content. Raises LookupError where the commit has no such file."""
    return _of_commit(path, commit, "cat-file", "blob", f"{commit}:{file}")


def message(path: Path, commit: str) -> str:
    """What the commit says about itself. Raises LookupError."""
    return _of_commit(path, commit, "show", "--no-patch", "--format=%B", commit).decode("utf-8", "replace").strip()


class Commit(NamedTuple):
    """One entry of a log; times as ISO 8601 in UTC."""

    id: str
    tree: str
    parents: list[str]
    author: dict[str, str]  # name, email, date
    committer: dict[str, str]
    message: str


def log(path: Path, commit: str, skip: int = 0, top: int = 100, file: str = "") -> list[Commit]:
    """What led to the commit, the newest first; only what has changed `file`, where one is given.

    Raises LookupError for what is no commit here.
    """
    form = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B%x00"
    options = [form, "--date=format-local:%Y-%m-%dT%H:%M:%SZ", f"--skip={skip}", f"--max-count={top}"]
    files = ["--", f":(top,literal){file}"] if file else []
    told = _of_commit(path, commit, "log", *options, commit, *files).decode("utf-8", "replace")
    fields = told.split("\0")[:-1]
    return [_logged(fields[at : at + 10]) for at in range(0, len(fields), 10)]


def _logged(fields: list[str]) -> Commit:
    who = [dict(zip(("name", "email", "date"), fields[at : at + 3], strict=True)) for at in (3, 6)]
    return Commit(fields[0].strip(), fields[1], fields[2].split(), who[0], who[1], fields[9].strip())


def answer(
    call: Call, path: Path, rest: str, pushed: Pushed, for_hooks: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """What git is told about the repository at `path`; `rest` is what stands behind its address ("info/refs").

    Whether the caller may push is for the host to say, before; `for_hooks` is what the repository's own hooks find in
    their environment. `pushed` is told what a push has done to branches.
    """
    if rest not in SERVICES:
        return Response("Not Found\n", 404, media_type="text/plain")
    if rest != "git-receive-pack":
        return _backend(call, path, rest, {})
    with LOCKED:
        lock = PUSHES[path]
    with lock:
        before = heads(path)
        response = _backend(call, path, rest, for_hooks)
        after = heads(path)
    names = sorted(before.keys() | after.keys())
    updates = [Update(one, before.get(one), after.get(one)) for one in names if before.get(one) != after.get(one)]
    if updates:
        pushed(updates)
    return response


def _backend(call: Call, path: Path, rest: str, for_hooks: Mapping[str, str]) -> Response:
    """One run of `git http-backend`: CGI (RFC 3875), with the whole request on its standard input."""
    variables = {
        **environment(),
        **for_hooks,
        "GIT_PROJECT_ROOT": str(path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{path.name}/{rest}",
        "REQUEST_METHOD": call.method,
        "QUERY_STRING": call.query_string,
        "CONTENT_TYPE": call.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(call.body)),
        "REMOTE_USER": call.principal.name if call.principal else "anonymous",
        "REMOTE_ADDR": "127.0.0.1",
    }
    if encoding := call.headers.get("content-encoding"):
        variables["HTTP_CONTENT_ENCODING"] = encoding
    if protocol := call.headers.get("git-protocol"):
        variables["GIT_PROTOCOL"] = protocol
    done = subprocess.run(
        ["git", "http-backend"], input=call.body, env=variables, capture_output=True, timeout=PATIENCE, check=False
    )
    head_lines, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head_lines.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200 OK" if done.returncode == 0 else "500 Failed").split()[0])
    return Response(body, status, headers)


def git(path: Path | None, *arguments: str) -> bytes:
    """What a command of git says, about the repository at `path`. Raises subprocess.CalledProcessError."""
    where = [] if path is None else [f"--git-dir={path}"]
    done = subprocess.run(
        ["git", *where, *arguments], env=environment(), capture_output=True, timeout=PATIENCE, check=True
    )
    return done.stdout


def _of_commit(path: Path, commit: str, *arguments: str) -> bytes:
    if not COMMIT.fullmatch(commit):
        raise LookupError(f"no commit: {commit!r}")
    try:
        return git(path, *arguments)
    except subprocess.CalledProcessError as error:
        raise LookupError(error.stderr.decode("utf-8", "replace").strip()) from error


def environment() -> dict[str, str]:
    """In which git knows nothing of whoever runs the sandbox."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
