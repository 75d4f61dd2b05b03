"""What all services of Azure DevOps share: their paths, their permissions, their projects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.responses import Response

from mlops_tui.sandbox import devops_locations, devops_members
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Handler, Principal, Service, answer
from mlops_tui.sandbox.devops_dialect import DEVOPS
from mlops_tui.sandbox.devops_members import has_level
from mlops_tui.sandbox.parameters import whole_number

PROJECT = "devops-project"  # by "{organisation's id}/{id}"


class DevOpsService(Service):
    """Projects are documents; what is in one has keys that begin with the project's id."""

    dialect = DEVOPS

    def at(self, method: str, path: str, handler: Handler, permission: str = "", level: str = "") -> Endpoint:
        """`path` follows the organisation. A permission ("Edit build pipeline") needs at least a contributor."""

        def guarded(call: Call) -> object:
            if "/_git/" not in path:
                self._check_version(call)
            if permission:
                self.require(call, permission, level or "contributor")
            return handler(call)

        return self.on(method, f"/devops/{{organization}}{path}", guarded)  # type: ignore[arg-type]

    def _check_version(self, call: Call) -> None:
        """Of the API: only reading does without. A resource that is a preview must be asked for as one."""
        version = _version(call)
        if not version and call.method not in ("GET", "HEAD"):
            text = f'No api-version was supplied for the "{call.method}" request.'
            raise self.dialect.error(400, "VssVersionNotSpecifiedException", text)
        found = devops_locations.find("/" + call.path.split("/", 3)[-1])
        if not version or found is None:
            return
        number, _, preview = version.partition("-")
        if _number(number) > _number(devops_locations.NEWEST):
            text = (
                f"The requested REST API version of {number} is out of range for this server. The latest REST API "
                f"version this server supports is {devops_locations.NEWEST}."
            )
            raise self.dialect.error(400, "VssVersionOutOfRangeException", text)
        if not preview and _number(number) > _number(found.released):
            text = (
                f'The requested version "{number}" of the resource is under preview. The -preview flag must be '
                f'supplied in the api-version for such requests. For example: "{number}-preview"'
            )
            raise self.dialect.error(400, "VssInvalidPreviewVersionException", text)

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
        ready = self.projects(organization)
        return next((one for one in ready if wanted.lower() in (one["id"], one["name"].lower())), None)

    def projects(self, organization: Body) -> list[Body]:
        """Those that are ready."""
        return [one for one in self.store.list(PROJECT, organization["id"] + "/") if one["state"] == "wellFormed"]

    def page(self, call: Call, rows: Sequence[Body], size: int) -> Response:
        """As many as $top asks for, from where continuationToken goes on; the header tells where the next page does."""
        start, top = whole_number(call, "continuationToken", 0), whole_number(call, "$top", size)
        more = {"X-MS-ContinuationToken": str(start + top)} if start + top < len(rows) else {}
        return answer(listed(rows[start : start + top]), headers=more)

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


def _version(call: Call) -> str:
    """In the query, or in the Accept header; empty where there is none."""
    accepted = re.search(r"api-version=([^;,\s]+)", call.headers.get("accept", ""))
    return call.query.get("api-version") or (accepted.group(1) if accepted else "")


def _number(version: str) -> float:
    """7.1 of "7.1"; 0 for what is none."""
    return float(version) if re.fullmatch(r"\d+(\.\d+)?", version) else 0


def listed(rows: Sequence[Body]) -> Body:
    return {"count": len(rows), "value": list(rows)}
