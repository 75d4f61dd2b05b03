"""Microsoft.ContainerRegistry/registries: the registry as Azure sees it. Its images answer at its loginServer.

Shapes: Azure REST reference, Container Registry 2023-07-01.
"""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call
from mlops_tui.sandbox.arm import RESOURCE, Operation
from mlops_tui.sandbox.images import Images
from mlops_tui.sandbox.long_running_type import LongRunningType
from mlops_tui.sandbox.secret_vault import LostKeyError, SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

NAMESPACE = "Microsoft.ContainerRegistry"
TYPE = f"{NAMESPACE}/registries"
ONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
NAME = re.compile(r"[A-Za-z0-9]{5,50}")
SKUS = {"basic": ("Basic", 10, 2), "standard": ("Standard", 100, 10), "premium": ("Premium", 500, 500)}
GIGABYTE = 1024**3
PASSWORDS = "registry-passwords"
PASSWORD_NAMES = ("password", "password2")


def registry_named(store: Store, name: str) -> Body | None:
    """The registry as an ARM resource, by its name or its login server: names are unique, in any case."""
    wanted = name.rstrip("/").rpartition("/")[2].lower()
    return next((one for one in store.list(RESOURCE) if one["type"] == TYPE and one["name"].lower() == wanted), None)


class ContainerRegistries(LongRunningType):
    """Create, change, read and delete, the admin user's passwords, and what is used of the SKU's limits."""

    type_name, noun = TYPE, "container-registry"

    def operations(self) -> list[Operation]:
        available = f"/subscriptions/{{subscription}}/providers/{NAMESPACE}/checkNameAvailability"
        return [
            *super().operations(),
            self.does("POST", available, f"{NAMESPACE}/checkNameAvailability/read", self.check_name),
            self.does("POST", f"{ONE}/listCredentials", f"{TYPE}/listCredentials/action", self.credentials),
            self.does("POST", f"{ONE}/regenerateCredential", f"{TYPE}/regenerateCredential/action", self.regenerate),
            self.does("GET", f"{ONE}/listUsages", f"{TYPE}/listUsages/read", self.usages),
        ]

    def login_server(self, name: str) -> str:
        """Where images are pulled from; on Azure, NAME.azurecr.io. A path, as long as the sandbox has one host."""
        return f"{self.sandbox.origin.removeprefix('https://')}/{name.lower()}"

    def put(self, call: Call) -> Response:
        """201 for a new registry, 200 for a change; poll Azure-AsyncOperation."""
        own_id, name, wanted = self.id_of(call), call.params["name"], call.json()
        location = self.place_of(call, wanted)
        sku = self._sku(wanted.get("sku") or {})
        asked = wanted.get("properties") or {}
        with self.store.transaction():
            there = registry_named(self.store, name)
            if there and there["id"].lower() != own_id.lower():
                raise self.dialect.error(409, "AlreadyInUse", self._taken(name))
            if there:
                self.check_location(there, location, call.params["group"])
                self.check_idle(there)
            made = there or self._new(own_id, name, location)
            made |= {"sku": sku, "tags": wanted.get("tags") or {}}
            self._change(made, asked)
            return self.updating(call, made) if there else self.creating(call, made)

    def _new(self, own_id: str, name: str, location: str) -> Body:
        return {
            "id": own_id,
            "name": name,
            "type": TYPE,
            "location": location,
            "properties": {
                "loginServer": self.login_server(name),
                "creationDate": clock.now(),
                "adminUserEnabled": False,
                "anonymousPullEnabled": False,
                "dataEndpointEnabled": False,
                "dataEndpointHostNames": [],
                "encryption": {"status": "disabled"},
                "networkRuleBypassOptions": "AzureServices",
                "policies": {
                    "quarantinePolicy": {"status": "disabled"},
                    "trustPolicy": {"type": "Notary", "status": "disabled"},
                    "retentionPolicy": {"days": 7, "status": "disabled"},
                    "exportPolicy": {"status": "enabled"},
                    "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
                },
                "privateEndpointConnections": [],
                "publicNetworkAccess": "Enabled",
                "zoneRedundancy": "Disabled",
            },
        }

    def _sku(self, asked: Body) -> Body:
        name = str(asked.get("name") or "").lower()
        if name not in SKUS:
            message = f"The SKU '{asked.get('name') or ''}' is not valid. Allowed values are: Basic, Standard, Premium."
            raise self.dialect.error(400, "InvalidSku", message)
        return {"name": SKUS[name][0], "tier": SKUS[name][0]}

    def _change(self, kept: Body, asked: Body) -> None:
        """What may be changed at any time. Raises where something is asked that the sandbox does not have."""
        if asked.get("anonymousPullEnabled"):
            message = "The sandbox has no anonymous pull: create the registry without properties.anonymousPullEnabled."
            raise self.dialect.error(400, "AnonymousPullNotSupported", message)
        if asked.get("adminUserEnabled") is not None:
            kept["properties"]["adminUserEnabled"] = bool(asked["adminUserEnabled"])

    def busy(self, kept: Body, state: str) -> ApiError:
        message = f"The registry '{kept['name']}' is in provisioning state '{state}'; try again when it is done."
        return self.dialect.error(409, "RegistryOperationInProgress", message)

    def check_deletable(self, kept: Body) -> None:
        """At any time, with its images, also while it is being made."""

    def patch(self, call: Call) -> Response:
        """Tags, SKU and the admin user."""
        wanted = call.json()
        with self.store.transaction():
            kept = self.found(call)
            self.check_idle(kept)
            if "sku" in wanted:
                kept["sku"] = self._sku(wanted["sku"] or {})
            kept["tags"] = wanted.get("tags", kept["tags"])
            self._change(kept, wanted.get("properties") or {})
            return self.updating(call, kept)

    def removed(self, resource: Body) -> None:
        if resource["type"] == TYPE:
            Images(self.sandbox).forget(resource["name"])
            self.store.delete(PASSWORDS, resource["name"].lower())

    def check_name(self, call: Call) -> Body:
        name = str(call.need("name"))
        if why_not := self._why_not(name):
            return {"nameAvailable": False, "reason": "Invalid", "message": why_not}
        if registry_named(self.store, name):
            return {"nameAvailable": False, "reason": "AlreadyExists", "message": self._taken(name)}
        return {"nameAvailable": True}

    def check_name_of(self, name: str) -> None:
        if why_not := self._why_not(name):
            raise self.dialect.error(400, "InvalidResourceName", why_not)

    def _why_not(self, name: str) -> str:
        if NAME.fullmatch(name):
            return ""
        return f"The registry name '{name}' is invalid. It must be 5 to 50 characters long, letters and digits only."

    def _taken(self, name: str) -> str:
        return f"The registry DNS name {name.lower()}.azurecr.io is already in use. Registry names are globally unique."

    def credentials(self, call: Call) -> Body:
        """The admin user's name and passwords. Raises UnAuthorizedForCredentialOperations where it is disabled."""
        found = self._with_admin(call)
        return self._shown(found, self.passwords(found))

    def regenerate(self, call: Call) -> Body:
        found = self._with_admin(call)
        name = str(call.need("name"))
        if name not in PASSWORD_NAMES:
            raise self.dialect.malformed(f"name must be one of {', '.join(PASSWORD_NAMES)}.")
        fresh = self.passwords(found) | {name: _new_password()}
        self._keep(found, fresh)
        return self._shown(found, fresh)

    def _with_admin(self, call: Call) -> Body:
        found = self.found(call)
        if not found["properties"]["adminUserEnabled"]:
            message = f"Cannot perform credential operations for {found['id']} as admin user is disabled."
            raise self.dialect.error(400, "UnAuthorizedForCredentialOperations", message)
        return found

    def _shown(self, registry: Body, passwords: dict[str, str]) -> Body:
        shown = [{"name": name, "value": value} for name, value in passwords.items()]
        return {"username": registry["name"], "passwords": shown}

    def passwords(self, registry: Body) -> dict[str, str]:
        """The admin user's, made when they are first asked for. Raises ApiError where their key is lost."""
        with self.store.transaction():
            kept = self.store.get(PASSWORDS, registry["name"].lower())
            if kept is None:
                made = {name: _new_password() for name in PASSWORD_NAMES}
                self._keep(registry, made)
                return made
        try:
            return {name: self._vault.open(closed).decode() for name, closed in kept.items()}
        except LostKeyError as error:
            message = f"The sandbox cannot read the registry's passwords: {error}."
            raise self.dialect.error(500, "InternalServerError", message) from error

    def _keep(self, registry: Body, passwords: dict[str, str]) -> None:
        closed = {name: self._vault.close(value.encode()) for name, value in passwords.items()}
        self.store.put(PASSWORDS, registry["name"].lower(), closed)

    @property
    def _vault(self) -> SecretVault:
        return SecretVault(self.sandbox.folder / "secrets.key")

    def usages(self, call: Call) -> Body:
        found = self.found(call)
        _, size, webhooks = SKUS[found["sku"]["name"].lower()]
        images = Images(self.sandbox)
        held = [one for name in images.repositories(found["name"]) for one in images.manifests(found["name"], name)]
        used = {one["digest"]: one["image_size"] for one in held}  # content that repositories share is there once
        return {
            "value": [
                {"name": "Size", "limit": size * GIGABYTE, "currentValue": sum(used.values()), "unit": "Bytes"},
                {"name": "Webhooks", "limit": webhooks, "currentValue": 0, "unit": "Count"},
            ]
        }


def _new_password() -> str:
    draw = secrets.SystemRandom()
    return "".join(draw.choice(string.ascii_letters + string.digits) for _ in range(52))
