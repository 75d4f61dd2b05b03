"""By what the workspace signs in to hosts of Git for its users: /api/2.0/git-credentials.

Databricks REST reference, Git Credentials 2.0. A service principal has one for each provider, a user several of
different names; the words of the refusal are those that its Terraform provider knows (its issue 4871, and
repos/resource_git_credential.go). A token that was given is never shown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.secret_vault import SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

KIND = "git-credential"
FIRST_ID = 380_000_000_000_001
AZURE_DEVOPS, GITHUB = "azureDevOpsServices", "gitHub"
ENTRA = "azureDevOpsServicesAad"  # by the Entra sign-in of a person in the browser: there is none here
PROVIDERS = (
    GITHUB,
    "gitHubEnterprise",
    "bitbucketCloud",
    "bitbucketServer",
    AZURE_DEVOPS,
    "gitLab",
    "gitLabEnterpriseEdition",
    "awsCodeCommit",
    ENTRA,
)
SHOWN = ("credential_id", "git_provider", "git_username", "git_email", "name", "is_default_for_provider")
GIVEN = ("git_username", "git_email", "name")


@dataclass(frozen=True)
class GitCredential:
    """What git signs in with."""

    user: str
    token: str


class GitCredentials(Service):
    """Each caller's own."""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._vault = SecretVault(sandbox.folder / "secrets.key")

    def routes(self) -> list[Endpoint]:
        one = "/api/2.0/git-credentials/{id}"
        return [
            self.on("GET", "/api/2.0/git-credentials", self.listed),
            self.on("POST", "/api/2.0/git-credentials", self.create),
            self.on("GET", one, self.get),
            self.on("PATCH", one, self.update),
            self.on("DELETE", one, self.delete),
        ]

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)

    def find(self, owner: Principal, provider: str, credential_id: int | None = None) -> GitCredential | None:
        """The one of that number, else the default one of that provider; None where there is none."""
        fitting = [one for one in self._of(owner) if one["git_provider"] == provider]
        if credential_id is not None:
            fitting = [one for one in fitting if one["credential_id"] == credential_id]
        if not fitting:
            return None
        chosen = next((one for one in fitting if one["is_default_for_provider"]), fitting[0])
        return GitCredential(
            chosen["git_username"] or chosen["git_email"] or "token", self._vault.open(chosen["token"]).decode()
        )

    def listed(self, call: Call) -> Body:
        self._refuse_others(call)
        return {"credentials": [_shown(one) for one in self._of(call.caller)]}

    def get(self, call: Call) -> Body:
        self._refuse_others(call)
        return _shown(self._existing(call))

    def create(self, call: Call) -> Body:
        self._refuse_others(call)
        wanted = call.json()
        provider = known_provider(call, call.need("git_provider"))
        kept: Body = {
            "git_provider": provider,
            **{name: str(wanted.get(name) or "") for name in GIVEN},
            "token": self._closed(call, provider),
        }
        with self.store.transaction():
            there = [one for one in self._of(call.caller) if one["git_provider"] == provider]
            self._refuse_double(call, provider, there, kept["name"])
            number = self.store.next_number(KIND, FIRST_ID)
            kept |= {"credential_id": number, "is_default_for_provider": not there, "owner": call.caller.object_id}
            self._save(call, kept, bool(wanted.get("is_default_for_provider")))
        return _shown(kept)

    def update(self, call: Call) -> Body:
        self._refuse_others(call)
        wanted = call.json()
        provider = known_provider(call, call.need("git_provider"))
        with self.store.transaction():
            kept = self._existing(call)
            kept |= {name: str(wanted[name]) for name in GIVEN if wanted.get(name) is not None}
            if wanted.get("personal_access_token") or provider != kept["git_provider"]:
                kept["token"] = self._closed(call, provider)
            kept["git_provider"] = provider
            others = [one for one in self._of(call.caller) if one["credential_id"] != kept["credential_id"]]
            there = [one for one in others if one["git_provider"] == provider]
            self._refuse_double(call, provider, there, kept["name"])
            self._save(call, kept, bool(wanted.get("is_default_for_provider")))
        return {}

    def delete(self, call: Call) -> Body:
        self._refuse_others(call)
        kept = self._existing(call)
        self.store.delete(KIND, _key(kept))
        return {}

    def _save(self, call: Call, kept: Body, as_default: bool) -> None:
        """One credential of a provider is the default: the first, until another is named."""
        if as_default:
            for one in self._of(call.caller):
                if one["git_provider"] == kept["git_provider"] and one["is_default_for_provider"]:
                    self.store.put(KIND, _key(one), one | {"is_default_for_provider": False})
            kept["is_default_for_provider"] = True
        self.store.put(KIND, _key(kept), kept)

    def _closed(self, call: Call, provider: str) -> str:
        """The token of the request, as it is kept; 400 where there is none."""
        if provider == ENTRA:
            message = "The practice cloud has no sign-in of Entra ID for Git: give a personal access token."
            raise call.dialect.error(501, "NOT_IMPLEMENTED", message)
        return self._vault.close(str(call.need("personal_access_token")).encode())

    def _refuse_double(self, call: Call, provider: str, there: list[Body], name: str) -> None:
        if there and not call.caller.is_user:
            message = (
                f"A Git credential already exists for provider {provider}. "
                "Only one credential per provider is allowed for service principals."
            )
            raise call.dialect.error(400, "INVALID_STATE", message)
        if any(one["name"] == name for one in there):
            message = f"A Git credential with the name '{name}' already exists for provider {provider}."
            raise call.dialect.error(400, "RESOURCE_ALREADY_EXISTS", message)

    def _refuse_others(self, call: Call) -> None:
        """The platform lets managers of a service principal name it; that is not done here."""
        given = call.query.get("principal_id") or (call.json().get("principal_id") if call.body else None)
        if given:
            message = "The sandbox keeps Git credentials of the caller alone: leave principal_id out."
            raise call.dialect.error(501, "NOT_IMPLEMENTED", message)

    def _of(self, owner: Principal) -> list[Body]:
        return self.store.list(KIND, f"{owner.object_id}/")

    def _existing(self, call: Call) -> Body:
        number = call.params["id"]
        kept = self.store.get(KIND, f"{call.caller.object_id}/{number}")
        if kept is None:
            message = f"Git credential with id {number} does not exist."
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        return kept


def known_provider(call: Call, named: object) -> str:
    """The provider in its one spelling; names are taken in any case. 400 for what is none."""
    for provider in PROVIDERS:
        if provider.lower() == str(named).lower():
            return provider
    raise _unknown(call, named)


def _unknown(call: Call, named: object) -> ApiError:
    return call.dialect.malformed(f"Invalid Git provider: {named}. It must be one of {', '.join(PROVIDERS)}.")


def _shown(kept: Body) -> Body:
    return {name: kept[name] for name in SHOWN if kept[name] not in ("", None)}


def _key(kept: Body) -> str:
    return f"{kept['owner']}/{kept['credential_id']}"
