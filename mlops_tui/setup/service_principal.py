"""The service principal: the account that notebooks use, with just the one role on the one resource group."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mlops_tui.errors import ForbiddenError, NotFoundError, PlanChangedError
from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.waiting import stop_if_cancelled, until_heard_of
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.directory import Application
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

ASSIGN = "Microsoft.Authorization/roleAssignments/write"
UNSEEN = "directory_unseen"  # what the session knows where the caller may not read the directory: how plans put it


class ServicePrincipal:
    name = "service-principal"
    title = "Service principal"
    about = (
        "Notebooks that deliver models must sign in to Azure when no person is there. A service principal is an "
        "account for programs: an application that is registered in your organisation's directory (Entra ID), and "
        "a role that says what it may do. Here it may work in the one resource group and nowhere else. It costs "
        "nothing. You need the right to register applications and to give roles; without it, this step names what "
        "to ask for."
    )
    link = "https://learn.microsoft.com/entra/identity-platform/app-objects-and-service-principals"
    needs: tuple[str, ...] = ("sign-in", "resource-group")
    settings: tuple[str, ...] = ("service_principal", "role")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (
            Change("create", _application(project)),
            Change("create", _principal(project)),
            Change("create", _assignment(project)),
        )

    def inspect(self, session: Session) -> Finding:
        """Raises UsageError where several applications bear the name, ForbiddenError where we may not make one."""
        project = session.project
        directory = session.clients.directory
        try:
            application = directory.find_application(project.service_principal)
        except ForbiddenError:
            if not session.knows("resource_group_id"):
                raise
            return self._unseen(session)
        session.forget(UNSEEN)
        principal_id = directory.find_principal(application.app_id) if application else None
        known = {
            "app_id": application.app_id if application else None,
            "app_object_id": application.object_id if application else None,
            "principal_id": principal_id,
        }
        for name, value in known.items():
            session.learn(name, value) if value else session.forget(name)
        return Finding(
            (
                _found(_application(project), application.app_id if application else None),
                _found(_principal(project), principal_id),
                self._compare_assignment(session, principal_id),
            )
        )

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Looks again before each thing it makes, so that a repeat after any interruption makes none twice."""
        project = session.project
        application = self._application(session, finding, report)
        stop_if_cancelled(session, self.title)
        principal_id = self._principal(session, report, application)
        stop_if_cancelled(session, self.title)
        subscription_id = session.know("subscription_id", "sign-in")
        scope = session.know("resource_group_id", "resource-group")
        roles = session.clients.roles
        given = until_heard_of(
            session,
            report,
            lambda: (
                roles.find(subscription_id, scope, principal_id, project.role) is None
                and roles.assign(subscription_id, scope, principal_id, project.role)
            ),
            _assignment(project),
        )
        report.log(f"{'gave it' if given else 'it has'} the role {project.role} on {scope}")

    def remove(self, session: Session, report: Report) -> None:
        """The role assignment first: without its principal it would stay behind as an unknown one."""
        project = session.project
        application = session.clients.directory.find_application(project.service_principal)
        if application is None:
            report.log(f"there is no {_application(project)}")
            return
        self._remove_assignment(session, report, application)
        if marks.has_words(application.tags, project):
            session.clients.directory.delete_application(application.object_id)
            report.log(f"deleted the {_application(project)} with its service principal")
        else:
            report.log(f"the {_application(project)} was not made by this project: it stays", "warning")
        for name in ("app_id", "app_object_id", "principal_id"):
            session.forget(name)

    def by_hand(self, project: Project) -> str:
        subscription = project.subscription_id or "$(az account show --query id --output tsv)"
        name, role = shlex.quote(project.service_principal), shlex.quote(project.role)
        return "\n".join(
            [
                f"az ad sp create-for-rbac --name {name} --role {role} \\",
                f'  --scopes "/subscriptions/{subscription}/resourceGroups/{project.resource_group}"',
                "# keep its output: the next step needs appId, password and tenant",
            ]
        )

    def _unseen(self, session: Session) -> Finding:
        """What there is to say where the directory is closed to the caller, as it is to most programs.

        Training and looking need nothing from it, so that this must not stop a build that runs on what others set up.
        """
        detail = "not checked: this account may not read the directory"
        session.learn(UNSEEN, detail)
        return Finding(tuple(Change("keep", change.what, detail) for change in self.wanted(session.project)))

    def _compare_assignment(self, session: Session, principal_id: str | None) -> Change:
        project, roles = session.project, session.clients.roles
        subscription_id = session.know("subscription_id", "sign-in")
        group_id = session.know("resource_group_id", "resource-group") if session.knows("resource_group_id") else ""
        if principal_id and group_id:
            try:
                found = roles.find(subscription_id, group_id, principal_id, project.role)
            except NotFoundError:  # the group went away meanwhile
                found = None
            if found is not None:
                return Change("keep", _assignment(project))
        scope = group_id or f"/subscriptions/{subscription_id}"
        roles.require(subscription_id, scope, ASSIGN, f"give the role {project.role}")
        return Change("create", _assignment(project), after="" if group_id else "resource-group")

    def _application(self, session: Session, finding: Finding, report: Report) -> Application:
        """Raises PlanChangedError where it has gone, and the plan did not say that another would be registered."""
        project, directory = session.project, session.clients.directory
        application = directory.find_application(project.service_principal)
        if application is None:
            if all(change.what != _application(project) for change in finding.pending):
                raise PlanChangedError(f"The {_application(project)} has gone since the plan was made.")
            application = directory.create_application(project.service_principal, marks.words(project))
            report.log(f"registered the {_application(project)}")
            report.identified("application", application.app_id)
        session.learn("app_id", application.app_id)
        session.learn("app_object_id", application.object_id)
        return application

    def _principal(self, session: Session, report: Report, application: Application) -> str:
        directory = session.clients.directory
        principal_id = directory.find_principal(application.app_id)
        if principal_id is None:
            principal_id = until_heard_of(
                session, report, lambda: directory.create_principal(application.app_id), _principal(session.project)
            )
            report.log(f"made the {_principal(session.project)}")
        session.learn("principal_id", principal_id)
        return principal_id

    def _remove_assignment(self, session: Session, report: Report, application: Application) -> None:
        principal_id = session.clients.directory.find_principal(application.app_id)
        if principal_id is None or not session.knows("resource_group_id"):
            return
        subscription_id = session.know("subscription_id", "sign-in")
        scope = session.know("resource_group_id", "resource-group")
        roles = session.clients.roles
        if found := roles.find(subscription_id, scope, principal_id, session.project.role):
            roles.remove(subscription_id, found)
            report.log(f"removed the {_assignment(session.project)}")


def _found(what: str, object_id: str | None) -> Change:
    return Change("keep", what, object_id) if object_id else Change("create", what)


def _application(project: Project) -> str:
    return f"application {project.service_principal}"


def _principal(project: Project) -> str:
    return f"service principal of {project.service_principal}"


def _assignment(project: Project) -> str:
    return f"role assignment {project.role} on the resource group {project.resource_group}"
