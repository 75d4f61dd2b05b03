"""SCIM's resources, filters and patches (RFC 7643 and 7644, as far as a workspace uses them); no state of its own."""

from __future__ import annotations

import re
from typing import Any

from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.roster import USERS, Roster

CORE = "urn:ietf:params:scim:schemas:core:2.0"
LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
CONDITION = re.compile(r"""^\s*([\w.]+)\s+(eq|ne|co|sw)\s+"?([^"]*)"?\s*$""", re.IGNORECASE)
MEMBER_PATH = re.compile(r"""^(\w+)\[value eq "([^"]*)"\]$""")


class ScimError(ValueError):
    """A filter or a patch that cannot be understood; the message says which."""


def member_resource(member: Body, roster: Roster) -> Body:
    """A User or a ServicePrincipal, with the groups it is in."""
    inside = roster.groups_of(member["name"])
    resource: Body = {
        "schemas": [f"{CORE}:User" if member["is_user"] else f"{CORE}:ServicePrincipal"],
        "id": member["id"],
        "displayName": member["display_name"],
        "active": member["active"],
        "groups": [
            {
                "display": one["display_name"],
                "value": one["id"],
                "type": "direct" if member["id"] in one["members"] or one["display_name"] == USERS else "indirect",
                "$ref": f"Groups/{one['id']}",
            }
            for one in roster.groups()
            if one["display_name"] in inside
        ],
        "entitlements": [{"value": value} for value in member["entitlements"]],
    }
    if member["is_user"]:
        resource["userName"] = member["name"]
        resource["emails"] = [{"type": "work", "value": member["name"], "primary": True}]
        resource["name"] = {"givenName": member["display_name"]}
    else:
        resource["applicationId"] = member["name"]
    if member["external_id"]:
        resource["externalId"] = member["external_id"]
    return resource


def group_resource(group: Body, roster: Roster) -> Body:
    """A Group with its members; everybody is in `users`."""
    everybody = roster.members()
    inside = (
        everybody if group["display_name"] == USERS else [one for one in everybody if one["id"] in group["members"]]
    )
    members = [
        {
            "value": one["id"],
            "display": one["display_name"],
            "$ref": f"{'Users' if one['is_user'] else 'ServicePrincipals'}/{one['id']}",
        }
        for one in inside
    ]
    members += [
        {"value": one["id"], "display": one["display_name"], "$ref": f"Groups/{one['id']}"}
        for one in roster.groups()
        if one["id"] in group["members"]
    ]
    return {
        "schemas": [f"{CORE}:Group"],
        "id": group["id"],
        "displayName": group["display_name"],
        "members": members,
        "entitlements": [{"value": value} for value in group["entitlements"]],
        "meta": {"resourceType": "WorkspaceGroup"},
    }


def values_of(items: list[Any]) -> list[str]:
    """The values of a multi-valued attribute, each once."""
    return list(dict.fromkeys(str(item["value"]) for item in items if isinstance(item, dict) and "value" in item))


def matches(resource: Body, condition: str) -> bool:
    """Whether a filter such as `userName eq "a@b"` (also ne, co, sw; joined by and) takes it. Raises ScimError."""
    if not condition.strip():
        return True
    return all(_one(resource, part) for part in re.split(r"\s+and\s+", condition, flags=re.IGNORECASE))


def _one(resource: Body, condition: str) -> bool:
    match = CONDITION.match(condition)
    if match is None:
        raise ScimError(f"The filter {condition!r} is not supported.")
    name, operator, value = match[1].partition(".")[0], match[2].lower(), match[3].lower()
    actual = next((item for key, item in resource.items() if key.lower() == name.lower()), "")
    texts = values_of(actual) if isinstance(actual, list) else [str(actual)]
    texts = [text.lower() for text in texts]
    return {
        "eq": value in texts,
        "ne": value not in texts,
        "co": any(value in text for text in texts),
        "sw": any(text.startswith(value) for text in texts),
    }[operator]


def listing(resources: list[Body], start: int, count: int) -> Body:
    """One page; `start` counts from 1."""
    page = resources[max(start, 1) - 1 :][: max(count, 0)]
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": len(resources),
        "startIndex": start,
        "itemsPerPage": len(page),
        "Resources": page,
    }


def change(resource: Body, operations: list[Any]) -> Body:
    """The resource after a PatchOp's operations: add, remove, replace. Raises ScimError."""
    for operation in operations:
        if not isinstance(operation, dict):
            raise ScimError("Each operation must be an object.")
        verb, path, value = str(operation.get("op", "")).lower(), operation.get("path"), operation.get("value")
        if verb not in ("add", "remove", "replace"):
            raise ScimError(f"Unknown operation {verb!r}.")
        if path:
            resource = _at(resource, verb, str(path), value)
        elif isinstance(value, dict):
            for name, item in value.items():
                resource = _at(resource, verb, name, item)
        else:
            raise ScimError("An operation without a path needs an object as its value.")
    return resource


def _at(resource: Body, verb: str, path: str, value: Any) -> Body:
    selected = MEMBER_PATH.match(path)
    name = selected[1] if selected else path
    before = resource.get(name)
    if verb == "remove":
        gone = [selected[2]] if selected else values_of(value if isinstance(value, list) else [])
        if not isinstance(before, list):
            return {key: item for key, item in resource.items() if key != name}
        kept = [item for item in before if gone and item["value"] not in gone]
        return resource | {name: kept}
    if verb == "add" and isinstance(before, list):
        return resource | {name: [*before, *(value if isinstance(value, list) else [value])]}
    return resource | {name: value}
