"""Who may do what with a secret scope: MANAGE includes WRITE, WRITE includes READ; workspace admins may do all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.roster import ADMINS

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

LEVELS = ("READ", "WRITE", "MANAGE")  # each includes those before it


class SecretAcls:
    """Reads and changes the `acls` of a scope's document ({principal: level}); the caller stores it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def allow(self, principal: Principal, scope: Body, level: str) -> bool:
        """Whether the principal has the level, by its own name, by a group, or as an admin."""
        groups = self._sandbox.members.roster.groups_of(principal.name)
        if ADMINS in groups:
            return True
        mine = {principal.name.lower()} | {name.lower() for name in groups}
        held = [LEVELS.index(given) for name, given in scope["acls"].items() if name.lower() in mine]
        return max(held, default=-1) >= LEVELS.index(level)

    def with_entry(self, scope: Body, principal: str, permission: str) -> Body:
        """The scope with that entry, new or in place of the old; raises ApiError (400, 404)."""
        if permission not in LEVELS:
            raise DATABRICKS.malformed(f"Permission {permission} is not one of {', '.join(LEVELS)}.")
        if not self._sandbox.members.roster.knows(principal):
            raise DATABRICKS.error(404, "RESOURCE_DOES_NOT_EXIST", f"User or Group {principal} does not exist.")
        return scope | {"acls": scope["acls"] | {principal: permission}}

    def without_entry(self, scope: Body, principal: str) -> Body:
        self.entry(scope, principal)
        return scope | {"acls": {name: level for name, level in scope["acls"].items() if name != principal}}

    def entry(self, scope: Body, principal: str) -> Body:
        """Raises ApiError (404) where the principal has none of its own."""
        if principal not in scope["acls"]:
            message = f"Unable to find permission for {principal} in scope {scope['name']}."
            raise DATABRICKS.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        return {"principal": principal, "permission": scope["acls"][principal]}
