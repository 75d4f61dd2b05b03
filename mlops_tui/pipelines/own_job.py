"""The job of the project's own pipeline that a command runs in, by what the host tells it of its repository.

Such a job can sign in to Azure, and has no account on the host: what it is told must do. Azure Pipelines, "Use
predefined variables"; GitHub, "Variables reference".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.settings import given_text

if TYPE_CHECKING:
    from mlops_tui.project import Project


@dataclass(frozen=True)
class OwnJob:
    url: str  # of the repository, as git takes it
    repository_id: str
    commit: str  # that the job was given


def own_job(project: Project, environment: Mapping[str, str]) -> OwnJob | None:
    """None anywhere else, and where a token of the host is given: then the host itself can be asked."""
    if project.ci.token:
        return None
    readers = {"azure-devops": _in_azure_pipelines, "github": _in_github_actions}
    read = readers.get(project.ci.host)
    return read(project, environment) if read else None


def _in_azure_pipelines(project: Project, environment: Mapping[str, str]) -> OwnJob | None:
    """Its address may have a user's name before the host."""
    place = tuple(given_text(environment, name).lower() for name in ("SYSTEM_TEAMPROJECT", "BUILD_REPOSITORY_NAME"))
    url = re.sub(r"^https://[^/@]+@", "https://", given_text(environment, "BUILD_REPOSITORY_URI"))
    commit = given_text(environment, "BUILD_SOURCEVERSION")
    if place != (project.ci_project.lower(), project.repository.lower()) or not (url and commit):
        return None
    return OwnJob(url, given_text(environment, "BUILD_REPOSITORY_ID"), commit)


def _in_github_actions(project: Project, environment: Mapping[str, str]) -> OwnJob | None:
    full = given_text(environment, "GITHUB_REPOSITORY")
    server, commit = given_text(environment, "GITHUB_SERVER_URL"), given_text(environment, "GITHUB_SHA")
    if full.lower() != f"{project.ci.organization}/{project.repository}".lower() or not (server and commit):
        return None
    return OwnJob(f"{server}/{full}.git", given_text(environment, "GITHUB_REPOSITORY_ID"), commit)
