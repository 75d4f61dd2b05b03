"""The directory of the one tenant: users, applications, service principals and the secrets of applications.

Documents of the store, in the shapes of Microsoft Graph 1.0: "user", "application" and "service-principal" by object
id, "federated-credential" by "{application's object id}/{id}". Of a client secret the store keeps a salted hash
("client-secret", by "{application's object id}/{keyId}"); its value is in the answer that made it and nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Principal

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

Entity = dict[str, Any]
USER, APPLICATION, SERVICE_PRINCIPAL = "user", "application", "service-principal"
CLIENT_SECRET, FEDERATED = "client-secret", "federated-credential"  # kinds of documents, not credentials
SECRET_YEARS = 2  # unless the maker asks for less or more
ALPHABET = string.ascii_letters + string.digits + "_.-~"


class Directory:
    """Reads and writes those documents. Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def application_of(self, app_id: str) -> Entity | None:
        """The application with that application (client) id."""
        return self._first(APPLICATION, app_id)

    def service_principal_of(self, app_id: str) -> Entity | None:
        return self._first(SERVICE_PRINCIPAL, app_id)

    def _first(self, kind: str, app_id: str) -> Entity | None:
        return next((one for one in self.store.list(kind) if one["appId"] == app_id.lower()), None)

    def find(self, object_id: str) -> tuple[str, Entity] | None:
        """Kind and entity of any object of the directory."""
        for kind in (SERVICE_PRINCIPAL, USER, APPLICATION):
            if entity := self.store.get(kind, object_id.lower()):
                return kind, entity
        return None

    def principal(self, object_id: str) -> Principal | None:
        """Whom a role can be assigned to; None for an application or an unknown id."""
        kind, entity = self.find(object_id) or ("", {})
        if kind == USER:
            return Principal(entity["id"], entity["userPrincipalName"], entity["displayName"], is_user=True)
        if kind == SERVICE_PRINCIPAL:
            app_id = entity["appId"]
            return Principal(entity["id"], app_id, entity["displayName"], is_user=False, app_id=app_id)
        return None

    def register_application(self, wanted: Entity, object_id: str = "", app_id: str = "") -> Entity:
        """A new application; ids are given only to the sandbox's own."""
        application: Entity = {
            "id": object_id or str(uuid.uuid4()),
            "appId": app_id or str(uuid.uuid4()),
            "createdDateTime": clock.now(),
            "displayName": None,
            "signInAudience": "AzureADMyOrg",
            "identifierUris": [],
            "isFallbackPublicClient": None,
            "notes": None,
            "tags": [],
            **wanted,
            "passwordCredentials": [],
            "keyCredentials": [],
        }
        self.store.insert(APPLICATION, application["id"], application)
        return application

    def add_service_principal(self, application: Entity, tenant_id: str, object_id: str = "") -> Entity:
        principal: Entity = {
            "id": object_id or str(uuid.uuid4()),
            "appId": application["appId"],
            "appDisplayName": application["displayName"],
            "displayName": application["displayName"],
            "accountEnabled": True,
            "appOwnerOrganizationId": tenant_id,
            "createdDateTime": clock.now(),
            "servicePrincipalNames": [application["appId"], *application["identifierUris"]],
            "servicePrincipalType": "Application",
            "signInAudience": application["signInAudience"],
            "tags": [],
        }
        self.store.insert(SERVICE_PRINCIPAL, principal["id"], principal)
        return principal

    def remove_application(self, application: Entity) -> None:
        """With its service principal, its secrets and its federated credentials; role assignments stay, orphaned."""
        with self.store.transaction():
            self.store.delete(APPLICATION, application["id"])
            if principal := self.service_principal_of(application["appId"]):
                self.store.delete(SERVICE_PRINCIPAL, principal["id"])
            for kind in (CLIENT_SECRET, FEDERATED):
                for key, _ in self.store.items(kind, application["id"] + "/"):
                    self.store.delete(kind, key)

    def add_secret(self, application: Entity, name: str | None, start: datetime, end: datetime) -> Entity:
        """A passwordCredential with its secretText, which is never to be had again."""
        value = _new_secret()
        salt = secrets.token_hex(16)
        shown: Entity = {
            "customKeyIdentifier": None,
            "displayName": name,
            "endDateTime": clock.text(end),
            "hint": value[:3],
            "keyId": str(uuid.uuid4()),
            "secretText": None,
            "startDateTime": clock.text(start),
        }
        with self.store.transaction():
            # Read again under the lock: two secrets made at once must both be kept.
            fresh = self.store.get(APPLICATION, application["id"]) or application
            fresh["passwordCredentials"].append(shown)
            self.store.put(APPLICATION, fresh["id"], fresh)
            kept = {"salt": salt, "digest": _digest(salt, value)}
            self.store.put(CLIENT_SECRET, f"{fresh['id']}/{shown['keyId']}", kept)
        return shown | {"secretText": value}

    def remove_secret(self, application: Entity, key_id: str) -> bool:
        """False where there is no such secret."""
        with self.store.transaction():
            fresh = self.store.get(APPLICATION, application["id"]) or application
            left = [one for one in fresh["passwordCredentials"] if one["keyId"] != key_id]
            if len(left) == len(fresh["passwordCredentials"]):
                return False
            fresh["passwordCredentials"] = left
            self.store.put(APPLICATION, fresh["id"], fresh)
            self.store.delete(CLIENT_SECRET, f"{fresh['id']}/{key_id}")
        return True

    def secret_named(self, application: Entity, value: str) -> Entity | None:
        """The passwordCredential that this secret value belongs to, expired or not."""
        for credential in application["passwordCredentials"]:
            kept = self.store.get(CLIENT_SECRET, f"{application['id']}/{credential['keyId']}")
            if kept and hmac.compare_digest(kept["digest"], _digest(kept["salt"], value)):
                return dict(credential)
        return None

    def federated_credentials(self, application: Entity) -> list[Entity]:
        return self.store.list(FEDERATED, application["id"] + "/")


def default_end(start: datetime) -> datetime:
    """When a secret ends whose maker does not say."""
    return start + timedelta(days=365 * SECRET_YEARS)


def is_valid_now(credential: Entity) -> bool:
    return clock.parse(credential["startDateTime"]) <= datetime.now(UTC) < clock.parse(credential["endDateTime"])


def _new_secret() -> str:
    """40 characters with the "8Q~" that marks Entra's client secrets, so that secret scanners know it."""
    draw = secrets.SystemRandom()
    letters = string.ascii_letters + string.digits
    head = "".join(draw.choice(letters) for _ in range(3))
    return f"{head}8Q~{''.join(draw.choice(ALPHABET) for _ in range(34))}"


def _digest(salt: str, value: str) -> str:
    """A fast hash is enough: the values are 200 random bits, not words that people choose."""
    return hashlib.sha256(f"{salt}:{value}".encode()).hexdigest()
