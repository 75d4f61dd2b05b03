"""The pipeline in Azure DevOps: what it signs in with, its environments, itself, and what it may use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError
from mlops_tui.setup import azure_devops_definition as definition
from mlops_tui.setup import azure_devops_environments as environments
from mlops_tui.setup import azure_devops_trust as trust
from mlops_tui.setup.azure_devops_by_hand import by_hand
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.events import Change
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report


class AzureDevOpsWiring:
    """See `pipeline.Wiring`."""

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (*trust.wanted(project), *environments.wanted(project), *definition.wanted(project))

    def inspect(self, session: Session) -> Finding:
        """Raises what its parts raise, ConflictError and UsageError: before what only earlier steps can tell."""
        host, project = session.clients.azure_devops, session.project
        environments.check_approvers(project, host)
        repository = host.find_repository()
        if repository is None:
            return Finding(tuple(replace(change, after="repository") for change in self.wanted(project)))
        found = definition.find(project, host, repository)
        places = environments.compare(session, host)
        itself = definition.compare(session, host, repository, found)
        return Finding((*trust.compare(session, host.wires), *places, *itself))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """The pipeline may use production only once that asks for a yes."""
        host = session.clients.azure_devops
        pending = {change.what: change for change in finding.pending}
        repository = host.find_repository()
        if repository is None:
            raise NotFoundError(f"The repository {session.project.repository} has gone since the plan was made.")
        trust.settle(session, host.wires, pending, report)
        environments.settle(session, host, pending, report)
        definition.settle(session, host, repository, pending, report)

    def remove(self, session: Session, report: Report) -> None:
        host = session.clients.azure_devops
        if host.wires.find_project() is None:
            report.log(f"there is no project {session.project.ci_project} in Azure DevOps")
        else:
            environments.remove(session, host, report)
        definition.remove(session, host, report)
        trust.remove(session, host.wires, report)

    def by_hand(self, project: Project) -> str:
        return by_hand(project)
