"""Jobs whose notebooks are a repository's: `git_source`, and the commit that a run of one takes its notebooks from.

Databricks REST reference, Jobs 2.2 (GitSource, GitSnapshot). A run checks out one commit, for all its tasks, below
/Repos/.internal, as the platform does; the folder is shown by no listing. It signs in to the host of Git as the job's
owner does.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body, Principal
from mlops_tui.sandbox.git_checkout import GitCheckout
from mlops_tui.sandbox.git_credentials import PROVIDERS
from mlops_tui.sandbox.git_remotes import GitRemotes
from mlops_tui.sandbox.notebook_formats import EXTENSION
from mlops_tui.sandbox.run_states import CannotRunError
from mlops_tui.sandbox.storage import PathError, Tree, remove
from mlops_tui.sandbox.workspace_tree import HEADER_BYTES, notebook_language

if TYPE_CHECKING:
    from mlops_tui.sandbox.dialects import Dialect
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "git-snapshot"  # by a job run's id: what it has checked out
REFERENCES = ("git_branch", "git_tag", "git_commit")
INTERNAL = "/Repos/.internal"
ONE_AT_A_TIME = threading.Lock()  # tasks of a run begin side by side, and take the same commit


def check_git_source(sandbox: Sandbox, dialect: Dialect, settings: Body) -> None:
    """Refuse (400) what names no repository of this cloud, or not exactly one branch, tag or commit of it."""
    source = settings.get("git_source")
    if not source:
        return
    for name in ("git_url", "git_provider"):
        if not source.get(name):
            raise dialect.malformed(f"Missing required field: git_source.{name}")
    given = [name for name in REFERENCES if source.get(name)]
    if len(given) != 1:
        found = ", ".join(given) or "none"
        raise dialect.malformed(f"Exactly one of {', '.join(REFERENCES)} must be specified; found: {found}.")
    if source.get("sparse_checkout"):
        message = "The sandbox checks out whole repositories: leave sparse_checkout out."
        raise dialect.error(501, "NOT_IMPLEMENTED", message)
    GitRemotes(sandbox).check(source["git_url"], _provider(source))


class GitSnapshots:
    """What runs have checked out. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._remotes = GitRemotes(sandbox)
        self._workspace = sandbox.folder / "files" / "Workspace"
        self._git = sandbox.folder / "git-jobs"

    def used_commit(self, run_id: int) -> str:
        """Empty before anything was checked out."""
        kept = self._sandbox.store.get(KIND, str(run_id)) or {}
        return str(kept.get("commit", ""))

    def notebook(self, run: Body, path: str) -> str:
        """The notebook as a path of the workspace, checked out for the run. Raises CannotRunError."""
        with ONE_AT_A_TIME:
            kept = self._sandbox.store.get(KIND, str(run["run_id"]))
            if kept is None:
                kept = self._check_out(run)
                self._sandbox.store.put(KIND, str(run["run_id"]), kept)
        try:
            place = Tree(self._workspace).place(f"{kept['folder']}/{path}{EXTENSION['PYTHON']}")
            if place.is_file() and _is_notebook(place):
                return f"{kept['folder']}/{path}"
        except PathError:
            pass  # no such notebook, either
        raise CannotRunError(
            f'Unable to access the notebook "{path}" in the repository {run["settings"]["git_source"]["git_url"]} at '
            f"commit {kept['commit']}. It does not exist there.",
            "RESOURCE_NOT_FOUND",
        )

    def file(self, path: str) -> Path:
        """Where such a notebook is on disk."""
        return Tree(self._workspace).place(path + EXTENSION["PYTHON"])

    def forget(self, run_id: int) -> None:
        """The files stay, for other runs may be reading them."""
        self._sandbox.store.delete(KIND, str(run_id))

    def forget_all(self) -> None:
        """The workspace is gone, and its files with it."""
        for key, _ in self._sandbox.store.items(KIND):
            self._sandbox.store.delete(KIND, key)
        remove(self._git)

    def _check_out(self, run: Body) -> Body:
        source = run["settings"]["git_source"]
        try:
            remote = self._remotes.of(Principal(**run["owner"]), source["git_url"], _provider(source))
            name = hashlib.sha256(remote.url.encode()).hexdigest()[:12]
            git_dir = self._git / name
            self._remotes.fetch(git_dir, remote)
            wanted = (source.get(reference) or "" for reference in REFERENCES)
            commit = GitCheckout(git_dir, self._workspace).resolve(*wanted)
            folder = f"{INTERNAL}/{name}_commits/{commit}"
            self._write(git_dir, commit, Tree(self._workspace).place(folder))
        except ApiError as error:
            message = f"Failed to checkout Git repository: {error.body['error_code']}: {error.body['message']}"
            raise CannotRunError(message, "REPOSITORY_CHECKOUT_FAILED") from error
        return {"commit": commit, "folder": folder}

    def _write(self, git_dir: Path, commit: str, place: Path) -> None:
        """Whole or not at all: what a kill has left unfinished bears another name."""
        if place.exists():
            return
        unfinished = place.with_name(f".{commit}")
        remove(unfinished)
        checkout = GitCheckout(git_dir, unfinished)
        checkout.refuse_conflicting_names(commit)
        checkout.write(commit)
        unfinished.rename(place)


def _provider(source: Body) -> str:
    """In its one spelling; what is none stays, and fits no URL."""
    given = str(source["git_provider"])
    return next((provider for provider in PROVIDERS if provider.lower() == given.lower()), given)


def _is_notebook(place: Path) -> bool:
    with place.open("rb") as file:
        return notebook_language(place.name, file.read(HEADER_BYTES)) is not None
