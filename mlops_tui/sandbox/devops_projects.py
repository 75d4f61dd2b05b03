"""Projects of Azure DevOps, which are made and deleted by operations that take a while.

Shapes: Azure DevOps REST, Core (projects, processes) and Operations; "Naming restrictions" for names. TF200019 in the
words that the service uses, with status 400.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import ClassVar

from starlette.responses import Response

from mlops_tui.sandbox import clock, devops_members
from mlops_tui.sandbox.api import Body, Call, Endpoint, answer
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_git import DevOpsRepositories
from mlops_tui.sandbox.devops_service import PROJECT, DevOpsService, listed
from mlops_tui.sandbox.parameters import whole_number

OPERATION = "devops-operation"
PROCESSES = {
    "b8a3a935-7e91-48b8-a94c-606d37c3e9f2": "Basic",
    "adcc42ab-9882-485e-a3ed-7678f01f66bc": "Agile",
    "6b724908-ef14-45cf-84f8-768b5384da45": "Scrum",
    "27450541-8e31-4150-9947-dc59f998fc01": "CMMI",
}
NAME = re.compile(r"(?![_.])[^\\/:*?\"<>|;#$*{},+=\[\]\x00-\x1f]{1,64}(?<![. ])")
RESERVED = {"app_browsers", "app_code", "app_data", "bin", "web", "com1", "con", "nul", "prn", "defaultcollection"}


class Projects(DevOpsService):
    seconds: ClassVar[float] = 0.3  # that an operation takes

    def routes(self) -> list[Endpoint]:
        return [
            self.at("GET", "/_apis/process/processes", self.processes),
            self.at("GET", "/_apis/process/processes/{process}", self.process),
            self.at("GET", "/_apis/projects", self.list),
            self.at("POST", "/_apis/projects", self.create, "Create new projects", "administrator"),
            self.at("GET", "/_apis/projects/{project}", self.show),
            self.at("DELETE", "/_apis/projects/{project}", self.delete, "Delete team project", "administrator"),
            self.at("GET", "/_apis/operations/{id}", self.operation),
        ]

    def processes(self, call: Call) -> Body:
        return listed([self._process(call, key) for key in PROCESSES])

    def process(self, call: Call) -> Body:
        number = call.params["process"].lower()
        if number not in PROCESSES:
            raise self.dialect.error(404, "ProcessNotFoundException", f"VS402336: There is no process {number}.")
        return self._process(call, number)

    def _process(self, call: Call, number: str) -> Body:
        return {
            "id": number,
            "name": PROCESSES[number],
            "type": "system",
            "isDefault": PROCESSES[number] == "Basic",
            "url": self.address(call, "_apis/process/processes", number),
        }

    def list(self, call: Call) -> Response:
        """Those that are ready, by name, in pages; $skip does as well as a token."""
        found = sorted(self.projects(self.organization(call)), key=lambda one: str(one["name"]).lower())
        return self.page(call, [self._shown(call, one) for one in found[whole_number(call, "$skip", 0) :]], 100)

    def show(self, call: Call) -> Body:
        """With what it was made of, where includeCapabilities asks for that."""
        project = self.project(call)
        shown = self._shown(call, project)
        if call.query.get("includeCapabilities", "").lower() != "true":
            return shown
        process = project.get("process", next(iter(PROCESSES)))  # older practice clouds kept none
        template = {"templateTypeId": process, "templateName": PROCESSES[process]}
        source = {"sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False"}
        return shown | {"capabilities": {"processTemplate": template, "versioncontrol": source}}

    def _shown(self, call: Call, project: Body) -> Body:
        web = {"href": self.address(call, project["name"])}
        return self.reference(project) | {
            "url": self.address(call, "_apis", "projects", project["id"]),
            "_links": {"web": web},
        }

    def create(self, call: Call) -> Response:
        """202 with an operation; the name is taken from now on."""
        wanted, organization = call.json(), self.organization(call)
        name = str(wanted.get("name") or "")
        if not NAME.fullmatch(name) or name.lower() in RESERVED:
            text = f"VS402382: The following project name is not valid: {name}."
            raise self.dialect.error(400, "InvalidProjectNameException", text)
        capabilities = wanted.get("capabilities") or {}
        if str((capabilities.get("versioncontrol") or {}).get("sourceControlType")).lower() != "git":
            raise self.dialect.malformed("The sandbox has projects with Git only: capabilities.versioncontrol.")
        process = (capabilities.get("processTemplate") or {}).get("templateTypeId")
        if process not in PROCESSES:
            raise self.dialect.error(400, "ProcessNotFoundException", "VS402336: The process template is not known.")
        project = {
            "id": str(uuid.uuid4()),
            "name": name,
            "description": str(wanted.get("description") or ""),
            "state": "createPending",
            "revision": 1,
            "visibility": wanted.get("visibility", "private"),
            "lastUpdateTime": clock.now(),
            "organization": organization["name"],
            "process": process,
        }
        with self.store.transaction():
            for other in self.store.list(PROJECT, organization["id"] + "/"):
                if other["name"].lower() == name.lower():
                    text = (
                        f"TF200019: The following project already exists on the Azure DevOps Server: {name}. You "
                        "cannot create a new project with the same name as an existing project."
                    )
                    raise self.dialect.error(400, "ProjectAlreadyExistsException", text)
            self.store.put(PROJECT, f"{organization['id']}/{project['id']}", project)
            return self._begin(call, "create", project)

    def delete(self, call: Call) -> Response:
        """202 with an operation; the project is not shown any more, and its name is free once that has ended."""
        organization, project = self.organization(call), self.project(call)
        self.sandbox.find(Definitions).end_runs(f"{organization['name']}/{project['name']}")
        with self.store.transaction():
            self.store.put(PROJECT, f"{organization['id']}/{project['id']}", project | {"state": "deleting"})
            return self._begin(call, "delete", project)

    def _begin(self, call: Call, verb: str, project: Body) -> Response:
        organization = self.organization(call)
        ends = organization["next_operation"]
        self.store.put(
            devops_members.ORGANIZATION, organization["name"].lower(), organization | {"next_operation": "succeeded"}
        )
        begun = {"id": str(uuid.uuid4()), "verb": verb, "project": project["id"], "ends": ends, "status": "queued"}
        self.store.put(OPERATION, begun["id"], begun | {"due": time.time() + self.seconds})
        url = self.address(call, "_apis", "operations", begun["id"])
        return answer({"id": begun["id"], "status": "queued", "url": url}, 202)

    def operation(self, call: Call) -> Body:
        """Whoever looks after its time brings it to its end."""
        with self.store.transaction():
            kept = self.store.get(OPERATION, call.params["id"])
            if kept is None:
                text = f"The operation {call.params['id']} could not be found."
                raise self.dialect.error(404, "OperationNotFoundException", text)
            if kept["status"] in ("queued", "inProgress"):
                kept["status"] = "inProgress" if time.time() < kept["due"] else kept["ends"]
                if kept["status"] in ("succeeded", "failed"):
                    self._end(call, kept)
                self.store.put(OPERATION, kept["id"], kept)
        text = "TF400898: An Internal Error Occurred." if kept["status"] == "failed" else ""
        return {
            "id": kept["id"],
            "status": kept["status"],
            "url": self.address(call, "_apis", "operations", kept["id"]),
            "detailedMessage": text,
        }

    def _end(self, call: Call, operation: Body) -> None:
        """A project has a repository of its own name from the start; one whose making failed is not there."""
        organization = self.organization(call)
        key = f"{organization['id']}/{operation['project']}"
        project = self.store.get(PROJECT, key)
        if project is None:
            return
        repositories = self.sandbox.find(DevOpsRepositories)
        if (operation["verb"], operation["status"]) in (("create", "succeeded"), ("delete", "failed")):
            self.store.put(PROJECT, key, project | {"state": "wellFormed"})
            if operation["verb"] == "create":
                repositories.make(project, project["name"])
        else:
            repositories.remove_all(project)
            for kind in ("definition", "environment", "check", "endpoint", "permission"):
                for each, _ in self.store.items(f"devops-{kind}", project["id"] + "/"):
                    self.store.delete(f"devops-{kind}", each)
            self.store.delete(PROJECT, key)
