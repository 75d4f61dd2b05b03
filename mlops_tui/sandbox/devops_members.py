"""Organisations of Azure DevOps, and who may do what in them.

A document "devops-organization" by the name in lower case:

    {"id", "name", "members": {object id: LEVEL}, "hosted_parallelism": bool, "next_operation": "succeeded" | "failed",
     "pools": [names of pools of agents of one's own]}

LEVEL is "administrator", "contributor" or "reader": the three groups that every project has, here for all projects of
the organisation at once. Whoever is in the directory and not here is no member.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.directory import Directory

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

ORGANIZATION = "devops-organization"
LEVELS = ("reader", "contributor", "administrator")


def find(store: Store, name: str) -> Body | None:
    return store.get(ORGANIZATION, name.lower())


def found(store: Store, name: str, members: dict[str, str]) -> Body:
    """A new organisation; one that is there stays as it is."""
    with store.transaction():
        there = find(store, name)
        if there is None:
            there = {
                "id": str(uuid.uuid4()),
                "name": name,
                "members": members,
                "hosted_parallelism": True,
                "next_operation": "succeeded",
                "pools": [],
            }
            store.put(ORGANIZATION, name.lower(), there)
    return there


def level(organization: Body, principal: Principal) -> str:
    """Empty for who is no member."""
    return str(organization["members"].get(principal.object_id, ""))


def has_level(organization: Body, principal: Principal, needed: str) -> bool:
    mine = level(organization, principal)
    return bool(mine) and LEVELS.index(mine) >= LEVELS.index(needed)


def identity_id(organization: Body, object_id: str) -> str:
    """Azure DevOps has its own id for each member."""
    return str(uuid.uuid5(uuid.UUID(organization["id"]), object_id))


def identity(organization: Body, principal: Principal) -> Body:
    """An IdentityRef."""
    own = identity_id(organization, principal.object_id)
    return {
        "displayName": principal.display_name,
        "id": own,
        "uniqueName": principal.name,
        "descriptor": f"{'aad' if principal.is_user else 'aadsp'}.{own}",
    }


def members(store: Store, organization: Body) -> list[Principal]:
    """Those whom the directory still has."""
    directory = Directory(store)
    looked_up = (directory.principal(object_id) for object_id in organization["members"])
    return [principal for principal in looked_up if principal is not None]


def member(store: Store, organization: Body, own_id: str) -> Principal | None:
    """By Azure DevOps' id."""
    everybody = members(store, organization)
    return next((one for one in everybody if identity_id(organization, one.object_id) == own_id.lower()), None)
