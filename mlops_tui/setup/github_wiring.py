"""The pipeline on GitHub: what its workflow signs in with, its environments, and who says yes to production.

Without secrets (the default) the application trusts the tokens that GitHub gives to jobs: one federated credential for
each environment, and one for the branch. GitHub, "Configuring OpenID Connect in Azure".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mlops_tui.errors import CloudError, ForbiddenError
from mlops_tui.events import Action, Change
from mlops_tui.setup import github_trust, pipeline_secrets, pipeline_sign_in
from mlops_tui.setup.github_by_hand import by_hand
from mlops_tui.setup.pipeline import STAGES, environment_name
from mlops_tui.setup.pipeline_secrets import ClientSecrets, DatabricksTokens, Issuer
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.github import GitHub
    from mlops_tui.clouds.github_settings import Environment
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

HOST = "GitHub"
APPROVED = "production"  # the stage that waits for a yes
TOKEN, CLIENT_SECRET = "DATABRICKS_TOKEN", "AZURE_CLIENT_SECRET"
SECRETS = (TOKEN, CLIENT_SECRET)
VARIABLES = {
    "AZURE_CLIENT_ID": ("app_id", "service-principal"),
    "AZURE_TENANT_ID": ("tenant_id", "sign-in"),
    "AZURE_SUBSCRIPTION_ID": ("subscription_id", "sign-in"),
}
NO_REVIEWERS = (
    "GitHub lets a private repository of this owner ask nobody for a yes, and production must not go without one: this "
    'step will stop here. Make the repository public (ci.visibility = "public"), or use GitHub Enterprise.'
)


class GitHubWiring:
    """See `pipeline.Wiring`."""

    def wanted(self, project: Project) -> tuple[Change, ...]:
        changes = [Change("create", _variable(name)) for name in VARIABLES]
        if project.ci.authentication == "token":
            changes += [Change("create", _secret(name)) for name in SECRETS]
        changes += [Change("create", _environment(project, stage)) for stage in STAGES]
        if project.ci.authentication == "federated":
            changes += [Change("create", github_trust.what(name)) for name in github_trust.names(project)]
        return tuple(changes)

    def inspect(self, session: Session) -> Finding:
        """Raises UsageError for an approver whom GitHub does not know, ForbiddenError for one who may not review."""
        project, github = session.project, session.clients.github
        repository = github.find_repository()
        if repository is None:
            for login in _approvers(project):
                github.settings.user(login)
            known_after = tuple(replace(change, after="repository") for change in self.wanted(project))
            return Finding((*known_after, *github_trust.outdated(session)))
        changes = _compare_variables(session, github)
        # What a job finds first of what it signs in with.
        changes[0] = replace(changes[0], warning=pipeline_sign_in.warning(project, github, repository))
        changes += _compare_secrets(session, github)
        changes += [_compare_environment(session, github, stage) for stage in STAGES]
        changes += github_trust.compare(session, github.settings.subject_prefix)
        return Finding(tuple(changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Production is trusted, and has secrets to sign in with, only once it asks for a yes."""
        project, github = session.project, session.clients.github
        pending = {change.what: change for change in finding.pending}
        _set_variables(session, github, set(pending), report)
        for stage in STAGES:
            if _environment(project, stage) in pending:
                stop_if_cancelled(session, _environment(project, stage))
                _make_environment(session, github, stage, report)
        _settle_secrets(session, github, pending, report)
        github_trust.settle(session, github.settings.subject_prefix, set(pending), report)

    def remove(self, session: Session, report: Report) -> None:
        project, github = session.project, session.clients.github
        if github.find_repository() is None:
            report.log(f"there is no repository {github.full}")
        else:
            for name in VARIABLES:
                _told(report, _variable(name), github.settings.delete_variable(name))
            for name in SECRETS:
                _told(report, _secret(name), github.settings.delete_secret(name))
            for stage in STAGES:
                gone = github.settings.delete_environment(environment_name(project, stage))
                _told(report, _environment(project, stage), gone)
        application = session.clients.directory.find_application(project.service_principal)
        if application is not None:
            session.learn("app_object_id", application.object_id)
            github_trust.remove(session, report)
            _take_back(session, ClientSecrets(session, HOST), report)
        if session.knows("databricks_host"):
            _take_back(session, DatabricksTokens(session, HOST), report)

    def by_hand(self, project: Project) -> str:
        return by_hand(project)


def _variable(name: str) -> str:
    return f"variable {name}"


def _secret(name: str) -> str:
    return f"secret {name}"


def _environment(project: Project, stage: str) -> str:
    return f"environment {environment_name(project, stage)}"


def _told(report: Report, what: str, gone: bool) -> None:
    report.log(f"deleted the {what}" if gone else f"there is no {what}")


def _compare_variables(session: Session, github: GitHub) -> list[Change]:
    there = github.settings.variables()
    changes = []
    for name, (fact, step) in VARIABLES.items():
        if fact == "app_id" and session.knows(UNSEEN):
            changes.append(Change("keep", _variable(name), session.know(UNSEEN, step)))
            continue
        value = session.know(fact, step)
        action: Action = "keep" if there.get(name) == value else "update" if name in there else "create"
        changes.append(Change(action, _variable(name), value))
    return changes


def _set_variables(session: Session, github: GitHub, pending: set[str], report: Report) -> None:
    there = github.settings.variables() if any(_variable(name) in pending for name in VARIABLES) else {}
    for name, (fact, step) in VARIABLES.items():
        if _variable(name) in pending:
            stop_if_cancelled(session, _variable(name))
            github.settings.set_variable(name, session.know(fact, step), name in there)
            report.log(f"set the {_variable(name)}")


def _issuer(session: Session, name: str) -> Issuer:
    return DatabricksTokens(session, HOST) if name == TOKEN else ClientSecrets(session, HOST)


def _compare_secrets(session: Session, github: GitHub) -> list[Change]:
    """Where nothing needs them, those that are there from before are to go."""
    there = github.settings.secrets()
    if session.project.ci.authentication == "federated":
        return [Change("remove", _secret(name), "jobs sign in without it") for name in SECRETS if name in there]
    return [
        pipeline_secrets.compare(session.project, _issuer(session, name), _secret(name), name in there)
        for name in SECRETS
    ]


def _settle_secrets(session: Session, github: GitHub, pending: dict[str, Change], report: Report) -> None:
    for name in SECRETS:
        change = pending.get(_secret(name))
        if change is None:
            continue
        issuer = _issuer(session, name)
        if change.action == "remove":
            _told(report, _secret(name), github.settings.delete_secret(name))
            _take_back(session, issuer, report)
        else:
            put = partial(github.settings.set_secret, name)
            pipeline_secrets.settle(session, issuer, _secret(name), put, report)


def _take_back(session: Session, issuer: Issuer, report: Report) -> None:
    pipeline_secrets.take_back(issuer, issuer.ours(), report)


def _approvers(project: Project) -> list[str]:
    return [login.strip() for login in project.ci.approvers.split(",") if login.strip()]


def _compare_environment(session: Session, github: GitHub, stage: str) -> Change:
    """Whoever else was asked for a yes there stays, unless the project says who it is."""
    project, settings = session.project, github.settings
    what, found = _environment(project, stage), settings.environment(environment_name(project, stage))
    if stage != APPROVED:
        return Change("keep" if found else "create", what)
    wanted = _approvers(project)
    if found and found.reviewers and (not wanted or _same(found, wanted)):
        return Change("keep", what, f"{_listed(found.reviewers)} must approve")
    for login in wanted:
        settings.user(login)
        if not settings.may_read(login):
            raise _no_reviewer(github, login)
    warning = NO_REVIEWERS if settings.allows_reviewers(github.is_private()) is False else ""
    detail = f"{_listed(wanted or [github.account().name])} must approve"
    return Change("update" if found else "create", what, detail, warning=warning)


def _same(found: Environment, wanted: list[str]) -> bool:
    return {login.lower() for login in found.reviewers} == {login.lower() for login in wanted}


def _listed(logins: Iterable[str]) -> str:
    return " or ".join(logins)


def _no_reviewer(github: GitHub, login: str) -> ForbiddenError:
    return ForbiddenError(
        f"{login} cannot approve what goes into production: they have no access to {github.full}.",
        hint=f"Give them read access (gh api -X PUT repos/{github.full}/collaborators/{login}), or name somebody else "
        "(ci.approvers).",
        link="https://docs.github.com/rest/deployments/environments#create-or-update-an-environment",
    )


def _make_environment(session: Session, github: GitHub, stage: str, report: Report) -> None:
    """Raises NoReviewersError, and takes the environment away again: without the rule it would let everything pass."""
    project, settings = session.project, github.settings
    name = environment_name(project, stage)
    before = settings.environment(name)
    if stage != APPROVED:
        settings.put_environment(name, (), before)
        report.log(f"made the environment {name}")
        return
    people = {login: settings.user(login) for login in _approvers(project)}
    if not people:
        me = github.account()
        people = {me.name: int(me.id)}
    try:
        made = settings.put_environment(name, list(people.values()), before)
    except CloudError:
        if before is None and settings.delete_environment(name):
            report.log(f"took the environment {name} away again: it came without anybody to ask", "warning")
        raise
    if missing := [login for login, number in people.items() if number not in made.reviewers.values()]:
        raise _no_reviewer(github, missing[0])
    report.log(f"made the environment {name}: {_listed(people)} must approve")
