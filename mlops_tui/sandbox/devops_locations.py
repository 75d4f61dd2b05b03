"""Where Azure DevOps' resources are, and in which versions: its SDKs turn their calls into addresses by this table.

Source: the answers of dev.azure.com to `OPTIONS _apis` and `GET _apis/ResourceAreas` as recorded in
Azure/azure-devops-cli-extension (tests/latest/integrationtests/recordings: test_admin_banner_addUpdateShowListRemove,
test_invoke_command_basic); ids, templates and versions are those of the recordings, cut down to what is served here.
That of the identities, which are at vssps.dev.azure.com, is in Microsoft's SDKs and in older answers only: its version
is not confirmed. `azure-devops` (PyPI) fills in a template by the rules of its `client.py`: {area} and {resource} are
the location's own, a segment without a value is left out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from mlops_tui.sandbox.api import Body

NEWEST = "7.2"  # version of the API, of every resource


class Location(NamedTuple):
    id: str
    area: str
    resource: str
    template: str
    revision: int  # of the resource: the 4 of "7.1-preview.4"
    oldest: str  # version of the API
    released: str  # version of the API; "0.0": a preview, which must be asked for as one

    def shown(self) -> Body:
        return {
            "id": self.id,
            "area": self.area,
            "resourceName": self.resource,
            "routeTemplate": self.template,
            "resourceVersion": self.revision,
            "minVersion": self.oldest,
            "maxVersion": NEWEST,
            "releasedVersion": self.released,
        }

    def literal(self) -> str:
        """The template with its own names in it."""
        return self.template.replace("{area}", self.area).replace("{resource}", self.resource)


_AREA, _BUILD = "{project}/_apis/{area}", "{project}/_apis/{area}/builds/{buildId}/{resource}"
_REPOSITORY = "{project}/_apis/{area}/repositories/{repositoryId}/{resource}"
_JOB = "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/jobs/{jobId}/{resource}"
_CHECKS, _PERMISSIONS = "{project}/_apis/pipelines/checks/{resource}", "{project}/_apis/pipelines/{resource}"

# fmt: off
LOCATIONS = tuple(Location(*row) for row in (
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1, "1.0", "0.0"),
    ("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1, "3.2", "0.0"),
    ("93878975-88c5-4e6a-8abb-7ddd77a8a7d8", "core", "processes", "_apis/process/{resource}/{*processId}", 1, "1.0",
     "7.1"),
    ("603fe2ac-9723-48b9-88ad-09305aa6c6e1", "core", "projects", "_apis/{resource}/{*projectId}", 4, "1.0", "7.1"),
    ("9a1b74b4-2ca8-4a9f-8470-c2f2e6fdc949", "operations", "operations", "_apis/{resource}/{operationId}", 1, "2.0",
     "7.1"),
    ("225f7195-f9c7-4d14-ab28-a83f7ff77e1f", "git", "repositories", f"{_AREA}/{{resource}}/{{repositoryId}}", 1, "1.0",
     "7.1"),
    ("2d874a60-a811-4f62-9c9f-963a6ea0a55b", "git", "refs", f"{_REPOSITORY}/{{*filter}}", 2, "1.0", "7.1"),
    ("fb93c0db-47ed-4a31-8c20-47552878fb44", "git", "items", f"{_REPOSITORY}/{{*path}}", 1, "1.0", "7.1"),
    ("c2570c3b-5b3f-41b8-98bf-5407bfde8d58", "git", "commits", f"{_REPOSITORY}/{{commitId}}", 2, "1.0", "7.1"),
    ("dbeaf647-6167-421a-bda9-c9327b25e2e6", "Build", "Definitions",
     "{project}/_apis/build/{resource}/{definitionId}", 7, "1.0", "7.1"),
    ("0cd358e1-9217-4d94-8269-1c1ee6f93dcf", "Build", "Builds", "{project}/_apis/build/{resource}/{buildId}", 7, "1.0",
     "7.1"),
    ("8baac422-4c6e-4de5-8532-db96d92acffa", "build", "Timeline", f"{_BUILD}/{{timelineId}}", 3, "2.0", "7.1"),
    ("35a80daf-7f30-45fc-86e8-6b813d9c90df", "build", "logs", f"{_BUILD}/{{logId}}", 2, "2.0", "7.1"),
    ("1db06c96-014e-44e1-ac91-90b2d4b3e984", "build", "artifacts", f"{_BUILD}/{{artifactName}}", 5, "2.0", "7.1"),
    ("28e1305e-2afe-47bf-abaf-cbb0e6a91988", "Pipelines", "pipelines", f"{_AREA}/{{pipelineId}}", 1, "5.1", "7.1"),
    ("7859261e-d2e9-4a68-b820-a5d84cc5bb3d", "Pipelines", "runs", f"{_AREA}/{{pipelineId}}/{{resource}}/{{runId}}", 2,
     "5.1", "7.1"),
    ("53df2d18-29ea-46a9-bee0-933540f80abf", "pipelines", "preview", f"{_AREA}/{{pipelineId}}/{{resource}}", 2, "5.1",
     "7.1"),
    ("86c8381e-5aee-4cde-8ae4-25c0c7f5eaea", "PipelinesChecks", "configurations", f"{_CHECKS}/{{id}}", 1, "5.1", "0.0"),
    ("b5b9a4a4-e6cd-4096-853c-ab7d8b0c4eb2", "pipelinePermissions", "pipelinePermissions",
     f"{_PERMISSIONS}/{{resourceType}}/{{resourceId}}", 1, "5.1", "0.0"),
    ("37794717-f36f-4d78-b2bf-4dc30d0cfbcd", "approval", "approvals", f"{_PERMISSIONS}/{{approvalId}}", 2, "5.1",
     "7.1"),
    ("8572b1fc-2482-47fa-8f74-7e3ed53ee54b", "distributedtask", "environments",
     f"{_AREA}/{{resource}}/{{environmentId}}", 1, "5.0", "7.1"),
    ("900fa995-c559-4923-aae7-f8424fe4fbea", "distributedtask", "queues", f"{_AREA}/{{resource}}/{{queueId}}", 1, "2.0",
     "7.1"),
    ("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "distributedtask", "pools", "_apis/{area}/{resource}/{poolId}", 1, "1.0",
     "7.1"),
    ("69a319f4-28c1-4bfd-93e6-ea0ff5c6f1a2", "distributedtask", "oidctoken", _JOB, 1, "7.1", "7.1"),
    ("14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0", "serviceendpoint", "endpoints", "_apis/{area}/{resource}/{endpointId}", 4,
     "5.2", "7.1"),
    ("e85f1c62-adfc-4b74-b618-11a150fb195e", "serviceendpoint", "endpoints", f"{_AREA}/{{resource}}/{{endpointId}}", 4,
     "4.1", "7.1"),
))
IDENTITIES = (
    Location("28010c54-d0c0-4c89-a5b0-1c9e188b9fb7", "IMS", "Identities", "_apis/{resource}/{identityId}", 1, "1.0",
             "7.1"),
)
# fmt: on


@cache
def _patterns() -> list[tuple[re.Pattern[str], Location]]:
    """Those with the most names of their own first: pipelines/approvals is no pipeline."""
    by_names = sorted(LOCATIONS, key=lambda one: len(re.sub(r"\{[^}]*}", "", one.literal())), reverse=True)
    return [(re.compile(_pattern(one.literal()), re.IGNORECASE), one) for one in by_names]


def _pattern(template: str) -> str:
    """Its last parameter may be missing, and so may the project."""
    parts = template.split("/")
    made = [_segment(part) for part in parts]
    for place in {0, len(parts) - 1}:
        if parts[place].startswith("{"):
            made[place] = f"({made[place]})?"
    return "".join(made)


def _segment(part: str) -> str:
    if part.startswith("{*"):
        return "/.+"
    return "/[^/]+" if part.startswith("{") else "/" + re.escape(part)


def find(path: str) -> Location | None:
    """That of a path behind the organisation ("/wine/_apis/build/builds/5"); None for what no template leads to."""
    return next((location for pattern, location in _patterns() if pattern.fullmatch(path)), None)
