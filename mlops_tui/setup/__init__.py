"""What must exist before anything can be trained and delivered: one file a step, listed here in their order."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError
from mlops_tui.setup.cluster import Cluster
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.delivery_jobs import DeliveryJobs
from mlops_tui.setup.git_folder import GitFolder
from mlops_tui.setup.ml_workspace import MlWorkspace
from mlops_tui.setup.notebooks import Notebooks
from mlops_tui.setup.pipeline import Pipeline
from mlops_tui.setup.repository import ProjectRepository
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.secret_scope import SecretScope
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.setup.train_job import TrainJob
from mlops_tui.steps import Step

if TYPE_CHECKING:
    from mlops_tui.project import Project


def steps(project: Project | None = None) -> tuple[Step, ...]:
    """The wizard's table of contents: each step needs only what stands before it.

    What jobs need depends on where the project has its notebooks; without one they need the imported ones.
    """
    source = project.notebook_source if project else "workspace"
    return (
        SignIn(),
        ResourceGroup(),
        DatabricksWorkspace(),
        MlWorkspace(),
        ServicePrincipal(),
        SecretScope(),
        Notebooks(),
        ProjectRepository(),
        GitFolder(),
        Cluster(),
        TrainJob(source),
        DeliveryJobs(source),
        Pipeline(),
    )


def chosen(project: Project, names: Collection[str]) -> tuple[Step, ...]:
    """Those of these names and all that they need, in their order. Raises UsageError for a name that none has."""
    by_name = {step.name: step for step in steps(project)}
    if unknown := [name for name in names if name not in by_name]:
        raise UsageError(
            f"There is no step {', '.join(unknown)}.", hint=f"The steps of setup are: {', '.join(by_name)}."
        )
    wanted: set[str] = set()

    def add(name: str) -> None:
        wanted.add(name)
        for need in by_name[name].needs:
            add(need)

    for name in names:
        add(name)
    return tuple(step for name, step in by_name.items() if name in wanted)
