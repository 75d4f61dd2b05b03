"""What every part of GitHub's API has in common: who may do what to a repository, pages of lists, headers.

A repository is a document "github-repository" by "owner/name" in lower case. Permissions and roles: GitHub REST API,
"Permissions required for fine-grained personal access tokens"; "Repository roles for an organization".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service
from mlops_tui.sandbox.git_server import GitRepositories
from mlops_tui.sandbox.github_accounts import Accounts, shown
from mlops_tui.sandbox.github_dialect import GITHUB, limits, token_of
from mlops_tui.sandbox.host_tokens import HostTokens

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

REPOSITORY = "github-repository"
API = "/api/v3"
PAGE, LARGEST_PAGE = 30, 100
Role = Literal["read", "write", "admin"]
RANKS: dict[str, int] = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class Need:
    """What a call asks of its caller: a role in the repository, and of a fine-grained token a permission."""

    permission: str  # "secrets"
    level: Role  # of the permission
    role: Role  # of the person


Act = Callable[[Call, Body], "Body | list[Body] | Response"]


class GitHubService(Service):
    """One part of the API."""

    dialect = GITHUB

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.accounts = Accounts(self.store)
        self.git = GitRepositories(sandbox.folder, "github")

    @property
    def api(self) -> str:
        return f"{self.sandbox.origin}{API}"

    def open(self, method: str, path: str, act: Callable[[Call], Body | list[Body] | Response]) -> Endpoint:
        """A route that anybody with a token may call."""

        def handle(call: Call) -> Response:
            return self._finished(call, lambda: act(call))

        return self.on(method, f"{API}{path}", handle)

    def at(self, method: str, path: str, act: Act, need: Need) -> Endpoint:
        """A route below one repository, for those who may."""

        def handle(call: Call) -> Response:
            return self._finished(call, lambda: act(call, self.repository(call, need)))

        return self.on(method, f"{API}/repos/{{owner}}/{{repo}}{path}", handle)

    def _finished(self, call: Call, act: Callable[[], Body | list[Body] | Response]) -> Response:
        """With the headers that every answer has."""
        try:
            result = act()
        except ApiError as error:
            error.headers |= self._headers(call)
            raise
        response = result if isinstance(result, Response) else JSONResponse(result)
        response.headers.update(self._headers(call))
        return response

    def _headers(self, call: Call) -> dict[str, str]:
        scopes = HostTokens(self.store).scopes(token_of(call))
        return limits() | ({} if _is_fine_grained(scopes) else {"X-OAuth-Scopes": ", ".join(scopes or ("repo",))})

    def find(self, owner: str, name: str) -> Body | None:
        return self.store.get(REPOSITORY, f"{owner}/{name}".lower())

    def repository(self, call: Call, need: Need) -> Body:
        """The one of the path. 404 for who may not know of it, 403 for who may and lacks the right."""
        found = self.find(call.params["owner"], call.params["repo"])
        role = self.role(call, found) if found else None
        if found is None or role is None:
            raise GITHUB.not_found()
        self.check_token(call, need, private=found["private"])
        if RANKS[role] < RANKS[need.role]:
            raise GITHUB.error(
                403, "", f"Must have {need.role} {'rights' if need.role == 'admin' else 'access'} to Repository."
            )
        return found

    def role(self, call: Call, repository: Body) -> Role | None:
        """The caller's; None for who may not even see it."""
        return self.role_of(self.accounts.of(call.caller), repository)

    def role_of(self, account: Body, repository: Body) -> Role | None:
        organization = self.accounts.organization()["login"]
        if account["login"] == repository["owner"] or (
            repository["owner"] == organization and self.accounts.owns(account)
        ):
            return "admin"
        given: Role | None = repository["collaborators"].get(account["login"].lower())
        if given is None and repository["owner"] == organization and self.accounts.is_member(account):
            given = "read"
        return given or (None if repository["private"] else "read")

    def check_token(self, call: Call, need: Need, private: bool = True) -> None:
        """Whether the token itself goes that far, whoever owns it."""
        scopes = HostTokens(self.store).scopes(token_of(call))
        if not scopes:
            return
        if _is_fine_grained(scopes):
            given = dict(scope.split("=", 1) for scope in scopes) | {"metadata": "read"}
            if RANKS.get(given.get(need.permission, ""), 0) < RANKS[need.level]:
                refused = GITHUB.error(403, "", "Resource not accessible by personal access token")
                refused.headers["x-accepted-github-permissions"] = f"{need.permission}={need.level}"
                raise refused
        elif "repo" not in scopes and (private or "public_repo" not in scopes):
            refused = GITHUB.not_found()
            refused.headers["X-Accepted-OAuth-Scopes"] = "repo" if private else "public_repo, repo"
            raise refused

    def person(self, account: Body) -> Body:
        return shown(account, self.api, self.sandbox.origin)

    def page(self, call: Call, name: str, rows: Sequence[Body]) -> Response:
        """One page of a list, below `name` with the total where it has one, and the Link header to the others."""
        size = min(_number(call, "per_page", PAGE), LARGEST_PAGE)
        number = _number(call, "page", 1)
        chosen = list(rows[(number - 1) * size : number * size])
        last = max((len(rows) + size - 1) // size, 1)
        links = [("next", number + 1), ("last", last)] if number < last else []
        links += [("prev", number - 1), ("first", 1)] if number > 1 else []
        base = f"{self.sandbox.origin}{call.path}"
        query = {key: value for key, value in call.query.items() if key != "page"}
        header = ", ".join(f'<{base}?{urlencode(query | {"page": str(to)})}>; rel="{rel}"' for rel, to in links)
        body: Body | list[Body] = {"total_count": len(rows), name: chosen} if name else chosen
        return JSONResponse(body, headers={"Link": header} if header else None)


def _is_fine_grained(scopes: Sequence[str]) -> bool:
    return any("=" in scope for scope in scopes)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    return int(text) if text.isdecimal() and int(text) else default
