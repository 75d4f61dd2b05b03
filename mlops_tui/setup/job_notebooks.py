"""Where jobs take their notebooks from: the imported ones, the Git folder's, or the repository's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session

IN_REPOSITORY = "notebooks"  # the folder that holds them there
PROVIDERS = {"azure-devops": "azureDevOpsServices", "github": "gitHub"}  # as Databricks calls the hosts
NEEDS = {"workspace": ("notebooks",), "git-folder": ("git-folder",), "git": ("repository", "git-folder")}
BY_HAND = "REPOSITORY_URL"


def needs(source: str) -> tuple[str, ...]:
    """The steps that put the notebooks there. Jobs that check them out sign in by the credential of the Git folder."""
    return NEEDS[source]


def repository(session: Session) -> str:
    """The repository's URL where jobs need it, else empty. Raises NotYetKnown before it is there."""
    if session.project.notebook_source != "git":
        return ""
    return session.know("repository_url", "repository")


def task(project: Project, name: str) -> dict[str, Any]:
    """What a notebook task says of the notebook of that name."""
    if project.notebook_source == "git":
        return {"notebook_path": f"{IN_REPOSITORY}/{name}", "source": "GIT"}
    folder = project.notebook_folder
    if project.notebook_source == "git-folder":
        folder = f"{project.git_folder}/{IN_REPOSITORY}"
    return {"notebook_path": f"{folder}/{name}", "source": "WORKSPACE"}


def job(project: Project, url: str) -> dict[str, Any]:
    """What the job itself says of it (Jobs 2.2, GitSource)."""
    if project.notebook_source != "git":
        return {}
    provider = PROVIDERS[project.ci.host]
    return {"git_source": {"git_url": url, "git_provider": provider, "git_branch": project.ci.branch}}
