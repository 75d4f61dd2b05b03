"""The six keys by which notebooks reach Azure: what they must hold, whoever keeps them, and the client secret."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from mlops_tui import redaction
from mlops_tui.events import Action, Change
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.directory import Password
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

CLIENT_SECRET = "client_secret"  # noqa: S105 (a key's name)
OF_THE_APPLICATION = ("client_id", CLIENT_SECRET)  # keys that only the directory can tell
KEYS = ("tenant_id", *OF_THE_APPLICATION, "subscription_id", "resource_group", "workspace_name")
SHORTEST_LIFE = timedelta(days=14)  # a client secret that ends sooner is renewed
HINT_LENGTH = 3  # Entra shows the first three characters of a client secret, and never the rest


class Keeper(Protocol):
    """Who keeps the keys: a scope of Databricks' own, or a key vault."""

    name: str  # "secret scope azureml", for sentences

    def what(self, key: str) -> str:
        """The key as plans put it."""
        ...

    def read(self, key: str, known: str = "") -> str | None:
        """None where there is no such key."""
        ...

    def put(self, key: str, value: str) -> None: ...


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


def values(session: Session) -> dict[str, str]:
    """What the keys must hold, the client secret aside; where the directory is closed to us, the client id, too."""
    client_id = {} if session.knows(UNSEEN) else {"client_id": session.know("app_id", "service-principal")}
    return {
        "tenant_id": session.know("tenant_id", "sign-in"),
        **client_id,
        "subscription_id": session.know("subscription_id", "sign-in"),
        "resource_group": session.project.resource_group,
        "workspace_name": session.project.ml_workspace,
    }


def compare(session: Session, keeper: Keeper, there: Collection[str] = KEYS) -> list[Change]:
    """Each key as it is beside what it must be; read side by side. Keys not in `there` are known to be missing."""
    wanted = values(session)
    held = read_all(keeper, KEYS, wanted, there)
    changes = [compare_one(keeper, key, held[key], wanted[key]) for key in wanted]
    changes.insert(KEYS.index(CLIENT_SECRET), _judge_secret(session, keeper, held[CLIENT_SECRET]))
    return changes


def read_all(
    keeper: Keeper, keys: Collection[str], wanted: Mapping[str, str], there: Collection[str] = KEYS
) -> dict[str, str | None]:
    """What is held for each key, None where it is missing."""
    with ThreadPoolExecutor(len(keys), thread_name_prefix="secret") as pool:
        held = pool.map(lambda key: keeper.read(key, wanted.get(key, "")) if key in there else None, keys)
        return dict(zip(keys, held, strict=True))


def compare_one(keeper: Keeper, key: str, held: str | None, value: str) -> Change:
    action: Action = "create" if held is None else "keep" if held == value else "update"
    return Change(action, keeper.what(key))


def put_pending(session: Session, keeper: Keeper, pending: Collection[str], report: Report) -> None:
    """Set the keys that the plan said would be set."""
    for key, value in values(session).items():
        if keeper.what(key) in pending:
            stop_if_cancelled(session, keeper.name)
            keeper.put(key, value)
            report.log(f"put {key} into the {keeper.name}")
    if keeper.what(CLIENT_SECRET) in pending:
        stop_if_cancelled(session, keeper.name)
        _settle_secret(session, keeper, report)


def password_name(project: Project) -> str:
    """By which we know our own client secrets among an application's."""
    return f"mlops-tui {project.secret_scope}"


def _passwords(session: Session, held: str | None) -> Passwords:
    """Our client secrets of the application, judged by what is held."""
    project = session.project
    app_object_id = session.know("app_object_id", "service-principal")
    listed = session.clients.directory.list_passwords(app_object_id)
    ours = [one for one in listed if one.name == password_name(project)]
    # One that is made for a short life is not renewed each time anew.
    return Passwords.judge(ours, held, min(SHORTEST_LIFE, timedelta(days=project.secret_days) / 2))


def _judge_secret(session: Session, keeper: Keeper, held: str | None) -> Change:
    what = keeper.what(CLIENT_SECRET)
    passwords = _passwords(session, held)
    if passwords.kept is None:
        if held is None:
            return Change("create", what, f"a new client secret for {session.project.secret_days} days")
        return Change("update", what, "the one there is not ours, or ends soon: a new client secret")
    if passwords.lost:
        return Change("update", what, f"remove {_count(len(passwords.lost), 'lost client secret')} of the application")
    return Change("keep", what, f"ends {passwords.kept.ends:%Y-%m-%d}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _settle_secret(session: Session, keeper: Keeper, report: Report) -> None:
    """Exactly one client secret of ours, and that one kept.

    Killed between the two writes, the new one's value is lost: the next run makes another and removes the lost one.
    """
    project = session.project
    directory = session.clients.directory
    app_object_id = session.know("app_object_id", "service-principal")
    passwords = _passwords(session, keeper.read(CLIENT_SECRET))
    if passwords.kept is None:
        made = directory.add_password(app_object_id, password_name(project), project.secret_days)
        redaction.register(made.value)
        keeper.put(CLIENT_SECRET, made.value)
        report.log(
            f"made a client secret (ends {made.ends:%Y-%m-%d}) and put it into the {keeper.name}; it is shown nowhere"
        )
    for password in passwords.lost:
        stop_if_cancelled(session, keeper.name)
        directory.remove_password(app_object_id, password.key_id)
        report.log(f"removed an older client secret of ours ({password.key_id})")


def by_hand_sources(project: Project) -> dict[str, str]:
    """Shell words for what the keys must hold, the client secret aside; $APP_ID must be set."""
    return {
        "tenant_id": '"$(az account show --query tenantId -o tsv)"',
        "client_id": '"$APP_ID"',
        "subscription_id": '"$(az account show --query id -o tsv)"',
        "resource_group": shlex.quote(project.resource_group),
        "workspace_name": shlex.quote(project.ml_workspace),
    }


def by_hand_app_id(project: Project) -> str:
    application = shlex.quote(project.service_principal)
    return f"APP_ID=$(az ad app list --display-name {application} --query '[0].appId' -o tsv)"


def by_hand_client_secret(project: Project) -> str:
    """A pipe's beginning, which writes a new client secret without a line end."""
    ends = f"$(date -u -d '+{project.secret_days} days' +%Y-%m-%dT%H:%M:%SZ)"
    return (
        f'az ad app credential reset --id "$APP_ID" --append --display-name {shlex.quote(password_name(project))} '
        f'--end-date "{ends}" --query password -o tsv | tr -d "\\n"'
    )
