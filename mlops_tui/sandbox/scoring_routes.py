"""Where requests to online endpoints go: what the store says, read once and again after each change.

A route is a value that never changes; whoever holds one when traffic moves finishes by it.
"""

from __future__ import annotations

import hmac
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_tui.sandbox.arm import RESOURCE
from mlops_tui.sandbox.endpoint_keys import EndpointKeys, is_token
from mlops_tui.sandbox.generations import Generations
from mlops_tui.sandbox.online_resource import deployments_of, endpoints_of, is_kubernetes
from mlops_tui.sandbox.secret_vault import LostKeyError

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")


@dataclass(frozen=True)
class DeploymentRoute:
    """A deployment that answers: where its processes are asked, and how long and how many at once."""

    name: str
    containers: tuple[str, ...]
    path: str
    timeout: float  # seconds
    limit: int  # requests at once; 0: any number


@dataclass(frozen=True)
class EndpointRoute:
    """An endpoint with what opens it and what it shares its requests out to."""

    id: str
    on_kubernetes: bool
    by_token: bool
    keys: tuple[str, ...] = field(repr=False)
    deployments: dict[str, DeploymentRoute]  # by name in lower case
    names: tuple[str, ...]  # that have traffic, with their shares of it:
    shares: tuple[int, ...]

    def opens(self, secret: str) -> bool:
        """Whether it is one of the keys, or a token that still holds."""
        if self.by_token:
            return bool(self.keys) and is_token(secret, self.id, self.keys[0])
        given = secret.encode()
        same = [hmac.compare_digest(given, key.encode()) for key in self.keys]  # every one, in the same time
        return bool(given) and any(same)

    def choose(self) -> DeploymentRoute | None:
        """By chance and share; None where nothing has traffic, or what has does not answer yet."""
        if not self.names:
            return None
        name = self.names[0] if len(self.names) == 1 else random.choices(self.names, self.shares)[0]  # noqa: S311
        return self.deployments.get(name.lower())


class ScoringRoutes:
    """Routes by kind and name. Read on the server's loop, renewed from any thread."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store
        self._keys = EndpointKeys(sandbox)
        self._generations = Generations(sandbox)
        self._routes: dict[tuple[bool, str], EndpointRoute] = {}

    def find(self, on_kubernetes: bool, name: str) -> EndpointRoute | None:
        return self._routes.get((on_kubernetes, name.lower()))

    def load(self) -> None:
        for endpoint in endpoints_of(self._store):
            self.refresh(endpoint["id"])

    def refresh(self, endpoint_id: str) -> None:
        """After a change of the endpoint, its keys or its deployments."""
        with self._store.transaction():  # two changes at once: the later one is read last
            endpoint = self._store.get(RESOURCE, endpoint_id.lower())
            if endpoint is None:
                return
            key = (is_kubernetes(endpoint), endpoint["name"].lower())
            if endpoint["properties"]["provisioningState"] == "Deleting":
                self._routes.pop(key, None)
            else:
                self._routes[key] = self._route(endpoint)

    def forget(self, on_kubernetes: bool, name: str) -> None:
        self._routes.pop((on_kubernetes, name.lower()), None)

    def _route(self, endpoint: Body) -> EndpointRoute:
        properties = endpoint["properties"]
        traffic = {name: share for name, share in properties["traffic"].items() if share}
        deployments = {}
        for one in deployments_of(self._store, endpoint["id"]):
            live = self._generations.of(one["id"]).live
            if live and one["properties"]["provisioningState"] != "Deleting":
                deployments[one["name"].lower()] = DeploymentRoute(
                    one["name"], live.containers, live.plan.scoring_path, live.plan.timeout, live.plan.limit
                )
        return EndpointRoute(
            id=endpoint["id"],
            on_kubernetes=is_kubernetes(endpoint),
            by_token=properties["authMode"] == "AMLToken",
            keys=self._secrets(endpoint["id"]),
            deployments=deployments,
            names=tuple(traffic),
            shares=tuple(traffic.values()),
        )

    def _secrets(self, endpoint_id: str) -> tuple[str, ...]:
        try:
            return tuple(one for one in self._keys.read(endpoint_id) if one)
        except LostKeyError:
            log.exception("the keys of %s", endpoint_id)
            return ()  # opens for nobody, until they are renewed
