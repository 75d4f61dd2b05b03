"""One pipeline of Azure DevOps with all that it belongs to, and what it asks of the runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from mlops_tui.sandbox import devops_members
from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_git import DevOpsRepositories
from mlops_tui.sandbox.pipelines.model import HostName, RunRequest

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

HOST: HostName = "azure-devops"


@dataclass(frozen=True)
class Pipeline:
    organization: Body
    project: Body
    definition: Body
    repository: Body
    directory: Path  # of the bare repository
    origin: str

    @property
    def number(self) -> int:
        return int(self.definition["id"])

    @property
    def file(self) -> str:
        return str(self.definition["process"]["yamlFilename"]).lstrip("/")

    @property
    def owner(self) -> str:
        """ "practice/wine-quality": the project, to the runner."""
        return f"{self.organization['name']}/{self.project['name']}"

    @property
    def clone_url(self) -> str:
        return f"{self.origin}/devops/{quote(self.owner)}/_git/{quote(self.repository['name'])}"

    def order(
        self,
        branch: str,
        commit: str,
        by: Principal,
        reason: Literal["manual", "push"],
        parameters: Mapping[str, str] | None = None,
    ) -> RunRequest:
        return RunRequest(
            host=HOST,
            owner=self.owner,
            pipeline=str(self.number),
            name=self.definition["name"],
            repository=self.directory,
            clone_url=self.clone_url,
            file=self.file,
            branch=branch,
            commit=commit,
            reason=reason,
            requested_by=vars(by),
            parameters=parameters or {},
        )


def of(sandbox: Sandbox, organization: Body, project: Body, definition: Body) -> Pipeline:
    """Raises LookupError where its repository has gone."""
    repositories = sandbox.find(DevOpsRepositories)
    repository = repositories.find(project, definition["repository"]["id"])
    if repository is None:
        raise LookupError(f"The repository {definition['repository'].get('name')} could not be found.")
    directory = repositories.directories().create(repository["id"])
    return Pipeline(organization, project, definition, repository, directory, sandbox.origin)


def of_run(sandbox: Sandbox, run: Body) -> Pipeline:
    """Raises LookupError where it has gone, or its project has."""
    name, _, project_name = run["owner"].partition("/")
    organization = devops_members.find(sandbox.store, name)
    definitions = sandbox.find(Definitions)
    project = definitions.find_project(organization, project_name) if organization else None
    definition = definitions.find(project, run["pipeline"]) if project else None
    if organization is None or project is None or definition is None:
        raise LookupError(f"The pipeline {run['name']} does not exist.")
    return of(sandbox, organization, project, definition)
