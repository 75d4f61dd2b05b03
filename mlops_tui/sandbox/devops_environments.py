"""Environments of Azure DevOps, the checks that guard them, and which pipelines may use what.

Shapes: Azure DevOps REST, DistributedTask (environments), Approvals and checks (check configurations, with settings
only where $expand=settings asks for them), Pipeline permissions.
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox import clock, devops_members
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, empty
from mlops_tui.sandbox.devops_service import DevOpsService, listed

ENVIRONMENT, CHECK, PERMISSION = "devops-environment", "devops-check", "devops-permission"  # by "{project's id}/…"
APPROVAL = "8c6f20a7-a545-4486-9777-f762fafe0d4d"
KINDS = {APPROVAL: "Approval", "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563": "ExclusiveLock"}  # of checks that there are
LONGEST = 43_200  # minutes that an approval may be waited for
MANAGE = "Manage environment"


class Environments(DevOpsService):
    def routes(self) -> list[Endpoint]:
        one, checks = "/distributedtask/environments/{id}", "/pipelines/checks/configurations"
        permissions = "/pipelines/pipelinepermissions/{type}/{id}"
        return [
            self.in_project("GET", "/distributedtask/environments", self.list_environments),
            self.in_project("POST", "/distributedtask/environments", self.create, "Create environment"),
            self.in_project("GET", one, self.show),
            self.in_project("DELETE", one, self.delete, MANAGE),
            self.in_project("GET", checks, self.list_checks),
            self.in_project("POST", checks, self.create_check, MANAGE),
            self.in_project("GET", checks + "/{check}", self.show_check),
            self.in_project("PATCH", checks + "/{check}", self.update_check, MANAGE),
            self.in_project("DELETE", checks + "/{check}", self.delete_check, MANAGE),
            self.in_project("GET", permissions, self.show_permissions),
            self.in_project("PATCH", permissions, self.permit, "Administer permissions"),
        ]

    def find(self, project: Body, name: str) -> Body | None:
        kept = self.store.list(ENVIRONMENT, project["id"] + "/")
        return next((one for one in kept if one["name"].lower() == name.lower()), None)

    def make(self, organization: Body, project: Body, name: str, by: Body, description: str = "") -> Body:
        number = self.next_id("environment", organization)
        made = {
            "id": number,
            "name": name,
            "description": description,
            "createdBy": by,
            "createdOn": clock.now(),
            "project": {"id": project["id"], "name": project["name"]},
        }
        self.store.put(ENVIRONMENT, f"{project['id']}/{number}", made)
        return made

    def approval(self, project: Body, environment: Body) -> Body | None:
        """The check that somebody must say yes, if there is one."""
        checks = self._checks(project, str(environment["id"]))
        return next((one for one in checks if one["type"]["id"] == APPROVAL), None)

    def list_environments(self, call: Call) -> Body:
        """`name` is how they begin."""
        kept = self.store.list(ENVIRONMENT, self.project(call)["id"] + "/")
        wanted = call.query.get("name", "").lower()
        return listed([one for one in kept if one["name"].lower().startswith(wanted)])

    def create(self, call: Call) -> Body:
        project, wanted = self.project(call), call.json()
        name = str(wanted.get("name") or "")
        if not name or len(name) > 128:
            raise self.dialect.malformed("The environment's name must have 1 to 128 characters.")
        with self.store.transaction():
            if self.find(project, name):
                text = f"Environment with name {name} already exists in project {project['name']}."
                raise self.dialect.error(409, "EnvironmentExistsException", text)
            description = str(wanted.get("description") or "")
            return self.make(self.organization(call), project, name, self.identity(call), description)

    def show(self, call: Call) -> Body:
        return self._needed(call)

    def delete(self, call: Call) -> Response:
        """With its checks and permissions."""
        project, found = self.project(call), self._needed(call)
        with self.store.transaction():
            for check in self._checks(project, str(found["id"])):
                self.store.delete(CHECK, f"{project['id']}/{check['id']}")
            self.store.delete(PERMISSION, f"{project['id']}/environment/{found['id']}")
            self.store.delete(ENVIRONMENT, f"{project['id']}/{found['id']}")
        return empty(204)

    def _needed(self, call: Call) -> Body:
        found = self.store.get(ENVIRONMENT, f"{self.project(call)['id']}/{call.params['id']}")
        if found is None:
            text = f"Environment with ID {call.params['id']} does not exist in the current project."
            raise self.dialect.error(404, "EnvironmentNotFoundException", text)
        return found

    # Checks

    def _checks(self, project: Body, environment: str) -> list[Body]:
        kept = self.store.list(CHECK, project["id"] + "/")
        return [one for one in kept if one["resource"]["id"] == environment]

    def list_checks(self, call: Call) -> Body:
        """Those of one environment: resourceType=environment&resourceId=…"""
        if call.query.get("resourceType") != "environment":
            raise self.dialect.malformed("The sandbox has checks on environments only.")
        found = self._checks(self.project(call), call.need("resourceId"))
        return listed([_as_asked(call, one) for one in found])

    def show_check(self, call: Call) -> Body:
        return _as_asked(call, self._needed_check(call))

    def create_check(self, call: Call) -> Body:
        project, wanted = self.project(call), call.json()
        resource = wanted.get("resource") or {}
        kind = str((wanted.get("type") or {}).get("id") or "").lower()
        if kind not in KINDS:
            raise self.dialect.malformed(f"The sandbox has checks of these types only: {', '.join(KINDS.values())}.")
        if resource.get("type") != "environment":
            raise self.dialect.malformed("The sandbox has checks on environments only.")
        environment = self.store.get(ENVIRONMENT, f"{project['id']}/{resource.get('id')}")
        if environment is None:
            raise self.dialect.malformed(f"Environment with ID {resource.get('id')} does not exist.")
        settings = self._settings(call, wanted) if kind == APPROVAL else {}
        with self.store.transaction():
            if any(one["type"]["id"] == kind for one in self._checks(project, str(environment["id"]))):
                raise self._twice(KINDS[kind])
            number = self.next_id("check", self.organization(call))
            made = {
                "id": number,
                "settings": settings,
                "timeout": self._timeout(wanted),
                "type": {"id": kind, "name": KINDS[kind]},
                "resource": {"type": "environment", "id": str(environment["id"]), "name": environment["name"]},
                "createdBy": self.identity(call),
                "createdOn": clock.now(),
                "version": 1,
            }
            self.store.put(CHECK, f"{project['id']}/{number}", made)
        return made

    def update_check(self, call: Call) -> Body:
        project, wanted = self.project(call), call.json()
        before = self._needed_check(call)
        is_approval = before["type"]["id"] == APPROVAL
        changed = before | {
            "settings": self._settings(call, wanted) if is_approval else {},
            "timeout": self._timeout(wanted),
            "version": before["version"] + 1,
        }
        self.store.put(CHECK, f"{project['id']}/{before['id']}", changed)
        return changed

    def delete_check(self, call: Call) -> Response:
        self.store.delete(CHECK, f"{self.project(call)['id']}/{self._needed_check(call)['id']}")
        return empty(204)

    def _needed_check(self, call: Call) -> Body:
        found = self.store.get(CHECK, f"{self.project(call)['id']}/{call.params['check']}")
        if found is None:
            text = f"Check configuration {call.params['check']} does not exist."
            raise self.dialect.error(404, "CheckConfigurationNotFoundException", text)
        return found

    def _settings(self, call: Call, wanted: Body) -> Body:
        """With the approvers as the service shows them. Raises for who is no member."""
        given = wanted.get("settings") or {}
        organization = self.organization(call)
        approvers = []
        for one in given.get("approvers") or []:
            found = devops_members.member(self.store, organization, str(one.get("id") or ""))
            if found is None:
                raise self.dialect.malformed(f"The identity {one.get('id')} is not known in this organization.")
            approvers.append(devops_members.identity(organization, found))
        if not approvers:
            raise self.dialect.malformed("At least one approver must be given.")
        return {
            "approvers": approvers,
            "executionOrder": given.get("executionOrder", "anyOrder"),
            "minRequiredApprovers": given.get("minRequiredApprovers", 0),
            "instructions": str(given.get("instructions") or ""),
            "blockedApprovers": [],
            "requesterCannotBeApprover": bool(given.get("requesterCannotBeApprover")),
        }

    def _timeout(self, wanted: Body) -> int:
        minutes = int(wanted.get("timeout") or LONGEST)
        if not 1 <= minutes <= LONGEST:
            raise self.dialect.malformed(f"The timeout must be from 1 to {LONGEST} minutes.")
        return minutes

    def _twice(self, name: str) -> ApiError:
        text = f"A check of the type {name} exists on this environment already."
        return self.dialect.error(409, "CheckConfigurationExistsException", text)

    # Which pipelines may use it

    def permitted(self, project: Body, kind: str, resource: str) -> set[int]:
        """The pipelines that may use a resource ("environment", "endpoint", "queue")."""
        kept = self.store.get(PERMISSION, f"{project['id']}/{kind}/{resource}")
        return {one["id"] for one in kept["pipelines"] if one["authorized"]} if kept else set()

    def allow(self, project: Body, kind: str, resource: str, pipelines: dict[int, bool], by: Body) -> Body:
        key = f"{project['id']}/{kind}/{resource}"
        with self.store.transaction():
            kept = self.store.get(PERMISSION, key) or {"resource": {"type": kind, "id": resource}, "pipelines": []}
            others = [one for one in kept["pipelines"] if one["id"] not in pipelines]
            added = [
                {"id": number, "authorized": True, "authorizedBy": by, "authorizedOn": clock.now()}
                for number, allowed in pipelines.items()
                if allowed
            ]
            kept["pipelines"] = others + added
            self.store.put(PERMISSION, key, kept)
        return kept

    def show_permissions(self, call: Call) -> Body:
        kind, number = call.params["type"], call.params["id"]
        kept = self.store.get(PERMISSION, f"{self.project(call)['id']}/{kind}/{number}")
        return kept or {"resource": {"type": kind, "id": number}, "pipelines": []}

    def permit(self, call: Call) -> Body:
        wanted = {int(one["id"]): bool(one.get("authorized")) for one in call.json().get("pipelines") or []}
        return self.allow(self.project(call), call.params["type"], call.params["id"], wanted, self.identity(call))


def _as_asked(call: Call, check: Body) -> Body:
    """Without its settings, unless they are asked for (1: as a number, as the SDKs write it)."""
    if call.query.get("$expand") in ("settings", "1"):
        return check
    return {name: value for name, value in check.items() if name != "settings"}
