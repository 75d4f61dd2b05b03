"""What a repository on GitHub is set up with for its workflow: variables, secrets, environments, whom its tokens name.

GitHub REST API: "GitHub Actions Variables", "GitHub Actions Secrets" (values are sealed with libsodium's
crypto_box_seal), "Deployment environments", "GitHub Actions OIDC".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops_tui import redaction
from mlops_tui.clouds.github_errors import speaking_of
from mlops_tui.clouds.rest import Entity
from mlops_tui.errors import ForbiddenError, NotFoundError, UsageError

if TYPE_CHECKING:
    from mlops_tui.clouds.github_rest import GitHubRest

# Plans whose private repositories may ask for no reviewers (GitHub, "Deployments and environments").
WITHOUT_REVIEWERS = ("free", "pro", "team")


@dataclass(frozen=True)
class Environment:
    name: str
    reviewers: Mapping[str, int] = field(default_factory=dict)  # logins, or names of teams, and their ids
    kept: Entity = field(default_factory=dict)  # what else was set there, for a change to leave it as it is


class GitHubSettings:
    """Of one repository. Every call may raise SignInError, ForbiddenError, NotFoundError or UnreachableError."""

    def __init__(self, rest: GitHubRest, owner: str, name: str) -> None:
        self._rest = rest
        self._owner = owner
        self.full = f"{owner}/{name}"
        self._root = f"repos/{self.full}"

    def variables(self) -> dict[str, str]:
        with speaking_of(f"the variables of {self.full}"):
            return {
                one["name"]: one["value"] for one in self._rest.pages(f"{self._root}/actions/variables", "variables")
            }

    def set_variable(self, name: str, value: str, is_there: bool) -> None:
        with speaking_of(f"the variable {name} of {self.full}"):
            if is_there:
                self._rest.call("PATCH", f"{self._root}/actions/variables/{name}", {"name": name, "value": value})
            else:
                self._rest.call("POST", f"{self._root}/actions/variables", {"name": name, "value": value})

    def delete_variable(self, name: str) -> bool:
        return self._delete(f"actions/variables/{name}", f"the variable {name}")

    def secrets(self) -> dict[str, datetime]:
        """Names, and when each was set: nobody is shown more."""
        with speaking_of(f"the secrets of {self.full}"):
            listed = list(self._rest.pages(f"{self._root}/actions/secrets", "secrets"))
            return {one["name"]: datetime.fromisoformat(one["updated_at"]) for one in listed}

    def set_secret(self, name: str, value: str) -> None:
        """Sealed here: it leaves this machine so that GitHub alone can open it."""
        redaction.register(value)
        with speaking_of(f"the secret {name} of {self.full}"):
            key = self._rest.call("GET", f"{self._root}/actions/secrets/public-key")
            body = {"encrypted_value": seal(value, key["key"]), "key_id": key["key_id"]}
            self._rest.call("PUT", f"{self._root}/actions/secrets/{name}", body)

    def delete_secret(self, name: str) -> bool:
        return self._delete(f"actions/secrets/{name}", f"the secret {name}")

    def environment(self, name: str) -> Environment | None:
        try:
            with speaking_of(f"the environment {name} of {self.full}"):
                found = self._rest.call("GET", f"{self._root}/environments/{quote(name, safe='')}")
                return _environment(found)
        except NotFoundError:
            return None

    def put_environment(self, name: str, reviewers: Sequence[int], before: Environment | None = None) -> Environment:
        """Made, or changed: GitHub sets all of it at once, so that what it had `before` is given again.

        Raises NoReviewersError where the owner's plan has no reviewers; the environment is there then, without any.
        """
        body: Entity = {
            **(before.kept if before else {}),
            "reviewers": [{"type": "User", "id": one} for one in reviewers],
        }
        with speaking_of(f"the environment {name} of {self.full}"):
            return _environment(self._rest.call("PUT", f"{self._root}/environments/{quote(name, safe='')}", body))

    def delete_environment(self, name: str) -> bool:
        return self._delete(f"environments/{quote(name, safe='')}", f"the environment {name}")

    def _delete(self, path: str, what: str) -> bool:
        """False where it was gone already."""
        try:
            with speaking_of(f"{what} of {self.full}"):
                self._rest.call("DELETE", f"{self._root}/{path}")
        except NotFoundError:
            return False
        return True

    def user(self, login: str) -> int:
        """Somebody's id. Raises UsageError where GitHub knows nobody of that name."""
        try:
            with speaking_of(f"the GitHub user {login}"):
                return int(self._rest.call("GET", f"users/{quote(login, safe='')}")["id"])
        except NotFoundError as error:
            hint = "ci.approvers takes logins, as they stand in https://github.com/LOGIN, with commas between."
            raise UsageError(f"GitHub has no user {login}.", hint=hint) from error

    def may_read(self, login: str) -> bool:
        """Whether they have access to the repository, which reviewers need."""
        try:
            with speaking_of(f"the access of {login} to {self.full}"):
                self._rest.call("GET", f"{self._root}/collaborators/{quote(login, safe='')}")
        except NotFoundError:
            return False
        return True

    def allows_reviewers(self, private: bool) -> bool | None:
        """Whether the owner's plan lets the repository ask for a yes; None where nobody tells us the plan."""
        if not private:
            return True
        try:
            with speaking_of(f"the plan of {self._owner}"):
                plan = self._rest.call("GET", f"orgs/{quote(self._owner, safe='')}").get("plan") or {}
        except NotFoundError:
            return False  # a person's: their plans have none
        except ForbiddenError:
            return None
        name = str(plan.get("name") or "")
        return name not in WITHOUT_REVIEWERS if name else None

    def subject_prefix(self) -> str:
        """With what the subjects of the tokens of its jobs begin: GitHub says it, for there are two forms."""
        with speaking_of(f"the identity tokens of {self.full}"):
            told = self._rest.call("GET", f"{self._root}/actions/oidc/customization/sub")
        if told.get("use_default") is False:
            raise UsageError(
                f"The subjects of the identity tokens of {self.full} are customised; which they are cannot be known.",
                hint=f"Go back to the default: gh api -X PUT repos/{self.full}/actions/oidc/customization/sub "
                '-F use_default=true; or sign in by stored secrets (ci.authentication = "token").',
            )
        return str(told.get("sub_claim_prefix") or f"repo:{self.full}")


def seal(value: str, public_key: str) -> str:
    """For whoever has the private key to `public_key` (base64), and nobody else."""
    from nacl.encoding import Base64Encoder
    from nacl.public import PublicKey, SealedBox

    box = SealedBox(PublicKey(public_key.encode(), Base64Encoder))
    return str(box.encrypt(value.encode(), Base64Encoder).decode())


def _environment(shown: Entity) -> Environment:
    rules = {rule["type"]: rule for rule in shown.get("protection_rules") or ()}
    asked = rules.get("required_reviewers", {})
    people = [one["reviewer"] for one in asked.get("reviewers") or ()]
    kept: Entity = {
        "wait_timer": int(rules.get("wait_timer", {}).get("wait_timer") or 0),
        "prevent_self_review": bool(asked.get("prevent_self_review")),
        "deployment_branch_policy": shown.get("deployment_branch_policy"),
    }
    reviewers = {str(one.get("login") or one.get("slug")): int(one["id"]) for one in people}
    return Environment(str(shown["name"]), reviewers, kept)
