"""What is in Azure DevOps' repositories: files, folders and commits.

Shapes: Azure DevOps REST, Git (items, commits). A file comes as JSON, or as it is: for who accepts text/plain or
application/octet-stream, and with $format=octetStream.
"""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

from mlops_tui.sandbox import git_server
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint
from mlops_tui.sandbox.devops_git import DevOpsRepositories
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.git_server import Commit
from mlops_tui.sandbox.parameters import whole_number

OCTETS, TEXT = "application/octet-stream", "text/plain"


class RepositoryContents(DevOpsService):
    def routes(self) -> list[Endpoint]:
        found = []
        for start in ("/_apis", "/{project}/_apis"):
            one = f"{start}/git/repositories/{{repository}}"
            found += [
                self.at("GET", f"{one}/items", self.items),
                self.at("GET", f"{one}/commits", self.commits),
                self.at("GET", f"{one}/commits/{{commit}}", self.commit),
            ]
        return found

    def project(self, call: Call) -> Body:
        return self.sandbox.find(DevOpsRepositories).project(call)

    def items(self, call: Call) -> Body | Response:
        """One of a commit's files or folders (path=…), or what is below a folder (scopePath=…, recursionLevel=…)."""
        repository, directory = self._repository(call)
        commit = self._at(call, repository, "versionDescriptor")
        asked, found = call.query, self._items(call, repository, commit)
        path = asked.get("path") or asked.get("scopePath") or "/"
        name, level = path.strip("/"), asked.get("recursionLevel", "None").lower()
        if name not in found:
            raise self._no_item(path, repository, commit)
        if level != "none" or not asked.get("path"):
            return listed([item for each, item in found.items() if _is_within(each, name, level)])
        item = found[name]
        if item["gitObjectType"] == "tree":
            return item
        if kind := _raw(call):
            return Response(git_server.show(directory, commit, name), media_type=kind)
        if asked.get("includeContent", "").lower() == "true":
            item["content"] = git_server.show(directory, commit, name).decode("utf-8", "replace")
        return item

    def _items(self, call: Call, repository: Body, commit: str) -> dict[str, Body]:
        """All folders, then all files, by their paths: the top one's is empty."""
        directory = self.sandbox.find(DevOpsRepositories).directories().create(repository["id"])
        files, folders = git_server.tree(directory, commit), git_server.folders(directory, commit)
        place = f"{self.project(call)['id']}/_apis/git/repositories/{repository['id']}/items?path="
        version = f"&versionDescriptor.versionType=commit&versionDescriptor.version={commit}"

        def shown(kind: str, object_id: str, name: str) -> Body:
            address = self.address(call, f"{place}/{name}{version}")
            item = {
                "objectId": object_id,
                "gitObjectType": kind,
                "commitId": commit,
                "path": f"/{name}",
                "url": address,
            }
            return item | ({"isFolder": True} if kind == "tree" else {})

        trees = {name: shown("tree", number, name) for name, number in sorted(folders.items())}
        return trees | {name: shown("blob", number, name) for name, number in sorted(files.items())}

    def commits(self, call: Call) -> Body:
        """The newest first: searchCriteria.itemVersion.version, .itemPath, .$top and .$skip."""
        repository, directory = self._repository(call)
        commit = self._at(call, repository, "searchCriteria.itemVersion")
        skip, top = (
            whole_number(call, f"searchCriteria.{name}", 0) or whole_number(call, name, default)
            for name, default in (("$skip", 0), ("$top", 100))
        )
        file = call.query.get("searchCriteria.itemPath", "").strip("/")
        return listed(
            [self._commit(call, repository, one) for one in git_server.log(directory, commit, skip, top, file)]
        )

    def commit(self, call: Call) -> Body:
        repository, directory = self._repository(call)
        try:
            found = git_server.log(directory, call.params["commit"], top=1)[0]
        except LookupError as error:
            text = f"TF401179: A commit with ID {call.params['commit']} does not exist in {repository['name']}."
            raise self.dialect.error(404, "GitCommitDoesNotExistException", text) from error
        return self._commit(call, repository, found) | {"treeId": found.tree}

    def _commit(self, call: Call, repository: Body, found: Commit) -> Body:
        project = self.project(call)
        return {
            "commitId": found.id,
            "author": found.author,
            "committer": found.committer,
            "comment": found.message,
            "parents": found.parents,
            "url": self.address(call, project["id"], "_apis/git/repositories", repository["id"], "commits", found.id),
            "remoteUrl": self.address(call, project["name"], "_git", repository["name"], "commit", found.id),
        }

    def _repository(self, call: Call) -> tuple[Body, Path]:
        repositories = self.sandbox.find(DevOpsRepositories)
        found = repositories.needed(call)
        return found, repositories.directories().create(found["id"])

    def _at(self, call: Call, repository: Body, descriptor: str) -> str:
        """The commit that a version descriptor in the query names: a branch (the usual one by default) or a commit."""
        version = call.query.get(f"{descriptor}.version") or "main"
        directory = self.sandbox.find(DevOpsRepositories).directories().create(repository["id"])
        is_commit = call.query.get(f"{descriptor}.versionType", "branch").lower() == "commit"
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


def _raw(call: Call) -> str:
    """As what a file is to come, if not as JSON."""
    by_format = {"octetstream": OCTETS, "text": TEXT}.get(call.query.get("$format", "").lower(), "")
    accepted = call.headers.get("accept", "").partition(";")[0]
    return by_format or (accepted if accepted in (OCTETS, TEXT) else "")


def _is_within(name: str, folder: str, level: str) -> bool:
    """The folder itself, too; "onelevel" goes one level down, "full" to the end."""
    if name == folder or level == "none":
        return name == folder
    below = f"{folder}/".lstrip("/")
    return name.startswith(below) and (level == "full" or "/" not in name.removeprefix(below))
