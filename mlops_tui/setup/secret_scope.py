"""The secret scope with the six keys by which notebooks reach Azure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mlops_tui.errors import CloudError, ConflictError, ForbiddenError
from mlops_tui.events import Change
from mlops_tui.setup import secret_keys, vault_scope
from mlops_tui.setup.secret_keys import CLIENT_SECRET, KEYS, OF_THE_APPLICATION
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_secrets import Scope, Secrets
    from mlops_tui.clouds.key_vault import Vault
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.setup.secret_keys import Keeper
    from mlops_tui.steps import Report


class ScopeKeeper:
    """The scope (see `secret_keys.Keeper`). Of one that a vault backs it reads what the vault holds."""

    def __init__(self, secrets: Secrets, project: Project) -> None:
        self.name = _scope_what(project)
        self._secrets = secrets
        self._project = project

    def what(self, key: str) -> str:
        return _key_what(self._project, key)

    def keys(self) -> frozenset[str]:
        """Which of ours are there."""
        there = self._secrets.keys(self._project.secret_scope)
        return frozenset(key for key in KEYS if self._spelt(key) in there)

    def read(self, key: str, known: str = "") -> str | None:
        return self._secrets.read(self._project.secret_scope, self._spelt(key), known)

    def put(self, key: str, value: str) -> None:
        self._secrets.put(self._project.secret_scope, self._spelt(key), value)

    def _spelt(self, key: str) -> str:
        return vault_scope.dashed(key) if self._project.key_vault else key


class SecretScope:
    """A step (see `steps.Step`)."""

    name = "secret-scope"
    title = "Secret scope and its six keys"
    about = (
        "A password must never stand in a notebook. A secret scope is a locked drawer in Databricks: notebooks "
        "read it by name, and Databricks masks what they print of it. Into it go six values with which notebooks "
        "sign in to Azure. The one password among them is made here, is shown nowhere, and is renewed two weeks "
        "before it ends. It costs nothing. If you name a key vault (Azure's safe for passwords), that keeps the "
        "values, for cents a month."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/security/secrets/"
    needs: tuple[str, ...] = ("sign-in", "databricks-workspace", "service-principal")
    settings: tuple[str, ...] = ("secret_scope", "key_vault", "secret_days")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        grant = (Change("create", vault_scope.grant_what(project)),) if project.key_vault else ()
        return (*grant, _new_scope(project), *(Change("create", _key_what(project, key)) for key in KEYS))

    def inspect(self, session: Session) -> Finding:
        """Raises ConflictError for a scope of another make; more for a vault (see `vault_scope`)."""
        project = session.project
        if session.knows(UNSEEN):
            return Finding(_compare_unseen(session))
        # Before the workspace is asked for: a missing vault is told before anything is made.
        vault = vault_scope.look(session) if project.key_vault else None
        if vault:
            return Finding(_compare_vault(session, vault))
        secrets = _secrets(session)
        if _matching_scope(secrets, project) is None:
            secret_keys.values(session)
            return Finding(self.wanted(project))
        keeper = ScopeKeeper(secrets, project)
        changes = secret_keys.compare(session, keeper, keeper.keys())
        return Finding((Change("keep", _scope_what(project)), *changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        secrets = _secrets(session)
        pending = {change.what for change in finding.pending}
        vault = vault_scope.look(session) if project.key_vault else None
        if vault and vault_scope.grant_what(project) in pending:
            vault_scope.give(session, vault, report)
        if _scope_what(project) in pending:
            stop_if_cancelled(session, _scope_what(project))
            _create_scope(secrets, project, vault, report)
        keeper: Keeper = vault_scope.VaultKeeper(session, vault) if vault else ScopeKeeper(secrets, project)
        secret_keys.put_pending(session, keeper, pending, report)

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        shared = False
        try:
            secrets = _secrets(session)
            gone = secrets.delete_scope(project.secret_scope)
            report.log(f"{'deleted' if gone else 'there is no'} {_scope_what(project)}")
            shared = bool(project.key_vault) and any(_is_backed(scope, project) for scope in secrets.scopes())
        except NotYetKnown:
            report.log("there is no workspace, so no scope either")
        if project.key_vault:
            vault_scope.remove(session, report, shared)

    def by_hand(self, project: Project) -> str:
        if project.key_vault:
            return vault_scope.by_hand(project)
        scope = shlex.quote(project.secret_scope)
        everybody = " --initial-manage-principal users" if project.databricks_sku == "standard" else ""
        lines = [f"databricks secrets create-scope {scope}{everybody}", secret_keys.by_hand_app_id(project)]
        for key, value in secret_keys.by_hand_sources(project).items():
            lines.append(f"databricks secrets put-secret {scope} {key} --string-value {value}")
        client_secret = secret_keys.by_hand_client_secret(project)
        return "\n".join([*lines, f"{client_secret} | databricks secrets put-secret {scope} {CLIENT_SECRET}"])


def read(session: Session, key: str) -> str | None:
    """A key as notebooks read it: through the scope, whoever keeps it. None where there is none."""
    return ScopeKeeper(_secrets(session), session.project).read(key)


def keeper_of(session: Session) -> Keeper:
    """Who keeps what notebooks read: the scope, or the vault behind it, which takes more rights to look into."""
    project = session.project
    if project.key_vault:
        return vault_scope.VaultKeeper(session, vault_scope.look(session))
    return ScopeKeeper(_secrets(session), project)


def _secrets(session: Session) -> Secrets:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace")).secrets


def _scope_what(project: Project) -> str:
    return f"secret scope {project.secret_scope}"


def _key_what(project: Project, key: str) -> str:
    return vault_scope.key_what(project, key) if project.key_vault else f"secret {project.secret_scope}/{key}"


def _new_scope(project: Project) -> Change:
    detail = "managed by all users (standard tier)" if project.databricks_sku == "standard" else ""
    return Change("create", _scope_what(project), detail)


def _is_backed(scope: Scope, project: Project) -> bool:
    """Whether the project's vault, or Databricks where it names none, is behind the scope."""
    return scope.vault_id.lower() == project.key_vault.lower() and (scope.backend == "DATABRICKS") != bool(
        project.key_vault
    )


def _matching_scope(secrets: Secrets, project: Project) -> Scope | None:
    """The scope of the project's name. Raises ConflictError where it is backed by something else."""
    scope = secrets.scope(project.secret_scope)
    if scope is not None and not _is_backed(scope, project):
        behind = f"{scope.backend} ({scope.vault_id})" if scope.vault_id else scope.backend
        raise ConflictError(
            f"The secret scope {scope.name} is there already, but is backed by {behind}.",
            hint="Give another name (databricks.secret_scope), or delete that scope if nothing needs it.",
            link=SecretScope.link,
        )
    return scope


def _compare_vault(session: Session, vault: Vault) -> tuple[Change, ...]:
    """Raises ForbiddenError where something is to be set, and this account may not."""
    project = session.project
    grant = vault_scope.compare_grant(session, vault)
    keeper = vault_scope.VaultKeeper(session, vault)
    keeper.read(KEYS[0], session.know("tenant_id", "sign-in"))  # a missing right is told before anything is made
    scope = _matching_scope(_secrets(session), project)
    if scope is None:
        vault_scope.require_entra(project)
    keys = secret_keys.compare(session, keeper)
    if any(change.action != "keep" for change in keys):
        vault_scope.require_officer(session, vault)
    return (grant, Change("keep", _scope_what(project)) if scope else _new_scope(project), *keys)


def _compare_unseen(session: Session) -> tuple[Change, ...]:
    """All of it, for a caller who may not read the directory: its two keys must be there, whatever they hold.

    They are not even read: a build that runs on what others have set up has no business with them. Raises
    ForbiddenError where one is missing. Of a vault is seen what the scope shows; the caller needs no right on it.
    """
    project = session.project
    if not session.knows("databricks_host"):
        raise _cannot_fill(project, "The workspace is still to be made")
    secrets = _secrets(session)
    if _matching_scope(secrets, project) is None:
        raise _cannot_fill(project, "The scope is not there, or this account may not read it")
    keeper = ScopeKeeper(secrets, project)
    there = keeper.keys()
    if missing := [key for key in OF_THE_APPLICATION if key not in there]:
        raise _cannot_fill(project, f"It lacks {' and '.join(missing)}")
    unseen = session.know(UNSEEN, "service-principal")
    wanted = secret_keys.values(session)
    held = secret_keys.read_all(keeper, tuple(wanted), wanted, there)
    changes = [Change("keep", vault_scope.grant_what(project), unseen)] if project.key_vault else []
    changes.append(Change("keep", _scope_what(project)))
    for key in KEYS:
        kept = Change("keep", keeper.what(key), unseen)
        changes.append(secret_keys.compare_one(keeper, key, held[key], wanted[key]) if key in held else kept)
    return tuple(changes)


def _cannot_fill(project: Project, why: str) -> ForbiddenError:
    """For those without the directory: they can neither look the application up nor make a client secret."""
    return ForbiddenError(
        f"Not allowed: fill the {_scope_what(project)}. {why}, and this account may not read the directory, where "
        f"the client id and secret of {project.service_principal} come from.",
        hint="Let somebody who may register applications run `mlops-tui setup` once; this account can do the rest. If "
        "the scope is there, they must let this account read it: databricks secrets put-acl "
        f"{shlex.quote(project.secret_scope)} YOUR_CLIENT_ID READ",
        link=SecretScope.link,
    )


def _create_scope(secrets: Secrets, project: Project, vault: Vault | None, report: Report) -> None:
    everybody = project.databricks_sku == "standard"
    backing = (vault.id, vault.uri) if vault else None
    try:
        secrets.create_scope(project.secret_scope, for_everybody=everybody, vault=backing)
    except CloudError as error:
        # An adopted workspace may be of the standard tier without our knowing: it refuses a scope of one's own.
        if everybody or "premium" not in error.raw.lower():
            raise
        report.log("the workspace is of the standard tier: all its users will manage the scope", "warning")
        secrets.create_scope(project.secret_scope, for_everybody=True, vault=backing)
    report.log(f"created the secret scope {project.secret_scope}")
