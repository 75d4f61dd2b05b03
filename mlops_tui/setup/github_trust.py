"""Whose tokens the application trusts: those that GitHub gives to the jobs of this repository, by their subjects.

A job with an environment has the environment in its subject and nothing else, so that each environment needs a
federated credential, and the branch another. Ours are known by their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_tui.events import Change
from mlops_tui.pipelines.names import STAGES, job_contexts, trust_name
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.directory import FederatedCredential
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

BRANCH = "branch"


def prefix(project: Project) -> str:
    """With what the names of ours begin."""
    return f"{trust_name(project)}-"


def names(project: Project) -> tuple[str, ...]:
    return tuple(f"{prefix(project)}{context}" for context in (*STAGES, BRANCH))


def what(name: str) -> str:
    return f"federated credential {name}"


def subjects(project: Project, subject_prefix: str) -> dict[str, str]:
    """Name of the credential -> subject (GitHub, "OpenID Connect reference")."""
    contexts = zip(names(project), job_contexts(project), strict=True)
    return {name: f"{subject_prefix}:{context}" for name, context in contexts}


def compare(session: Session, subject_prefix: Callable[[], str]) -> list[Change]:
    if session.knows(UNSEEN):
        unseen = session.know(UNSEEN, "service-principal")
        federated = session.project.ci.authentication == "federated"
        return [Change("keep", what(name), unseen) for name in names(session.project) if federated]
    wanted, there = _wanted(session, subject_prefix), _there(session)
    trusted = {(one.issuer, one.subject): one.name for one in there}
    taken = {one.name: one.subject for one in there}
    changes = []
    for one in wanted:
        if by := trusted.get((one.issuer, one.subject)):
            changes.append(Change("keep", what(one.name), one.subject if by == one.name else f"as {by}: {one.subject}"))
        else:
            before = taken.get(one.name)
            detail = f"{one.subject}, in place of {before}" if before else one.subject
            changes.append(Change("update" if before else "create", what(one.name), detail))
    return changes + outdated(session)


def outdated(session: Session) -> list[Change]:
    """What is to go whatever the repository's subjects are."""
    if session.knows(UNSEEN):
        return []
    known = names(session.project) if session.project.ci.authentication == "federated" else ()
    ours = [one for one in _there(session) if one.name.startswith(prefix(session.project)) and one.name not in known]
    return [Change("remove", what(one.name), one.subject) for one in ours]


def settle(session: Session, subject_prefix: Callable[[], str], pending: set[str], report: Report) -> None:
    """Make what the plan said: what is outdated goes first, for its subject may be wanted under another name."""
    if not any(change.startswith(what("")) for change in pending):
        return
    directory = session.clients.directory
    application = session.know("app_object_id", "service-principal")
    wanted, there = _wanted(session, subject_prefix), _there(session)
    taken = {one.name for one in there}
    known = {one.name for one in wanted}
    for gone in there:
        if what(gone.name) in pending and gone.name not in known:
            stop_if_cancelled(session, what(gone.name))
            directory.remove_federated_credential(application, gone.name)
            report.log(f"removed the {what(gone.name)} ({gone.subject})")
    for one in wanted:
        if what(one.name) in pending:
            stop_if_cancelled(session, what(one.name))
            put = directory.change_federated_credential if one.name in taken else directory.add_federated_credential
            put(application, one)
            report.log(f"{'changed' if one.name in taken else 'made'} the {what(one.name)}: it trusts {one.subject}")


def remove(session: Session, report: Report) -> None:
    """Those of our names."""
    application = session.know("app_object_id", "service-principal")
    for one in _there(session):
        if one.name.startswith(prefix(session.project)):
            session.clients.directory.remove_federated_credential(application, one.name)
            report.log(f"removed the {what(one.name)}")


def _wanted(session: Session, subject_prefix: Callable[[], str]) -> list[FederatedCredential]:
    from mlops_tui.clouds.directory import FederatedCredential

    if session.project.ci.authentication != "federated":
        return []
    issuer = session.cloud.github_token_issuer
    return [
        FederatedCredential(name, issuer, subject)
        for name, subject in subjects(session.project, subject_prefix()).items()
    ]


def _there(session: Session) -> tuple[FederatedCredential, ...]:
    directory = session.clients.directory
    return directory.list_federated_credentials(session.know("app_object_id", "service-principal"))
