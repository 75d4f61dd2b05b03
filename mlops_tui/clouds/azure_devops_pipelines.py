"""The project's pipeline in Azure DevOps as it is defined: its file, its variables, the agents that it has.

Calls: Azure DevOps REST 7.1, Build (definitions), DistributedTask (queues).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui.clouds.azure_devops_rest import PREVIEW, DevOpsRest
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from mlops_tui.project import Project

Body = dict[str, Any]
FILE = "azure-pipelines.yml"
HOSTED = "Azure Pipelines"  # the pool of Microsoft's own agents


@dataclass(frozen=True)
class Pipeline:
    """`body` is all of the definition, as it must be sent back."""

    id: int
    name: str
    file: str
    repository_id: str
    branch: str
    plain: Mapping[str, str]  # variables, by name
    secret: frozenset[str]  # names of secret ones: nobody can read their values
    is_ours: bool
    body: Body = field(repr=False)


class DevOpsPipelines:
    """The one that bears the project's name."""

    def __init__(self, rest: DevOpsRest, project: Project, mark: str) -> None:
        """`mark` is in the description of what we make."""
        self._rest, self._mark = rest, mark
        self._project, self._name = project.ci_project, project.name

    def find(self) -> Pipeline | None:
        """None where the project is not there, too."""
        try:
            with self._rest.speaking_of(f"the pipeline {self._name}"):
                listed = self._rest.values(self._at("build/definitions"), name=self._name)
                found = next((one for one in listed if one["name"].lower() == self._name.lower()), None)
                if found is None:
                    return None
                return self._pipeline(self._rest.call("GET", self._at(f"build/definitions/{found['id']}")))
        except NotFoundError:
            return None

    def queue_named(self, name: str) -> int | None:
        """The number of the project's queue for a pool of agents; None where the project has none."""
        with self._rest.speaking_of(f"the pool {name}"):
            found = self._rest.values(self._at("distributedtask/queues"), queueNames=name, **{"api-version": PREVIEW})
        return int(found[0]["id"]) if found else None

    def make(self, repository_id: str, branch: str, queue: int, plain: Mapping[str, str]) -> Pipeline:
        """Of the file in that repository; secrets come with `put_variables`."""
        body: Body = {
            "name": self._name,
            "description": self._mark,
            "path": "\\",
            "type": "build",
            "queueStatus": "enabled",
            "process": {"type": 2, "yamlFilename": FILE},
            "repository": {"id": repository_id, "type": "TfsGit", "defaultBranch": f"refs/heads/{branch}"},
            "queue": {"id": queue},
            "triggers": [{"settingsSourceType": 2, "triggerType": "continuousIntegration"}],
            "variables": _variables(plain, {}),
        }
        with self._rest.speaking_of(f"the pipeline {self._name}"):
            return self._pipeline(self._rest.call("POST", self._at("build/definitions"), body))

    def put_variables(
        self, pipeline: Pipeline, plain: Mapping[str, str], secret: Mapping[str, str], drop: frozenset[str]
    ) -> Pipeline:
        """Those given are set, those of `drop` go; all others stay, secret ones without being read."""
        body = dict(pipeline.body)
        kept = {name: one for name, one in (body.get("variables") or {}).items() if name not in drop}
        body["variables"] = kept | _variables(plain, secret)
        with self._rest.speaking_of(f"the variables of the pipeline {self._name}"):
            return self._pipeline(self._rest.call("PUT", self._at(f"build/definitions/{pipeline.id}"), body))

    def delete(self, pipeline: Pipeline) -> None:
        """With its runs."""
        with self._rest.speaking_of(f"the pipeline {self._name}"):
            self._rest.call("DELETE", self._at(f"build/definitions/{pipeline.id}"))

    def _pipeline(self, found: Body) -> Pipeline:
        variables: Body = found.get("variables") or {}
        repository = found.get("repository") or {}
        return Pipeline(
            id=int(found["id"]),
            name=found["name"],
            file=str((found.get("process") or {}).get("yamlFilename") or "").lstrip("/"),
            repository_id=str(repository.get("id") or ""),
            branch=str(repository.get("defaultBranch") or "").removeprefix("refs/heads/"),
            plain={name: str(one.get("value") or "") for name, one in variables.items() if not one.get("isSecret")},
            secret=frozenset(name for name, one in variables.items() if one.get("isSecret")),
            is_ours=found.get("description") == self._mark,
            body=found,
        )

    def _at(self, path: str) -> str:
        return f"{quote(self._project)}/_apis/{path}"


def _variables(plain: Mapping[str, str], secret: Mapping[str, str]) -> Body:
    shown: Body = {name: {"value": value, "isSecret": False, "allowOverride": False} for name, value in plain.items()}
    return shown | {name: {"value": value, "isSecret": True, "allowOverride": False} for name, value in secret.items()}
