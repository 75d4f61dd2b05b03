"""A key vault behind the secret scope: the vault is somebody's; the right to read it and the keys are ours."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from mlops_tui.clouds.cloud import DATABRICKS_APP_ID
from mlops_tui.clouds.key_vault import OFFICER, SECRETS, not_an_officer
from mlops_tui.delivery.names import STAGING_KEY
from mlops_tui.errors import ConflictError, NotFoundError, UsageError
from mlops_tui.events import Change
from mlops_tui.setup import marks, secret_keys
from mlops_tui.setup.secret_keys import CLIENT_SECRET, KEYS
from mlops_tui.setup.service_principal import ASSIGN, UNSEEN
from mlops_tui.setup.waiting import until_heard_of

if TYPE_CHECKING:
    from mlops_tui.clouds.key_vault import Vault
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

READER = "Key Vault Secrets User"
READER_NAME = "AzureDatabricks"  # the enterprise application with whose right scopes read vaults
LINK = "https://learn.microsoft.com/azure/databricks/security/secrets/#azure-key-vault-backed-scopes"


class VaultKeeper:
    """Keeps the keys (see `secret_keys.Keeper`) in the vault itself: Databricks does not write into vaults."""

    def __init__(self, session: Session, vault: Vault) -> None:
        self.name = f"key vault {vault.name}"
        self._project = session.project
        self._secrets = session.clients.key_vaults.secrets(vault)

    def what(self, key: str) -> str:
        return key_what(self._project, key)

    def read(self, key: str, known: str = "") -> str | None:
        found = self._secrets.read(dashed(key), known)
        return found.value if found else None

    def put(self, key: str, value: str) -> None:
        """What somebody else has put there keeps their tags, so that teardown leaves it alone."""
        there = self._secrets.read(dashed(key), value)
        tags = there.tags if there else marks.tags(self._project)
        self._secrets.put(dashed(key), value, tags)

    def delete_ours(self, key: str) -> bool:
        there = self._secrets.read(dashed(key))
        return there is not None and marks.is_ours(there.tags, self._project) and self._secrets.delete(dashed(key))


def dashed(key: str) -> str:
    """A vault allows no underscore in a secret's name."""
    return key.replace("_", "-")


def key_what(project: Project, key: str) -> str:
    return f"key vault secret {_name(project)}/{dashed(key)}"


def grant_what(project: Project) -> str:
    return f"role assignment {READER} for {READER_NAME} on the key vault {_name(project)}"


def look(session: Session) -> Vault:
    """Raises NotFoundError where there is no such vault, ConflictError where roles do not count in it."""
    project = session.project
    vault = session.clients.key_vaults.get(project.key_vault)
    group = project.key_vault.split("/")[4]
    place = f"--name {_name(project)} --resource-group {shlex.quote(group)} --subscription {_subscription(project)}"
    if vault is None:
        raise NotFoundError(
            f"There is no key vault {_name(project)} in the resource group {group}.",
            hint=f"Make it: az keyvault create {place} --location {project.location} "
            "--enable-rbac-authorization true; or correct databricks.key_vault.",
            link=LINK,
        )
    if not vault.uses_roles:
        raise ConflictError(
            f"The key vault {vault.name} goes by access policies, not by roles.",
            hint=f"Let it go by roles (those who use it need roles then): az keyvault update {place} "
            "--enable-rbac-authorization true",
            link="https://learn.microsoft.com/azure/key-vault/general/rbac-migration",
        )
    return vault


def compare_grant(session: Session, vault: Vault) -> Change:
    """Databricks' right to read the vault. Raises ForbiddenError where it is missing and we may not give it."""
    project, roles = session.project, session.clients.roles
    if roles.find(_subscription(project), vault.id, _reader(session), READER):
        return Change("keep", grant_what(project))
    roles.require(_subscription(project), vault.id, ASSIGN, f"give {READER_NAME} the role {READER}")
    return Change("create", grant_what(project))


def give(session: Session, vault: Vault, report: Report) -> None:
    project, roles = session.project, session.clients.roles
    reader = _reader(session)
    given = until_heard_of(
        session,
        report,
        lambda: (
            roles.find(_subscription(project), vault.id, reader, READER) is None
            and roles.assign(_subscription(project), vault.id, reader, READER)
        ),
        grant_what(project),
    )
    report.log(f"{'gave' if given else 'there is'} the {grant_what(project)}")


def require_officer(session: Session, vault: Vault) -> None:
    """Raises ForbiddenError where we may read the vault's secrets at most."""
    if not session.clients.roles.allows(
        _subscription(session.project), vault.id, f"{SECRETS}/setSecret/action", data=True
    ):
        raise not_an_officer(vault, session.know("caller_id", "sign-in"))


def require_entra(project: Project) -> None:
    """Databricks checks with the caller's Entra token that they may use the vault. Raises UsageError."""
    if project.databricks_token:
        raise UsageError(
            "A scope that a key vault backs cannot be made with a personal access token.",
            hint="Leave DATABRICKS_TOKEN unset for this: Entra ID then signs in to Databricks, too.",
            link=LINK,
        )


def remove(session: Session, report: Report, shared: bool) -> None:
    """Our keys, then our role assignment unless another scope is `shared` upon the vault; the vault stays."""
    project = session.project
    vault = session.clients.key_vaults.get(project.key_vault)
    if vault is None:
        report.log(f"there is no key vault {_name(project)}")
        return
    keeper = VaultKeeper(session, vault)
    for key in (*KEYS, STAGING_KEY):
        if keeper.delete_ours(key):
            report.log(f"deleted the {key_what(project, key)}; the vault keeps it restorable for a while")
    if session.knows(UNSEEN):
        report.log(f"the {grant_what(project)} stays: this account may not read the directory", "warning")
        return
    roles = session.clients.roles
    found = roles.find(_subscription(project), vault.id, _reader(session), READER)
    if found and roles.is_ours(found) and not shared:
        roles.remove(_subscription(project), found)
        report.log(f"removed the {grant_what(project)}")
    elif found:
        why = "another scope reads the vault with it" if shared else "we did not make it"
        report.log(f"the {grant_what(project)} stays: {why}")


def by_hand(project: Project) -> str:
    """Values go through pipes, never into a command's arguments."""
    vault, vault_id = _name(project), shlex.quote(project.key_vault)
    scope = {
        "scope": project.secret_scope,
        "scope_backend_type": "AZURE_KEYVAULT",
        "backend_azure_keyvault": {"resource_id": project.key_vault, "dns_name": "VAULT_URI"},
    }
    if project.databricks_sku == "standard":
        scope["initial_manage_principal"] = "users"
    body = json.dumps(scope, ensure_ascii=False).replace("%", "%%").replace("VAULT_URI", "%s")
    put = f"az keyvault secret set --vault-name {vault} --file /dev/stdin --encoding utf-8 --output none --name"
    lines = [
        f'# you need the role "{OFFICER}" on the vault',
        f'az role assignment create --role "{READER}" --assignee {DATABRICKS_APP_ID} --scope {vault_id}',
        f"VAULT_URI=$(az keyvault show --name {vault} --query properties.vaultUri -o tsv)",
        f'databricks secrets create-scope --json "$(printf {shlex.quote(body)} "$VAULT_URI")"',
        secret_keys.by_hand_app_id(project),
    ]
    for key, value in secret_keys.by_hand_sources(project).items():
        lines.append(f"printf %s {value} | {put} {dashed(key)}")
    return "\n".join([*lines, f"{secret_keys.by_hand_client_secret(project)} | {put} {dashed(CLIENT_SECRET)}"])


def _name(project: Project) -> str:
    return project.key_vault.rpartition("/")[2]


def _subscription(project: Project) -> str:
    """That of the vault, which need not be the project's."""
    return project.key_vault.split("/")[2]


def _reader(session: Session) -> str:
    """The object id of AzureDatabricks in this tenant. Raises NotFoundError."""
    found = session.clients.directory.find_principal(DATABRICKS_APP_ID)
    if found is None:
        raise NotFoundError(
            f"The directory has no {READER_NAME} (enterprise application {DATABRICKS_APP_ID}).",
            hint=f"Let somebody who may register applications make it: az ad sp create --id {DATABRICKS_APP_ID}",
            link=LINK,
        )
    return found
