"""The one subscription and its tenant, the regions, the resource providers' registration, and compute quotas.

Shapes: Azure REST reference, Subscriptions 2022-12-01, Providers 2021-04-01, Compute usage 2024-07-01.
"""

from __future__ import annotations

import time

from mlops_tui.sandbox.api import ApiError, Body, Call
from mlops_tui.sandbox.arm import Operation, ResourceProvider
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.kubernetes_rules import cores_by_family, pools_in
from mlops_tui.sandbox.oauth import DOMAIN, TENANT_NAME
from mlops_tui.sandbox.regions import FAMILIES, PROVIDERS, REGIONS, TOTAL_CORES

NAME = "Sandbox subscription"
ONE = "/subscriptions/{subscription}"
READ = "Microsoft.Resources/subscriptions"
REGISTRATION = "provider-registration"
REGISTERING = 0.3  # seconds; Azure takes a minute or two


class Subscriptions(ResourceProvider):
    """/tenants, /subscriptions, its locations, its providers and Microsoft.Compute's usages."""

    def operations(self) -> list[Operation]:
        providers = f"{ONE}/providers"
        usages = f"{providers}/Microsoft.Compute/locations/{{location}}/usages"
        return [
            self.does("GET", "/tenants", "", self.tenants),
            self.does("GET", "/subscriptions", "", self.list),
            self.does("GET", ONE, "", self.show),
            self.does("GET", f"{ONE}/locations", f"{READ}/locations/read", self.locations),
            self.does("GET", providers, f"{READ}/providers/read", self.providers),
            self.does("GET", f"{providers}/{{namespace}}", f"{READ}/providers/read", self.provider),
            self.does("POST", f"{providers}/{{namespace}}/register", "", self.register),
            self.does("GET", usages, "Microsoft.Compute/locations/usages/read", self.usages),
        ]

    def tenants(self, call: Call) -> Body:
        tenant = self.sandbox.tenant_id
        return {
            "value": [
                {
                    "id": f"/tenants/{tenant}",
                    "tenantId": tenant,
                    "countryCode": "DE",
                    "displayName": TENANT_NAME,
                    "domains": [DOMAIN],
                    "defaultDomain": DOMAIN,
                    "tenantCategory": "Home",
                    "tenantType": "AAD",
                }
            ]
        }

    def list(self, call: Call) -> Body:
        """Only those in which the caller has some role: a stranger sees an empty list, not an error."""
        seen = self.sandbox.find(Authorization).sees(call.caller, self._id)
        return {"value": [self._subscription()] if seen else [], "count": {"type": "Total", "value": int(seen)}}

    def show(self, call: Call) -> Body:
        if not self.sandbox.find(Authorization).sees(call.caller, self._id):
            raise self.sandbox.find(Authorization).forbidden(call.caller, f"{READ}/read", call.path)
        return self._subscription()

    @property
    def _id(self) -> str:
        return f"/subscriptions/{self.sandbox.subscription_id}"

    def _subscription(self) -> Body:
        return {
            "id": self._id,
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": self.sandbox.subscription_id,
            "tenantId": self.sandbox.tenant_id,
            "displayName": NAME,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }

    def locations(self, call: Call) -> Body:
        return {"value": [_location(self._id, name, shown, group) for name, (shown, group) in REGIONS.items()]}

    def providers(self, call: Call) -> Body:
        return {"value": [self._provider(namespace) for namespace in PROVIDERS]}

    def provider(self, call: Call) -> Body:
        return self._provider(self._namespace(call))

    def register(self, call: Call) -> Body:
        namespace = self._namespace(call)
        self.sandbox.find(Authorization).require(call.caller, f"{namespace}/register/action", self._id)
        if self.registration(namespace) == "NotRegistered":
            self.store.put(REGISTRATION, namespace.lower(), {"since": time.time()})
        return self._provider(namespace)

    def _namespace(self, call: Call) -> str:
        """As it is properly written. Raises InvalidResourceNamespace."""
        wanted = call.params["namespace"]
        for namespace in PROVIDERS:
            if namespace.lower() == wanted.lower():
                return namespace
        message = f"The resource namespace '{wanted}' is invalid."
        raise self.dialect.error(404, "InvalidResourceNamespace", message)

    def registration(self, namespace: str) -> str:
        """NotRegistered, Registering or Registered. What every subscription has from its start is always registered."""
        if PROVIDERS[namespace].built_in:
            return "Registered"
        kept = self.store.get(REGISTRATION, namespace.lower())
        if kept is None:
            return "NotRegistered"
        return "Registered" if time.time() >= kept["since"] + REGISTERING else "Registering"

    def require_registered(self, namespace: str) -> None:
        """Raises MissingSubscriptionRegistration, at which SDKs and the Azure CLI register it and try again."""
        if self.registration(namespace) == "NotRegistered":
            raise self._not_registered(namespace)

    def _not_registered(self, namespace: str) -> ApiError:
        message = (
            f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for "
            "how to register subscriptions."
        )
        return self.dialect.error(409, "MissingSubscriptionRegistration", message)

    def _provider(self, namespace: str) -> Body:
        shown = [name for name, _ in REGIONS.values()]
        return {
            "id": f"{self._id}/providers/{namespace}",
            "namespace": namespace,
            "registrationState": self.registration(namespace),
            "registrationPolicy": "RegistrationFree" if PROVIDERS[namespace].built_in else "RegistrationRequired",
            "resourceTypes": [
                {
                    "resourceType": kind,
                    "locations": shown,
                    "apiVersions": [version],
                    "defaultApiVersion": version,
                    "capabilities": "SupportsTags, SupportsLocation",
                }
                for kind, version in PROVIDERS[namespace].types.items()
            ],
        }

    def usages(self, call: Call) -> Body:
        """vCPU limits of a subscription in use; of them, the nodes of Kubernetes clusters take their share."""
        location = call.params["location"].lower()
        if location not in REGIONS:
            message = f"The provided location '{location}' is not available for resource type 'locations/usages'."
            raise self.dialect.error(400, "LocationNotAvailableForResourceType", message)
        used = cores_by_family(pools_in(self.store, location))
        used["cores"] = used.total()
        limits = {"cores": ("Total Regional vCPUs", TOTAL_CORES)} | FAMILIES
        return {
            "value": [
                {
                    "limit": limit,
                    "unit": "Count",
                    "currentValue": used[name],
                    "name": {"value": name, "localizedValue": shown},
                }
                for name, (shown, limit) in limits.items()
            ]
        }


def _location(subscription: str, name: str, shown: str, group: str) -> Body:
    return {
        "id": f"{subscription}/locations/{name}",
        "name": name,
        "type": "Region",
        "displayName": shown,
        "regionalDisplayName": f"({group}) {shown}",
        "metadata": {
            "regionType": "Physical",
            "regionCategory": "Recommended",
            "geography": group,
            "geographyGroup": group,
        },
    }
