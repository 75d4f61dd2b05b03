"""Whether the pipeline's file in the repository, which is the truth there, signs in as the project does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError
from mlops_tui.pipelines.files import PLACES

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost, Repository
    from mlops_tui.project import Project

# Host -> by what a file is known that does without secrets, and one that is given them.
SIGNS = {
    "azure-devops": ("azureSubscription:", "$(azure.client_secret)"),
    "github": ("id-token: write", "secrets.AZURE_CLIENT_SECRET"),
}
WAYS = ("without a secret", "by stored secrets")


def warning(project: Project, host: CiHost, repository: Repository) -> str:
    """What to say where it does not (any more); empty where it does, and where it cannot be known."""
    file = PLACES[project.ci.host][1]
    commit = host.head(repository, project.ci.branch)
    try:
        text = host.read(repository, commit, file).decode("utf-8", "replace") if commit else ""
    except NotFoundError:
        return ""
    stored = int(project.ci.authentication == "token")
    there, here = SIGNS[project.ci.host][1 - stored], SIGNS[project.ci.host][stored]
    if there not in text or here in text:
        return ""
    return (
        f"{file} in the repository signs in {WAYS[1 - stored]}, and ci.authentication wants it {WAYS[stored]}: runs "
        "will fail. Delete the file there and run mlops-tui setup, which writes it anew."
    )
