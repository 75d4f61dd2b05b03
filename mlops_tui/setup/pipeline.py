"""The pipeline on its CI host: its identity, its environments with their approvals, its permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.events import Change
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

STAGES = ("staging", "production")  # of delivery, each with an environment on the host; the second needs an approval


class Wiring(Protocol):
    """How it is done on one host; the methods are those of a step (see `steps.Step`)."""

    def wanted(self, project: Project) -> tuple[Change, ...]: ...
    def inspect(self, session: Session) -> Finding: ...
    def apply(self, session: Session, finding: Finding, report: Report) -> None: ...
    def remove(self, session: Session, report: Report) -> None: ...
    def by_hand(self, project: Project) -> str: ...


def environment_name(project: Project, stage: str) -> str:
    """ "wine-quality-production", as the original example names it."""
    return f"{project.name}-{stage}"
