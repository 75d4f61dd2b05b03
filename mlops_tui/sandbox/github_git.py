"""GitHub's repositories by git itself and by the API: branches, commits, trees, files.

Shapes: GitHub REST API, "Git database", "Branches", "Repository contents".
"""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import unquote

from starlette.responses import Response

from mlops_tui.sandbox import git_server, github_push_rules
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.git_server import Update
from mlops_tui.sandbox.github_dialect import GITHUB, token_of
from mlops_tui.sandbox.github_service import REPOSITORY, GitHubService, Need
from mlops_tui.sandbox.host_tokens import HostTokens
from mlops_tui.sandbox.pages import Pages
from mlops_tui.sandbox.seed import ORGANIZATION

READ = Need("contents", "read", "read")
WRITE = Need("contents", "write", "write")


class GitHubGit(GitHubService):
    """/{owner}/{repo}.git/…, and below /repos/{owner}/{repo}: branches, git/…, commits, contents."""

    def routes(self) -> list[Endpoint]:
        return [
            self.on("GET", "/{owner}/{repo}.git/{rest:path}", self.smart),
            self.on("POST", "/{owner}/{repo}.git/{rest:path}", self.smart),
            self.at("GET", "/branches/{branch:path}", self.branch, READ),
            self.at("GET", "/git/ref/heads/{branch:path}", self.ref, READ),
            self.at("GET", "/git/trees/{commit}", self.tree, READ),
            self.at("GET", "/commits/{commit:path}", self.commit, READ),
            self.at("GET", "/contents/{file:path}", self.contents, READ),
            # Last, for it fits the addresses of git, too: what people click on.
            self.on("GET", f"/{ORGANIZATION}/{{rest:path}}", self.in_browser, OPEN),
        ]

    def in_browser(self, call: Call) -> Response:
        return self.sandbox.find(Pages).show(call)

    def smart(self, call: Call) -> Response:
        """What a `git` that clones, fetches or pushes asks; who may not know of a repository gets a plain 404."""
        pushing = "git-receive-pack" in (call.params["rest"], call.query.get("service"))
        try:
            repository = self.repository(call, WRITE if pushing else READ)
        except ApiError as error:
            if error.status == 404:
                return Response("Repository not found.", 404, media_type="text/plain")
            full = f"{call.params['owner']}/{call.params['repo']}"
            who = self.accounts.of(call.caller)["login"]
            return Response(f"Permission to {full}.git denied to {who}.", 403, media_type="text/plain")
        path, scopes = self.git.create(str(repository["id"])), HostTokens(self.store).scopes(token_of(call))
        github_push_rules.install(path)
        rules = github_push_rules.for_hooks(scopes)
        return git_server.answer(call, path, call.params["rest"], lambda done: self._pushed(call, done), rules)

    def _pushed(self, call: Call, updates: list[Update]) -> None:
        from mlops_tui.sandbox.github_workflows import GitHubWorkflows

        repository = self.find(call.params["owner"], call.params["repo"])
        if repository is not None:
            repository = self._with_default_branch(repository, updates)
            self.sandbox.find(GitHubWorkflows).pushed(repository, call.caller, updates)

    def _with_default_branch(self, repository: Body, updates: list[Update]) -> Body:
        path = self.git.create(str(repository["id"]))
        git_server.settle_default(path, updates)
        if repository["default_branch"] == git_server.default_branch(path):
            return repository
        changed = repository | {"default_branch": git_server.default_branch(path)}
        self.store.put(REPOSITORY, f"{repository['owner']}/{repository['name']}".lower(), changed)
        return changed

    def branch(self, call: Call, repository: Body) -> Body:
        commit = self._head(repository, call.params["branch"], "Branch not found")
        return {"name": call.params["branch"], "commit": {"sha": commit}, "protected": False}

    def ref(self, call: Call, repository: Body) -> Body:
        branch = call.params["branch"]
        commit = self._head(repository, branch, "Not Found")
        return {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": commit}}

    def _head(self, repository: Body, branch: str, message: str) -> str:
        """An empty repository answers in its own way: 409 "Git Repository is empty."."""
        heads = git_server.heads(self.git.create(str(repository["id"])))
        if branch not in heads:
            raise GITHUB.error(404, "", message) if heads or message != "Not Found" else self._empty()
        return heads[branch]

    def _empty(self) -> ApiError:
        return GITHUB.error(409, "", "Git Repository is empty.")

    def tree(self, call: Call, repository: Body) -> Body:
        """All files of a commit, or of a branch's head; always with `recursive`, which is all that is asked for."""
        path, commit = self._commit(repository, call.params["commit"])
        entries = [
            {"path": name, "mode": "100644", "type": "blob", "sha": blob}
            for name, blob in git_server.tree(path, commit).items()
        ]
        if call.query.get("recursive", "") in ("", "0", "false"):
            raise GITHUB.error(501, "", "The sandbox has trees with recursive=1 only.")
        return {"sha": commit, "tree": entries, "truncated": False}

    def commit(self, call: Call, repository: Body) -> Body:
        path, commit = self._commit(repository, call.params["commit"])
        return {"sha": commit, "commit": {"message": git_server.message(path, commit)}}

    def _commit(self, repository: Body, wanted: str) -> tuple[Path, str]:
        """The repository on disk, and the commit that a branch's name or an id means."""
        path = self.git.create(str(repository["id"]))
        heads = git_server.heads(path)
        if not heads:
            raise self._empty()
        commit = heads.get(wanted, wanted)
        try:
            git_server.message(path, commit)
        except LookupError as error:
            raise GITHUB.not_found() from error
        return path, commit

    def contents(self, call: Call, repository: Body) -> Body | Response:
        """A file; as it is where the caller accepts `raw`."""
        path, commit = self._commit(repository, call.query.get("ref") or str(repository["default_branch"]))
        file = unquote(call.params["file"])
        try:
            data = git_server.show(path, commit, file)
            blob = git_server.tree(path, commit)[file]
        except LookupError as error:
            raise GITHUB.not_found() from error
        if "raw" in call.headers.get("accept", ""):
            return Response(data, media_type="application/vnd.github.raw+json; charset=utf-8")
        return {
            "type": "file",
            "encoding": "base64",
            "size": len(data),
            "name": file.rpartition("/")[2],
            "path": file,
            "content": base64.b64encode(data).decode(),
            "sha": blob,
        }
