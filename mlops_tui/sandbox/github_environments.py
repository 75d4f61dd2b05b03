"""GitHub: environments with the people who must say yes before a job that names them goes on.

A private repository whose owner's plan lacks required reviewers is refused them, and the environment is there all the
same, without the rule: so does GitHub. People without access to the repository are left out without a word: so does
GitHub, too. Documents "github-environment" by "{repository's id}/{name in lower case}".
Shapes: GitHub REST API, "Deployment environments"; plans: "Deployments and environments", required reviewers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, empty
from mlops_tui.sandbox.github_accounts import moment, new_id
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_service import GitHubService, Need

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

ENVIRONMENT = "github-environment"
MOST_REVIEWERS = 6
READ, WRITE = Need("actions", "read", "read"), Need("administration", "write", "admin")


def place_of(store: Store, call: Call, repository: Body, name: str = "") -> str:
    """The key of a secret or a variable: the repository's, or its environment's where the call names one (404)."""
    environment = call.params.get("environment", "")
    if environment:
        require(store, repository, environment)
    return f"{repository['id']}/{environment.lower()}/{name.upper()}"


def places_for_job(repository: Body, environment: str) -> tuple[str, ...]:
    """How the keys begin of what a job gets: the repository's, and over them those of its environment."""
    return tuple(f"{repository['id']}/{place}/" for place in (("", environment.lower()) if environment else ("",)))


def require(store: Store, repository: Body, name: str) -> Body:
    """The environment. Raises 404."""
    found = store.get(ENVIRONMENT, f"{repository['id']}/{name.lower()}")
    if found is None:
        raise GITHUB.not_found()
    return found


def ensure(store: Store, repository: Body, name: str) -> Body:
    """A job that names an environment makes it, without any rule."""
    with store.transaction():
        found = store.get(ENVIRONMENT, f"{repository['id']}/{name.lower()}")
        if found is None:
            found = {
                "id": new_id(store),
                "name": name,
                "reviewers": [],
                "prevent_self_review": False,
                "wait_timer": 0,
                "policy": None,
                "created_at": moment(),
                "updated_at": moment(),
            }
            store.put(ENVIRONMENT, f"{repository['id']}/{name.lower()}", found)
    return found


class GitHubEnvironments(GitHubService):
    """Below /repos/{owner}/{repo}: environments…"""

    def routes(self) -> list[Endpoint]:
        return [
            self.at("GET", "/environments", self.show_all, READ),
            self.at("GET", "/environments/{environment}", self.show, READ),
            self.at("PUT", "/environments/{environment}", self.put, WRITE),
            self.at("DELETE", "/environments/{environment}", self.delete, WRITE),
        ]

    def show_all(self, call: Call, repository: Body) -> Response:
        found = self.store.list(ENVIRONMENT, f"{repository['id']}/")
        return self.page(call, "environments", [self._shown(repository, one) for one in found])

    def show(self, call: Call, repository: Body) -> Body:
        return self._shown(repository, require(self.store, repository, call.params["environment"]))

    def put(self, call: Call, repository: Body) -> Body:
        """Sets everything that an environment has: what is not given is none."""
        wanted = call.json()
        reviewers = self._reviewers(wanted.get("reviewers") or [], repository)
        prevent = bool(wanted.get("prevent_self_review"))
        policy = wanted.get("deployment_branch_policy")
        if policy is not None and bool(policy.get("protected_branches")) == bool(policy.get("custom_branch_policies")):
            raise GITHUB.invalid("protected_branches and custom_branch_policies cannot have the same value.")
        made = ensure(self.store, repository, call.params["environment"])
        if wanted.get("reviewers") and not self._may_ask(repository):
            message = "Failed to create the environment protection rule. Please ensure the billing plan supports the "
            raise GITHUB.invalid(message + "required reviewers protection rule.")
        if prevent and not reviewers:
            message = "Failed to create or update the environment protection rule. Required reviewers must have at "
            raise GITHUB.invalid(message + "least one reviewer to set prevent_self_review.")
        changed = made | {
            "reviewers": reviewers,
            "prevent_self_review": prevent,
            "wait_timer": int(wanted.get("wait_timer") or 0),
            "policy": policy,
            "updated_at": moment(),
        }
        self.store.put(ENVIRONMENT, f"{repository['id']}/{made['name'].lower()}", changed)
        return self._shown(repository, changed)

    def _reviewers(self, wanted: list[Any], repository: Body) -> list[int]:
        """Those of them who may read the repository. Raises 422 for what is no list of reviewers."""
        if len(wanted) > MOST_REVIEWERS:
            raise GITHUB.invalid(f"A maximum of {MOST_REVIEWERS} reviewers is allowed.")
        found = []
        for one in wanted:
            if not isinstance(one, dict) or one.get("type") != "User" or not isinstance(one.get("id"), int):
                raise GITHUB.invalid('Invalid request. Each of "reviewers" needs a "type", here "User", and an "id".')
            account = self.accounts.by_id(one["id"])
            if account is not None and self.role_of(account, repository) is not None:
                found.append(account["id"])
        return found

    def _may_ask(self, repository: Body) -> bool:
        """Required reviewers are there for public repositories, and for private ones with GitHub Enterprise."""
        owner = self.accounts.find(repository["owner"])
        return not repository["private"] or (owner is not None and owner["plan"] == "enterprise")

    def delete(self, call: Call, repository: Body) -> Response:
        found = require(self.store, repository, call.params["environment"])
        with self.store.transaction():
            self.store.delete(ENVIRONMENT, f"{repository['id']}/{found['name'].lower()}")
            for kind in ("github-secret", "github-variable"):
                for key, _ in self.store.items(kind, f"{repository['id']}/{found['name'].lower()}/"):
                    self.store.delete(kind, key)
        return empty(204)

    def _shown(self, repository: Body, environment: Body) -> Body:
        name = environment["name"]
        rules: list[Body] = []
        if environment["reviewers"]:
            rule = {"id": environment["id"] + 1, "type": "required_reviewers"}
            rule |= {
                "prevent_self_review": environment["prevent_self_review"],
                "reviewers": self.reviewers(environment),
            }
            rules.append(rule)
        if environment["policy"]:
            rules.append({"id": environment["id"] + 2, "type": "branch_policy"})
        return {
            "id": environment["id"],
            "name": name,
            "url": f"{self.api}/repos/{repository['owner']}/{repository['name']}/environments/{name}",
            "created_at": environment["created_at"],
            "updated_at": environment["updated_at"],
            "can_admins_bypass": True,
            "protection_rules": rules,
            "deployment_branch_policy": environment["policy"],
        }

    def reviewers(self, environment: Body) -> list[Body]:
        found = (self.accounts.by_id(number) for number in environment["reviewers"])
        return [{"type": "User", "reviewer": self.person(one)} for one in found if one]
