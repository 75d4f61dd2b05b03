"""What Azure DevOps' own clients (the package azure-devops, the az extension) ask of the practice organisation.

They are told first where the resources are, and make their addresses of that; see `devops_locations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Match, Route

from mlops_tui.clouds.azure_devops import AzureDevOps
from mlops_tui.clouds.ci_host import Repository
from mlops_tui.sandbox import devops_locations
from mlops_tui.sandbox.devops_dialect import DEVOPS
from mlops_tui.sandbox.devops_locations import IDENTITIES, LOCATIONS, Location
from mlops_tui.sandbox.devops_projects import Projects
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.server import application
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import raw
from tests.contract.devops_desk import Git, devops, project_of

pytestmark = [pytest.mark.xdist_group("azure-devops"), pytest.mark.timeout(100)]
PROJECT = "for-other-clients"
KNOWN = {"{hubName}": "build"}  # the one hub of plans that Azure Pipelines has
UNLISTED = ("/artifacts/{artifact}/content",)  # where a download goes that another answer names


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Route]]:
    """All that the practice cloud answers in Azure DevOps' dialect."""
    sandbox = Sandbox(tmp_path_factory.mktemp("routes"), "https://localhost:1")
    try:
        application_routes = {route.path: route for route in application(sandbox).routes if isinstance(route, Route)}
        ours = {end.path for service in sandbox.services for end in service.routes() if end.dialect is DEVOPS}
        yield [route for path, route in application_routes.items() if path in ours]
    finally:
        sandbox.requests.close()
        sandbox.store.close()


def filled(location: Location, with_last: bool) -> str:
    """The template as the clients fill it in: a segment whose value is not known is left out."""
    parts = location.literal().split("/")
    kept = parts if with_last or not parts[-1].startswith("{") else parts[:-1]
    return "/" + "/".join(KNOWN.get(part, "7") if part.startswith("{") else part for part in kept)


@pytest.mark.parametrize("location", [*LOCATIONS, *IDENTITIES], ids=lambda one: f"{one.area}-{one.resource}")
def test_each_resource_that_clients_are_told_of_is_served(routes: list[Route], location: Location) -> None:
    root = "/devops-identities/practice" if location in IDENTITIES else "/devops/practice"
    paths = [root + filled(location, with_last) for with_last in (True, False)]
    scopes = [{"type": "http", "method": "GET", "path": path} for path in paths]
    assert any(route.matches(scope)[0] != Match.NONE for route in routes for scope in scopes), paths


def test_clients_are_told_of_each_resource_that_is_served(routes: list[Route]) -> None:
    served = [route.path for route in routes if route.path.startswith("/devops/") and "/_apis/" in route.path]
    asked = [path for path in served if not path.endswith((*UNLISTED, "/_apis/{area}"))]
    behind = [path.removeprefix("/devops/{organization}").replace(":int}", "}") for path in asked]
    assert len(behind) > 30
    assert [path for path in behind if devops_locations.find(path) is None] == []


@dataclass
class Wire:
    """A project with a repository of two commits; requests as the clients send them."""

    live: LiveSandbox
    host: AzureDevOps
    repository: Repository
    commits: list[str]

    def ask(self, method: str, path: str, body: Any = None, accept: str = "application/json", version: str = "") -> Any:
        headers: dict[str, Any] = {"Authorization": self.host.authorization(), "X-TFS-FedAuthRedirect": "Suppress"}
        headers["Accept"] = f"{accept};api-version={version or '7.1-preview.1'}"
        return raw(self.live, method, path, json=body, **headers)

    def get(self, path: str, accept: str = "application/json") -> Any:
        response = self.ask("GET", f"/devops/practice/{path}", accept=accept)
        assert response.status_code == 200, response.text()
        return response.json() if accept == "application/json" else response.text()


@pytest.fixture(scope="module")
def wire(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as quick, devops(live, project_of(live, PROJECT)) as host:
        quick.setattr(Projects, "seconds", 0.05)
        repository = host.make_repository()
        folder: Path = tmp_path_factory.mktemp("clone")
        git = Git(live, folder, host.authorization())
        first = git.push(repository.clone_url, {"notebooks/train.py": "1", "azure-pipelines.yml": "steps: []"}, "First")
        second = git.push(repository.clone_url, {"notebooks/train.py": "2"}, "Second\n\nand why")
        yield Wire(live, host, repository, [second, first])


def test_a_client_finds_a_resource_by_its_id(wire: Wire) -> None:
    told = wire.ask("OPTIONS", "/devops/practice/_apis").json()
    assert told["count"] == len(told["value"]) == len(LOCATIONS)
    builds = next(one for one in told["value"] if one["id"] == "0cd358e1-9217-4d94-8269-1c1ee6f93dcf")
    assert builds == {
        "id": "0cd358e1-9217-4d94-8269-1c1ee6f93dcf",
        "area": "Build",
        "resourceName": "Builds",
        "routeTemplate": "{project}/_apis/build/{resource}/{buildId}",
        "resourceVersion": 7,
        "minVersion": "1.0",
        "maxVersion": "7.2",
        "releasedVersion": "7.1",
    }
    assert wire.get(f"{PROJECT}/_apis/build/Builds") == {"count": 0, "value": []}, "as it is written there"
    of_area = wire.ask("OPTIONS", "/devops/practice/_apis/Git").json()["value"]
    assert {one["resourceName"] for one in of_area} == {"repositories", "refs", "items", "commits"}
    identities = wire.ask("OPTIONS", "/devops-identities/practice/_apis").json()["value"]
    assert [one["area"] for one in identities] == ["IMS"]
    assert wire.ask("OPTIONS", "/devops/_apis").json() == {"count": 0, "value": []}


def test_no_area_leads_a_client_away_from_this_machine(wire: Wire) -> None:
    areas = {one["name"]: one for one in wire.get("_apis/ResourceAreas")["value"]}
    assert all(one["locationUrl"].startswith(wire.live.origin) for one in areas.values())
    assert areas["git"]["locationUrl"] == f"{wire.live.origin}/devops/practice/"
    assert areas["IMS"]["locationUrl"] == f"{wire.live.origin}/devops-identities/practice/"
    assert {"wit", "wiki", "Graph"} < areas.keys(), "of which nothing is served"
    assert wire.get(f"_apis/ResourceAreas/{areas['git']['id']}") == areas["git"]
    assert wire.get("_apis/ResourceAreas/00000000-0000-0000-0000-000000000000") is None


def test_who_has_not_signed_in_is_told_nothing_and_gets_no_page(live: LiveSandbox) -> None:
    answer = raw(live, "OPTIONS", "/devops/practice/_apis")
    assert (answer.status_code, answer.json()["typeKey"]) == (401, "UnauthorizedRequestException")


def test_versions_are_kept_to(wire: Wire) -> None:
    """Wherever they are given; a preview must be asked for as one."""
    preview, released = "/devops/practice/_apis/connectionData", "/devops/practice/_apis/projects"
    assert wire.ask("GET", preview, version="7.1-preview.1").status_code == 200
    refused = wire.ask("GET", preview, version="7.1")
    assert (refused.status_code, refused.json()["typeKey"]) == (400, "VssInvalidPreviewVersionException")
    assert 'For example: "7.1-preview"' in refused.json()["message"]
    assert wire.ask("GET", released, version="7.1").status_code == 200
    assert wire.ask("GET", released, version="7.2").json()["typeKey"] == "VssInvalidPreviewVersionException"
    assert wire.ask("GET", released, version="9.0").json()["typeKey"] == "VssVersionOutOfRangeException"


def test_commits_are_listed_with_who_made_them(wire: Wire) -> None:
    place = f"_apis/git/repositories/{wire.repository.id}"
    found = wire.get(f"{PROJECT}/{place}/commits?searchCriteria.itemVersion.version=main")["value"]
    assert [one["commitId"] for one in found] == wire.commits
    assert (found[0]["comment"], found[0]["parents"]) == ("Second\n\nand why", [wire.commits[1]])
    assert found[0]["author"]["name"] == "ada@example.com"
    assert found[0]["author"]["date"].endswith("Z")
    first = wire.get(f"{place}/commits?searchCriteria.itemPath=/azure-pipelines.yml")["value"]
    assert [one["commitId"] for one in first] == [wire.commits[1]]
    assert wire.get(f"{place}/commits?searchCriteria.$top=1&searchCriteria.$skip=1")["value"] == first
    assert wire.get(f"{place}/commits/{wire.commits[1]}")["comment"] == "First"
    gone = wire.ask("GET", f"/devops/practice/{place}/commits/{'0' * 40}")
    assert (gone.status_code, gone.json()["typeKey"]) == (404, "GitCommitDoesNotExistException")


def test_files_are_found_without_their_project_and_come_as_they_are_asked_for(wire: Wire) -> None:
    place = f"_apis/git/repositories/{wire.repository.id}/items"
    top = wire.get(f"{place}?scopePath=/&recursionLevel=oneLevel")["value"]
    assert [one["path"] for one in top] == ["/", "/notebooks", "/azure-pipelines.yml"]
    assert wire.get(f"{place}?scopePath=/notebooks")["value"] == [top[1]]
    assert wire.get(f"{place}?path=/notebooks/train.py", accept="text/plain") == "2"
    item = wire.get(f"{place}?path=/notebooks/train.py&includeContent=true")
    assert (item["content"], item["gitObjectType"]) == ("2", "blob")
    linked = wire.ask("GET", item["url"].removeprefix(wire.live.origin), accept="text/plain")
    assert linked.text() == "2", "its address leads to it"
    assert [one["id"] for one in wire.get("_apis/git/repositories")["value"]].count(wire.repository.id) == 1
    assert wire.ask("GET", "/devops/practice/_apis/git/repositories/unknown").json()["message"].startswith("TF401019")


def test_pipelines_come_in_pages_and_are_found_by_pattern(wire: Wire) -> None:
    for name in ("alpha", "beta"):
        body = {
            "name": name,
            "process": {"type": 2, "yamlFilename": "azure-pipelines.yml"},
            "repository": {"id": wire.repository.id, "type": "TfsGit", "defaultBranch": "refs/heads/main"},
            "variables": {"fixed": {"value": "1"}},
        }
        made = wire.ask("POST", f"/devops/practice/{PROJECT}/_apis/build/Definitions", body)
        assert made.status_code == 200
        assert made.json()["repository"]["name"] == PROJECT
    place = f"/devops/practice/{PROJECT}/_apis/pipelines"
    page = wire.ask("GET", f"{place}?$top=1")
    assert [one["name"] for one in page.json()["value"]] == ["alpha"]
    rest = wire.ask("GET", f"{place}?continuationToken={page.headers['X-MS-ContinuationToken']}")
    assert [one["name"] for one in rest.json()["value"]] == ["beta"]
    assert "X-MS-ContinuationToken" not in rest.headers
    shown = wire.get(f"{PROJECT}/_apis/pipelines/{rest.json()['value'][0]['id']}")
    assert shown["configuration"]["path"] == "azure-pipelines.yml"
    assert [one["name"] for one in wire.get(f"{PROJECT}/_apis/build/definitions?name=b*")["value"]] == ["beta"]
    variables = {"definition": {"id": shown["id"]}, "parameters": "{'fixed': '2'}"}
    refused = wire.ask("POST", f"/devops/practice/{PROJECT}/_apis/build/Builds", variables)
    assert (refused.status_code, refused.json()["typeKey"]) == (400, "PipelineValidationException")
    assert "You can't set the following variables (fixed)" in refused.json()["message"]


def test_what_a_project_is_made_of_is_shown_to_who_asks(wire: Wire) -> None:
    shown = wire.get(f"_apis/projects/{PROJECT}?includeCapabilities=true")
    assert shown["capabilities"]["versioncontrol"]["sourceControlType"] == "Git"
    template = shown["capabilities"]["processTemplate"]
    assert wire.get(f"_apis/process/processes/{template['templateTypeId']}")["name"] == template["templateName"]
    queue = wire.get(f"{PROJECT}/_apis/distributedtask/queues/1")
    assert queue["pool"] == wire.get("_apis/distributedtask/pools/1")
    assert wire.ask("GET", f"/devops/practice/{PROJECT}/_apis/distributedtask/queues/99").status_code == 404


def test_identities_are_found_by_their_ids(wire: Wire) -> None:
    place = "/devops-identities/practice/_apis/Identities"
    found = wire.ask("GET", f"{place}?searchFilter=General&filterValue=learner@sandbox.example").json()["value"]
    assert wire.ask("GET", f"{place}/{found[0]['id']}").json() == found[0]
    assert wire.ask("GET", f"{place}?identityIds={found[0]['id']}").json()["value"] == found
    assert wire.ask("GET", f"{place}/00000000-0000-0000-0000-000000000000").json() is None
