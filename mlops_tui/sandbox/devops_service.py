"""What all services of Azure DevOps share: their paths, their permissions, their projects."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from mlops_tui.sandbox import devops_members
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Handler, Principal, Service
from mlops_tui.sandbox.devops_dialect import DEVOPS
from mlops_tui.sandbox.devops_members import has_level

PROJECT = "devops-project"  # by "{organisation's id}/{id}"


class DevOpsService(Service):
    """Projects are documents; what is in one has keys that begin with the project's id."""

    dialect = DEVOPS

    def at(self, method: str, path: str, handler: Handler, permission: str = "", level: str = "") -> Endpoint:
        """`path` follows the organisation. A permission ("Edit build pipeline") needs at least a contributor."""

        def guarded(call: Call) -> object:
            if call.method not in ("GET", "HEAD") and "/_git/" not in path and not _version(call):
                text = f'No api-version was supplied for the "{call.method}" request.'
                raise self.dialect.error(400, "VssVersionNotSpecifiedException", text)
            if permission:
                self.require(call, permission, level or "contributor")
            return handler(call)

        return self.on(method, f"/devops/{{organization}}{path}", guarded)  # type: ignore[arg-type]

    def in_project(self, method: str, path: str, handler: Handler, permission: str = "", level: str = "") -> Endpoint:
        """`path` follows the project's `_apis`."""
        return self.at(method, f"/{{project}}/_apis{path}", handler, permission, level)

    def organization(self, call: Call) -> Body:
        found = devops_members.find(self.store, call.params["organization"])
        assert found is not None  # the dialect has seen to that
        return found

    def require(self, call: Call, permission: str, level: str) -> None:
        """Raises the service's 403."""
        if has_level(self.organization(call), call.caller, level):
            return
        raise self.denied(call.caller, permission)

    def denied(self, who: Principal, permission: str) -> ApiError:
        text = (
            f"Access denied. {who.display_name} needs the following permission to perform this action: {permission}. "
            "For more information, contact the Azure DevOps Server administrator."
        )
        return self.dialect.error(403, "AccessDeniedException", text)

    def project(self, call: Call) -> Body:
        """The project of the path, by name or id. Raises TF200016."""
        found = self.find_project(self.organization(call), call.params["project"])
        if found is None:
            raise self.no_project(call.params["project"])
        return found

    def no_project(self, name: str) -> ApiError:
        text = (
            f"TF200016: The following project does not exist: {name}. Verify that the name of the project is correct "
            "and that the project exists on the specified Azure DevOps Server."
        )
        return self.dialect.error(404, "ProjectDoesNotExistWithNameException", text)

    def find_project(self, organization: Body, wanted: str) -> Body | None:
        """One that is ready."""
        for project in self.store.list(PROJECT, organization["id"] + "/"):
            if wanted.lower() in (project["id"], project["name"].lower()) and project["state"] == "wellFormed":
                return project
        return None

    def asked(self, call: Call, name: str) -> str:
        """A parameter of the query that must be there, whatever the method."""
        if not call.query.get(name):
            raise self.dialect.malformed(f"Value cannot be null.\r\nParameter name: {name}")
        return call.query[name]

    def next_id(self, kind: str, scope: Body) -> int:
        """Numbers of a kind, within an organisation or a project."""
        return self.store.next_number(f"{kind}/{scope['id']}")

    def identity(self, call: Call) -> Body:
        """Who calls, as an IdentityRef."""
        return devops_members.identity(self.organization(call), call.caller)

    def address(self, call: Call, *parts: str) -> str:
        """As the service writes it: a name with a space is escaped."""
        path = "/".join([call.params["organization"], *parts])
        return f"{self.sandbox.origin}/devops/{quote(path, safe='/?=&')}"

    def reference(self, project: Body) -> Body:
        """A project within another answer."""
        shown = ("id", "name", "description", "state", "revision", "visibility", "lastUpdateTime")
        return {name: project[name] for name in shown}


def _version(call: Call) -> bool:
    """Of the API: in the query, or in the Accept header; only reading does without."""
    return "api-version" in call.query or "api-version=" in call.headers.get("accept", "")


def listed(rows: Sequence[Body]) -> Body:
    return {"count": len(rows), "value": list(rows)}
