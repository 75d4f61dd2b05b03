"""The Azure ML workspace: for now its name, which the notebooks read; it is made when the first image is built."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError
from mlops_tui.events import Change
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

# Azure's naming rules, Microsoft.MachineLearningServices/workspaces
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")


class MlWorkspace:
    name = "ml-workspace"
    title = "Azure ML workspace"
    about = (
        "Azure Machine Learning (Azure ML) keeps finished models and offers them to other programs. Training does "
        "not need it, so nothing is made and nothing costs anything now. Only the workspace's name is settled "
        "here, because the notebooks read it from the secret scope, two steps on. The workspace itself is made "
        "later, before a first model is delivered."
    )
    link = "https://learn.microsoft.com/azure/machine-learning/concept-workspace"
    needs: tuple[str, ...] = ("sign-in",)
    settings: tuple[str, ...] = ("ml_workspace",)

    def wanted(self, project: Project) -> tuple[Change, ...]:
        detail = "by name; made when the first image is built"
        return (Change("keep", f"Azure ML workspace {project.ml_workspace}", detail),)

    def inspect(self, session: Session) -> Finding:
        """Raises UsageError for a name that Azure would refuse later."""
        project = session.project
        if not _NAME.fullmatch(project.ml_workspace):
            raise UsageError(
                f"{project.ml_workspace!r} cannot be an Azure ML workspace's name.",
                hint="3 to 33 letters, digits, - and _ are allowed; the first is a letter or a digit.",
            )
        return Finding(self.wanted(project))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Nothing: `inspect` never finds a change to make."""

    def remove(self, session: Session, report: Report) -> None:
        """Nothing is made, so nothing is taken away."""

    def by_hand(self, project: Project) -> str:
        group = shlex.quote(project.resource_group)  # it may have brackets
        return "\n".join(
            [
                "# not needed for training; before the first image is built:",
                "az extension add --name ml",
                f"az ml workspace create --name {project.ml_workspace} --resource-group {group}",
            ]
        )
