"""Azure Resource Manager's clients: made once a subscription, all with the same endpoint, audience and patience."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mlops_tui import __version__
from mlops_tui.clouds.patience import transport_options

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient
    from azure.mgmt.databricks import AzureDatabricksManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.mgmt.resource.subscriptions import SubscriptionClient

    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity


class Opens(Protocol):
    """What all the SDKs' clients can do."""

    def __enter__(self) -> Any: ...


AClient = TypeVar("AClient", bound=Opens)


class Arm:
    """Lends the SDKs' clients to the wrappers of this package; nothing outside `clouds` sees them."""

    def __init__(self, identity: Identity, cloud: Cloud) -> None:
        self.identity = identity
        self.cloud = cloud
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}

    def subscriptions(self) -> SubscriptionClient:
        def make() -> SubscriptionClient:
            from azure.mgmt.resource.subscriptions import SubscriptionClient

            return SubscriptionClient(self.identity.credential, **self._options())

        return self._once("subscriptions", "", make)

    def resources(self, subscription_id: str) -> ResourceManagementClient:
        def make() -> ResourceManagementClient:
            from azure.mgmt.resource.resources import ResourceManagementClient

            return ResourceManagementClient(self.identity.credential, subscription_id, **self._options())

        return self._once("resources", subscription_id, make)

    def authorization(self, subscription_id: str) -> AuthorizationManagementClient:
        def make() -> AuthorizationManagementClient:
            from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient

            return AuthorizationManagementClient(self.identity.credential, subscription_id, **self._options())

        return self._once("authorization", subscription_id, make)

    def databricks(self, subscription_id: str) -> AzureDatabricksManagementClient:
        def make() -> AzureDatabricksManagementClient:
            from azure.mgmt.databricks import AzureDatabricksManagementClient

            return AzureDatabricksManagementClient(self.identity.credential, subscription_id, **self._options())

        return self._once("databricks", subscription_id, make)

    def list(self, subscription_id: str, path: str, api_version: str) -> list[dict[str, Any]]:
        """All pages of a list that no SDK here has. Raises azure-core's errors: use inside `speaking_of`."""
        from azure.core.rest import HttpRequest

        client = self.resources(subscription_id)
        found: list[dict[str, Any]] = []
        url = f"{path}?api-version={api_version}"
        while url:
            response = client.send_request(HttpRequest("GET", url, headers={"Accept": "application/json"}))
            response.raise_for_status()
            page = response.json()
            found += page.get("value", [])
            url = page.get("nextLink") or ""
        return found

    def close(self) -> None:
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _once(self, kind: str, subscription_id: str, make: Callable[[], AClient]) -> AClient:
        with self._lock:
            if (kind, subscription_id) not in self._made:
                made = make()
                made.__enter__()  # open now: threads that open it together would each make a session, and lose one
                self._made[kind, subscription_id] = made
            client: AClient = self._made[kind, subscription_id]
            return client

    def _options(self) -> dict[str, Any]:
        options = {
            "base_url": self.cloud.resource_manager,
            "credential_scopes": [self.cloud.resource_manager_scope],
            "user_agent": f"mlops-tui/{__version__}",
            **transport_options(self.cloud),
        }
        if self.cloud.poll_seconds > 0:
            options["polling_interval"] = self.cloud.poll_seconds
        return options
