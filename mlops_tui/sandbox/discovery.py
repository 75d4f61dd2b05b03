"""What clients ask first: where to sign in (OpenID Connect Discovery 1.0) and where everything else is.

`/metadata/endpoints` is Azure Resource Manager's own: a list for api-version 2019-05-01 and before, an object after.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.oauth import check_tenant

ANY_TENANT = ("common", "organizations", "consumers")


class Discovery(Service):
    """Open to everyone: no token, no secret."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [
            self.on("GET", "/metadata/endpoints", self.endpoints),
            self.on("GET", "/common/discovery/instance", self.instances),
            self.on("GET", "/{tenant}/v2.0/.well-known/openid-configuration", self.configuration),
            self.on("GET", "/{tenant}/.well-known/openid-configuration", self.configuration_v1),
            self.on("GET", "/{tenant}/discovery/v2.0/keys", self.keys),
            self.on("GET", "/{tenant}/discovery/keys", self.keys),
        ]

    def configuration(self, call: Call) -> Body:
        return self._configuration(call, "/v2.0")

    def configuration_v1(self, call: Call) -> Body:
        return self._configuration(call, "")

    def _configuration(self, call: Call, version: str) -> Body:
        tenant = call.params["tenant"].lower()
        check_tenant(self.sandbox, tenant)
        origin = self.sandbox.origin
        # For "common" Entra answers with this very placeholder: whose token it will be is not known yet.
        issuer = "{tenantid}" if tenant in ANY_TENANT else self.sandbox.tenant_id
        base = f"{origin}/{tenant if tenant in ANY_TENANT else self.sandbox.tenant_id}"
        host = origin.removeprefix("https://")
        return {
            "issuer": f"{origin}/{issuer}/v2.0",
            "token_endpoint": f"{base}/oauth2{version}/token",
            "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode",
            "authorization_endpoint": f"{base}/oauth2{version}/authorize",
            "end_session_endpoint": f"{base}/oauth2{version}/logout",
            "jwks_uri": f"{base}/discovery{version}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "name", "oid", "preferred_username", "tid", "ver"],
            "request_uri_parameter_supported": False,
            "http_logout_supported": True,
            "frontchannel_logout_supported": True,
            "tenant_region_scope": None if tenant in ANY_TENANT else "EU",
            "cloud_instance_name": host,
            "cloud_graph_host_name": host,
            "msgraph_host": host,
        }

    def keys(self, call: Call) -> Body:
        check_tenant(self.sandbox, call.params["tenant"])
        return self.sandbox.tokens.jwks()

    def instances(self, call: Call) -> Body:
        """MSAL's instance discovery: every authority it asks about is this one."""
        host = self.sandbox.origin.removeprefix("https://")
        return {
            "tenant_discovery_endpoint": (
                f"{self.sandbox.origin}/{self.sandbox.tenant_id}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def endpoints(self, call: Call) -> Response:
        """2022-09-01 and later: an object, read by the Azure CLI; 2019-05-01: a list, read by azure-ai-ml."""
        origin = self.sandbox.origin
        cloud = {
            "name": "Sandbox",
            "portal": f"{origin}/",
            "authentication": {
                "loginEndpoint": f"{origin}/",
                "audiences": [f"{origin}/", origin],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "resourceManager": f"{origin}/",
            "graph": f"{origin}/graph",
            "graphAudience": f"{origin}/graph",
            "microsoftGraphResourceId": f"{origin}/graph",
            "activeDirectoryDataLake": f"{origin}/",
            "batch": f"{origin}/",
            "gallery": f"{origin}/",
            "media": origin,
            "sqlManagement": f"{origin}/",
            "vmImageAliasDoc": f"{origin}/aliases.json",
            "appInsightsResourceId": origin,
            "appInsightsTelemetryChannelResourceId": f"{origin}/v2/track",
            "attestationResourceId": origin,
            "logAnalyticsResourceId": origin,
            "ossrDbmsResourceId": origin,
            "synapseAnalyticsResourceId": origin,
            "suffixes": _suffixes(origin),
        }
        listed = call.query.get("api-version", "") <= "2019-05-01"
        return JSONResponse([cloud] if listed else cloud)


def _suffixes(origin: str) -> dict[str, str]:
    """Host names of services are made of these; most lead nowhere here, but clients want to see all of them."""
    nowhere = {
        "azureDataLakeStoreFileSystem": "dls",
        "azureDataLakeAnalyticsCatalogAndJob": "adla",
        "azureFrontDoorEndpointSuffix": "azurefd",
        "acrLoginServer": "azurecr",
        "attestationEndpoint": "attest",
        "keyVaultDns": "vault",
        "mariadbServerEndpoint": "maria",
        "mhsmDns": "managedhsm",
        "mysqlServerEndpoint": "mysql",
        "postgresqlServerEndpoint": "pg",
        "sqlServerHostname": "database",
        "storageSyncEndpointSuffix": "afs",
        "synapseAnalytics": "dev",
    }
    # "https://{account}.blob.{suffix}" must reach this host: what stands before "@" is userinfo, not a host name. By
    # "core." Azure's clients tell that the account's name is not a part of the path.
    storage = f"core.sandbox@{origin.removeprefix('https://')}"
    return {name: f"{word}.localhost" for name, word in nowhere.items()} | {"storage": storage}
