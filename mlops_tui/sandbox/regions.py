"""Azure's regions, resource providers and vCPU families, as far as the sandbox knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

# Name: (display name, geography group). The recommended regions that have Azure Databricks.
REGIONS = {
    "eastus": ("East US", "US"),
    "eastus2": ("East US 2", "US"),
    "southcentralus": ("South Central US", "US"),
    "westus2": ("West US 2", "US"),
    "westus3": ("West US 3", "US"),
    "australiaeast": ("Australia East", "Asia Pacific"),
    "southeastasia": ("Southeast Asia", "Asia Pacific"),
    "northeurope": ("North Europe", "Europe"),
    "swedencentral": ("Sweden Central", "Europe"),
    "uksouth": ("UK South", "Europe"),
    "westeurope": ("West Europe", "Europe"),
    "centralus": ("Central US", "US"),
    "southafricanorth": ("South Africa North", "Africa"),
    "centralindia": ("Central India", "Asia Pacific"),
    "eastasia": ("East Asia", "Asia Pacific"),
    "japaneast": ("Japan East", "Asia Pacific"),
    "koreacentral": ("Korea Central", "Asia Pacific"),
    "canadacentral": ("Canada Central", "Canada"),
    "francecentral": ("France Central", "Europe"),
    "germanywestcentral": ("Germany West Central", "Europe"),
    "norwayeast": ("Norway East", "Europe"),
    "switzerlandnorth": ("Switzerland North", "Europe"),
    "uaenorth": ("UAE North", "Middle East"),
    "brazilsouth": ("Brazil South", "South America"),
}


@dataclass(frozen=True)
class ProviderFacts:
    """What a subscription can say about a resource provider: types with an api-version each."""

    types: dict[str, str] = field(default_factory=dict)
    built_in: bool = False  # registered in every subscription, from its start


PROVIDERS = {
    "Microsoft.Authorization": ProviderFacts(
        {"roleAssignments": "2022-04-01", "roleDefinitions": "2022-04-01", "permissions": "2022-04-01"}, built_in=True
    ),
    "Microsoft.Resources": ProviderFacts(
        {"resourceGroups": "2024-03-01", "deployments": "2024-03-01", "subscriptions": "2022-12-01"}, built_in=True
    ),
    "Microsoft.Compute": ProviderFacts({"virtualMachines": "2024-07-01", "locations/usages": "2024-07-01"}),
    "Microsoft.ContainerInstance": ProviderFacts({"containerGroups": "2023-05-01"}),
    "Microsoft.ContainerRegistry": ProviderFacts({"registries": "2023-07-01"}),
    "Microsoft.ContainerService": ProviderFacts({"managedClusters": "2024-09-01"}),
    "Microsoft.Databricks": ProviderFacts({"workspaces": "2024-05-01", "accessConnectors": "2024-05-01"}),
    "Microsoft.Insights": ProviderFacts({"components": "2020-02-02"}),
    "Microsoft.KeyVault": ProviderFacts({"vaults": "2023-07-01"}),
    "Microsoft.KubernetesConfiguration": ProviderFacts({"extensions": "2023-05-01"}),
    "Microsoft.MachineLearningServices": ProviderFacts({"workspaces": "2024-10-01"}),
    "Microsoft.Network": ProviderFacts({"virtualNetworks": "2024-01-01"}),
    "Microsoft.OperationalInsights": ProviderFacts({"workspaces": "2023-09-01"}),
    "Microsoft.Storage": ProviderFacts({"storageAccounts": "2023-05-01"}),
}

# vCPUs per region and per family of sizes: what a new pay-as-you-go subscription is given.
TOTAL_CORES = 100
FAMILIES = {
    "standardBSFamily": ("Standard BS Family vCPUs", 100),
    "standardDSv2Family": ("Standard DSv2 Family vCPUs", 100),
    "standardDSv3Family": ("Standard DSv3 Family vCPUs", 100),
    "standardDSv4Family": ("Standard DSv4 Family vCPUs", 100),
    "standardDSv5Family": ("Standard DSv5 Family vCPUs", 100),
    "standardDDSv5Family": ("Standard DDSv5 Family vCPUs", 100),
    "standardESv3Family": ("Standard ESv3 Family vCPUs", 100),
    "standardFSv2Family": ("Standard FSv2 Family vCPUs", 100),
    "standardNCASv3T4Family": ("Standard NCASv3_T4 Family vCPUs", 0),
}


def normal(location: str) -> str:
    """ "West Europe" and "westeurope" are one region."""
    return location.replace(" ", "").lower()
