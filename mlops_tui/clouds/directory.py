"""The tenant's directory (Microsoft Entra ID): applications, their service principals, secrets and federated trust.

Microsoft Graph 1.0 reference: application, servicePrincipal, passwordCredential, federatedIdentityCredential.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mlops_tui import redaction
from mlops_tui.clouds.federated import AUDIENCE
from mlops_tui.clouds.graph import Entity, Graph
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import CloudError, ConflictError, NotFoundError, UsageError


@dataclass(frozen=True)
class Application:
    object_id: str  # what Graph's paths want
    app_id: str  # the client id that signs in
    name: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Password:
    """A client secret of an application. The value is known to its maker alone, once."""

    key_id: str
    name: str
    hint: str  # its first three characters
    ends: datetime
    value: str = field(default="", repr=False)


@dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens the application trusts: those of `issuer` for `subject`."""

    name: str
    issuer: str
    subject: str


class Directory:
    """Reads and writes. Every call may raise ForbiddenError, SignInError or UnreachableError."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def find_application(self, name: str) -> Application | None:
        """By its display name. Raises UsageError where several bear it: names are not unique in a directory."""
        quoted = name.replace("'", "''")
        with speaking_of(f"the application {name}"):
            found = list(self._graph.list("applications", **{"$filter": f"displayName eq '{quoted}'"}))
        if len(found) > 1:
            ids = tuple(f"{one['appId']} (made {one.get('createdDateTime', 'at an unknown time')})" for one in found)
            raise UsageError(
                f"{len(found)} applications are named {name!r}; which one is meant cannot be known.",
                problems=ids,
                hint="Delete or rename all but one (az ad app delete --id APP_ID), or choose another "
                "service_principal.name.",
            )
        return _application(found[0]) if found else None

    def create_application(self, name: str, tags: tuple[str, ...] = ()) -> Application:
        """A new one, whether or not another has that name."""
        body: Entity = {"displayName": name, "signInAudience": "AzureADMyOrg", "tags": list(tags)}
        with speaking_of(f"the application {name}"):
            return _application(self._graph.call("POST", "applications", body))

    def delete_application(self, object_id: str) -> None:
        """With its service principal and its secrets; safe to repeat. Entra keeps it restorable for 30 days."""
        try:
            with speaking_of("the application"):
                self._graph.call("DELETE", f"applications/{object_id}")
        except NotFoundError:
            return

    def find_principal(self, app_id: str) -> str | None:
        """The object id of the application's service principal in this tenant; None where there is none."""
        with speaking_of(f"the service principal of {app_id}"):
            found = list(self._graph.list("servicePrincipals", **{"$filter": f"appId eq '{app_id}'"}))
        return str(found[0]["id"]) if found else None

    def display_name(self, object_id: str) -> str:
        """Of a user, a service principal, a group; empty where it has none. Raises NotFoundError."""
        with speaking_of(f"the directory's entry {object_id}"):
            return str(self._graph.call("GET", f"directoryObjects/{object_id}").get("displayName") or "")

    def create_principal(self, app_id: str) -> str:
        """Its object id. Raises NotFoundError while the directory has not heard of a new application everywhere."""
        what = f"the service principal of {app_id}"
        try:
            with speaking_of(what):
                return str(self._graph.call("POST", "servicePrincipals", {"appId": app_id})["id"])
        except ConflictError:
            made = self.find_principal(app_id)
            if made is None:
                raise
            return made
        except CloudError as error:
            if "does not reference a valid application" in error.raw:
                raise NotFoundError(f"Not found: {what}. {error.raw}", raw=error.raw, code=error.code) from error
            raise

    def list_passwords(self, object_id: str) -> tuple[Password, ...]:
        """An application's secrets without their values. Raises NotFoundError."""
        with speaking_of("the application's secrets"):
            application = self._graph.call("GET", f"applications/{object_id}")
        return tuple(_password(one) for one in application.get("passwordCredentials", []))

    def add_password(self, object_id: str, display_name: str, days: int) -> Password:
        """A new secret; its value is registered as one before anybody can print it. Raises NotFoundError."""
        ends = datetime.now(UTC) + timedelta(days=days)
        body: Entity = {
            "passwordCredential": {"displayName": display_name, "endDateTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
        }
        with speaking_of("the client secret"):
            made = self._graph.call("POST", f"applications/{object_id}/addPassword", body)
        redaction.register(made["secretText"])
        return _password(made)

    def remove_password(self, object_id: str, key_id: str) -> None:
        """Safe to repeat."""
        try:
            with speaking_of("the client secret"):
                self._graph.call("POST", f"applications/{object_id}/removePassword", {"keyId": key_id})
        except NotFoundError:
            return
        except CloudError as error:  # Graph answers 400 for a key that is gone
            if key_id not in error.raw and "No password credential found" not in error.raw:
                raise

    def list_federated_credentials(self, object_id: str) -> tuple[FederatedCredential, ...]:
        with speaking_of("the application's federated credentials"):
            found = list(self._graph.list(f"applications/{object_id}/federatedIdentityCredentials"))
        return tuple(FederatedCredential(one["name"], one["issuer"], one["subject"]) for one in found)

    def add_federated_credential(self, object_id: str, wanted: FederatedCredential) -> bool:
        """Trust that subject; False where it is trusted already. Raises ConflictError where only the name is taken."""
        body: Entity = {
            "name": wanted.name,
            "issuer": wanted.issuer,
            "subject": wanted.subject,
            "audiences": [AUDIENCE],
        }
        try:
            with speaking_of("the federated credential"):
                self._graph.call("POST", f"applications/{object_id}/federatedIdentityCredentials", body)
        except ConflictError:
            trusted = {(one.issuer, one.subject) for one in self.list_federated_credentials(object_id)}
            if (wanted.issuer, wanted.subject) not in trusted:
                raise
            return False
        return True

    def change_federated_credential(self, object_id: str, wanted: FederatedCredential) -> None:
        """Let the one of that name trust another issuer or subject. Raises NotFoundError."""
        body: Entity = {"issuer": wanted.issuer, "subject": wanted.subject, "audiences": [AUDIENCE]}
        with speaking_of(f"the federated credential {wanted.name}"):
            self._graph.call("PATCH", f"applications/{object_id}/federatedIdentityCredentials/{wanted.name}", body)

    def remove_federated_credential(self, object_id: str, name: str) -> None:
        """Trust that subject no longer; safe to repeat. Its name is as good as its id in Graph's paths."""
        try:
            with speaking_of(f"the federated credential {name}"):
                self._graph.call("DELETE", f"applications/{object_id}/federatedIdentityCredentials/{name}")
        except NotFoundError:
            return


def _application(one: Entity) -> Application:
    return Application(one["id"], one["appId"], one.get("displayName") or "", tuple(one.get("tags") or ()))


def _password(one: Entity) -> Password:
    # Graph writes up to seven decimals of a second; nobody needs them.
    ends = datetime.fromisoformat(re.sub(r"\.\d+", "", one["endDateTime"]))
    return Password(
        one["keyId"], one.get("displayName") or "", one.get("hint") or "", ends, one.get("secretText") or ""
    )
