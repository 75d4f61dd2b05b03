"""Pipelines of Azure DevOps as they are defined, and their variables.

Shapes: Azure DevOps REST, Build (definitions) and Pipelines (pipelines), which shows the same with less of it. A secret
variable is written and never read: its value is null in every answer, and a definition that is sent back with null
keeps it.
"""

from __future__ import annotations

import re
from copy import deepcopy

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body, Call, Endpoint, empty
from mlops_tui.sandbox.devops_git import DevOpsRepositories
from mlops_tui.sandbox.devops_service import DevOpsService
from mlops_tui.sandbox.pipelines.service import Pipelines

DEFINITION = "devops-definition"  # by "{project's id}/{id}"
SECRET = "devops-secret"  # noqa: S105 (a kind of documents; by "{definition's key}/{variable}")
EDIT, REMOVE = "Edit build pipeline", "Delete build pipeline"


class Definitions(DevOpsService):
    def routes(self) -> list[Endpoint]:
        one = "/build/definitions/{id}"
        return [
            self.in_project("GET", "/build/definitions", self.list_definitions),
            self.in_project("POST", "/build/definitions", self.create, EDIT),
            self.in_project("GET", one, self.show),
            self.in_project("PUT", one, self.update, EDIT),
            self.in_project("DELETE", one, self.delete, REMOVE),
            self.in_project("GET", "/pipelines", self.list_pipelines),
            self.in_project("GET", "/pipelines/{id:int}", self.show_pipeline),
        ]

    def find(self, project: Body, number: str) -> Body | None:
        return self.store.get(DEFINITION, f"{project['id']}/{number}")

    def needed(self, call: Call) -> Body:
        """That of the path. Raises the service's 404."""
        found = self.find(self.project(call), call.params["id"])
        if found is None:
            text = f"The build pipeline {call.params['id']} does not exist in team project {call.params['project']}."
            raise self.dialect.error(404, "DefinitionNotFoundException", text)
        return found

    def secrets(self, definition: Body) -> dict[str, str]:
        """Name -> value; for the runs of it alone."""
        key = f"{definition['project']['id']}/{definition['id']}/"
        return {name.removeprefix(key): str(kept["value"]) for name, kept in self.store.items(SECRET, key)}

    def end_runs(self, owner: str, pipeline: str = "") -> None:
        """Of one pipeline, or of all of a project."""
        runner = self.sandbox.find(Pipelines)
        for run in runner.records("azure-devops", owner, pipeline):
            runner.cancel(run["id"])

    def list_definitions(self, call: Call) -> Body | Response:
        """References, as the service gives them here; `name` filters, and may have an asterisk; so does `path`."""
        kept = self.store.list(DEFINITION, self.project(call)["id"] + "/")
        name, path = call.query.get("name", "").lower(), call.query.get("path", "")
        pattern = ".*".join(map(re.escape, (name or "*").split("*")))
        shown = [one for one in kept if re.fullmatch(pattern, one["name"].lower()) and path in ("", one["path"])]
        left_out = ("variables", "process", "repository", "triggers")
        rows = [{name: value for name, value in one.items() if name not in left_out} for one in shown]
        return self.page(call, rows, 10_000)

    def show(self, call: Call) -> Body:
        return self.needed(call)

    def create(self, call: Call) -> Body:
        """Raises the service's 409 where the name is taken in its folder."""
        project, wanted = self.project(call), call.json()
        self._check(project, wanted)
        with self.store.transaction():
            self._check_name(project, wanted, 0)
            number = self.next_id("definition", self.organization(call))
            return self._keep(call, wanted | {"id": number, "revision": 1, "createdDate": clock.now()}, {})

    def update(self, call: Call) -> Body:
        project, wanted, before = self.project(call), call.json(), self.needed(call)
        self._check(project, wanted)
        if wanted.get("revision") != before["revision"]:
            text = (
                f"The build pipeline {before['name']} cannot be changed: the revision given ({wanted.get('revision')}) "
                f"is not its latest ({before['revision']})."
            )
            raise self.dialect.error(409, "InvalidDefinitionRevisionException", text)
        with self.store.transaction():
            self._check_name(project, wanted, before["id"])
            kept = wanted | {"id": before["id"], "revision": before["revision"] + 1}
            return self._keep(call, kept | {"createdDate": before["createdDate"]}, self.secrets(before))

    def delete(self, call: Call) -> Response:
        """Its runs end."""
        found = self.needed(call)
        key = f"{found['project']['id']}/{found['id']}"
        self.end_runs(f"{self.organization(call)['name']}/{self.project(call)['name']}", str(found["id"]))
        with self.store.transaction():
            self._forget_secrets(key)
            self.store.delete(DEFINITION, key)
        return empty(204)

    def list_pipelines(self, call: Call) -> Body | Response:
        kept = self.store.list(DEFINITION, self.project(call)["id"] + "/")
        return self.page(call, [self._pipeline(call, one) for one in kept], 10_000)

    def show_pipeline(self, call: Call) -> Body:
        """With what it reads its steps from."""
        found = self.needed(call)
        repository = {"id": found["repository"]["id"], "type": "azureReposGit"}
        configuration = {"type": "yaml", "path": found["process"]["yamlFilename"], "repository": repository}
        return self._pipeline(call, found) | {"configuration": configuration}

    def _pipeline(self, call: Call, found: Body) -> Body:
        place = self.address(
            call, found["project"]["id"], "_apis/pipelines", f"{found['id']}?revision={found['revision']}"
        )
        return {
            "_links": {"self": {"href": place}, **found["_links"]},
            "url": place,
            "id": found["id"],
            "revision": found["revision"],
            "name": found["name"],
            "folder": found["path"],
        }

    def _keep(self, call: Call, wanted: Body, secrets: dict[str, str]) -> Body:
        """Without the values of secrets, which go where nothing shows them."""
        project = self.project(call)
        made = deepcopy(wanted)
        key = f"{project['id']}/{made['id']}"
        self._forget_secrets(key)
        for name, variable in (made.get("variables") or {}).items():
            if variable.get("isSecret"):
                value = variable.get("value")
                value = secrets.get(name) if value is None else value
                if value is not None:
                    self.store.put(SECRET, f"{key}/{name}", {"value": value})
                variable["value"] = None
        made["repository"] = self._repository(call, project, made["repository"])
        made |= {
            "project": self.reference(project),
            "path": made.get("path") or "\\",
            "type": "build",
            "quality": "definition",
            "queueStatus": made.get("queueStatus", "enabled"),
            "authoredBy": self.identity(call),
            "url": self.address(call, project["id"], "_apis/build/Definitions", str(made["id"])),
            "_links": {
                "web": {"href": self.address(call, project["name"], f"_build/definition?definitionId={made['id']}")}
            },
        }
        self.store.put(DEFINITION, key, made)
        return made

    def _repository(self, call: Call, project: Body, wanted: Body) -> Body:
        """With the name and the address that it has."""
        found = self.sandbox.find(DevOpsRepositories).find(project, str(wanted["id"]))
        assert found is not None  # `_check` has seen to that
        return wanted | {"name": found["name"], "url": self.address(call, project["name"], "_git", found["name"])}

    def _forget_secrets(self, key: str) -> None:
        for name, _ in self.store.items(SECRET, key + "/"):
            self.store.delete(SECRET, name)

    def _check(self, project: Body, wanted: Body) -> None:
        if not wanted.get("name"):
            raise self.dialect.malformed("Value cannot be null.\r\nParameter name: definition.Name")
        if (wanted.get("process") or {}).get("type") != 2 or not wanted["process"].get("yamlFilename"):
            raise self.dialect.malformed("The sandbox has pipelines of YAML files only: process.type 2, yamlFilename.")
        repository = wanted.get("repository") or {}
        if not self.sandbox.find(DevOpsRepositories).find(project, str(repository.get("id") or "")):
            text = f"The repository {repository.get('name') or repository.get('id')} could not be found."
            raise self.dialect.error(400, "InvalidRepositoryException", text)

    def _check_name(self, project: Body, wanted: Body, own: int) -> None:
        for other in self.store.list(DEFINITION, project["id"] + "/"):
            same = other["name"].lower() == wanted["name"].lower() and other["path"] == (wanted.get("path") or "\\")
            if same and other["id"] != own:
                text = f"The build pipeline {wanted['name']} already exists in team project {project['name']}."
                raise self.dialect.error(409, "DefinitionExistsException", text)
