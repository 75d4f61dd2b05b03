"""Users, service principals and groups of the workspace, as SCIM has them (RFC 7644; Databricks' workspace SCIM)."""

from __future__ import annotations

import uuid

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal, Service, answer, empty
from mlops_tui.sandbox.dialects import DatabricksDialect
from mlops_tui.sandbox.roster import ADMINS, USERS, Roster
from mlops_tui.sandbox.scim_resources import (
    ScimError,
    change,
    group_resource,
    listing,
    matches,
    member_resource,
    values_of,
)

ROOT = "/api/2.0/preview/scim/v2"
ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimDialect(DatabricksDialect):
    """The workspace's sign-in, with errors in SCIM's form."""

    def error(self, status: int, code: str, message: str) -> ApiError:
        return ApiError(status, {"schemas": [ERROR_SCHEMA], "detail": message, "status": str(status)})


SCIM = ScimDialect()


class Scim(Service):
    """/api/2.0/preview/scim/v2/…: anybody in the workspace may look, admins may change."""

    dialect = SCIM

    @property
    def roster(self) -> Roster:
        return self.sandbox.members.roster

    def routes(self) -> list[Endpoint]:
        routes = [self.on("GET", f"{ROOT}/Me", self.me)]
        for kind, is_user in (("Users", True), ("ServicePrincipals", False)):
            members = MemberEndpoints(self, kind, is_user)
            routes += [
                self.on("GET", f"{ROOT}/{kind}", members.list),
                self.on("POST", f"{ROOT}/{kind}", members.create),
                self.on("GET", f"{ROOT}/{kind}/{{id}}", members.get),
                self.on("PATCH", f"{ROOT}/{kind}/{{id}}", members.patch),
                self.on("PUT", f"{ROOT}/{kind}/{{id}}", members.replace),
                self.on("DELETE", f"{ROOT}/{kind}/{{id}}", members.delete),
            ]
        return [
            *routes,
            self.on("GET", f"{ROOT}/Groups", self.list_groups),
            self.on("POST", f"{ROOT}/Groups", self.create_group),
            self.on("GET", f"{ROOT}/Groups/{{id}}", self.get_group),
            self.on("PATCH", f"{ROOT}/Groups/{{id}}", self.patch_group),
            self.on("DELETE", f"{ROOT}/Groups/{{id}}", self.delete_group),
        ]

    def me(self, call: Call) -> Response:
        member = self.roster.find(call.caller.name)
        workspace = self.sandbox.members.workspace()
        number = str(workspace["properties"].get("workspaceId", "0")) if workspace else "0"
        assert member is not None  # sign-in saw to it
        # A service principal's userName is its application id here, which is how clients know its home folder.
        me = member_resource(member, self.roster) | {"userName": member["name"]}
        return answer(me, headers={"X-Databricks-Org-Id": number})

    def list_groups(self, call: Call) -> Body:
        return _listing(call, [group_resource(one, self.roster) for one in self.roster.groups()])

    def create_group(self, call: Call) -> Response:
        self.sandbox.members.require_admin(call, "create groups")
        wanted = call.json()
        name = str(call.need("displayName"))
        if self.roster.group(name):
            raise SCIM.error(409, "", f"Group with name {name} already exists.")
        group = self.roster.add_group(name, values_of(wanted.get("members", [])))
        return answer(group_resource(group, self.roster), 201)

    def get_group(self, call: Call) -> Body:
        return group_resource(self._group(call), self.roster)

    def patch_group(self, call: Call) -> Response:
        self.sandbox.members.require_admin(call, "change groups")
        group = self._group(call)
        if group["display_name"] == USERS:
            raise SCIM.error(400, "", "The membership of the group users follows from who is in the workspace.")
        changed = _changed(group_resource(group, self.roster), call)
        members = values_of(changed.get("members", []))
        known = {one["id"] for one in (*self.roster.members(), *self.roster.groups())}
        if unknown := [one for one in members if one not in known]:
            raise SCIM.error(404, "", f"No user, service principal or group with id {unknown[0]} found.")
        self.roster.save_group(group | {"members": members, "display_name": changed["displayName"]})
        return empty(204)

    def delete_group(self, call: Call) -> Response:
        self.sandbox.members.require_admin(call, "delete groups")
        group = self._group(call)
        if group["display_name"] in (ADMINS, USERS):
            raise SCIM.error(400, "", f"The group {group['display_name']} is built in and cannot be deleted.")
        self.roster.remove_group(group["id"])
        return empty(204)

    def _group(self, call: Call) -> Body:
        wanted = call.params["id"]
        group = next((one for one in self.roster.groups() if one["id"] == wanted), None)
        if group is None:
            raise SCIM.error(404, "", f"Group with id {wanted} not found.")
        return group


class MemberEndpoints:
    """Users or service principals: the same calls, another name for the name."""

    def __init__(self, scim: Scim, kind: str, is_user: bool) -> None:
        self.scim = scim
        self.is_user = is_user
        self.noun = "User" if is_user else "ServicePrincipal"
        self.plural = "users" if is_user else "service principals"

    @property
    def roster(self) -> Roster:
        return self.scim.roster

    def list(self, call: Call) -> Body:
        return _listing(call, [member_resource(one, self.roster) for one in self.roster.members(self.is_user)])

    def create(self, call: Call) -> Response:
        self.scim.sandbox.members.require_admin(call, f"add {self.plural}")
        wanted = call.json()
        name = str(call.need("userName")) if self.is_user else _application_id(wanted)
        if self.roster.find(name):
            raise SCIM.error(409, "", f"{self.noun} with name {name} already exists.")
        display_name = str(wanted.get("displayName") or name)
        object_id = str(wanted.get("externalId") or "")
        member = self.scim.sandbox.members.welcome(Principal(object_id, name, display_name, self.is_user))
        member |= {"entitlements": values_of(wanted.get("entitlements", [])), "active": wanted.get("active", True)}
        self.roster.save(member)
        for group_id in values_of(wanted.get("groups", [])):
            for group in self.roster.groups():
                if group["id"] == group_id:
                    self.roster.save_group(group | {"members": [*group["members"], member["id"]]})
        return answer(member_resource(member, self.roster), 201)

    def get(self, call: Call) -> Body:
        return member_resource(self._member(call), self.roster)

    def patch(self, call: Call) -> Response:
        self.scim.sandbox.members.require_admin(call, f"change {self.plural}")
        member = self._member(call)
        self._save(member, _changed(member_resource(member, self.roster), call))
        return empty(204)

    def replace(self, call: Call) -> Body:
        self.scim.sandbox.members.require_admin(call, f"change {self.plural}")
        member = self._member(call)
        self._save(member, member_resource(member, self.roster) | call.json())
        return member_resource(self._member(call), self.roster)

    def _save(self, member: Body, resource: Body) -> None:
        member["display_name"] = resource.get("displayName", member["display_name"])
        member["active"] = bool(resource.get("active", True))
        member["entitlements"] = values_of(resource.get("entitlements", []))
        self.roster.save(member)

    def delete(self, call: Call) -> Response:
        self.scim.sandbox.members.require_admin(call, f"remove {self.plural}")
        member = self._member(call)
        if member["name"].lower() == call.caller.name.lower():
            raise SCIM.error(400, "", "You cannot remove yourself from the workspace.")
        self.roster.remove(member)
        self.scim.sandbox.members.revoke_all(member["name"])
        return empty(204)

    def _member(self, call: Call) -> Body:
        member = self.roster.by_id(call.params["id"])
        if member is None or member["is_user"] != self.is_user:
            raise SCIM.error(404, "", f"{self.noun} with id {call.params['id']} not found.")
        return member


def _application_id(wanted: Body) -> str:
    """The Entra application's id; where none is given, Databricks makes a principal of its own."""
    given = str(wanted.get("applicationId") or uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        raise SCIM.error(400, "", f"Application ID {given} is not a valid UUID.") from error


def _listing(call: Call, resources: list[Body]) -> Body:
    try:
        kept = [one for one in resources if matches(one, call.query.get("filter", ""))]
        return listing(kept, int(call.query.get("startIndex", "1")), int(call.query.get("count", "100")))
    except ValueError as error:
        raise SCIM.error(400, "", str(error)) from error


def _changed(resource: Body, call: Call) -> Body:
    try:
        return change(resource, call.json().get("Operations", []))
    except ScimError as error:
        raise SCIM.error(400, "", str(error)) from error
