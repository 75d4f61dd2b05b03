"""Catalogs, schemas and volumes (Databricks REST reference, Unity Catalog 2.1): as much as it takes to have volumes.

`main.default` is there from the start, and everybody may make volumes in it. Names are kept in lower case, as on the
platform. The files of a volume stand below `<sandbox>/files/Volumes/<catalog>/<schema>/<volume>`.
"""

from __future__ import annotations

import re
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.storage import remove

ROOT = "/api/2.1/unity-catalog"
CATALOG, SCHEMA, VOLUME = "uc-catalog", "uc-schema", "uc-volume"
NAME = re.compile(r"[^\s./\x00-\x1f\x7f]{1,255}")
METASTORE = "5a4d0b0c-0000-4000-8000-00000000ca7a"
SYSTEM = "System user"  # who owns what is there from the start
PAGE = 100


class UnityCatalog(Service):
    """/api/2.1/unity-catalog/{catalogs,schemas,volumes}"""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        routes = [self.on("GET", f"{ROOT}/metastore_summary", self.metastore)]
        for plural, kind, create in (
            ("catalogs", CATALOG, self.create_catalog),
            ("schemas", SCHEMA, self.create_schema),
            ("volumes", VOLUME, self.create_volume),
        ):
            routes += [
                self.on("POST", f"{ROOT}/{plural}", create),
                self.on("GET", f"{ROOT}/{plural}", partial(self._list, kind, plural)),
                self.on("GET", f"{ROOT}/{plural}/{{name}}", partial(self._get, kind)),
                self.on("DELETE", f"{ROOT}/{plural}/{{name}}", partial(self._delete, kind)),
            ]
        return routes

    def start(self) -> None:
        self._seed()

    def forget_workspace(self) -> None:
        for kind in (CATALOG, SCHEMA, VOLUME):
            for key, _ in self.store.items(kind):
                self.store.delete(kind, key)
        remove(self._folder("").parent)
        self._seed()

    def _seed(self) -> None:
        if self.store.get(CATALOG, "main") is None:
            self._save(CATALOG, "main", SYSTEM, {"name": "main", "catalog_type": "MANAGED_CATALOG"})
            self._save(SCHEMA, "main.default", SYSTEM, {"name": "default", "catalog_name": "main"})
        self._folder("main.default").mkdir(parents=True, exist_ok=True, mode=0o700)

    def has_volume(self, catalog: str, schema: str, volume: str) -> bool:
        return self.store.get(VOLUME, f"{catalog}.{schema}.{volume}".lower()) is not None

    def require_schema(self, catalog: str, schema: str) -> None:
        """Raises ApiError (404) where the catalog or the schema does not exist."""
        self._named(CATALOG, catalog)
        self._named(SCHEMA, f"{catalog}.{schema}")

    def metastore(self, call: Call) -> Body:
        return {"metastore_id": METASTORE, "name": "sandbox", "cloud": "azure", "region": "westeurope", "owner": SYSTEM}

    def create_catalog(self, call: Call) -> Body:
        self.sandbox.members.require_admin(call, "create catalogs")
        with self.store.transaction():
            name = self._new_name(call, CATALOG, "")
            self._folder(f"{name}.default").mkdir(parents=True, exist_ok=True, mode=0o700)
            self._save(SCHEMA, f"{name}.default", call.caller.name, {"catalog_name": name})
            return self._save(CATALOG, name, call.caller.name, _given(call) | {"catalog_type": "MANAGED_CATALOG"})

    def create_schema(self, call: Call) -> Body:
        catalog = self._named(CATALOG, str(call.need("catalog_name")))
        self._require_owner(call, CATALOG, catalog, "CREATE SCHEMA")
        with self.store.transaction():
            name = self._new_name(call, SCHEMA, catalog["full_name"])
            self._folder(name).mkdir(parents=True, exist_ok=True, mode=0o700)
            more = _given(call) | {"catalog_name": catalog["full_name"]}
            return self._save(SCHEMA, name, call.caller.name, more)

    def create_volume(self, call: Call) -> Body:
        catalog = self._named(CATALOG, str(call.need("catalog_name")))
        schema = self._named(SCHEMA, f"{catalog['full_name']}.{call.need('schema_name')}")
        if schema["full_name"] != "main.default":
            self._require_owner(call, SCHEMA, schema, "CREATE VOLUME")
        kind = str(call.need("volume_type"))
        if kind != "MANAGED":
            raise call.dialect.malformed(f"Volumes of type {kind} are not in the sandbox: it has MANAGED ones.")
        with self.store.transaction():
            name = self._new_name(call, VOLUME, schema["full_name"])
            more = {"catalog_name": catalog["full_name"], "schema_name": schema["name"], "volume_type": kind}
            more |= {"volume_id": str(uuid.uuid4()), "storage_location": f"dbfs:/Volumes/{name.replace('.', '/')}"}
            self._folder(name).mkdir(parents=True, exist_ok=True, mode=0o700)
            return self._save(VOLUME, name, call.caller.name, _given(call) | more)

    def _new_name(self, call: Call, kind: str, parent: str) -> str:
        """The full name, in lower case; ApiError (400) where it is invalid or taken."""
        name = str(call.need("name"))
        if not NAME.fullmatch(name):
            raise call.dialect.malformed(
                f"'{name}' is not a valid name: no spaces, periods, slashes, at most 255 characters."
            )
        full = f"{parent}.{name}".strip(".").lower()
        if self.store.get(kind, full):
            noun = _noun(kind)
            message = f"{noun} '{full}' already exists"
            raise call.dialect.error(400, f"{noun.upper()}_ALREADY_EXISTS", message)
        return full

    def _save(self, kind: str, full_name: str, owner: str, more: Body) -> Body:
        now = int(time.time() * 1000)
        body = more | {"name": full_name.rpartition(".")[2], "full_name": full_name, "owner": owner}
        body |= {"metastore_id": METASTORE, "created_at": now, "created_by": owner, "updated_at": now}
        self.store.put(kind, full_name, body)
        return body

    def _list(self, kind: str, plural: str, call: Call) -> Body:
        parent = ".".join(call.query[name] for name in ("catalog_name", "schema_name") if name in call.query).lower()
        if kind == VOLUME:
            self.require_schema(*(parent.split(".", 1) if "." in parent else (parent, "")))
        elif kind == SCHEMA:
            self._named(CATALOG, parent)
        items = self.store.items(kind, f"{parent}." if parent else "")
        later = [(key, body) for key, body in items if key > call.query.get("page_token", "")]
        size = max(whole_number(call, "max_results", 0), 0) or PAGE
        page: Body = {plural: [body for _, body in later[:size]]}
        return page | ({"next_page_token": later[size - 1][0]} if len(later) > size else {})

    def _get(self, kind: str, call: Call) -> Body:
        return self._named(kind, call.params["name"])

    def _named(self, kind: str, full_name: str) -> Body:
        found = self.store.get(kind, full_name.lower())
        if found is None:
            raise _absent(kind, full_name)
        return found

    def _delete(self, kind: str, call: Call) -> Body:
        found = self._named(kind, call.params["name"])
        self._require_owner(call, kind, found, "MANAGE")
        full = found["full_name"]
        inside = [(below, key) for below in (SCHEMA, VOLUME) for key, _ in self.store.items(below, f"{full}.")]
        if kind == CATALOG:  # the schema that comes with a catalog goes with it
            blocking = [key for _, key in inside if key != f"{full}.default"]
        else:
            blocking = [key for _, key in inside]
        if blocking and call.query.get("force", "").lower() != "true":
            noun = _noun(kind)
            message = f"{noun} '{full}' is not empty. It has {len(blocking)} object(s), the first is '{blocking[0]}'."
            raise call.dialect.error(400, "INVALID_STATE", message)
        with self.store.transaction():
            for below, key in [*inside, (kind, full)]:
                self.store.delete(below, key)
        remove(self._folder(full))
        return {}

    def _require_owner(self, call: Call, kind: str, found: Body, privilege: str) -> None:
        if found["owner"] != call.caller.name and not self.sandbox.members.is_admin(call.caller):
            message = f"User does not have {privilege} on {_noun(kind)} '{found['full_name']}'."
            raise call.dialect.error(403, "PERMISSION_DENIED", message)

    def _folder(self, full_name: str) -> Path:
        parts = full_name.split(".") if full_name else ["_"]
        return self.sandbox.folder.joinpath("files", "Volumes", *parts)


def _given(call: Call) -> dict[str, Any]:
    """What the caller says of a new object beyond its name."""
    wanted = call.json()
    return {name: wanted[name] for name in ("comment", "properties") if wanted.get(name)}


def _noun(kind: str) -> str:
    return {CATALOG: "Catalog", SCHEMA: "Schema", VOLUME: "Volume"}[kind]


def _absent(kind: str, full_name: str) -> ApiError:
    noun = _noun(kind)
    return DATABRICKS.error(404, f"{noun.upper()}_DOES_NOT_EXIST", f"{noun} '{full_name}' does not exist.")
