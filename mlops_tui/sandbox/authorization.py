"""Microsoft.Authorization: role definitions, role assignments, and whether somebody may do something.

Shapes and errors: Azure REST reference, Authorization 2022-04-01.
"""

from __future__ import annotations

import re
import uuid

from starlette.responses import Response

from mlops_tui.sandbox import clock, odata
from mlops_tui.sandbox.api import ApiError, Body, Call, Principal, answer, empty
from mlops_tui.sandbox.arm import ASSIGNMENT, Operation, ResourceProvider, is_within
from mlops_tui.sandbox.directory import Directory
from mlops_tui.sandbox.roles import BUILT_IN, BY_ID, Role, assignment

ROOT = "{scope}/providers/Microsoft.Authorization"
NAMESPACE = "Microsoft.Authorization"
OF_PRINCIPAL = re.compile(r"(?:assignedTo\('([^']+)'\)|principalId\s+eq\s+'?([^']+?)'?)", re.IGNORECASE)


class Authorization(ResourceProvider):
    """{scope}/providers/Microsoft.Authorization/…; `allows` is for every service."""

    def operations(self) -> list[Operation]:
        one = f"{ROOT}/roleAssignments/{{name}}"
        kind = f"{NAMESPACE}/roleAssignments"
        return [
            self.does("GET", f"{ROOT}/roleDefinitions", f"{NAMESPACE}/roleDefinitions/read", self.list_roles),
            self.does("GET", f"{ROOT}/roleDefinitions/{{id}}", f"{NAMESPACE}/roleDefinitions/read", self.role),
            self.does("GET", f"{ROOT}/roleAssignments", f"{kind}/read", self.list_assignments),
            self.does("GET", one, f"{kind}/read", self.show),
            self.does("PUT", one, f"{kind}/write", self.assign),
            self.does("DELETE", one, f"{kind}/delete", self.unassign),
            self.does("GET", f"{ROOT}/permissions", "", self.permissions),
        ]

    def allows(self, principal: Principal, action: str, scope: str) -> bool:
        """Whether one of the principal's roles, at the scope or above it, grants the action."""
        return any(role.allows(action) for role in self.roles_of(principal, scope))

    def allows_data(self, principal: Principal, action: str, scope: str) -> bool:
        """The same of a data action, which no role for the resource alone includes, not even Owner."""
        return any(role.allows_data(action) for role in self.roles_of(principal, scope))

    def roles_of(self, principal: Principal, scope: str) -> list[Role]:
        """The roles that the principal holds at the scope or above it."""
        mine = self._of_principal(principal.object_id)
        return [_role_of(one) for one in mine if is_within(scope, one["properties"]["scope"])]

    def sees(self, principal: Principal, scope: str) -> bool:
        """Whether the principal has any role at, above or below the scope."""
        mine = (one["properties"]["scope"] for one in self._of_principal(principal.object_id))
        return any(is_within(scope, at) or is_within(at, scope) for at in mine)

    def require(self, principal: Principal, action: str, scope: str) -> None:
        """Raises AuthorizationFailed (403) where `allows` says no."""
        if not self.allows(principal, action, scope):
            raise self.forbidden(principal, action, scope)

    def forbidden(self, principal: Principal, action: str, scope: str) -> ApiError:
        message = (
            f"The client '{principal.name}' with object id '{principal.object_id}' does not have authorization to "
            f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials."
        )
        return self.dialect.error(403, "AuthorizationFailed", message)

    def forget_scope(self, scope: str) -> None:
        """Remove the assignments at or under a scope that is no more."""
        for key, one in self.store.items(ASSIGNMENT):
            if is_within(one["properties"]["scope"], scope):
                self.store.delete(ASSIGNMENT, key)

    def _of_principal(self, object_id: str) -> list[Body]:
        wanted = object_id.lower()
        return [one for one in self.store.list(ASSIGNMENT) if one["properties"]["principalId"].lower() == wanted]

    def list_roles(self, call: Call) -> Body:
        """$filter knows roleName, type and atScopeAndBelow(), as in Azure."""
        text = re.sub(r"(\s+and\s+)?atScopeAndBelow\(\)(\s+and\s+)?", "", call.query.get("$filter", ""))
        flat = [{"roleName": role.name, "type": "BuiltInRole", "role": role} for role in BUILT_IN]
        try:
            chosen = odata.matching(flat, text)
        except odata.FilterError as error:
            raise self._unsupported(str(error)) from error
        return {"value": [_definition(one["role"], call.params["scope"]) for one in chosen]}

    def role(self, call: Call) -> Body:
        role = BY_ID.get(call.params["id"].lower())
        if role is None:
            raise self._no_role(404, call.params["id"])
        return _definition(role, call.params["scope"])

    def list_assignments(self, call: Call) -> Body:
        """Those at the scope, above it and (without atScope()) below it; of a principal, where the $filter says so."""
        scope, text = call.params["scope"], call.query.get("$filter", "").strip()
        at_scope, principal_id = self._assignment_filter(text)
        found = []
        for one in self.store.list(ASSIGNMENT):
            at = one["properties"]["scope"]
            if not is_within(scope, at) and (at_scope or not is_within(at, scope)):
                continue
            if principal_id in ("", one["properties"]["principalId"].lower()):
                found.append(one)
        return {"value": found}

    def _assignment_filter(self, text: str) -> tuple[bool, str]:
        """Whether atScope() was asked, and whose assignments. Raises UnsupportedFilter on anything else."""
        at_scope, principal_id = False, ""
        for clause in re.split(r"\s+and\s+", text) if text else []:
            if clause.lower() == "atscope()":
                at_scope = True
            elif found := OF_PRINCIPAL.fullmatch(clause):
                principal_id = (found[1] or found[2]).lower()
            else:
                raise self._unsupported(f"The filter '{clause}' is not supported.")
        return at_scope, principal_id

    def _unsupported(self, why: str) -> ApiError:
        message = f"{why} Supported filters are 'atScope()', 'principalId eq '{{id}}'' and 'assignedTo('{{id}}')'."
        return self.dialect.error(400, "UnsupportedFilter", message)

    def _key(self, call: Call) -> str:
        return f"{call.params['scope']}/providers/{NAMESPACE}/roleAssignments/{call.params['name']}".lower()

    def show(self, call: Call) -> Body:
        found = self.store.get(ASSIGNMENT, self._key(call))
        if found is None:
            message = f"The role assignment '{call.params['name']}' is not found."
            raise self.dialect.error(404, "RoleAssignmentNotFound", message)
        return found

    def assign(self, call: Call) -> Response:
        """201 for a new one, 200 for the same again; everything that Azure refuses is refused."""
        wanted = call.json().get("properties") or {}
        role_id, principal_id, kind = self._checked(call, wanted)
        with self.store.transaction():
            made = assignment(
                call.params["scope"], call.params["name"].lower(), principal_id, kind, role_id, call.caller.object_id
            )
            made["properties"] |= {key: wanted[key] for key in ("description", "condition") if key in wanted}
            if kept := self.store.get(ASSIGNMENT, self._key(call)):
                return self._assign_again(kept, made)
            for one in self._of_principal(principal_id):
                if _role_of(one).id == role_id and one["properties"]["scope"].lower() == call.params["scope"].lower():
                    raise self._exists(one["name"])
            self.store.put(ASSIGNMENT, self._key(call), made)
        return answer(made, 201)

    def _assign_again(self, kept: Body, made: Body) -> Response:
        """Only the description may change."""
        fixed = ("principalId", "roleDefinitionId", "scope")
        if any(kept["properties"][name].lower() != made["properties"][name].lower() for name in fixed):
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise self.dialect.error(400, "RoleAssignmentUpdateNotPermitted", message)
        kept["properties"] |= {"description": made["properties"]["description"], "updatedOn": clock.now()}
        self.store.put(ASSIGNMENT, kept["id"].lower(), kept)
        return answer(kept)

    def _exists(self, name: str) -> ApiError:
        message = "The role assignment already exists. The ID of the existing role assignment is "
        return self.dialect.error(409, "RoleAssignmentExists", f"{message}{name.replace('-', '')}.")

    def _checked(self, call: Call, wanted: Body) -> tuple[str, str, str]:
        """Role, principal and the principal's kind of a wanted assignment."""
        name = call.params["name"]
        if not _is_guid(name):
            message = f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
            raise self.dialect.error(400, "InvalidRoleAssignmentId", message)
        if not wanted.get("roleDefinitionId") or not wanted.get("principalId"):
            message = "The content of your request was not valid, and the original object could not be deserialized."
            raise self.dialect.error(400, "InvalidCreateRoleAssignmentRequest", message)
        role_id = str(wanted["roleDefinitionId"]).rsplit("/", 1)[-1].lower()
        if role_id not in BY_ID:
            raise self._no_role(400, role_id)
        principal_id = str(wanted["principalId"])
        principal = Directory(self.store).principal(principal_id)
        if principal is None:
            raise self._no_principal(principal_id)
        kind = "User" if principal.is_user else "ServicePrincipal"
        if wanted.get("principalType") not in (None, "", kind):
            message = (
                f"The PrincipalId '{principal_id.replace('-', '')}' has type '{kind}' , which is different from "
                f"specified PrinciaplType '{wanted['principalType']}'."
            )
            raise self.dialect.error(400, "UnmatchedPrincipalType", message)
        return role_id, principal.object_id, kind

    def _no_role(self, status: int, role_id: str) -> ApiError:
        message = f"The specified role definition with ID '{role_id.replace('-', '')}' does not exist."
        return self.dialect.error(status, "RoleDefinitionDoesNotExist", message)

    def _no_principal(self, principal_id: str) -> ApiError:
        message = (
            f"Principal {principal_id.replace('-', '')} does not exist in the directory {self.sandbox.tenant_id}. "
            "Check that you have the correct principal ID. If you are creating this principal and then immediately "
            "assigning a role, this error might be related to a replication delay. In this case, set the role "
            "assignment principalType property to a value, such as ServicePrincipal, User, or Group. See "
            "https://aka.ms/docs-principaltype"
        )
        return self.dialect.error(400, "PrincipalNotFound", message)

    def unassign(self, call: Call) -> Response:
        """What was removed, or 204 where there was nothing."""
        gone = self.store.delete(ASSIGNMENT, self._key(call))
        return answer(gone) if gone else empty(204)

    def permissions(self, call: Call) -> Body:
        """What the caller may do at the scope; nobody needs a permission to ask that."""
        roles = self.roles_of(call.caller, call.params["scope"])
        return {"value": [permission for role in roles for permission in role.permissions()]}


def _role_of(one: Body) -> Role:
    return BY_ID[one["properties"]["roleDefinitionId"].rsplit("/", 1)[-1].lower()]


def _definition(role: Role, scope: str) -> Body:
    """As seen from a scope; the id names the subscription, whatever lies below it."""
    subscription = "/".join(scope.split("/")[:3])
    return {
        "id": f"{subscription}/providers/{NAMESPACE}/roleDefinitions/{role.id}",
        "name": role.id,
        "type": f"{NAMESPACE}/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": role.permissions(),
            "createdOn": "2015-02-02T21:55:09.8806423Z",
            "updatedOn": "2023-07-10T15:10:53.8848766Z",
            "createdBy": None,
            "updatedBy": None,
        },
    }


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
