"""Who may use the Databricks workspace, and their personal access tokens (Databricks REST reference, Token 2.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS, OPEN
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.roster import Roster

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "personal-token"
TOKENS_EACH = 600  # unexpired personal access tokens that one member may have
ADMIN_ACTION = "Microsoft.Databricks/workspaces/write"  # who may do this to the resource is an admin inside it

UNREADY = ("Creating", "Failed", "Deleting")  # states of the resource in which nobody gets in


class Members(Service):
    """Sign-in to the workspace, /api/2.0/token/… and what the SDK asks of every host first."""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.roster = Roster(self.store)

    def routes(self) -> list[Endpoint]:
        return [
            self.on("GET", "/.well-known/databricks-config", self.describe_host, OPEN),
            self.on("POST", "/api/2.0/token/create", self.create),
            self.on("GET", "/api/2.0/token/list", self.list_tokens),
            self.on("POST", "/api/2.0/token/delete", self.delete),
        ]

    def describe_host(self, call: Call) -> Body:
        """What a Databricks host says of itself to anybody (read by every SDK client when it is made)."""
        workspace = self.workspace()
        number = workspace["properties"]["workspaceId"] if workspace else None
        return {"cloud": "Azure", "host_type": "workspace"} | ({"workspace_id": number} if number else {})

    def workspace(self) -> Body | None:
        """The workspace's Azure resource; None where there is none, or it is not ready yet."""
        from mlops_tui.sandbox.databricks_resource import workspace
        from mlops_tui.sandbox.long_running import LongRunning

        found = workspace(self.store)
        if found and found["properties"]["provisioningState"] in UNREADY:
            self.sandbox.find(LongRunning).settle()  # its time may have come without anybody asking
            found = workspace(self.store)
        return found if found and found["properties"]["provisioningState"] not in UNREADY else None

    def is_admin(self, principal: Principal) -> bool:
        """Whether the principal is a workspace admin."""
        return self.roster.is_admin(principal.name)

    def require_admin(self, call: Call, action: str) -> None:
        """Raises ApiError (403) unless the caller is an admin; `action` completes "Only admins can …"."""
        if not self.is_admin(call.caller):
            raise call.dialect.error(403, "PERMISSION_DENIED", f"Only workspace admins can {action}.")

    def sign_in(self, call: Call) -> Principal:
        """By an Entra token for Databricks or a personal access token; 401 or 403 as the workspace answers."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            token = _password_of(token)
        if not token:
            raise ApiError(401, {"error_code": "UNAUTHENTICATED", "message": "Credential was not sent."})
        if token.startswith("dapi"):
            return self._by_personal_token(token)
        audiences = self.sandbox.audiences.databricks
        principal = self.sandbox.tokens.verify(
            token, audiences, lambda why: call.dialect.error(403, "PERMISSION_DENIED", f"Invalid access token. {why}")
        )
        self._let_in(principal, call)
        return principal

    def _by_personal_token(self, token: str) -> Principal:
        kept = self.store.get(KIND, _digest(token))
        if kept is None or _expired(kept):
            raise self.dialect.error(403, "PERMISSION_DENIED", "Invalid access token.")
        owner = Principal(**kept["owner"])
        member = self.roster.find(owner.name)
        if member is None or not member["active"]:
            raise self.dialect.error(403, "PERMISSION_DENIED", "User not authorized.")
        return owner

    def _let_in(self, principal: Principal, call: Call) -> None:
        """A member gets in; so does who may write the Azure resource, and is an admin from then on, as on Azure."""
        workspace = self.workspace()
        if workspace is None:
            message = f"Invalid access to Org: 0. There is no Azure Databricks workspace at {self.sandbox.origin}."
            raise self.dialect.error(403, "PERMISSION_DENIED", message)
        number = workspace["properties"]["workspaceId"]
        wanted = call.headers.get("x-databricks-azure-workspace-resource-id", "")
        if wanted and wanted.rstrip("/").lower() != workspace["id"].lower():
            raise self.dialect.error(403, "PERMISSION_DENIED", f"Invalid access to Org: {number}")
        member = self.roster.find(principal.name)
        if member and member["active"]:
            return
        if member or not self._manages(principal, workspace["id"]):
            raise self.dialect.error(403, "PERMISSION_DENIED", f"Unauthorized access to workspace: {number}")
        self.welcome(principal, admin=True)

    def _manages(self, principal: Principal, resource_id: str) -> bool:
        from mlops_tui.sandbox.authorization import Authorization

        return self.sandbox.find(Authorization).allows(principal, ADMIN_ACTION, resource_id)

    def welcome(self, principal: Principal, admin: bool = False) -> Body:
        """Make the principal a member, with a home folder; the workspace's first member is an admin in any case."""
        from mlops_tui.sandbox.workspace_files import WorkspaceFiles

        with self.store.transaction():
            first = not self.roster.members()
            member = self.roster.add(
                principal.name, principal.display_name, principal.is_user, external_id=principal.object_id
            )
            if admin or first:
                self.roster.make_admin(member)
        self.sandbox.find(WorkspaceFiles).make_home(principal.name)
        return member

    def create(self, call: Call) -> Body:
        wanted = call.json()
        seconds = whole_number(call, "lifetime_seconds", 0)
        if seconds < 0:
            raise call.dialect.malformed("lifetime_seconds must be positive.")
        if sum(not _expired(kept) for _, kept in self._of(call.caller)) >= TOKENS_EACH:
            message = f"The quota of {TOKENS_EACH} personal access tokens for {call.caller.name} has been reached."
            raise call.dialect.error(400, "QUOTA_EXCEEDED", message)
        return self.issue(call.caller, str(wanted.get("comment", "")), seconds)

    def issue(self, owner: Principal, comment: str, seconds: int) -> Body:
        """A new token; its value is in this answer and nowhere else, the store keeps a digest.

        0 seconds is no end. The first owner of a token in an empty workspace becomes its first member, thus an admin;
        later, the token of somebody who is no member opens nothing.
        """
        if not self.roster.members():
            self.welcome(owner)
        value = "dapi" + secrets.token_hex(16)
        now = int(time.time() * 1000)
        info: dict[str, Any] = {
            "token_id": secrets.token_hex(32),
            "creation_time": now,
            "expiry_time": now + seconds * 1000 if seconds else -1,
            "comment": comment,
        }
        self.store.insert(KIND, _digest(value), info | {"owner": vars(owner)})
        return {"token_value": value, "token_info": info}

    def list_tokens(self, call: Call) -> Body:
        return {"token_infos": [_info(kept) for _, kept in self._of(call.caller)]}

    def delete(self, call: Call) -> Body:
        token_id = call.need("token_id")
        for key, kept in self._of(call.caller):
            if kept["token_id"] == token_id:
                self.store.delete(KIND, key)
                return {}
        raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Token with id {token_id} does not exist.")

    def revoke_all(self, name: str) -> None:
        """Every token of a member who left."""
        for key, kept in self.store.items(KIND):
            if kept["owner"]["name"].lower() == name.lower():
                self.store.delete(KIND, key)

    def _of(self, owner: Principal) -> list[tuple[str, Body]]:
        return [(key, kept) for key, kept in self.store.items(KIND) if kept["owner"]["object_id"] == owner.object_id]

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)
        self.roster.forget()


def _expired(kept: Body) -> bool:
    return bool(kept["expiry_time"] != -1 and kept["expiry_time"] < time.time() * 1000)


def _info(kept: Body) -> Body:
    return {name: value for name, value in kept.items() if name != "owner"}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _password_of(basic: str) -> str:
    try:
        return base64.b64decode(basic).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
