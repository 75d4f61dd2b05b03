"""What git writes into folders of the workspace: a branch that people work on, or a commit as a run finds it.

A repository's own folder of git stands elsewhere, so that nothing in the workspace is git's. Refusals are the
platform's codes GIT_CONFLICT and GIT_UNKNOWN_REF (databricks-sdk-go, apierr); their statuses here, 409 and 404, are
those of the families that these belong to.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

from mlops_tui.sandbox.api import ApiError
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.git_server import PATIENCE, environment
from mlops_tui.sandbox.notebook_formats import EXTENSION
from mlops_tui.sandbox.workspace_tree import HEADER_BYTES, notebook_language

IN_THE_WAY = re.compile(r"would be overwritten by (checkout|merge)|Updating the following directories would lose")
REF = re.compile(r"(?!-)[^\s~^:?*\[\\\x00-\x1f]+")
COMMIT = re.compile(r"[0-9a-f]{7,40}")
CONFLICTING_NAMES = (
    "Cannot perform git operation due to conflicting names: {} and {}. A folder cannot contain a notebook with the "
    "same name as another notebook, file, or folder (excluding file extensions). Please change the name of one of "
    "your notebooks, files, or folders."
)


class GitCheckout:
    """One repository that was fetched to `git_dir`, with a folder `place` for its files."""

    def __init__(self, git_dir: Path, place: Path) -> None:
        self._git_dir = git_dir
        self._place = place

    def resolve(self, branch: str = "", tag: str = "", commit: str = "") -> str:
        """The commit that the one given stands for. Raises ApiError."""
        if commit:
            what, ref = f"commit '{commit}'", commit if COMMIT.fullmatch(commit) else ""
        elif tag:
            what, ref = f"tag '{tag}'", f"refs/tags/{tag}" if REF.fullmatch(tag) else ""
        else:
            what, ref = f"branch '{branch}'", f"refs/remotes/origin/{branch}" if REF.fullmatch(branch) else ""
        done = self._run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") if ref else None
        if done is None or done.returncode:
            raise DATABRICKS.error(404, "GIT_UNKNOWN_REF", f"The {what} was not found in the remote Git repo.")
        return done.stdout.decode().strip()

    def switch(self, commit: str, branch: str = "", discard: bool = False) -> None:
        """The files as that commit has them, keeping what people have changed; with a branch, on it.

        Raises ApiError (GIT_CONFLICT) where a change of theirs is in the way, unless all of those are to go.
        """
        self.refuse_conflicting_names(commit)
        if discard:
            self._must("reset", "--quiet", "--hard")
            self._must("clean", "--quiet", "--force", "-d", "-x")
        where = ["-B", branch, "--no-track"] if branch else ["--detach"]
        done = self._run("checkout", "--quiet", *where, commit)
        if done.returncode == 0:
            return
        said = done.stderr.decode("utf-8", "replace")
        if not IN_THE_WAY.search(said):
            raise _failed(said)
        files = ", ".join(line.strip() for line in said.splitlines() if line.startswith("\t"))
        message = (
            f"Your local changes to the following files conflict with the remote: {files}. "
            "Commit or discard them, then try again."
        )
        raise DATABRICKS.error(409, "GIT_CONFLICT", message)

    def head(self) -> tuple[str, str]:
        """Branch and commit; the branch is empty where a tag is checked out, both are in an empty repository."""
        branch = self._run("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        commit = self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}").stdout.decode().strip()
        return branch, commit

    def is_empty(self) -> bool:
        """Whether the repository has no branch yet."""
        return not self._must("for-each-ref", "--count=1", "refs/remotes/origin/")

    def start_on(self, branch: str) -> None:
        """For a repository that is empty still."""
        self._must("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def write(self, commit: str) -> None:
        """All files of the commit, and nothing of git; `place` is an empty folder."""
        index = {"GIT_INDEX_FILE": str(self._git_dir / f"index.{commit}")}
        self._must("read-tree", commit, variables=index)
        self._must("checkout-index", "--all", "--force", variables=index)
        Path(index["GIT_INDEX_FILE"]).unlink()

    def refuse_conflicting_names(self, commit: str) -> None:
        """As the platform does: a notebook and something else of its name cannot stand side by side."""
        listed = self._must("ls-tree", "-r", "-t", "-z", "--name-only", commit).decode("utf-8", "replace")
        names = {name for name in listed.split("\0") if name}
        for name in sorted(names):
            stem = name.removesuffix(PurePosixPath(name).suffix)
            others = [other for other in (stem, *(stem + ending for ending in EXTENSION.values())) if other != name]
            taken = next((other for other in others if other in names), None)
            if taken and PurePosixPath(name).suffix in EXTENSION.values() and self._is_notebook(commit, name):
                raise DATABRICKS.error(400, "BAD_REQUEST", CONFLICTING_NAMES.format(name, taken))

    def _is_notebook(self, commit: str, name: str) -> bool:
        done = self._run("cat-file", "blob", f"{commit}:{name}")
        return done.returncode == 0 and notebook_language(name, done.stdout[:HEADER_BYTES]) is not None

    def _must(self, *arguments: str, variables: dict[str, str] | None = None) -> bytes:
        done = self._run(*arguments, variables=variables)
        if done.returncode:
            raise _failed(done.stderr.decode("utf-8", "replace"))
        return done.stdout

    def _run(self, *arguments: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        self._place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return subprocess.run(
            ["git", f"--git-dir={self._git_dir}", f"--work-tree={self._place}", *arguments],
            env=environment() | (variables or {}),
            cwd=self._place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            umask=0o077,
        )


def _failed(said: str) -> ApiError:
    last = said.strip().rpartition("\n")[2]
    return DATABRICKS.error(400, "BAD_REQUEST", f"The Git operation failed: {last}")
