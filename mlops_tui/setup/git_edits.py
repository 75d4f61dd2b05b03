"""Notebooks of a Git folder beside those of the repository: which were edited in the workspace and not committed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError
from mlops_tui.setup.job_notebooks import IN_REPOSITORY
from mlops_tui.setup.notebooks import essence

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost, Repository
    from mlops_tui.clouds.databricks_git import GitFolder
    from mlops_tui.clouds.databricks_notebooks import Notebooks

AT_ONCE = 8  # exports side by side
Files = Mapping[str, str]  # path in the repository -> git's id of the content


def files(host: CiHost, repository: Repository, commit: str) -> Files | None:
    """None where the repository does not have that commit, or no more: somebody has forced a push."""
    try:
        return host.files(repository, commit)
    except NotFoundError:
        return None


def is_notebook(path: str) -> bool:
    """Whether a path in the repository is where notebooks are."""
    folder, _, name = path.rpartition("/")
    return folder == IN_REPOSITORY and name.endswith(".py")


def edited(
    notebooks: Notebooks, folder: GitFolder, host: CiHost, repository: Repository, at_commit: Files
) -> tuple[str, ...]:
    """Paths in the repository of notebooks that are not as the folder's commit has them, new ones too; sorted."""

    def differs(path: str) -> bool:
        there = notebooks.export(f"{folder.path}/{path.removesuffix('.py')}")
        if there is None:
            return True
        if _id(there.encode()) == at_commit[path]:
            return False
        committed = host.read(repository, folder.commit, path).decode("utf-8", "replace")
        return essence(there) != essence(committed)  # the platform may hand it out with another header or ending

    paths = sorted(filter(is_notebook, at_commit))
    listed = notebooks.list(f"{folder.path}/{IN_REPOSITORY}") or {}
    here = {f"{path.removeprefix(folder.path + '/')}.py" for path, kind in listed.items() if kind == "PYTHON"}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="git-folder") as pool:
        other = [path for path, differing in zip(paths, pool.map(differs, paths), strict=True) if differing]
    return tuple(sorted({*other, *(here - set(at_commit))}))


def _id(content: bytes) -> str:
    """What git calls that content (gitformat-pack(5): "blob", its size, and itself)."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
