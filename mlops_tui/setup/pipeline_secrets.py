"""What a pipeline signs in with where it does so by stored secrets: a Databricks token and a client secret.

Both are made here, go straight into the CI host, and are shown nowhere. A host gives no secret back, so that which of
several is the one in there cannot be known: there is one of ours at any time, and a new one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from mlops_tui.events import Change
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

SHORTEST_LIFE = timedelta(days=7)  # one that ends sooner is renewed


@dataclass(frozen=True)
class Issued:
    """One that was made: what is known of it afterwards."""

    id: str
    ends: datetime | None  # None: never


class Issuer(Protocol):
    """Who makes them."""

    what: str  # "Databricks token"

    def ours(self) -> tuple[Issued, ...]:
        """Those of this project for this host."""
        ...

    def make(self) -> str:
        """A new one's value, registered as a secret."""
        ...

    def take_back(self, issued: Issued) -> None: ...


class DatabricksTokens:
    """Personal access tokens of whoever sets up, with a comment that names the project."""

    what = "Databricks token"

    def __init__(self, session: Session, host: str) -> None:
        self._tokens = session.clients.databricks(session.know("databricks_host", "databricks-workspace")).tokens
        self._comment = name_of(session.project, host)
        self._days = session.project.ci.token_days

    def ours(self) -> tuple[Issued, ...]:
        return tuple(Issued(one.id, one.expires) for one in self._tokens.list() if one.comment == self._comment)

    def make(self) -> str:
        return self._tokens.create(self._comment, self._days)

    def take_back(self, issued: Issued) -> None:
        self._tokens.delete(issued.id)


class ClientSecrets:
    """Client secrets of the application, with a name that names the project."""

    what = "client secret"

    def __init__(self, session: Session, host: str) -> None:
        self._directory = session.clients.directory
        self._application = session.know("app_object_id", "service-principal")
        self._name = name_of(session.project, host)
        self._days = session.project.ci.token_days

    def ours(self) -> tuple[Issued, ...]:
        listed = self._directory.list_passwords(self._application)
        return tuple(Issued(one.key_id, one.ends) for one in listed if one.name == self._name)

    def make(self) -> str:
        return self._directory.add_password(self._application, self._name, self._days).value

    def take_back(self, issued: Issued) -> None:
        self._directory.remove_password(self._application, issued.id)


def name_of(project: Project, host: str) -> str:
    """By which ours are known: "mlops-tui wine-quality GitHub"."""
    return f"mlops-tui {project.name} {host}"


def compare(project: Project, issuer: Issuer, what: str, is_there: bool) -> Change:
    """`what` is the secret as plans put it, `is_there` whether the host has one of that name."""
    ours = issuer.ours()
    kept = _kept(project, ours) if is_there else None
    if kept is not None:
        return Change("keep", what, f"ends {kept.ends:%Y-%m-%d}" if kept.ends else "")
    new = f"a new {issuer.what} for {project.ci.token_days} days"
    if not is_there:
        return Change("create", what, new)
    return Change("update", what, f"the one there {_why(ours)}: {new}")


def settle(session: Session, issuer: Issuer, what: str, put: Callable[[str], object], report: Report) -> None:
    """A new one into the host, and those of before taken back.

    Killed between the two, the one of before is lost in the next run, which makes another and takes both back.
    """
    lost = issuer.ours()
    stop_if_cancelled(session, what)
    put(issuer.make())
    report.log(
        f"made a {issuer.what} for {session.project.ci.token_days} days and put it into the {what}; it is shown nowhere"
    )
    take_back(issuer, lost, report)


def take_back(issuer: Issuer, lost: Collection[Issued], report: Report) -> None:
    for one in lost:
        issuer.take_back(one)
        report.log(f"took back a {issuer.what} of ours ({one.id[:12]})")


def _kept(project: Project, ours: Collection[Issued]) -> Issued | None:
    """The one that the host has, if it lives long enough; with more than one it cannot be told."""
    margin = min(SHORTEST_LIFE, timedelta(days=project.ci.token_days) / 2)
    if len(ours) != 1:
        return None
    (only,) = ours
    return only if only.ends is None or only.ends > datetime.now(UTC) + margin else None


def _why(ours: Collection[Issued]) -> str:
    if not ours:
        return "is not ours, or was taken back"
    return "ends soon" if len(ours) == 1 else "may be any of several"
