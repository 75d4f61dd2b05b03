"""Git repositories of Azure DevOps: as documents over REST, and for git itself at {project}/_git/{repository}.

Shapes: Azure DevOps REST, Git (repositories, refs). A repository's directory is named by its id, so that it may have
any name. By its id it is found without its project, too.
"""

from __future__ import annotations

import builtins
import uuid
from urllib.parse import quote

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
            self.at("GET", "/_apis/git/repositories", self.list_all),
            self.at("GET", f"/_apis{one}", self.show),
            self.at("GET", f"/_apis{one}/refs", self.refs),
            self.in_project("GET", "/git/repositories", self.list),
            self.in_project("POST", "/git/repositories", self.create, "Create repository"),
            self.in_project("GET", one, self.show),
            self.in_project("DELETE", one, self.delete, "Delete or disable repository", "administrator"),
            self.in_project("GET", one + "/refs", self.refs),
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

    def project(self, call: Call) -> Body:
        """That of the path; else that of the repository in it, which is one's by id alone."""
        if "project" in call.params:
            return super().project(call)
        number = call.params["repository"].lower()
        for project in self.projects(self.organization(call)):
            if self.store.get(REPOSITORY, f"{project['id']}/{number}"):
                return project
        raise self._no_repository(number)

    def needed(self, call: Call) -> Body:
        """That of the path. Raises TF401019."""
        wanted = call.params["repository"]
        found = self.find(self.project(call), wanted)
        if found is None:
            raise self._no_repository(wanted)
        return found

    def _no_repository(self, wanted: str) -> ApiError:
        text = (
            f"TF401019: The Git repository with name or identifier {wanted} does not exist or you do not have "
            "permissions for the operation you are attempting."
        )
        return self.dialect.error(404, "GitRepositoryNotFoundException", text)

    def _shown(self, call: Call, project: Body, repository: Body) -> Body:
        directory = self.directories().create(repository["id"])
        branches = git_server.heads(directory)
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
            shown["defaultBranch"] = f"refs/heads/{git_server.default_branch(directory)}"
        return shown

    def list(self, call: Call) -> Body:
        return listed(self._of(call, self.project(call)))

    def list_all(self, call: Call) -> Body:
        """Those of every project."""
        return listed([one for project in self.projects(self.organization(call)) for one in self._of(call, project)])

    def _of(self, call: Call, project: Body) -> builtins.list[Body]:
        return [self._shown(call, project, one) for one in self.store.list(REPOSITORY, project["id"] + "/")]

    def create(self, call: Call) -> Response:
        name = str(call.json().get("name") or "")
        if not name or len(name) > 64 or any(sign in '\\/:*?"<>|;#${},+=[]' for sign in name) or name[0] in "_.":
            text = f"TF400975: The Git repository name '{name}' is not valid."
            raise self.dialect.error(400, "InvalidGitRepositoryNameException", text)
        project = self.project(call)
        return answer(self._shown(call, project, self.make(project, name)), 201)

    def show(self, call: Call) -> Body:
        return self._shown(call, self.project(call), self.needed(call))

    def delete(self, call: Call) -> Response:
        repository = self.needed(call)
        self.store.delete(REPOSITORY, f"{repository['project']}/{repository['id']}")
        self.directories().delete(repository["id"])
        return empty(204)

    def refs(self, call: Call) -> Body:
        """`filter` is how names begin, without "refs/"."""
        repository, project = self.needed(call), self.project(call)
        prefix = f"refs/{call.query.get('filter', '')}"
        branches = git_server.heads(self.directories().create(repository["id"]))
        place = self.address(call, project["id"], "_apis/git/repositories", repository["id"], "refs?filter=heads/")
        shown = [
            {"name": f"refs/heads/{branch}", "objectId": commit, "url": f"{place}{quote(branch)}"}
            for branch, commit in sorted(branches.items())
        ]
        return listed([one for one in shown if one["name"].startswith(prefix)])

    def git(self, call: Call) -> Response:
        """To push takes a contributor."""
        from mlops_tui.sandbox.devops_pushes import start_runs

        repository = self.needed(call)
        rest = call.params["rest"]
        if "git-receive-pack" in (rest, call.query.get("service")):
            text = "TF401027: You need the Git 'GenericContribute' permission to perform this action."
            try:
                self.require(call, "GenericContribute", "contributor")
            except ApiError as error:
                raise self.dialect.error(403, "GitNeedsPermissionException", text) from error

        directory = self.directories().create(repository["id"])

        def pushed(updates: list[Update]) -> None:
            git_server.settle_default(directory, updates)
            start_runs(self.sandbox, self.organization(call), self.project(call), repository, updates, call.caller)

        return git_server.answer(call, directory, rest, pushed)
