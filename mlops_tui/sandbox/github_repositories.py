"""GitHub: who one is, and the repositories of people and of the organisation.

Shapes: GitHub REST API, "Users", "Organizations", "Repositories", "Collaborators".
"""

from __future__ import annotations

import re
from datetime import date

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, answer, empty
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.github_accounts import moment, new_id
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_service import REPOSITORY, GitHubService, Need
from mlops_tui.sandbox.pipelines.service import Pipelines
from mlops_tui.sandbox.store import AlreadyThereError

READ, OWN = Need("metadata", "read", "read"), Need("administration", "write", "admin")
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
PLANS = ("free", "team", "enterprise")
IMMUTABLE_SINCE = date(2026, 7, 15)  # repositories made from then on have their ids in the subjects of their tokens
BELONGINGS = ("github-secret", "github-secret-key", "github-variable", "github-environment", "github-workflow")


class GitHubRepositories(GitHubService):
    """/user, /users, /orgs and /repos/{owner}/{repo} themselves."""

    def routes(self) -> list[Endpoint]:
        return [
            self.open("GET", "/user", self.me),
            self.open("GET", "/users/{login}", self.somebody),
            self.open("GET", "/orgs/{login}", self.organization),
            self.open("POST", "/user/repos", self.create_own),
            self.open("POST", "/orgs/{login}/repos", self.create),
            self.at("GET", "", self.show_one, READ),
            self.at("DELETE", "", self.delete, OWN),
            self.at("GET", "/collaborators/{login}", self.is_collaborator, READ),
            self.at("PUT", "/collaborators/{login}", self.add_collaborator, OWN),
            self.on("PUT", "/_sandbox/github/plan", self.change_plan, OPEN),
        ]

    def change_plan(self, call: Call) -> Response:
        """The practice cloud's own: what the organisation pays for. {"plan": "free"}"""
        plan = call.json().get("plan")
        if plan not in PLANS:
            raise OPEN.malformed(f"plan must be one of {', '.join(PLANS)}.")
        self.accounts.change_plan(plan)
        return empty(204)

    def me(self, call: Call) -> Body:
        account = self.accounts.of(call.caller)
        return self.person(account) | {"name": account["name"], "email": call.caller.name, "plan": {"name": "free"}}

    def somebody(self, call: Call) -> Body:
        account = self.accounts.find(call.params["login"])
        if account is None:
            raise GITHUB.not_found()
        return self.person(account) | {"name": account["name"]}

    def organization(self, call: Call) -> Body:
        """Its plan is told to members alone."""
        found = self.accounts.organization()
        if call.params["login"].lower() != found["login"]:
            raise GITHUB.not_found()
        seen = {
            "login": found["login"],
            "id": found["id"],
            "url": f"{self.api}/orgs/{found['login']}",
            "type": "Organization",
        }
        if self.accounts.owns(self.accounts.of(call.caller)):
            seen["plan"] = {"name": found["plan"]}
        return seen

    def create_own(self, call: Call) -> Response:
        return self._create(call, self.accounts.of(call.caller)["login"])

    def create(self, call: Call) -> Response:
        account, found = self.accounts.of(call.caller), self.accounts.organization()
        if call.params["login"].lower() != found["login"]:
            raise GITHUB.not_found()
        if not self.accounts.owns(account):
            raise GITHUB.error(403, "", "You need admin access to the organization before adding a repository to it.")
        return self._create(call, found["login"])

    def _create(self, call: Call, owner: str) -> Response:
        wanted = call.json()
        self.check_token(call, OWN, private=bool(wanted.get("private")))
        name = str(wanted.get("name") or "")
        if not name:
            raise self._not_created("missing_field", "")
        if not NAME.fullmatch(name) or name in (".", ".."):
            message = "name can only contain ASCII letters, digits, and the characters ., -, and _"
            raise self._not_created("custom", message)
        number = new_id(self.store)
        made: Body = {
            "id": number,
            "owner": owner,
            "name": name,
            "private": bool(wanted.get("private")),
            "description": wanted.get("description"),
            "default_branch": "main",
            "created_at": moment(),
            "immutable_subject": date.today() >= IMMUTABLE_SINCE,  # noqa: DTZ011 (a day is near enough)
            "collaborators": {},
        }
        try:
            self.store.insert(REPOSITORY, f"{owner}/{name}".lower(), made)
        except AlreadyThereError as error:
            raise self._not_created("custom", "name already exists on this account") from error
        self.git.create(str(number))
        return answer(self.seen(made, "admin"), 201)

    def _not_created(self, code: str, message: str) -> Exception:
        wrong = {"resource": "Repository", "code": code, "field": "name"} | ({"message": message} if message else {})
        return GITHUB.invalid("Repository creation failed.", wrong)

    def seen(self, repository: Body, role: str = "read") -> Body:
        """A repository as the API shows it."""
        owner = self.accounts.find(repository["owner"])
        assert owner is not None
        full = f"{repository['owner']}/{repository['name']}"
        page = f"{self.sandbox.origin}/{full}"
        ranks = ("pull", "push", "admin")
        level = {"read": 0, "write": 1, "admin": 2}[role]
        return {
            "id": repository["id"],
            "node_id": f"R_{repository['id']}",
            "name": repository["name"],
            "full_name": full,
            "private": repository["private"],
            "visibility": "private" if repository["private"] else "public",
            "owner": self.person(owner),
            "html_url": page,
            "description": repository["description"],
            "url": f"{self.api}/repos/{full}",
            "clone_url": f"{page}.git",
            "default_branch": repository["default_branch"],
            "created_at": repository["created_at"],
            "archived": False,
            "disabled": False,
            "permissions": {rank: place <= level for place, rank in enumerate(ranks)},
        }

    def show_one(self, call: Call, repository: Body) -> Body:
        return self.seen(repository, self.role(call, repository) or "read")

    def delete(self, call: Call, repository: Body) -> Response:
        """With all that belongs to it; what runs there is ended."""
        pipelines = self.sandbox.find(Pipelines)
        for run in pipelines.records("github", f"{repository['owner']}/{repository['name']}"):
            if run["state"] != "completed":
                pipelines.cancel(run["id"])
        with self.store.transaction():
            self.store.delete(REPOSITORY, f"{repository['owner']}/{repository['name']}".lower())
            for kind in BELONGINGS:
                for key, _ in self.store.items(kind, f"{repository['id']}/"):
                    self.store.delete(kind, key)
        self.git.delete(str(repository["id"]))
        return empty(204)

    def is_collaborator(self, call: Call, repository: Body) -> Response:
        account = self.accounts.find(call.params["login"])
        if account is None or account["type"] != "User" or self.role_of(account, repository) is None:
            raise GITHUB.not_found()
        return empty(204)

    def add_collaborator(self, call: Call, repository: Body) -> Response:
        """204, as for a member of the organisation; nobody has to accept anything here."""
        account = self.accounts.find(call.params["login"])
        if account is None:
            raise GITHUB.not_found()
        role = {"pull": "read", "push": "write", "admin": "admin"}.get(str(call.json().get("permission") or "push"))
        if role is None:
            raise GITHUB.invalid("Validation Failed")
        changed = repository | {"collaborators": repository["collaborators"] | {account["login"].lower(): role}}
        self.store.put(REPOSITORY, f"{repository['owner']}/{repository['name']}".lower(), changed)
        return empty(204)
