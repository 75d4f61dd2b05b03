"""Who is who on GitHub: the people of the directory, and the one organisation, which the learner owns.

A person's login is the part of their name before the @. All of the directory are members of the organisation, and may
read its repositories; its owner is an administrator of all of them. Documents: "github-account" by login in lower case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.directory import USER
from mlops_tui.sandbox.seed import LEARNER_ID, ORGANIZATION

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body, Principal
    from mlops_tui.sandbox.store import Store

ACCOUNT = "github-account"
COUNTER = "github-id"  # one row of numbers for everything that has one
FIRST_ID = 1_000_000
PLAN = "enterprise"  # what lets private repositories ask for reviewers


def new_id(store: Store) -> int:
    return store.next_number(COUNTER, FIRST_ID)


class Accounts:
    """Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def organization(self) -> Body:
        return self._kept(ORGANIZATION, "Organization", "", "Practice", {"plan": PLAN})

    def change_plan(self, plan: str) -> None:
        """ "free", "team" or "enterprise": GitHub has no call for it, and people want to see what a plan refuses."""
        with self._store.transaction():
            self._store.put(ACCOUNT, ORGANIZATION, self.organization() | {"plan": plan})

    def of(self, principal: Principal) -> Body:
        """The account of whoever calls; it is there from the first time on."""
        login = principal.name.partition("@")[0]
        return self._kept(login, "User", principal.object_id, principal.display_name, {"plan": "free"})

    def find(self, login: str) -> Body | None:
        """Anybody by login; None for nobody."""
        if login.lower() == ORGANIZATION:
            return self.organization()
        if found := self._store.get(ACCOUNT, login.lower()):
            return found
        for user in self._store.list(USER):
            name = str(user["userPrincipalName"]).partition("@")[0]
            if name.lower() == login.lower():
                return self._kept(name, "User", user["id"], user["displayName"], {"plan": "free"})
        return None

    def by_id(self, number: int) -> Body | None:
        return next((one for one in self._store.list(ACCOUNT) if one["id"] == number), None)

    def is_member(self, account: Body) -> bool:
        """Of the organisation."""
        return self._store.get(USER, account["object_id"]) is not None

    def owns(self, account: Body) -> bool:
        """The organisation."""
        return bool(account["object_id"] == LEARNER_ID)

    def _kept(self, login: str, kind: str, object_id: str, name: str, more: Body) -> Body:
        with self._store.transaction():
            found = self._store.get(ACCOUNT, login.lower())
            if found is None:
                found = {"id": new_id(self._store), "login": login, "type": kind, "object_id": object_id, "name": name}
                found |= more | {"created_at": moment()}
                self._store.insert(ACCOUNT, login.lower(), found)
        return found


def moment() -> str:
    """Now, as GitHub writes it: whole seconds."""
    return clock.now()[:19] + "Z"


def shown(account: Body, api: str, pages: str) -> Body:
    """A "simple user" of the API; `api` and `pages` are the roots of the two addresses."""
    login = account["login"]
    return {
        "login": login,
        "id": account["id"],
        "node_id": f"U_{account['id']}",
        "url": f"{api}/users/{login}",
        "html_url": f"{pages}/{login}",
        "type": account["type"],
        "site_admin": False,
    }
