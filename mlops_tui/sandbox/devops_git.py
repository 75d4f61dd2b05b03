"""Git repositories of Azure DevOps: as documents over REST, and for git itself at {project}/_git/{repository}.

Shapes: Azure DevOps REST, Git (repositories, refs, items). A repository's directory is named by its id, so that it may
have any name.
"""

from __future__ import annotations

import uuid

from starlette.responses import Response

from mlops_tui.sandbox import git_server
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, answer, empty
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.git_server import GitRepositories, Update

REPOSITORY = "devops-repository"  # by "{project's id}/{id}"


class DevOpsRepositories(DevOpsService):
    def routes(self) -> list[Endpoint]:
        one = "/git/repositories/{repository}"
        return [
            self.in_project("GET", "/git/repositories", self.list),
            self.in_project("POST", "/git/repositories", self.create, "Create repository"),
            self.in_project("GET", one, self.show),
            self.in_project("DELETE", one, self.delete, "Delete or disable repository", "administrator"),
            self.in_project("GET", one + "/refs", self.refs),
            self.in_project("GET", one + "/items", self.items),
            self.at("GET", "/{project}/_git/{repository}/{rest:path}", self.git),
            self.at("POST", "/{project}/_git/{repository}/{rest:path}", self.git),
        ]

    def directories(self) -> GitRepositories:
        return GitRepositories(self.sandbox.folder, "azure-devops")

    def make(self, project: Body, name: str) -> Body:
        """Raises TF400948 where the name is taken."""
        with self.store.transaction():
            if self.find(project, name):
                text = f"TF400948: A Git repository with the name {name} already exists."
                raise self.dialect.error(409, "GitRepositoryNameAlreadyExistsException", text)
            made = {"id": str(uuid.uuid4()), "name": name, "project": project["id"]}
            self.store.put(REPOSITORY, f"{project['id']}/{made['id']}", made)
        self.directories().create(made["id"])
        return made

    def find(self, project: Body, wanted: str) -> Body | None:
        """By name or id."""
        kept = self.store.list(REPOSITORY, project["id"] + "/")
        return next((one for one in kept if wanted.lower() in (one["id"], one["name"].lower())), None)

    def remove_all(self, project: Body) -> None:
        for key, repository in self.store.items(REPOSITORY, project["id"] + "/"):
            self.store.delete(REPOSITORY, key)
            self.directories().delete(repository["id"])

    def _repository(self, call: Call) -> Body:
        wanted = call.params["repository"]
        found = self.find(self.project(call), wanted)
        if found is None:
            text = (
                f"TF401019: The Git repository with name or identifier {wanted} does not exist or you do not have "
                "permissions for the operation you are attempting."
            )
            raise self.dialect.error(404, "GitRepositoryNotFoundException", text)
        return found

    def _shown(self, call: Call, repository: Body) -> Body:
        project = self.project(call)
        branches = git_server.heads(self.directories().create(repository["id"]))
        shown = {
            "id": repository["id"],
            "name": repository["name"],
            "url": self.address(call, project["id"], "_apis/git/repositories", repository["id"]),
            "project": self.reference(project),
            "size": 0 if not branches else 1,
            "remoteUrl": self.address(call, project["name"], "_git", repository["name"]),
            "webUrl": self.address(call, project["name"], "_git", repository["name"]),
            "isDisabled": False,
        }
        if branches:
            default = "main" if "main" in branches else min(branches)
            shown["defaultBranch"] = f"refs/heads/{default}"
        return shown

    def list(self, call: Call) -> Body:
        kept = self.store.list(REPOSITORY, self.project(call)["id"] + "/")
        return listed([self._shown(call, one) for one in kept])

    def create(self, call: Call) -> Response:
        name = str(call.json().get("name") or "")
        if not name or len(name) > 64 or any(sign in '\\/:*?"<>|;#${},+=[]' for sign in name) or name[0] in "_.":
            text = f"TF400975: The Git repository name '{name}' is not valid."
            raise self.dialect.error(400, "InvalidGitRepositoryNameException", text)
        return answer(self._shown(call, self.make(self.project(call), name)), 201)

    def show(self, call: Call) -> Body:
        return self._shown(call, self._repository(call))

    def delete(self, call: Call) -> Response:
        repository = self._repository(call)
        self.store.delete(REPOSITORY, f"{repository['project']}/{repository['id']}")
        self.directories().delete(repository["id"])
        return empty(204)

    def refs(self, call: Call) -> Body:
        """`filter` is how names begin, without "refs/"."""
        repository = self._repository(call)
        prefix = f"refs/{call.query.get('filter', '')}"
        branches = git_server.heads(self.directories().create(repository["id"]))
        names = {f"refs/heads/{branch}": commit for branch, commit in sorted(branches.items())}
        return listed([{"name": name, "objectId": at} for name, at in names.items() if name.startswith(prefix)])

    def items(self, call: Call) -> Body | Response:
        """All of a commit (scopePath=/&recursionLevel=Full), or one file (path=…), raw with $format=octetStream."""
        repository = self._repository(call)
        directory = self.directories().create(repository["id"])
        commit = self._commit(call, repository)
        files = git_server.tree(directory, commit)
        path = call.query.get("path") or call.query.get("scopePath") or "/"
        if call.query.get("recursionLevel", "None").lower() == "full":
            return listed(_items(git_server.folders(directory, commit), files, commit, path))
        name = path.lstrip("/")
        if name not in files:
            raise self._no_item(path, repository, commit)
        if call.query.get("$format", "").lower() == "octetstream":
            return Response(git_server.show(directory, commit, name), media_type="application/octet-stream")
        return _item("blob", files[name], commit, name)

    def _commit(self, call: Call, repository: Body) -> str:
        """What versionDescriptor names: a branch (the usual one by default) or a commit."""
        asked = call.query
        version = asked.get("versionDescriptor.version") or "main"
        directory = self.directories().create(repository["id"])
        is_commit = asked.get("versionDescriptor.versionType", "branch").lower() == "commit"
        commit = version if is_commit else git_server.head(directory, version)
        try:
            git_server.tree(directory, commit or "")
        except LookupError as error:
            kind = "Commit" if is_commit else "Branch"
            text = (
                f"TF401175:The version descriptor <{kind}: {version} > could not be resolved to a version in the "
                f"repository {repository['name']}"
            )
            raise self.dialect.error(404, "GitUnresolvableToCommitException", text) from error
        return str(commit)

    def _no_item(self, path: str, repository: Body, commit: str) -> ApiError:
        text = (
            f"TF401174: The item '{path}' could not be found in the repository '{repository['name']}' at the version "
            f"specified by '<Commit: {commit} >' (resolved to commit '{commit}')"
        )
        return self.dialect.error(404, "GitItemNotFoundException", text)

    def git(self, call: Call) -> Response:
        """To push takes a contributor."""
        from mlops_tui.sandbox.devops_pushes import start_runs

        repository = self._repository(call)
        rest = call.params["rest"]
        if "git-receive-pack" in (rest, call.query.get("service")):
            text = "TF401027: You need the Git 'GenericContribute' permission to perform this action."
            try:
                self.require(call, "GenericContribute", "contributor")
            except ApiError as error:
                raise self.dialect.error(403, "GitNeedsPermissionException", text) from error

        def pushed(updates: list[Update]) -> None:
            start_runs(self.sandbox, self.organization(call), self.project(call), repository, updates, call.caller)

        return git_server.answer(call, self.directories().create(repository["id"]), rest, pushed)


def _items(folders: dict[str, str], files: dict[str, str], commit: str, scope: str) -> list[Body]:
    """Folders, then files, below `scope`."""
    below = f"{scope.strip('/')}/".lstrip("/")
    trees = [
        _item("tree", found, commit, name) | {"isFolder": True}
        for name, found in sorted(folders.items())
        if f"{name}/".startswith(below)
    ]
    return trees + [_item("blob", blob, commit, name) for name, blob in sorted(files.items()) if name.startswith(below)]


def _item(kind: str, object_id: str, commit: str, name: str) -> Body:
    return {"objectId": object_id, "gitObjectType": kind, "commitId": commit, "path": f"/{name}"}
