"""What to do about the errors that people meet: by Entra's AADSTS number, by Azure Resource Manager's code."""

from __future__ import annotations

WAYS = (
    "Choose one: set ARM_TENANT_ID, ARM_CLIENT_ID and ARM_CLIENT_SECRET (a service principal); or run `az login`; "
    "or pass --sign-in browser, or --sign-in device-code where there is no browser; in CI, give the job a federated "
    "token (AZURE_FEDERATED_TOKEN_FILE, or GitHub's `permissions: id-token: write`)."
)
AADSTS_LINK = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes"
ARM_LINK = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors"

_DATABRICKS = "2ff814a6-3304-4ab8-85cd-cd0e6f879c1d"
_ASSIGN_SECRET = "Check ARM_CLIENT_SECRET: it is the secret's value, not its id."  # noqa: S105 (words about one)
_MULTI_FACTOR = "Multi-factor sign-in is asked for: use `az login` or --sign-in browser; in CI, a service principal."
_FEDERATED = (
    "The application trusts other issuers, subjects or audiences than those of this job's token, or none: compare its "
    "federated credentials (`az ad app federated-credential list --id APP_ID`). Those of a pipeline that `mlops-tui "
    "setup` has made it mends when it is run again."
)

# AADSTS number: what happened, what to do now.
AADSTS: dict[str, tuple[str, str]] = {
    "7000215": (
        "The client secret is wrong",
        f"{_ASSIGN_SECRET} If it is lost, make another: az ad app credential reset --id APP_ID --append",
    ),
    "7000222": (
        "The client secret has expired",
        "Make another: az ad app credential reset --id APP_ID --append; then set ARM_CLIENT_SECRET to it.",
    ),
    "7000218": ("The sign-in needs a client secret or assertion, and none was sent", _ASSIGN_SECRET),
    "700016": (
        "No application has this client id in this tenant",
        "Check ARM_CLIENT_ID and ARM_TENANT_ID: the application must be registered in, or admitted to, that tenant.",
    ),
    "7000229": (
        "The application has no service principal in this tenant",
        "Make it: az ad sp create --id APP_ID",
    ),
    "7000112": ("The application is disabled", "An administrator of the tenant can enable it under App registrations."),
    "90002": ("There is no such tenant", "Check ARM_TENANT_ID (`az account show --query tenantId`) and the cloud."),
    "900023": ("The tenant id is neither an id nor a domain", "Check ARM_TENANT_ID."),
    "50034": ("There is no such user in this tenant", "Check the name and the tenant."),
    "50126": ("The user name or the password is wrong", "Sign in again: `az login`."),
    "50057": ("The user's account is disabled", "Ask an administrator of the tenant."),
    "50053": ("The account is locked, or the address it signs in from is barred", "Wait a while, then sign in again."),
    "50055": ("The password has expired", "Change it at https://myaccount.microsoft.com, then sign in again."),
    "50076": ("Multi-factor sign-in is needed", _MULTI_FACTOR),
    "50079": ("Multi-factor sign-in must be set up first", _MULTI_FACTOR),
    "50158": ("Another security check is needed", _MULTI_FACTOR),
    "53000": ("The tenant's rules want a managed device", "Sign in from a device that your organisation manages."),
    "53003": (
        "The tenant's Conditional Access rules block this sign-in",
        "Ask an administrator which rule it is (the sign-in log names it), or use a service principal.",
    ),
    "65001": ("The tenant has not consented to this application", "An administrator can: `az login` once, and accept."),
    "70011": ("The scope asked for is not valid", "Check that the cloud is the one that the tenant lives in."),
    "500011": (
        "The tenant does not know the service asked for",
        f"Check the cloud; if the service is Azure Databricks: az ad sp create --id {_DATABRICKS}",
    ),
    "70016": ("The device code has not been used yet", "Open the page, enter the code, then come back."),
    "70018": ("The device code is not valid", "Start the sign-in again for a new one."),
    "70020": ("The device code has expired", "Start the sign-in again; a code lives 15 minutes."),
    "70021": ("No federated credential fits this token", _FEDERATED),
    "700211": ("No federated credential fits this token's issuer", _FEDERATED),
    "700212": ("No federated credential fits this token's audience", _FEDERATED),
    "700213": ("No federated credential fits this token's subject", _FEDERATED),
    "70025": ("The application trusts no federated tokens at all", _FEDERATED),
    "50013": ("The federated token is not signed by its issuer", _FEDERATED),
    "700024": ("The federated token is not valid at this time", "Check the clock; such tokens live only minutes."),
    "700027": ("The federated token's signature is not accepted", _FEDERATED),
    "700082": ("The sign-in has lapsed for want of use", "Sign in again: `az login`."),
    "70043": ("The sign-in has lapsed by the tenant's rules", "Sign in again: `az login`."),
    "70044": ("The sign-in has lapsed by the tenant's rules", "Sign in again: `az login`."),
    "50173": ("The sign-in was withdrawn (a changed password)", "Sign in again: `az login`."),
    "90033": ("Entra ID is out of order for the moment", "Run the same command again in a minute."),
    "90072": ("This account is not a member of the tenant", "Check ARM_TENANT_ID, or ask to be invited as a guest."),
}

ARM_ADVICE: dict[str, str] = {
    "MissingSubscriptionRegistration": (
        "Register the resource provider that is named below: az provider register --namespace NAME --wait"
    ),
    "OutOfQuota": "Free some of the quota, choose another node type or region, or ask for more in the portal (Quotas).",
    "QuotaExceeded": "Free some of the quota, choose another region, or ask for more in the portal (Quotas).",
    "SkuNotAvailable": "Choose another node type or region: az vm list-skus --location REGION --output table",
    "InvalidResourceGroupLocation": (
        "A resource group cannot move: set `location` to where it is, or choose another `resource_group`."
    ),
    "LocationNotAvailableForResourceGroup": "Choose a region: az account list-locations --query '[].name' -o tsv",
    "LocationNotAvailableForResourceType": "Choose a region that has this service; the text below lists them.",
    "ReservedResourceName": "Choose a name without Microsoft's trademarks.",
    "RequestDisallowedByPolicy": "A policy of your organisation forbids it; the text below names it. Ask its owner.",
    "ResourceGroupBeingDeleted": "Wait until it is gone (some minutes), then run the same command again.",
    "ScopeLocked": "A lock holds it: az lock list, then az lock delete by somebody who may.",
    "SubscriptionNotRegistered": "Register the resource provider: az provider register --namespace NAME --wait",
    "SubscriptionNotFound": "Check subscription_id: az account list --output table",
    "InvalidSubscriptionId": "Check subscription_id: az account list --output table",
    "ReadOnlyDisabledSubscription": "The subscription is disabled (spending limit, unpaid): see it in the portal.",
    "RoleAssignmentLimitExceeded": "The subscription has all the role assignments it may have; remove old ones.",
    "NotImplemented": "This cloud does not offer it.",
}

FORBIDDEN_CODES = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed", "Authorization_RequestDenied"})
# Things that exist, but not yet everywhere: Entra and Resource Manager learn of new objects some seconds late.
NOT_FOUND_CODES = frozenset({"PrincipalNotFound", "Request_ResourceNotFound", "ResourceNotFound"})
GRAPH_ROLE_HINT = (
    "Registering applications needs the Entra role Application Developer (a person) or Graph's permission "
    "Application.ReadWrite.OwnedBy (a service principal); or let somebody who has it make the application, and name "
    "it in service_principal.name."
)
