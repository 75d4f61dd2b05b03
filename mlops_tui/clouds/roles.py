"""Roles on Azure resources: who has which, who may do what."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass
from typing import Any

from mlops_tui.clouds.arm import Arm
from mlops_tui.clouds.translate import lacking, speaking_of
from mlops_tui.errors import ConflictError, ForbiddenError, NotFoundError, UsageError

PERMISSIONS_VERSION = "2022-04-01"


@dataclass(frozen=True)
class RoleAssignment:
    id: str
    scope: str
    role_definition_id: str
    principal_id: str


@dataclass(frozen=True)
class RoleDefinition:
    name: str  # "Contributor"
    description: str


class Roles:
    """Azure Resource Manager, Microsoft.Authorization 2022-04-01."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._lock = threading.Lock()
        self._definitions: dict[tuple[str, str], str] = {}  # ids of roles do not change
        self._granted: dict[str, list[dict[str, Any]]] = {}  # by scope; asked again where they do not suffice

    def definition_id(self, subscription_id: str, role: str) -> str:
        """The id of a role by its name ("Contributor"). Raises UsageError where there is none of that name."""
        with self._lock:
            if known := self._definitions.get((subscription_id, role)):
                return known
        scope = f"/subscriptions/{subscription_id}"
        quoted = role.replace("'", "''")
        with speaking_of(f"the role {role}"):
            definitions = self._arm.authorization(subscription_id).role_definitions
            found = [one.id for one in definitions.list(scope, filter=f"roleName eq '{quoted}'") if one.id]
        if not found:
            raise UsageError(
                f"There is no role named {role!r}.",
                hint="Choose one that `az role definition list --query '[].roleName'` lists: service_principal.role.",
            )
        with self._lock:
            return self._definitions.setdefault((subscription_id, role), str(found[0]))

    def definitions(self, subscription_id: str, action: str) -> tuple[RoleDefinition, ...]:
        """Roles that can be given in the subscription and that grant the action."""
        scope = f"/subscriptions/{subscription_id}"
        with speaking_of("the list of roles"):
            found = list(self._arm.authorization(subscription_id).role_definitions.list(scope))
        return tuple(
            RoleDefinition(one.role_name or "", one.description or "")
            for one in found
            if any(
                _covered(action, each.actions or []) and not _covered(action, each.not_actions or [])
                for each in one.permissions or []
            )
        )

    def find(self, subscription_id: str, scope: str, principal_id: str, role: str) -> RoleAssignment | None:
        """The assignment at exactly that scope, whoever made it: one that is inherited is a wider right."""
        with speaking_of(f"the role assignments on {scope}"):
            assignments = self._arm.authorization(subscription_id).role_assignments
            found = list(assignments.list_for_scope(scope, filter=f"principalId eq '{principal_id}'"))
        wanted = _last(self.definition_id(subscription_id, role))
        for one in found:
            if _last(one.role_definition_id or "") == wanted and (one.scope or "").lower() == scope.lower():
                return RoleAssignment(one.id or "", one.scope or scope, one.role_definition_id or "", principal_id)
        return None

    def assign(self, subscription_id: str, scope: str, principal_id: str, role: str) -> bool:
        """Give a service principal a role; False where it has it already.

        The assignment's name follows from scope, role and principal, so that no repeat can make a second one. Raises
        NotFoundError while Resource Manager has not heard of a new principal yet.
        """
        from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

        definition_id = self.definition_id(subscription_id, role)
        body = RoleAssignmentCreateParameters(
            role_definition_id=definition_id,
            principal_id=principal_id,
            principal_type="ServicePrincipal",  # spares the look-up that fails while the directory replicates
        )
        name = assignment_name(scope, principal_id, definition_id)
        try:
            with speaking_of(f"the role assignment {role}"):
                assignments = self._arm.authorization(subscription_id).role_assignments
                assignments.create(scope, name, body)
        except ConflictError as error:
            if error.code != "RoleAssignmentExists":
                raise
            return False
        return True

    def is_ours(self, assignment: RoleAssignment) -> bool:
        """Whether `assign` made it: nobody else hits upon that name."""
        name = assignment_name(assignment.scope, assignment.principal_id, assignment.role_definition_id)
        return _last(assignment.id) == name

    def remove(self, subscription_id: str, assignment: RoleAssignment) -> None:
        """Safe to repeat."""
        try:
            with speaking_of("the role assignment"):
                self._arm.authorization(subscription_id).role_assignments.delete_by_id(assignment.id)
        except NotFoundError:
            return

    def allows(self, subscription_id: str, scope: str, action: str, *, data: bool = False) -> bool:
        """Whether the caller's roles at the scope, inherited ones too, grant the action.

        An action on `data` is one on what the resource holds: a role says so apart, and Owner does not.
        """
        grant = _grant_data if data else _grant
        with self._lock:
            known = self._granted.get(scope, [])
        if grant(known, action):
            return True
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        try:
            with speaking_of(f"the permissions on {scope}"):
                permissions = self._arm.list(subscription_id, path, PERMISSIONS_VERSION)
        except ForbiddenError:
            return False  # whoever may not even read them has no role there
        with self._lock:
            self._granted[scope] = permissions
        return grant(permissions, action)

    def require(self, subscription_id: str, scope: str, action: str, what: str) -> None:
        """Raises ForbiddenError, which says who must give which role, where the caller lacks the right."""
        if not self.allows(subscription_id, scope, action):
            caller = self._arm.identity.caller()
            raise lacking(what, action, scope, caller.object_id, code="AuthorizationFailed")


def assignment_name(scope: str, principal_id: str, definition_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}|{principal_id}|{_last(definition_id)}".lower()))


def _grant(permissions: list[dict[str, Any]], action: str) -> bool:
    return any(
        _covered(action, one.get("actions", [])) and not _covered(action, one.get("notActions", []))
        for one in permissions
    )


def _grant_data(permissions: list[dict[str, Any]], action: str) -> bool:
    return any(
        _covered(action, one.get("dataActions", [])) and not _covered(action, one.get("notDataActions", []))
        for one in permissions
    )


def _covered(action: str, patterns: list[str]) -> bool:
    """`*` stands for any characters, slashes too; case does not matter."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE) for pattern in patterns
    )


def _last(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2].lower()
