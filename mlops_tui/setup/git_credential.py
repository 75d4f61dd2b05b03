"""What Databricks signs in with to the host of Git: one credential for each host, kept in line with our token.

The platform tells nothing of a token that it has, so that the credential's name says by a few signs which one it was.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError
from mlops_tui.events import Change
from mlops_tui.setup import marks
from mlops_tui.setup.job_notebooks import PROVIDERS

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_git import Git, GitCredential
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

TITLES = {"azure-devops": "Azure DevOps", "github": "GitHub"}
SIGNS = 8
LINK = "https://learn.microsoft.com/en-us/azure/databricks/repos/get-access-tokens-from-git-provider"


def what(project: Project) -> str:
    return f"Git credential for {TITLES[project.ci.host]}"


def find(git: Git, project: Project) -> GitCredential | None:
    """Ours, else the one that jobs and folders use; None where there is none."""
    found = git.credentials(PROVIDERS[project.ci.host])
    ours = [one for one in found if is_ours(one, project)]
    return next(iter([*ours, *(one for one in found if one.is_default), *found]), None)


def compare(there: GitCredential | None, project: Project) -> Change:
    """Without a token there is nothing to compare: what runs in a pipeline needs none for what is there already."""
    if not project.ci.token:
        return Change("keep", what(project), "not checked: no token is given here")
    if there is None:
        return Change("create", what(project))
    if there.name == _name(project):
        return Change("keep", what(project))
    if is_ours(there, project):
        return Change("update", what(project), "the token is another one now")
    if there.name.startswith(f"{marks.MAKER} ") and there.name.endswith(_signs(project)):
        return Change("keep", what(project), "that of another project here, with the same token")
    known_as = there.name or there.user or str(there.id)
    return Change(
        "update",
        what(project),
        f"takes over the credential {known_as}",
        warning="there is one for each host, and its token will be replaced by this project's",
    )


def bring_in_line(session: Session, git: Git, report: Report) -> None:
    """Make it, or give it the token of today. Raises UsageError where no token is given."""
    project = session.project
    require_token(project)
    provider, name, token = PROVIDERS[project.ci.host], _name(project), project.ci.token
    user = session.clients.ci_host.account().name
    there = find(git, project)
    if there is None:
        git.add_credential(provider, name, user, token)
        report.log(f"made the {what(project)}, of {user}")
    else:
        git.change_credential(there, name, user, token)
        report.log(f"gave the {what(project)} the token of {user}")


def remove(git: Git, project: Project, report: Report) -> None:
    for one in git.credentials(PROVIDERS[project.ci.host]):
        if is_ours(one, project) and git.delete_credential(one):
            report.log(f"deleted the {what(project)}")


def is_ours(credential: GitCredential, project: Project) -> bool:
    return credential.name.startswith(f"{marks.MAKER} {project.name} ")


def require_token(project: Project) -> None:
    """Raises UsageError where none is given, with what would give it."""
    if project.ci.token:
        return
    from mlops_tui import settings

    title = TITLES[project.ci.host]
    name = f"{project.ci.host.replace('-', '_')}_token"
    setting = next(one for one in settings.SETTINGS if one.name == name)
    variables = " or ".join(setting.variables)
    raise UsageError(
        f"There is no token of {title} for Databricks to read the repository with.",
        hint=f"Make a personal access token of {title} that may read code, and give it in {variables}. Databricks "
        "signs in to the host by itself, later and without you: it takes a stored token, not your sign-in of today.",
        link=LINK,
    )


def _name(project: Project) -> str:
    return f"{marks.MAKER} {project.name} {_signs(project)}"


def _signs(project: Project) -> str:
    """By which a token is known again, and from which nobody gets it back."""
    return hashlib.sha256(f"{project.ci.host} {project.ci.token}".encode()).hexdigest()[:SIGNS]
