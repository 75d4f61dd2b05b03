"""What the pipeline is called on its host, and what belongs to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tui.project import Project

STAGES = ("staging", "production")  # of delivery, each with an environment on the host; the second needs an approval


def environment_name(project: Project, stage: str) -> str:
    """ "wine-quality-production", as the original example names it."""
    return f"{project.name}-{stage}"


def connection_name(project: Project) -> str:
    """Of the service connection in Azure DevOps by which the pipeline signs in to Azure."""
    return project.name


def trust_name(project: Project) -> str:
    """How the names of the application's federated credentials for it begin; Graph takes letters, digits, - and _."""
    return f"mlops-tui-{re.sub('[^A-Za-z0-9_-]', '-', project.name)}-{project.ci.host}"


def job_contexts(project: Project) -> tuple[str, ...]:
    """How the subjects of the pipeline's jobs end on GitHub: by environment, and by branch for those without one."""
    if project.ci.host != "github":
        return ()
    environments = (f"environment:{environment_name(project, stage)}" for stage in STAGES)
    return (*environments, f"ref:refs/heads/{project.ci.branch}")
