"""GitHub: workflows, which come to be by pushes, and what starts them.

A workflow is known once its file is on the default branch; the file of the branch that is run counts. Documents
"github-workflow" by "{repository's id}/{path}". Shapes and messages: GitHub REST API, "Workflows", "Create a workflow
dispatch event" (`return_run_details`: changelog of 19 February 2026); "Skipping workflow runs".
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox import git_server
from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal, empty
from mlops_tui.sandbox.git_server import Update
from mlops_tui.sandbox.github_accounts import moment, new_id
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_service import GitHubService, Need
from mlops_tui.sandbox.github_workflow_files import is_workflow, objection, read
from mlops_tui.sandbox.pipelines.model import PipelineFileError, RunRequest
from mlops_tui.sandbox.pipelines.service import Pipelines

WORKFLOW = "github-workflow"
SKIP = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
READ, RUN = Need("actions", "read", "read"), Need("actions", "write", "write")


class GitHubWorkflows(GitHubService):
    """Below /repos/{owner}/{repo}: actions/workflows…"""

    def routes(self) -> list[Endpoint]:
        return [
            self.at("GET", "/actions/workflows", self.show_all, READ),
            self.at("GET", "/actions/workflows/{workflow}", self.show, READ),
            self.at("POST", "/actions/workflows/{workflow}/dispatches", self.dispatch, RUN),
        ]

    def show_all(self, call: Call, repository: Body) -> Response:
        return self.page(call, "workflows", [self._shown(repository, one) for one in self.of(repository)])

    def of(self, repository: Body) -> list[Body]:
        return self.store.list(WORKFLOW, f"{repository['id']}/")

    def show(self, call: Call, repository: Body) -> Body:
        return self._shown(repository, self.named(repository, call.params["workflow"]))

    def named(self, repository: Body, wanted: str) -> Body:
        """By its id or the name of its file. Raises 404."""
        for one in self.of(repository):
            if wanted in (str(one["id"]), one["path"].rpartition("/")[2]):
                return one
        raise GITHUB.not_found()

    def _shown(self, repository: Body, workflow: Body) -> Body:
        full = f"{repository['owner']}/{repository['name']}"
        return workflow | {
            "url": f"{self.api}/repos/{full}/actions/workflows/{workflow['id']}",
            "html_url": f"{self.sandbox.origin}/{full}/blob/{repository['default_branch']}/{workflow['path']}",
            "badge_url": f"{self.sandbox.origin}/{full}/workflows/{workflow['name']}/badge.svg",
        }

    def dispatch(self, call: Call, repository: Body) -> Response | Body:
        """204; with `return_run_details` 200 and which run it is."""
        workflow = self.named(repository, call.params["workflow"])
        wanted = call.json()
        ref, inputs = str(wanted.get("ref") or ""), wanted.get("inputs") or {}
        branch = ref.removeprefix("refs/heads/")
        path = self.git.create(str(repository["id"]))
        commit = git_server.head(path, branch) if branch else None
        if commit is None:
            raise GITHUB.invalid(f"No ref found for: {ref}")
        try:
            text = git_server.show(path, commit, workflow["path"])
        except LookupError as error:
            raise GITHUB.not_found() from error
        if why_not := objection(read(text), inputs):
            raise GITHUB.invalid(why_not)
        given = {str(name): str(value) for name, value in inputs.items()}
        try:
            run = self._launch(repository, workflow, branch, commit, call.caller, given)
        except (PipelineFileError, ValueError) as error:
            raise GITHUB.invalid(f"Invalid workflow file: {error}") from error
        if not wanted.get("return_run_details"):
            return empty(204)
        place = f"{repository['owner']}/{repository['name']}/actions/runs/{run['id']}"
        page = f"{self.sandbox.origin}/{place}"
        return {"workflow_run_id": int(run["id"]), "run_url": f"{self.api}/repos/{place}", "html_url": page}

    def _launch(
        self,
        repository: Body,
        workflow: Body,
        branch: str,
        commit: str,
        who: Principal,
        inputs: dict[str, str] | None = None,
    ) -> Body:
        full = f"{repository['owner']}/{repository['name']}"
        return self.sandbox.find(Pipelines).launch(
            RunRequest(
                host="github",
                owner=full,
                pipeline=str(workflow["id"]),
                name=workflow["name"],
                repository=self.git.create(str(repository["id"])),
                clone_url=f"{self.sandbox.origin}/{full}.git",
                file=workflow["path"],
                branch=branch,
                commit=commit,
                reason="push" if inputs is None else "manual",
                requested_by=vars(who),
                parameters=inputs or {},
            )
        )

    def pushed(self, repository: Body, who: Principal, updates: list[Update]) -> None:
        """Learn the workflows of the default branch, and start those that this push concerns."""
        path = self.git.create(str(repository["id"]))
        for update in updates:
            if update.after is None:
                continue
            files = git_server.tree(path, update.after)
            if update.branch == repository["default_branch"]:
                self._learn(
                    repository, {name: git_server.show(path, update.after, name) for name in filter(is_workflow, files)}
                )
            if not any(mark in git_server.message(path, update.after) for mark in SKIP):
                before = git_server.tree(path, update.before) if update.before else {}
                changed = [name for name in files.keys() | before.keys() if files.get(name) != before.get(name)]
                self._start(repository, who, update.branch, update.after, changed)

    def _learn(self, repository: Body, files: dict[str, bytes]) -> None:
        with self.store.transaction():
            for file, text in files.items():
                place = f"{repository['id']}/{file}"
                known = self.store.get(WORKFLOW, place) or {
                    "id": new_id(self.store),
                    "path": file,
                    "created_at": moment(),
                }
                seen = {"name": read(text).name or file, "state": "active", "updated_at": moment()}
                self.store.put(WORKFLOW, place, known | seen)
            for gone in self.of(repository):
                if gone["path"] not in files and gone["state"] != "deleted":  # its runs and their numbers stay
                    deleted = gone | {"state": "deleted", "updated_at": moment()}
                    self.store.put(WORKFLOW, f"{repository['id']}/{gone['path']}", deleted)

    def _start(self, repository: Body, who: Principal, branch: str, commit: str, changed: list[str]) -> None:
        """A file that cannot be read starts nothing; whoever dispatches it is told why."""
        path, pipelines = self.git.create(str(repository["id"])), self.sandbox.find(Pipelines)
        for workflow in self.of(repository):
            try:
                text = git_server.show(path, commit, workflow["path"])
                if pipelines.triggers("github", workflow["path"], text, branch, changed):
                    self._launch(repository, workflow, branch, commit, who)
            except (LookupError, PipelineFileError):
                continue
