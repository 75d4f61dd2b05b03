"""The Databricks workspace: made, or adopted where it is there or its address is given."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from mlops_tui.clouds.databricks_workspaces import DatabricksWorkspace as Found
from mlops_tui.clouds.databricks_workspaces import WorkspaceSpec
from mlops_tui.errors import CloudError, ConflictError, ForbiddenError, UsageError
from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.waiting import finish, until_state
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

WRITE = "Microsoft.Databricks/workspaces/write"
COST = "nothing by itself; its clusters cost while they run"
ENDED = ("Succeeded", "Failed", "Canceled", "Deleting", "Deleted")
TRY_AGAIN = "Run the same command again; if it stays so, look at it in the portal."
TIERS = {"trial": 0, "standard": 1, "premium": 2}
_NAME = re.compile(r"[A-Za-z0-9_-]{3,64}")  # Azure's naming rules, Microsoft.Databricks/workspaces


class DatabricksWorkspace:
    name = "databricks-workspace"
    title = "Azure Databricks workspace"
    about = (
        "Azure Databricks runs programs on rented machines and remembers every training. A workspace is your place "
        "in it, with a web address of its own; notebooks, clusters, secrets and jobs live there. Making one takes "
        "about three minutes. It costs nothing by itself: you pay while a cluster runs, by its size and by the "
        "pricing tier (sku). The tier premium lets you say who may do what. If you have a workspace already, give "
        "its address and none is made."
    )
    link = "https://learn.microsoft.com/azure/databricks/getting-started/"
    needs: tuple[str, ...] = ("sign-in", "resource-group")
    settings: tuple[str, ...] = ("databricks_workspace", "databricks_sku", "databricks_host", "databricks_token")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        if project.databricks_host:
            return (Change("keep", _what(project), "adopted: its address is given"),)
        detail = f"{project.databricks_sku}, in {project.location}"
        return (Change("create", _what(project), detail, cost=COST),)

    def inspect(self, session: Session) -> Finding:
        project = session.project
        if project.databricks_host:
            return self._adopt(session)
        if not _NAME.fullmatch(project.databricks_workspace):
            raise UsageError(
                f"{project.databricks_workspace!r} cannot be a Databricks workspace's name.",
                hint="3 to 64 letters, digits, - and _ are allowed.",
            )
        subscription_id = session.know("subscription_id", "sign-in")
        group_id = self._group(session, subscription_id)
        found = session.clients.workspaces.get(subscription_id, project.resource_group, project.databricks_workspace)
        change = self._compare(project, found)
        if found is None:
            session.forget("workspace_id")
            session.forget("databricks_host")
            session.clients.roles.require(subscription_id, group_id, WRITE, f"make the {_what(project)}")
        elif found.host:
            session.learn("workspace_id", found.id)
            session.learn("databricks_host", found.host)
        return Finding((change,))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """After an interruption: waits for what was begun then, rather than beginning it again."""
        project = session.project
        subscription_id = session.know("subscription_id", "sign-in")
        found = session.clients.workspaces.get(subscription_id, project.resource_group, project.databricks_workspace)
        if found is not None and found.state not in ENDED:
            made = self._wait(session, report, subscription_id)
        else:
            spec = _spec(project, found)
            report.log(f"asked Azure for the {_what(project)} ({spec.sku}, {spec.location}); this takes some minutes")
            operation = session.clients.workspaces.create(subscription_id, project.resource_group, spec)
            made = finish(session, report, operation, _what(project))
        session.learn("workspace_id", made.id)
        session.learn("databricks_host", made.host)
        report.log(f"the {_what(project)} is at {made.host}")
        report.identified("Databricks workspace", made.id, made.host)

    def remove(self, session: Session, report: Report) -> None:
        """Only a workspace that this project made."""
        project = session.project
        if project.databricks_host:
            report.log(f"the {_what(project)} was adopted: it stays")
            return
        subscription_id = session.know("subscription_id", "sign-in")
        workspaces, group = session.clients.workspaces, project.resource_group
        found = workspaces.get(subscription_id, group, project.databricks_workspace)
        if found is None:
            report.log(f"there is no {_what(project)}")
        elif not marks.is_ours(found.tags, project):
            report.log(f"the {_what(project)} was not made by this project: it stays", "warning")
        else:
            report.log(f"deleting the {_what(project)} and all that is in it; this takes some minutes")
            finish(session, report, workspaces.delete(subscription_id, group, found.name), _what(project))
            session.forget("databricks_host")

    def by_hand(self, project: Project) -> str:
        if project.databricks_host:
            return f"# nothing to do: {project.databricks_host} is there already"
        return "\n".join(
            [
                "az extension add --name databricks",
                f"az databricks workspace create --name {project.databricks_workspace} \\",
                f"  --resource-group {shlex.quote(project.resource_group)} --location {project.location} \\",
                f"  --sku {project.databricks_sku}",
            ]
        )

    def _adopt(self, session: Session) -> Finding:
        """The given host is taken at its word; its Azure resource is learned where the caller may see it."""
        project = session.project
        host = normal_host(project.databricks_host)
        session.learn("databricks_host", host)
        detail = "adopted: its address is given"
        try:
            found = session.clients.workspaces.find(session.know("subscription_id", "sign-in"), host)
        except ForbiddenError:
            found = None
        if found is not None:
            session.learn("workspace_id", found.id)
            detail = f"adopted: {found.name}"
        return Finding((Change("keep", _what(project), detail),))

    def _wait(self, session: Session, report: Report, subscription_id: str) -> Found:
        """For the end of an earlier command's request. Raises CloudError where that ends badly."""
        project, what = session.project, _what(session.project)

        def look() -> Found | None:
            workspaces = session.clients.workspaces
            return workspaces.get(subscription_id, project.resource_group, project.databricks_workspace)

        def state() -> str:
            found = look()
            return found.state if found else "Deleted"

        ended = until_state(session, report, state, ENDED, what)
        found = look()
        if found is None or ended != "Succeeded":
            raise CloudError(f"The {what}, begun earlier, is now {ended.lower()}.", hint=TRY_AGAIN)
        return found

    def _group(self, session: Session, subscription_id: str) -> str:
        """Raises NotYetKnown where the resource group is still to be made, once it is sure that we may fill it."""
        project = session.project
        if not session.knows("resource_group_id"):
            scope = f"/subscriptions/{subscription_id}"
            session.clients.roles.require(subscription_id, scope, WRITE, f"make the {_what(project)}")
        return session.know("resource_group_id", "resource-group")

    def _compare(self, project: Project, found: Found | None) -> Change:
        """Raises ConflictError, CloudError where it is on its way out."""
        if found is None:
            return self.wanted(project)[0]
        what, detail = _what(project), f"{found.sku}, in {found.location}, at {found.host}"
        if found.state == "Deleting":
            raise ConflictError(f"The {what} is being deleted.", hint="Wait until it is gone, then try again.")
        if found.state in ("Failed", "Canceled"):
            return Change("create", what, "the last attempt failed: try again", cost=COST)
        if found.state not in ENDED:
            return Change("create", what, f"begun already ({found.state}): wait for it", cost=COST)
        if not found.host:
            raise CloudError(f"The {what} has no address.", hint="Look at it in the portal.")
        if TIERS.get(found.sku.lower(), 2) < TIERS[project.databricks_sku]:
            return Change("update", what, f"from {found.sku} to {project.databricks_sku}")
        return Change("keep", what, detail)


def normal_host(host: str) -> str:
    """The address as https, without a path: people paste what their browser shows."""
    bare = re.sub(r"^https?://", "", host.strip(), flags=re.IGNORECASE)
    return f"https://{bare.split('/')[0].split('?')[0].lower()}"


def _spec(project: Project, found: Found | None) -> WorkspaceSpec:
    if found is None:
        return WorkspaceSpec(
            project.databricks_workspace, project.location, project.databricks_sku, marks.tags(project)
        )
    return WorkspaceSpec(found.name, found.location, project.databricks_sku, found.tags, found.managed_group_id)


def _what(project: Project) -> str:
    if project.databricks_host:
        return f"Databricks workspace {normal_host(project.databricks_host)}"
    return f"Databricks workspace {project.databricks_workspace}"
