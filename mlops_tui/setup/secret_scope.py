"""The secret scope with the six keys by which notebooks reach Azure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_tui import redaction
from mlops_tui.errors import CloudError, ConflictError, ForbiddenError, UsageError
from mlops_tui.events import Action, Change
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_secrets import Secrets
    from mlops_tui.clouds.directory import Password
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

CLIENT_SECRET = "client_secret"  # noqa: S105 (a key's name)
OF_THE_APPLICATION = ("client_id", CLIENT_SECRET)  # keys that only the directory can tell
KEYS = ("tenant_id", *OF_THE_APPLICATION, "subscription_id", "resource_group", "workspace_name")
SHORTEST_LIFE = timedelta(days=14)  # a client secret that ends sooner is renewed
HINT_LENGTH = 3  # Entra shows the first three characters of a client secret, and never the rest


@dataclass(frozen=True)
class Passwords:
    """The application's client secrets of our making, beside the one in the scope."""

    kept: Password | None  # the one in the scope, where it is ours and lives long enough
    lost: tuple[Password, ...]  # all others: their values are nowhere

    @classmethod
    def judge(cls, ours: list[Password], value: str | None, margin: timedelta = SHORTEST_LIFE) -> Passwords:
        """Which of `ours` is `value`, as far as its hint and its end tell; it must live for `margin` at least."""
        soonest = datetime.now(UTC) + margin
        fitting = [one for one in ours if value and one.hint == value[:HINT_LENGTH] and one.ends > soonest]
        kept = fitting[0] if len(fitting) == 1 else None
        return cls(kept, tuple(one for one in ours if one is not kept))


class SecretScope:
    """A step (see `steps.Step`)."""

    name = "secret-scope"
    title = "Secret scope and its six keys"
    about = (
        "Notebooks must sign in to Azure to build images and to deploy, and a password must never stand in a notebook. "
        "A secret scope is a locked drawer in Databricks: notebooks read from it by name, and what they read is masked "
        "in their output. Into it go the ids of the tenant, subscription, resource group and ML workspace, and the id "
        "and client secret of the service principal. The client secret is made here and goes straight into the drawer; "
        "it is shown and written nowhere else, and is renewed two weeks before its end."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/security/secrets/"
    needs: tuple[str, ...] = ("sign-in", "databricks-workspace", "service-principal")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        detail = "managed by all users (standard tier)" if project.databricks_sku == "standard" else ""
        scope = Change("create", _scope_what(project), detail)
        return (scope, *(Change("create", _key_what(project, key)) for key in KEYS))

    def inspect(self, session: Session) -> Finding:
        project = session.project
        if project.key_vault:
            raise UsageError(
                "A secret scope backed by a Key Vault is not supported yet.",
                hint="Leave databricks.key_vault out of the project file: the scope is then kept by Databricks itself.",
            )
        if session.knows(UNSEEN) and not session.knows("databricks_host"):
            raise _cannot_fill(project, "The workspace is still to be made")
        secrets = _secrets(session)
        values = _values(session)
        scope = secrets.scope(project.secret_scope)
        if scope is None and session.knows(UNSEEN):
            raise _cannot_fill(project, "The scope is not there, or this account may not read it")
        if scope is None:
            return Finding(self.wanted(project))
        if scope.backend != "DATABRICKS":
            raise ConflictError(
                f"The secret scope {scope.name} is there already, but is backed by {scope.backend}.",
                hint="Give another name (databricks.secret_scope), or delete that scope if nothing needs it.",
                link=self.link,
            )
        if session.knows(UNSEEN):
            changes = _compare_unseen(session, secrets, values)
        else:
            held = _held(secrets, project.secret_scope, KEYS, values)
            changes = [_compare(project, key, held[key], values[key]) for key in values]
            changes.insert(KEYS.index(CLIENT_SECRET), _judge_secret(session, held[CLIENT_SECRET]))
        return Finding((Change("keep", _scope_what(project)), *changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        secrets = _secrets(session)
        pending = {change.what for change in finding.pending}
        if _scope_what(project) in pending:
            _create_scope(secrets, project, report)
        for key, value in _values(session).items():
            if _key_what(project, key) in pending:
                stop_if_cancelled(session, _scope_what(project))
                secrets.put(project.secret_scope, key, value)
                report.log(f"put {key} into the scope {project.secret_scope}")
        if _key_what(project, CLIENT_SECRET) in pending:
            stop_if_cancelled(session, _scope_what(project))
            _settle_secret(session, secrets, report)

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        try:
            gone = _secrets(session).delete_scope(project.secret_scope)
        except NotYetKnown:
            report.log("there is no workspace, so no scope either")
            return
        report.log(f"{'deleted' if gone else 'there is no'} secret scope {project.secret_scope}")

    def by_hand(self, project: Project) -> str:
        scope = shlex.quote(project.secret_scope)
        everybody = " --initial-manage-principal users" if project.databricks_sku == "standard" else ""
        lines = [f"databricks secrets create-scope {scope}{everybody}"]
        plain = {
            "tenant_id": '"$(az account show --query tenantId -o tsv)"',
            "client_id": '"$APP_ID"',
            "subscription_id": '"$(az account show --query id -o tsv)"',
            "resource_group": shlex.quote(project.resource_group),
            "workspace_name": shlex.quote(project.ml_workspace),
        }
        application = shlex.quote(project.service_principal)
        lines.append(f"APP_ID=$(az ad app list --display-name {application} --query '[0].appId' -o tsv)")
        lines += [f"databricks secrets put-secret {scope} {key} --string-value {value}" for key, value in plain.items()]
        ends = f"$(date -u -d '+{project.secret_days} days' +%Y-%m-%dT%H:%M:%SZ)"
        lines.append(
            f'az ad app credential reset --id "$APP_ID" --append --display-name {shlex.quote(_password_name(project))} '
            f'--end-date "{ends}" --query password -o tsv | tr -d "\\n" '
            f"| databricks secrets put-secret {scope} {CLIENT_SECRET}"
        )
        return "\n".join(lines)


def _secrets(session: Session) -> Secrets:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace")).secrets


def _scope_what(project: Project) -> str:
    return f"secret scope {project.secret_scope}"


def _key_what(project: Project, key: str) -> str:
    return f"secret {project.secret_scope}/{key}"


def _password_name(project: Project) -> str:
    """By which we know our own client secrets among an application's."""
    return f"mlops-tui {project.secret_scope}"


def _values(session: Session) -> dict[str, str]:
    """What the keys must hold, the client secret aside; where the directory is closed to us, the client id, too."""
    client_id = {} if session.knows(UNSEEN) else {"client_id": session.know("app_id", "service-principal")}
    return {
        "tenant_id": session.know("tenant_id", "sign-in"),
        **client_id,
        "subscription_id": session.know("subscription_id", "sign-in"),
        "resource_group": session.project.resource_group,
        "workspace_name": session.project.ml_workspace,
    }


def _held(secrets: Secrets, scope: str, keys: Collection[str], values: Mapping[str, str]) -> dict[str, str | None]:
    """What the scope holds for each key, None where it lacks it; read side by side."""
    there = secrets.keys(scope)
    with ThreadPoolExecutor(len(keys), thread_name_prefix="secret") as pool:
        held = pool.map(lambda key: secrets.read(scope, key, values.get(key, "")) if key in there else None, keys)
        return dict(zip(keys, held, strict=True))


def _compare(project: Project, key: str, held: str | None, value: str) -> Change:
    action: Action = "create" if held is None else "keep" if held == value else "update"
    return Change(action, _key_what(project, key))


def _compare_unseen(session: Session, secrets: Secrets, values: Mapping[str, str]) -> list[Change]:
    """The keys, for a caller who may not read the directory: its two must be there, whatever they hold.

    They are not even read: a build that runs on what others have set up has no business with them. Raises
    ForbiddenError where one is missing.
    """
    project = session.project
    missing = [key for key in OF_THE_APPLICATION if key not in secrets.keys(project.secret_scope)]
    if missing:
        raise _cannot_fill(project, f"It lacks {' and '.join(missing)}")
    unseen = session.know(UNSEEN, "service-principal")
    held = _held(secrets, project.secret_scope, values, values)
    changes = []
    for key in KEYS:
        kept = Change("keep", _key_what(project, key), unseen)
        changes.append(_compare(project, key, held[key], values[key]) if key in held else kept)
    return changes


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


def _create_scope(secrets: Secrets, project: Project, report: Report) -> None:
    everybody = project.databricks_sku == "standard"
    try:
        secrets.create_scope(project.secret_scope, for_everybody=everybody)
    except CloudError as error:
        # An adopted workspace may be of the standard tier without our knowing: it refuses a scope of one's own.
        if everybody or "premium" not in error.raw.lower():
            raise
        report.log("the workspace is of the standard tier: all its users will manage the scope", "warning")
        secrets.create_scope(project.secret_scope, for_everybody=True)
    report.log(f"created the secret scope {project.secret_scope}")


def _passwords(session: Session, held: str | None) -> Passwords:
    """Our client secrets of the application, judged by what the scope holds."""
    project = session.project
    app_object_id = session.know("app_object_id", "service-principal")
    listed = session.clients.directory.list_passwords(app_object_id)
    ours = [one for one in listed if one.name == _password_name(project)]
    # One that is made for a short life is not renewed each time anew.
    return Passwords.judge(ours, held, min(SHORTEST_LIFE, timedelta(days=project.secret_days) / 2))


def _judge_secret(session: Session, held: str | None) -> Change:
    project = session.project
    what = _key_what(project, CLIENT_SECRET)
    passwords = _passwords(session, held)
    if passwords.kept is None:
        if held is None:
            return Change("create", what, f"a new client secret for {project.secret_days} days")
        return Change("update", what, "the one there is not ours, or ends soon: a new client secret")
    if passwords.lost:
        return Change("update", what, f"remove {_count(len(passwords.lost), 'lost client secret')} of the application")
    return Change("keep", what, f"ends {passwords.kept.ends:%Y-%m-%d}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _settle_secret(session: Session, secrets: Secrets, report: Report) -> None:
    """Exactly one client secret of ours, and that one in the scope.

    Killed between the two writes, the new one's value is lost: the next run makes another and removes the lost one.
    """
    project = session.project
    directory = session.clients.directory
    app_object_id = session.know("app_object_id", "service-principal")
    passwords = _passwords(session, secrets.read(project.secret_scope, CLIENT_SECRET))
    if passwords.kept is None:
        made = directory.add_password(app_object_id, _password_name(project), project.secret_days)
        redaction.register(made.value)
        secrets.put(project.secret_scope, CLIENT_SECRET, made.value)
        report.log(f"made a client secret (ends {made.ends:%Y-%m-%d}) and put it into the scope; it is shown nowhere")
    for password in passwords.lost:
        stop_if_cancelled(session, _scope_what(project))
        directory.remove_password(app_object_id, password.key_id)
        report.log(f"removed an older client secret of ours ({password.key_id})")
