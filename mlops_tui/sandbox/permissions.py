"""Who may do what with an object of the workspace (Databricks REST reference, Permissions 2.0).

Workspace admins may do all. A notebook, file or folder inherits from the folders above it; everything else stands by
itself. Services that make objects call `claim`, and `forget` when they remove them.
"""

from __future__ import annotations

from typing import Any

from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.permission_levels import TYPES, ObjectType
from mlops_tui.sandbox.roster import ADMINS, USERS, Roster

KIND = "permissions"
IN_THE_TREE = ("notebooks", "directories", "files", "repos")
# What everybody in the workspace may do with the folders that every workspace has.
FOR_ALL = {"/": "CAN_READ", "/Users": "CAN_READ", "/Repos": "CAN_READ", "/Shared": "CAN_MANAGE"}
NAME_FIELDS = {"user_name": "UserName", "group_name": "GroupName", "service_principal_name": "ServicePrincipalName"}


class Permissions(Service):
    """/api/2.0/permissions/{type}/{id}"""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        path = "/api/2.0/permissions/{type}/{id}"
        return [
            self.on("GET", path, self.get),
            self.on("PUT", path, self.set),
            self.on("PATCH", path, self.update),
            self.on("GET", f"{path}/permissionLevels", self.levels),
        ]

    @property
    def _roster(self) -> Roster:
        return self.sandbox.members.roster

    def claim(self, object_type: str, object_id: str, owner: str) -> None:
        """A new object is its maker's: owner where the kind has owners, CAN_MANAGE otherwise.

        `owner` is a principal's name. Says nothing where the object is claimed already.
        """
        if self.store.get(KIND, f"{object_type}/{object_id}") is None:
            self.store.put(KIND, f"{object_type}/{object_id}", {"acl": {owner: list(TYPES[object_type].levels)[-1]}})

    def forget(self, object_type: str, object_id: str) -> None:
        self.store.delete(KIND, f"{object_type}/{object_id}")

    def allows(self, principal: Principal, object_type: str, object_id: str, level: str) -> bool:
        """Whether the principal has the level on the object: by name, by a group, by a folder above, or as an admin.

        object_type as in paths ("jobs"); an object that nobody claimed is the admins' alone.
        """
        groups = self._roster.groups_of(principal.name)
        if ADMINS in groups:
            return True
        mine = {principal.name.lower()} | {name.lower() for name in groups}
        levels = list(TYPES[object_type].levels)
        entries = self._entries(object_type, object_id)
        held = [levels.index(given) for name, given, _ in entries if name.lower() in mine and given in levels]
        return max(held, default=-1) >= levels.index(level)

    def get(self, call: Call) -> Body:
        kind = self._existing(call)
        if not self.allows(call.caller, kind.plural, call.params["id"], next(iter(kind.levels))):
            raise self._refused(call, kind, "View")
        return self._answer(kind, call.params["id"])

    def levels(self, call: Call) -> Body:
        kind = self._existing(call)
        levels = [{"permission_level": level, "description": text} for level, text in kind.levels.items()]
        return {"permission_levels": levels}

    def set(self, call: Call) -> Body:
        """PUT: the direct permissions are these and no others."""
        return self._change(call, keep=False)

    def update(self, call: Call) -> Body:
        """PATCH: these are added, or take the place of the same principals' ones."""
        return self._change(call, keep=True)

    def _change(self, call: Call, keep: bool) -> Body:
        kind, object_id = self._existing(call), call.params["id"]
        if not self.allows(call.caller, kind.plural, object_id, "CAN_MANAGE"):
            raise self._refused(call, kind, "Manage")
        wanted = dict(self._request(entry, kind) for entry in call.json().get("access_control_list") or [])
        with self.store.transaction():
            before = self._direct(kind.plural, object_id)
            after = wanted
            if keep:
                after = before | wanted
                if "IS_OWNER" in wanted.values():  # the owner before gives way
                    after = {name: level for name, level in after.items() if level != "IS_OWNER" or name in wanted}
            if kind.has_owner and list(after.values()).count("IS_OWNER") != 1:
                raise call.dialect.malformed(f"The {kind.name} must have exactly one owner.")
            self.store.put(KIND, f"{kind.plural}/{object_id}", {"acl": after})
        return self._answer(kind, object_id)

    def _request(self, entry: Any, kind: ObjectType) -> tuple[str, str]:
        """One entry of a request, checked: the principal's name and its level."""
        named = [(field, entry[field]) for field in NAME_FIELDS if isinstance(entry, dict) and entry.get(field)]
        if len(named) != 1:
            raise self.dialect.malformed(f"Each entry must have exactly one of {', '.join(NAME_FIELDS)}.")
        (field, name), level = named[0], str(entry.get("permission_level", ""))
        if level not in kind.levels:
            known = ", ".join(kind.levels)
            raise self.dialect.malformed(f"Permission level {level} is not valid for a {kind.name}; it has {known}.")
        if not self._is_there(field, str(name)):
            message = f"Principal: {NAME_FIELDS[field]}({name}) does not exist"
            raise self.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        if field == "group_name" and level == "IS_OWNER":
            raise self.dialect.malformed(f"A group cannot be the owner of a {kind.name}.")
        if name == ADMINS and level != list(kind.levels)[-1] and level != "CAN_MANAGE":
            raise self.dialect.malformed("The permissions of the group admins cannot be reduced.")
        return str(name), level

    def _is_there(self, field: str, name: str) -> bool:
        if field == "group_name":
            return self._roster.group(name) is not None
        member = self._roster.find(name)
        return member is not None and member["is_user"] == (field == "user_name")

    def _answer(self, kind: ObjectType, object_id: str) -> Body:
        """All permissions by principal, direct ones first."""
        entries = self._entries(kind.plural, object_id)
        entries.append(
            (ADMINS, "CAN_MANAGE", f"/{kind.plural}/" if kind.plural not in IN_THE_TREE else "/directories/")
        )
        by_name: dict[str, list[Body]] = {}
        for name, level, source in entries:
            permission: Body = {"permission_level": level, "inherited": source is not None}
            if source is not None:
                permission["inherited_from_object"] = [source]
            by_name.setdefault(name, []).append(permission)
        return {
            "object_id": f"/{kind.plural}/{object_id}",
            "object_type": kind.name,
            "access_control_list": [self._named(name) | {"all_permissions": held} for name, held in by_name.items()],
        }

    def _named(self, name: str) -> Body:
        if self._roster.group(name):
            return {"group_name": name}
        member = self._roster.find(name)
        field = "user_name" if member is None or member["is_user"] else "service_principal_name"
        return {field: name} | ({"display_name": member["display_name"]} if member else {})

    def _entries(self, object_type: str, object_id: str) -> list[tuple[str, str, str | None]]:
        """(principal, level, object it is inherited from or None)."""
        entries: list[tuple[str, str, str | None]] = [
            (name, level, None) for name, level in self._direct(object_type, object_id).items()
        ]
        for path, kind, folder_id in self._folders(object_type, object_id):
            is_self = folder_id == object_id
            source = f"/{kind}/{folder_id}"
            if not is_self:
                entries += [(name, level, source) for name, level in self._direct(kind, folder_id).items()]
            # What everybody may do with / and /Users is not handed down to what is in them.
            if path in FOR_ALL and (is_self or path == "/Shared"):
                entries.append((USERS, FOR_ALL[path], None if is_self else source))
        return entries

    def _direct(self, object_type: str, object_id: str) -> dict[str, str]:
        kept = self.store.get(KIND, f"{object_type}/{object_id}")
        return dict(kept["acl"]) if kept else {}

    def _folders(self, object_type: str, object_id: str) -> list[tuple[str, str, str]]:
        """Path, kind and id of the object itself and of the folders above it, for what stands in the workspace's
        tree."""
        from mlops_tui.sandbox.workspace_files import WorkspaceFiles, permission_type
        from mlops_tui.sandbox.workspace_tree import parent_of

        if object_type not in IN_THE_TREE:
            return []
        tree = self.sandbox.find(WorkspaceFiles).tree
        found, chain = tree.by_id(object_id), []
        while found:
            chain.append((found["path"], permission_type(found), str(found["object_id"])))
            found = tree.find(parent_of(found["path"])) if found["path"] != "/" else None
        return chain

    def _existing(self, call: Call) -> ObjectType:
        kind = TYPES.get(call.params["type"])
        if kind is None:
            raise call.dialect.malformed(f"request_object_type is not recognized: {call.params['type']}")
        if kind.plural in IN_THE_TREE and not self._folders(kind.plural, call.params["id"]):
            message = f"{kind.name.capitalize()} {call.params['id']} does not exist."
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        return kind

    def _refused(self, call: Call, kind: ObjectType, word: str) -> Exception:
        message = (
            f"{call.caller.name} does not have {word} permissions on {kind.name} {call.params['id']}. "
            "Please contact the owner or an administrator for access."
        )
        return call.dialect.error(403, "PERMISSION_DENIED", message)

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(KIND):
            self.store.delete(KIND, key)
