"""The pipeline on its CI host: its identity, its environments with their approvals, its permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlops_tui.pipelines.names import STAGES, environment_name
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.events import Change
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

__all__ = ["STAGES", "Pipeline", "Wiring", "environment_name"]


class Wiring(Protocol):
    """How it is done on one host; the methods are those of a step (see `steps.Step`)."""

    def wanted(self, project: Project) -> tuple[Change, ...]: ...
    def inspect(self, session: Session) -> Finding: ...
    def apply(self, session: Session, finding: Finding, report: Report) -> None: ...
    def remove(self, session: Session, report: Report) -> None: ...
    def by_hand(self, project: Project) -> str: ...


class Pipeline:
    """A step (see `steps.Step`); empty where the project has no CI host."""

    name = "pipeline"
    title = "Pipeline"
    about = (
        "A pipeline does on a machine of Azure DevOps or GitHub what you do here by hand: it trains, lets the best "
        "model answer in staging, validates it, and, once somebody says yes, in production. This step makes it of the "
        "file in the repository: its sign-in to Azure (without a secret, unless wanted), an environment for "
        "each stage, and permission to use them. It costs nothing while it waits; its runs cost what they would from "
        "here. Without ci.host there is nothing to do."
    )
    link = "https://learn.microsoft.com/azure/devops/pipelines/get-started/what-is-azure-pipelines"
    needs: tuple[str, ...] = ("sign-in", "databricks-workspace", "service-principal", "repository")
    settings: tuple[str, ...] = ("ci_authentication", "ci_approvers", "ci_token_days")  # the host is the repository's

    def wanted(self, project: Project) -> tuple[Change, ...]:
        wiring = wiring_of(project)
        return wiring.wanted(project) if wiring else ()

    def inspect(self, session: Session) -> Finding:
        wiring = wiring_of(session.project)
        return wiring.inspect(session) if wiring else Finding(())

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        wiring = wiring_of(session.project)
        if wiring:
            wiring.apply(session, finding, report)

    def remove(self, session: Session, report: Report) -> None:
        wiring = wiring_of(session.project)
        if wiring:
            wiring.remove(session, report)

    def by_hand(self, project: Project) -> str:
        wiring = wiring_of(project)
        return wiring.by_hand(project) if wiring else "# nothing: ci.host is none"


def wiring_of(project: Project) -> Wiring | None:
    """That of the project's host; None where it has none."""
    if project.ci.host == "azure-devops":
        from mlops_tui.setup.azure_devops_wiring import AzureDevOpsWiring

        return AzureDevOpsWiring()
    if project.ci.host == "github":
        from mlops_tui.setup.github_wiring import GitHubWiring

        return GitHubWiring()
    return None
