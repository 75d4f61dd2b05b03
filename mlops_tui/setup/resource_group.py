"""The resource group: the folder in Azure that holds all the rest."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from mlops_tui.errors import ConflictError, ForbiddenError, UsageError
from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.waiting import finish
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

WRITE = "Microsoft.Resources/subscriptions/resourceGroups/write"
_NAME = re.compile(r"[\w\-.()]{0,89}[\w\-()]")  # Azure's naming rules, Microsoft.Resources/resourceGroups


class ResourceGroup:
    name = "resource-group"
    title = "Resource group"
    about = (
        "A resource group is a folder in Azure. Everything this project makes in Azure lies in it, so that it has "
        "a border: the service principal, a later step, may work inside and nowhere else. It is in one region, a "
        "place where Azure has its machines; choose one near you. A group costs nothing. One that is there already "
        "is used as it is, and is not deleted at the end."
    )
    link = "https://learn.microsoft.com/azure/azure-resource-manager/management/manage-resource-groups-portal"
    needs: tuple[str, ...] = ("sign-in",)
    settings: tuple[str, ...] = ("project_name", "location", "resource_group")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (Change("create", _what(project), f"in {project.location}", cost="nothing"),)

    def inspect(self, session: Session) -> Finding:
        project = session.project
        if not _NAME.fullmatch(project.resource_group):
            raise UsageError(
                f"{project.resource_group!r} cannot be a resource group's name.",
                hint="Up to 90 letters, digits, and -_.() are allowed; the last must not be a dot.",
            )
        subscription_id = session.know("subscription_id", "sign-in")
        try:
            found = session.clients.groups.get(subscription_id, project.resource_group)
        except ForbiddenError as error:
            raise _not_shown(session, subscription_id, error) from error
        if found is None:
            session.forget("resource_group_id")
            scope = f"/subscriptions/{subscription_id}"
            session.clients.roles.require(subscription_id, scope, WRITE, f"make the {_what(project)}")
            return Finding(self.wanted(project))
        if found.state == "Deleting":
            raise ConflictError(
                f"The {_what(project)} is being deleted.", hint="Wait until it is gone, then try again."
            )
        session.learn("resource_group_id", found.id)
        detail = f"in {found.location}"
        if _plain(found.location) != _plain(project.location):
            detail += f", where it stays: a group cannot move to {project.location}"
        return Finding((Change("keep", _what(project), detail),))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        subscription_id = session.know("subscription_id", "sign-in")
        groups = session.clients.groups
        made = groups.create(subscription_id, project.resource_group, project.location, marks.tags(project))
        session.learn("resource_group_id", made.id)
        report.log(f"made the {_what(project)} in {made.location}")
        report.identified("resource group", made.id, f"{session.cloud.portal}/#resource{made.id}")

    def remove(self, session: Session, report: Report) -> None:
        """Only a group that this project made: deleting it deletes all that is in it."""
        project = session.project
        subscription_id = session.know("subscription_id", "sign-in")
        found = session.clients.groups.get(subscription_id, project.resource_group)
        if found is None:
            report.log(f"there is no {_what(project)}")
        elif not marks.is_ours(found.tags, project):
            report.log(
                f"the {_what(project)} was not made by this project: it stays, with all that is in it", "warning"
            )
        else:
            report.log(f"deleting the {_what(project)} and all that is in it; this takes some minutes")
            finish(session, report, session.clients.groups.delete(subscription_id, found.name), _what(project))
        session.forget("resource_group_id")

    def by_hand(self, project: Project) -> str:
        return f"az group create --name {shlex.quote(project.resource_group)} --location {project.location}"


def _what(project: Project) -> str:
    return f"resource group {project.resource_group}"


def _not_shown(session: Session, subscription_id: str, error: ForbiddenError) -> ForbiddenError:
    """Azure does not tell the two cases apart to whoever has no role on the subscription."""
    what, scope = _what(session.project), f"/subscriptions/{subscription_id}"
    caller = session.know("caller_id", "sign-in")
    return ForbiddenError(
        f"The {what} is not there, or this account has no role on it.",
        hint="If it is there, ask an owner for the role Contributor on it. If not, let somebody who may make it run "
        "`mlops-tui setup`, or ask for the role on the whole subscription: az role assignment create "
        f'--assignee-object-id "{caller}" --role "Contributor" --scope "{scope}"',
        link=error.link,
        raw=error.raw,
        code=error.code,
    )


def _plain(location: str) -> str:
    """ "West Europe" and "westeurope" are the same region."""
    return location.replace(" ", "").lower()
