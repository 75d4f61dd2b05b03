"""Git folders, once called Repos: /api/2.0/repos (Databricks REST reference, Repos 2.0).

A Git folder may stand nearly anywhere in the workspace; in /Repos it must be /Repos/{folder}/{name}. Its files are the
workspace's own, on disk where git finds them; git's own folder is `git-folders/{id}` in the sandbox's.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.git_checkout import GitCheckout
from mlops_tui.sandbox.git_credentials import known_provider
from mlops_tui.sandbox.git_remotes import GitRemotes, Remote
from mlops_tui.sandbox.paging import slice_page
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.storage import remove
from mlops_tui.sandbox.workspace_files import WorkspaceFiles, permission_type
from mlops_tui.sandbox.workspace_tree import FOLDERS, REPO, parent_of

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "git-folder"  # by the workspace object's id
PAGE = 20
IN_REPOS = 3  # names in /Repos/{folder}/{name}
ONE_AT_A_TIME = threading.RLock()  # git and the workspace's tree must not be of two minds


class GitFolders(Service):
    """Folders of the workspace that follow a repository."""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._remotes = GitRemotes(sandbox)
        self._folder = sandbox.folder / "git-folders"

    def routes(self) -> list[Endpoint]:
        one = "/api/2.0/repos/{id}"
        return [
            self.on("GET", "/api/2.0/repos", self.listed),
            self.on("POST", "/api/2.0/repos", self.create),
            self.on("GET", one, self.get),
            self.on("PATCH", one, self.update),
            self.on("DELETE", one, self.delete),
        ]

    def start(self) -> None:
        """Finish what a kill has broken off: folders of git that nobody owns, files that nobody has seen yet."""
        rows = self._all()
        known = {kept["git"] for kept, _ in rows}
        for git_dir in self._folder.glob("*"):
            if git_dir.name not in known:
                remove(git_dir)
        for _, found in rows:
            self._workspace.tree.look_again(found)

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)
        remove(self._folder)

    @property
    def _workspace(self) -> WorkspaceFiles:
        return self.sandbox.find(WorkspaceFiles)

    def create(self, call: Call) -> Body:
        wanted = call.json()
        provider = known_provider(call, call.need("provider"))
        if wanted.get("sparse_checkout"):
            message = "The sandbox checks out whole repositories: leave sparse_checkout out."
            raise call.dialect.error(501, "NOT_IMPLEMENTED", message)
        remote = self._remotes.of(call.caller, str(call.need("url")), provider, _credential_id(call))
        with ONE_AT_A_TIME:
            path = self._free_path(call, remote, str(wanted.get("path") or ""))
            git_dir = self._folder / secrets.token_hex(8)
            try:
                self._remotes.fetch(git_dir, remote)
                self._check_out(git_dir, path, self._remotes.default_branch(remote))
            except BaseException:
                remove(git_dir)
                raise
            return self._keep(call, path, remote, git_dir)

    def _check_out(self, git_dir: Path, path: str, branch: str) -> None:
        """Into a folder that nothing shows yet; one that a kill has left behind goes first."""
        place = self._workspace.tree.place({"object_type": REPO, "path": path})
        remove(place)
        checkout = GitCheckout(git_dir, place)
        try:
            if checkout.is_empty():
                checkout.start_on(branch)
            else:
                checkout.switch(checkout.resolve(branch), branch)
        except BaseException:
            remove(place)
            raise

    def _keep(self, call: Call, path: str, remote: Remote, git_dir: Path) -> Body:
        tree = self._workspace.tree
        with self.store.transaction():
            tree.mkdirs(path, REPO)
            found = tree.find(path) or {}
            tree.look_again(found)
            kept = {"id": found["object_id"], "url": remote.url, "provider": remote.provider, "git": git_dir.name}
            self.store.put(KIND, str(kept["id"]), kept)
        self.sandbox.find(Permissions).claim("repos", str(kept["id"]), call.caller.name)
        return self._shown(kept, found)

    def get(self, call: Call) -> Body:
        return self._shown(*self._existing(call, "CAN_READ"))

    def listed(self, call: Call) -> Body:
        """Those that the caller manages; without a prefix those in /Repos alone."""
        prefix = self._workspace.tree.clean(call.query.get("path_prefix") or "/")
        prefix = "/Repos" if prefix == "/" else prefix
        with ONE_AT_A_TIME:
            rows = [(kept, found) for kept, found in self._all() if found["path"].startswith(prefix)]
        allows = self.sandbox.find(Permissions).allows
        rows = [row for row in rows if allows(call.caller, "repos", str(row[0]["id"]), "CAN_MANAGE")]
        rows.sort(key=lambda row: str(row[1]["path"]))
        shown, following = slice_page(rows, PAGE, call.query.get("next_page_token", ""), call.dialect)
        answer: Body = {"repos": [self._shown(*row) for row in shown]} if shown else {}
        return answer | ({"next_page_token": following} if following else {})

    def update(self, call: Call) -> Body:
        """Check out a branch as it is at the remote now, or a tag."""
        wanted = call.json()
        branch, tag = str(wanted.get("branch") or ""), str(wanted.get("tag") or "")
        if bool(branch) == bool(tag):
            raise call.dialect.malformed("Exactly one of branch and tag must be specified.")
        if wanted.get("sparse_checkout"):
            raise call.dialect.malformed("Sparse checkout is not enabled for this repo.")
        with ONE_AT_A_TIME:
            kept, found = self._existing(call, "CAN_MANAGE")
            remote = self._remotes.of(call.caller, kept["url"], kept["provider"], _credential_id(call))
            self._remotes.fetch(self._folder / kept["git"], remote)
            checkout = self._checkout(kept, found)
            commit = checkout.resolve(branch, tag)
            checkout.switch(commit, branch, discard=bool(wanted.get("dangerously_force_discard_all")))
            for gone in self._workspace.tree.look_again(found):
                self.sandbox.find(Permissions).forget(permission_type(gone), str(gone["object_id"]))
        return {}

    def delete(self, call: Call) -> Body:
        with ONE_AT_A_TIME:
            kept, found = self._existing(call, "CAN_MANAGE")
            for gone in self._workspace.tree.remove(found):
                self.sandbox.find(Permissions).forget(permission_type(gone), str(gone["object_id"]))
            self._forget(kept)
        return {}

    def _free_path(self, call: Call, remote: Remote, wanted: str) -> str:
        """Where the new folder is to be. 400, 403 or 404 where that cannot be."""
        name = urlsplit(remote.url).path.rstrip("/").rpartition("/")[2].removesuffix(".git")
        home = f"/Repos/{call.caller.name}"
        path = self._workspace.clean(wanted or f"{home}/{name}")
        tree = self._workspace.tree
        if path.startswith("/Repos") and path.count("/") != IN_REPOS:
            raise call.dialect.malformed(f"Repo path {path} must be in the format /Repos/{{folder}}/{{repo-name}}.")
        if tree.find(path) is not None:
            message = (
                f"Repo {path} already exists. If you would like to create two repos from the same remote Git repo, "
                "rename the first repo before creating the second."
            )
            raise call.dialect.error(400, "RESOURCE_ALREADY_EXISTS", message)
        if not wanted and tree.find(home) is None:
            tree.mkdirs(home)
            made = tree.find(home) or {}
            self.sandbox.find(Permissions).claim("directories", str(made["object_id"]), call.caller.name)
        parent = tree.find(parent_of(path))
        if parent is None or parent["object_type"] not in FOLDERS:
            message = f"The parent folder ({parent_of(path)}) does not exist."
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        self._refuse_nested(path)
        self._workspace.require(call.caller, parent, "CAN_MANAGE")
        return path

    def _refuse_nested(self, path: str) -> None:
        above = parent_of(path)
        while above != "/":
            if (self._workspace.tree.find(above) or {}).get("object_type") == REPO:
                raise self.dialect.malformed(f"A Git folder cannot be created inside another Git folder ({above}).")
            above = parent_of(above)

    def _existing(self, call: Call, level: str) -> tuple[Body, Body]:
        """What is kept of the Git folder that the call names, and the workspace's own object."""
        kept = self.store.get(KIND, call.params["id"])
        found = self._workspace.tree.by_id(call.params["id"])
        if kept is None or found is None:
            message = f"Repo with id {call.params['id']} does not exist."
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        self._workspace.require(call.caller, found, level)
        return kept, found

    def _all(self) -> list[tuple[Body, Body]]:
        """All there are. One whose folder was deleted as folders are goes now."""
        rows = []
        for kept in self.store.list(KIND):
            found = self._workspace.tree.by_id(str(kept["id"]))
            if found is None:
                self._forget(kept)
            else:
                rows.append((kept, found))
        return rows

    def _forget(self, kept: Body) -> None:
        self.store.delete(KIND, str(kept["id"]))
        remove(self._folder / kept["git"])

    def _checkout(self, kept: Body, found: Body) -> GitCheckout:
        return GitCheckout(self._folder / kept["git"], self._workspace.tree.place(found))

    def _shown(self, kept: Body, found: Body) -> Body:
        branch, commit = self._checkout(kept, found).head()
        shown = {"id": kept["id"], "path": found["path"], "url": kept["url"], "provider": kept["provider"]}
        return shown | ({"branch": branch} if branch else {}) | ({"head_commit_id": commit} if commit else {})


def _credential_id(call: Call) -> int | None:
    given = call.json().get("git_credential_id")
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if str(given).isdecimal():
        return int(given)
    raise call.dialect.malformed(f"Could not parse git_credential_id: expected a whole number, not {given!r}.")
