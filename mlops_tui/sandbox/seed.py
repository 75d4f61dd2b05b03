"""What is in the practice cloud from the start: a learner, an application of their own, and Owner for both.

As in every tenant that uses Azure Databricks, its enterprise application AzureDatabricks is there, too: it is
Microsoft's own, so the tenant has its service principal alone.

The application's client secret and the learner's tokens of Azure DevOps and GitHub are written to `credentials.json` in
the sandbox's folder (0600), which is where `mlops-tui` takes its sign-in from; the store has only their hashes.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.directory import APPLICATION, USER, Directory, Entity, default_end, is_valid_now
from mlops_tui.sandbox.host_tokens import HostTokens, TokenHost
from mlops_tui.sandbox.roles import OWNER, assignment
from mlops_tui.sandbox.sandbox import DATABRICKS_APP

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

LEARNER_ID = "00000000-0000-4000-8000-000000001ea4"
LEARNER_NAME = "learner@sandbox.example"
OWNER_APP_ID = "00000000-0000-4000-8000-00000000c11e"  # its application (client) id
OWNER_APPLICATION_ID = "00000000-0000-4000-8000-000000000a99"
OWNER_PRINCIPAL_ID = "00000000-0000-4000-8000-000000000599"
OWNER_NAME = "mlops-tui sandbox owner"
ORGANIZATION = "practice"  # in Azure DevOps and on GitHub; the learner owns both
TOKENS: dict[TokenHost, str] = {"azure-devops": "azure_devops_token", "github": "github_token"}
DATABRICKS_PRINCIPAL_ID = "00000000-0000-4000-8000-0000000db599"
MICROSOFT_TENANT_ID = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"  # that owns Microsoft's applications, everywhere


def plant(sandbox: Sandbox) -> None:
    """Make what is missing; safe to repeat."""
    directory = Directory(sandbox.store)
    with sandbox.store.transaction():
        if sandbox.store.get(USER, LEARNER_ID) is None:
            sandbox.store.put(USER, LEARNER_ID, _learner())
        application = directory.application_of(OWNER_APP_ID)
        if application is None:
            application = directory.register_application(
                {"displayName": OWNER_NAME}, OWNER_APPLICATION_ID, OWNER_APP_ID
            )
            directory.add_service_principal(application, sandbox.tenant_id, OWNER_PRINCIPAL_ID)
            scope = f"/subscriptions/{sandbox.subscription_id}"
            for principal_id, kind in ((LEARNER_ID, "User"), (OWNER_PRINCIPAL_ID, "ServicePrincipal")):
                made = assignment(scope, principal_id, principal_id, kind, OWNER, OWNER_PRINCIPAL_ID)
                sandbox.store.put("role-assignment", made["id"].lower(), made)
        if directory.service_principal_of(DATABRICKS_APP) is None:
            directory.add_service_principal(_azure_databricks(), MICROSOFT_TENANT_ID, DATABRICKS_PRINCIPAL_ID)
        if not _credentials_hold(sandbox, directory, application):
            _renew_secrets(sandbox, directory, application)


def _learner() -> Entity:
    return {
        "id": LEARNER_ID,
        "userPrincipalName": LEARNER_NAME,
        "displayName": "Learner",
        "givenName": "Learner",
        "surname": None,
        "mail": LEARNER_NAME,
        "jobTitle": None,
        "businessPhones": [],
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "accountEnabled": True,
        "createdDateTime": clock.now(),
    }


def _azure_databricks() -> Entity:
    """What its service principal shows of the application."""
    return {
        "appId": DATABRICKS_APP,
        "displayName": "AzureDatabricks",
        "identifierUris": [],
        "signInAudience": "AzureADMultipleOrgs",
    }


def _credentials_hold(sandbox: Sandbox, directory: Directory, application: Entity) -> bool:
    """Whether credentials.json is there and its secret still opens the application."""
    tokens = HostTokens(sandbox.store)
    try:
        kept = json.loads((sandbox.folder / "credentials.json").read_text())
        credential = directory.secret_named(application, kept["client_secret"])
        known = all(tokens.owner(host, kept[name]) for host, name in TOKENS.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return credential is not None and is_valid_now(credential) and known


def _renew_secrets(sandbox: Sandbox, directory: Directory, application: Entity) -> None:
    """New ones in place of what is lost. Rolled back with the transaction if the file cannot be written."""
    for lost in application["passwordCredentials"]:
        directory.remove_secret(application, lost["keyId"])
    start = datetime.now(UTC)
    fresh = sandbox.store.get(APPLICATION, application["id"]) or application
    made = directory.add_secret(fresh, "credentials.json", start, default_end(start))
    learner = Principal(LEARNER_ID, LEARNER_NAME, "Learner", is_user=True)
    tokens = HostTokens(sandbox.store)
    issued = {name: tokens.issue(host, learner) for host, name in TOKENS.items()}
    path = sandbox.folder / "credentials.json"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(
            {
                "tenant_id": sandbox.tenant_id,
                "client_id": OWNER_APP_ID,
                "client_secret": made["secretText"],
                "subscription_id": sandbox.subscription_id,
                "ci_organization": ORGANIZATION,
                **issued,
            },
            file,
            indent=2,
        )
    new.replace(path)
