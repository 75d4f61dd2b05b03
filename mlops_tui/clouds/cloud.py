"""Which cloud: its endpoints, its audiences, its certificate authority. The sandbox is one more of them.

Endpoints as published in the Azure CLI's cloud profiles and the Databricks documentation on sovereign clouds.
"""

from __future__ import annotations

from dataclasses import dataclass

DEVOPS_APP_ID = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps: the same application in every Azure cloud


@dataclass(frozen=True)
class Cloud:
    """The endpoints of one cloud; all without a trailing slash."""

    name: str
    authority: str  # Entra ID
    resource_manager: str
    resource_manager_scope: str
    graph: str
    graph_scope: str
    databricks_scope: str
    key_vault_scope: str
    portal: str
    devops: str = "https://dev.azure.com"
    devops_identities: str = "https://vssps.dev.azure.com"  # who is who in an organisation of Azure DevOps
    devops_scope: str = f"{DEVOPS_APP_ID}/.default"
    github: str = "https://github.com"
    github_api: str = "https://api.github.com"
    # Who signs the tokens that jobs of GitHub Actions sign in with.
    github_token_issuer: str = "https://token.actions.githubusercontent.com"  # noqa: S105 (an address)
    ca_bundle: str = ""  # a file; empty: the usual authorities
    poll_seconds: float = 0.0  # between looks at a long operation where the service names no time; 0: the SDK's own

    @property
    def trusts_public_discovery(self) -> bool:
        """Whether Entra's public instance discovery knows this authority; own clouds must be taken on trust."""
        return not self.ca_bundle


DATABRICKS_APP_ID = "2ff814a6-3304-4ab8-85cd-cd0e6f879c1d"  # AzureDatabricks: the same application in every Azure cloud
DATABRICKS_SCOPE = f"{DATABRICKS_APP_ID}/.default"

AZURE = Cloud(
    name="AzureCloud",
    authority="https://login.microsoftonline.com",
    resource_manager="https://management.azure.com",
    resource_manager_scope="https://management.azure.com/.default",
    graph="https://graph.microsoft.com",
    graph_scope="https://graph.microsoft.com/.default",
    databricks_scope=DATABRICKS_SCOPE,
    key_vault_scope="https://vault.azure.net/.default",
    portal="https://portal.azure.com",
)
AZURE_US_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    authority="https://login.microsoftonline.us",
    resource_manager="https://management.usgovcloudapi.net",
    resource_manager_scope="https://management.usgovcloudapi.net/.default",
    graph="https://graph.microsoft.us",
    graph_scope="https://graph.microsoft.us/.default",
    databricks_scope=DATABRICKS_SCOPE,
    key_vault_scope="https://vault.usgovcloudapi.net/.default",
    portal="https://portal.azure.us",
)
AZURE_CHINA = Cloud(
    name="AzureChinaCloud",
    authority="https://login.chinacloudapi.cn",
    resource_manager="https://management.chinacloudapi.cn",
    resource_manager_scope="https://management.chinacloudapi.cn/.default",
    graph="https://microsoftgraph.chinacloudapi.cn",
    graph_scope="https://microsoftgraph.chinacloudapi.cn/.default",
    databricks_scope=DATABRICKS_SCOPE,
    key_vault_scope="https://vault.azure.cn/.default",
    portal="https://portal.azure.cn",
)
PUBLIC_CLOUDS = {cloud.name: cloud for cloud in (AZURE, AZURE_US_GOVERNMENT, AZURE_CHINA)}


def local_cloud(origin: str, ca_bundle: str) -> Cloud:
    """A whole cloud behind one origin on this machine, such as the sandbox."""
    return Cloud(
        name="sandbox",
        authority=origin,
        resource_manager=origin,
        resource_manager_scope=f"{origin}/.default",
        graph=f"{origin}/graph",
        graph_scope=f"{origin}/graph/.default",
        databricks_scope=DATABRICKS_SCOPE,
        key_vault_scope="https://vault.azure.net/.default",
        portal=origin,
        devops=f"{origin}/devops",
        devops_identities=f"{origin}/devops-identities",
        github=origin,
        github_api=f"{origin}/api/v3",
        github_token_issuer=f"{origin}/_services/token",  # where GitHub Enterprise Server has it
        ca_bundle=ca_bundle,
        poll_seconds=0.1,
    )
