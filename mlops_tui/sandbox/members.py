"""Who may use the Databricks workspace, and their personal access tokens."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS

KIND = "personal-token"


class Members(Service):
    """Sign-in to the workspace and /api/2.0/token/…"""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/api/2.0/token/create", self.create),
            self.on("GET", "/api/2.0/token/list", self.list),
            self.on("POST", "/api/2.0/token/delete", self.delete),
        ]

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
        return self.sandbox.tokens.verify(
            token, audiences, lambda why: call.dialect.error(403, "PERMISSION_DENIED", f"Invalid access token. {why}")
        )

    def _by_personal_token(self, token: str) -> Principal:
        kept = self.store.get(KIND, _digest(token))
        if kept is None or (kept["expiry_time"] != -1 and kept["expiry_time"] < time.time() * 1000):
            raise self.dialect.error(403, "PERMISSION_DENIED", "Invalid access token.")
        return Principal(**kept["owner"])

    def create(self, call: Call) -> Body:
        wanted = call.json()
        seconds = int(wanted.get("lifetime_seconds") or 0)
        return self.issue(call.caller, str(wanted.get("comment", "")), seconds)

    def issue(self, owner: Principal, comment: str, seconds: int) -> Body:
        """A new token; its value is in this answer and nowhere else, the store keeps a digest."""
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

    def list(self, call: Call) -> Body:
        mine = [kept for kept in self.store.list(KIND) if kept["owner"]["object_id"] == call.caller.object_id]
        return {"token_infos": [{k: v for k, v in kept.items() if k != "owner"} for kept in mine]}

    def delete(self, call: Call) -> Body:
        token_id = call.need("token_id")
        for key, kept in self.store.items(KIND):
            if kept["token_id"] == token_id and kept["owner"]["object_id"] == call.caller.object_id:
                self.store.delete(KIND, key)
                return {}
        raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Token with id {token_id} does not exist.")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _password_of(basic: str) -> str:
    import base64
    import binascii

    try:
        return base64.b64decode(basic).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
