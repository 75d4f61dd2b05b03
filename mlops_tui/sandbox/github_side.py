"""What GitHub tells the runner while a run goes on (see `pipelines.model.HostSide`).

Default environment: GitHub, "Variables reference". The job's GITHUB_TOKEN may do what the job's `permissions` say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Endpoint, Principal
from mlops_tui.sandbox.github_environments import ensure
from mlops_tui.sandbox.github_oidc import GitHubOidc
from mlops_tui.sandbox.github_secrets import GitHubSecrets
from mlops_tui.sandbox.github_service import GitHubService
from mlops_tui.sandbox.github_variables import GitHubVariables
from mlops_tui.sandbox.host_tokens import HostTokens
from mlops_tui.sandbox.pipelines.service import Pipelines

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

JOB_TOKEN_SECONDS = 24 * 3600  # GitHub's own, at most


class GitHubSide(GitHubService):
    """Has no routes; stands behind Pipelines among the services."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        sandbox.find(Pipelines).register("github", self)

    def routes(self) -> list[Endpoint]:
        return []

    def _repository(self, run: Body) -> Body:
        """Raises LookupError where it was deleted meanwhile."""
        found = self.find(*run["owner"].split("/"))
        if found is None:
            raise LookupError(run["owner"])
        return found

    def why_not(self, run: Body, job: Body) -> str:
        return "" if self.find(*run["owner"].split("/")) else "The repository was deleted."

    def needs_approval(self, run: Body, job: Body) -> bool:
        return bool(job["environment"] and ensure(self.store, self._repository(run), job["environment"])["reviewers"])

    def variables(self, run: Body, job: Body) -> Mapping[str, str]:
        return self.sandbox.find(GitHubVariables).values(self._repository(run), job["environment"])

    def secrets(self, run: Body, job: Body) -> Mapping[str, str]:
        """With the job's own token."""
        values = self.sandbox.find(GitHubSecrets).values(self._repository(run), job["environment"])
        scopes = tuple(f"{scope}={level}" for scope, level in job.get("permissions", {}).items() if "-" not in scope)
        who = Principal(**run["requested_by"])
        token = HostTokens(self.store).issue("github", who, scopes or ("metadata=read",), JOB_TOKEN_SECONDS)
        return values | {"GITHUB_TOKEN": token}

    def facts(self, run: Body, job: Body) -> Mapping[str, str]:
        repository = self._repository(run)
        owner = self.accounts.find(repository["owner"])
        actor = self.accounts.of(Principal(**run["requested_by"]))
        ref = f"refs/heads/{run['branch']}"
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": actor["login"],
            "GITHUB_ACTOR_ID": str(actor["id"]),
            "GITHUB_API_URL": self.api,
            "GITHUB_EVENT_NAME": "push" if run["reason"] == "push" else "workflow_dispatch",
            "GITHUB_JOB": job["name"],
            "GITHUB_REF": ref,
            "GITHUB_REF_NAME": run["branch"],
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REPOSITORY": run["owner"],
            "GITHUB_REPOSITORY_ID": str(repository["id"]),
            "GITHUB_REPOSITORY_OWNER": repository["owner"],
            "GITHUB_REPOSITORY_OWNER_ID": str(owner["id"]) if owner else "",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": run["id"],
            "GITHUB_RUN_NUMBER": str(run["number"]),
            "GITHUB_SERVER_URL": self.sandbox.origin,
            "GITHUB_SHA": run["commit"],
            "GITHUB_TRIGGERING_ACTOR": actor["login"],
            "GITHUB_WORKFLOW": run["name"],
            "GITHUB_WORKFLOW_REF": f"{run['owner']}/{run['file']}@{ref}",
            "GITHUB_WORKFLOW_SHA": run["commit"],
            **self.sandbox.find(GitHubOidc).request_for(run, job),
        }

    def connection(self, run: Body, job: Body, name: str) -> Mapping[str, str]:
        raise LookupError(f"GitHub has no service connections: {name}")
