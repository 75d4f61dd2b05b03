"""Who is in the Databricks workspace: its users, service principals and groups, kept in the store.

People are told apart by their principal name, service principals by their application id; both regardless of case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Document, Store

MEMBER, GROUP = "workspace-member", "workspace-group"
ADMINS, USERS = "admins", "users"  # the two groups that every workspace has
FIRST_ID = 4_100_000_000_000_001  # ids look like a workspace's own: sixteen digits


class Roster:
    """Members and groups as documents: {id, name, display_name, is_user, active, …} and {id, display_name, members}."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str) -> Document | None:
        return self._store.get(MEMBER, name.lower())

    def by_id(self, member_id: str) -> Document | None:
        return next((member for member in self.members() if member["id"] == member_id), None)

    def members(self, is_user: bool | None = None) -> list[Document]:
        """In the order in which they came; all, or users or service principals alone."""
        kept = [body for body in self._store.list(MEMBER) if is_user in (None, body["is_user"])]
        return sorted(kept, key=lambda body: int(body["id"]))

    def add(self, name: str, display_name: str, is_user: bool, **more: Any) -> Document:
        """Add, or return the one that is there already."""
        with self._store.transaction():
            there = self.find(name)
            if there:
                return there
            member = {"id": self._new_id(), "name": name, "display_name": display_name, "is_user": is_user}
            member |= {"active": True, "external_id": "", "entitlements": []} | more
            self.save(member)
        return member

    def save(self, member: Document) -> None:
        self._store.put(MEMBER, member["name"].lower(), member)

    def remove(self, member: Document) -> None:
        """Out of the workspace and of its groups."""
        with self._store.transaction():
            self._store.delete(MEMBER, member["name"].lower())
            for group in self.groups():
                if member["id"] in group["members"]:
                    self.save_group(group | {"members": [one for one in group["members"] if one != member["id"]]})

    def groups(self) -> list[Document]:
        """All groups; makes the two built-in ones where they are not there yet."""
        kept = self._store.list(GROUP)
        if not kept:
            with self._store.transaction():
                for name in (ADMINS, USERS):
                    self.add_group(name)
            kept = self._store.list(GROUP)
        return kept

    def group(self, display_name: str) -> Document | None:
        return next((one for one in self.groups() if one["display_name"].lower() == display_name.lower()), None)

    def add_group(self, display_name: str, members: list[str] | None = None) -> Document:
        group = {"id": self._new_id(), "display_name": display_name, "members": members or [], "entitlements": []}
        self.save_group(group)
        return group

    def save_group(self, group: Document) -> None:
        self._store.put(GROUP, group["id"], group)

    def remove_group(self, group_id: str) -> None:
        self._store.delete(GROUP, group_id)

    def make_admin(self, member: Document) -> None:
        with self._store.transaction():
            admins = self.group(ADMINS)
            assert admins is not None
            if member["id"] not in admins["members"]:
                self.save_group(admins | {"members": [*admins["members"], member["id"]]})

    def groups_of(self, name: str) -> set[str]:
        """The names of all groups that a member is in, through other groups too; none for a stranger."""
        member = self.find(name)
        if member is None:
            return set()
        inside, found = {member["id"]}, {USERS}
        groups = self.groups()
        while more := [one for one in groups if one["id"] not in inside and inside & set(one["members"])]:
            inside |= {one["id"] for one in more}
            found |= {one["display_name"] for one in more}
        return found

    def is_admin(self, name: str) -> bool:
        return ADMINS in self.groups_of(name)

    def knows(self, principal: str) -> bool:
        """Whether it names a member or a group, as an access control list may."""
        return self.find(principal) is not None or self.group(principal) is not None

    def forget(self) -> None:
        for kind in (MEMBER, GROUP):
            for key, _ in self._store.items(kind):
                self._store.delete(kind, key)

    def _new_id(self) -> str:
        return str(self._store.next_number("workspace-principal", FIRST_ID))
