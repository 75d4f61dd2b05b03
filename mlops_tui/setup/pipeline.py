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

__all__ = ["STAGES", "Wiring", "environment_name"]


class Wiring(Protocol):
    """How it is done on one host; the methods are those of a step (see `steps.Step`)."""

    def wanted(self, project: Project) -> tuple[Change, ...]: ...
    def inspect(self, session: Session) -> Finding: ...
    def apply(self, session: Session, finding: Finding, report: Report) -> None: ...
    def remove(self, session: Session, report: Report) -> None: ...
    def by_hand(self, project: Project) -> str: ...
