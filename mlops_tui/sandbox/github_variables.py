"""GitHub: plain variables of Actions, of a repository or of one of its environments.

Documents "github-variable" by "{repository's id}/{environment}/{NAME}". Shapes: GitHub REST API, "GitHub Actions
Variables".
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, answer, empty
from mlops_tui.sandbox.github_accounts import moment
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_environments import place_of, places_for_job
from mlops_tui.sandbox.github_secrets import LARGEST, NAME
from mlops_tui.sandbox.github_service import GitHubService, Need
from mlops_tui.sandbox.store import AlreadyThereError

VARIABLE = "github-variable"


class GitHubVariables(GitHubService):
    """Below /repos/{owner}/{repo}: actions/variables… and environments/{name}/variables…"""

    def routes(self) -> list[Endpoint]:
        places = (
            ("/actions/variables", "actions_variables"),
            ("/environments/{environment}/variables", "environments"),
        )
        return [route for path, permission in places for route in self._below(path, permission)]

    def _below(self, path: str, permission: str) -> list[Endpoint]:
        read, write = Need(permission, "read", "write"), Need(permission, "write", "admin")
        return [
            self.at("GET", path, self.show_all, read),
            self.at("POST", path, self.create, write),
            self.at("GET", f"{path}/{{name}}", self.show, read),
            self.at("PATCH", f"{path}/{{name}}", self.update, write),
            self.at("DELETE", f"{path}/{{name}}", self.delete, write),
        ]

    def show_all(self, call: Call, repository: Body) -> Response:
        return self.page(call, "variables", self.store.list(VARIABLE, self._place(call, repository)))

    def create(self, call: Call, repository: Body) -> Response:
        wanted = call.json()
        name, value = str(wanted.get("name") or ""), _value(wanted)
        if not NAME.fullmatch(name):
            raise GITHUB.invalid("Variable names can only contain alphanumeric characters or underscores.")
        made = {"name": name.upper(), "value": value, "created_at": moment(), "updated_at": moment()}
        try:
            self.store.insert(VARIABLE, self._place(call, repository, name), made)
        except AlreadyThereError as error:
            raise GITHUB.error(409, "", "Already exists - Variable already exists") from error
        return answer({}, 201)

    def show(self, call: Call, repository: Body) -> Body:
        found = self.store.get(VARIABLE, self._place(call, repository, call.params["name"]))
        if found is None:
            raise GITHUB.not_found()
        return found

    def update(self, call: Call, repository: Body) -> Response:
        found = self.show(call, repository)
        place = self._place(call, repository, call.params["name"])
        self.store.put(VARIABLE, place, found | {"value": _value(call.json()), "updated_at": moment()})
        return empty(204)

    def delete(self, call: Call, repository: Body) -> Response:
        if self.store.delete(VARIABLE, self._place(call, repository, call.params["name"])) is None:
            raise GITHUB.not_found()
        return empty(204)

    def _place(self, call: Call, repository: Body, name: str = "") -> str:
        return place_of(self.store, call, repository, name)

    def values(self, repository: Body, environment: str) -> dict[str, str]:
        """For a job: those of the repository, and over them those of its environment."""
        found: dict[str, str] = {}
        for place in places_for_job(repository, environment):
            found |= {one["name"]: one["value"] for one in self.store.list(VARIABLE, place)}
        return found


def _value(wanted: Body) -> str:
    value = wanted.get("value")
    if not isinstance(value, str) or not value or len(value.encode()) > LARGEST:
        raise GITHUB.invalid("Variable value must be a text of 1 byte to 48 KB.")
    return value
