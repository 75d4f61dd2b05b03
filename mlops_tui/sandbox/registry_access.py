"""Who may do what in a container registry: its admin user everything, principals of the directory what roles say."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.container_registries import ContainerRegistries, registry_named
from mlops_tui.sandbox.directory import Directory, is_valid_now

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Principal
    from mlops_tui.sandbox.sandbox import Sandbox

REGISTRIES = "Microsoft.ContainerRegistry/registries"
PULL, PUSH, DELETE = f"{REGISTRIES}/pull/read", f"{REGISTRIES}/push/write", f"{REGISTRIES}/artifacts/delete"
APPLICATION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Visitor:
    """Who uses a registry: a principal, or (without one) the registry's admin user."""

    name: str
    principal: Principal | None = None


class RegistryAccess:
    """Holds no state: make one wherever it is needed. A registry is named by its name or by its login server."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def sign_in(self, registry: str, username: str, password: str) -> Visitor | None:
        """None where the credentials are wrong."""
        resource = registry_named(self._sandbox.store, registry)
        if resource is None or not password:
            return None
        if username.lower() == resource["name"].lower():
            known = self._sandbox.find(ContainerRegistries).passwords(resource)
            right = resource["properties"]["adminUserEnabled"]
            found = any(hmac.compare_digest(one.encode(), password.encode()) for one in known.values())
            return Visitor(resource["name"]) if right and found else None
        return self._service_principal(username, password)

    def _service_principal(self, app_id: str, secret: str) -> Visitor | None:
        directory = Directory(self._sandbox.store)
        application = directory.application_of(app_id) if APPLICATION_ID.fullmatch(app_id) else None
        if application is None:
            return None
        credential = directory.secret_named(application, secret)
        service_principal = directory.service_principal_of(app_id)
        if credential is None or not is_valid_now(credential) or service_principal is None:
            return None
        principal = directory.principal(service_principal["id"])
        return Visitor(app_id, principal) if principal else None

    def allows(self, visitor: Visitor, registry: str, action: str) -> bool:
        resource = registry_named(self._sandbox.store, registry)
        if resource is None:
            return False
        if visitor.principal is None:
            return True
        return self._sandbox.find(Authorization).allows(visitor.principal, action, resource["id"])
