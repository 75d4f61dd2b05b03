"""What an Azure ML workspace keeps by name and version: models, environments, codes and data.

A version says where its files are; it never says so anew: only its words (description, tags, properties) change.
Shapes: Azure Machine Learning REST reference, Model Versions, Environment Versions, Code Versions, Data Versions.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, answer, empty
from mlops_tui.sandbox.arm import Operation, ResourceProvider
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.ml_workspaces import ONE, TYPE, MlWorkspaces, changed_by, children, made_by, storage_of
from mlops_tui.sandbox.paging import page, whole_number

CONTAINER, VERSION = "ml-asset", "ml-asset-version"  # kinds of documents, by their ids in lower case
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
PAGE = 100
UPLOAD_HOURS = 6
WORDS = ("description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting")


@dataclass(frozen=True)
class AssetKind:
    """One kind of asset: what a version of it must say, and what it cannot say anew."""

    path: str
    word: str
    needs: tuple[str, ...]
    fixed: tuple[str, ...]
    defaults: tuple[tuple[str, Any], ...] = ()


KINDS = (
    AssetKind("models", "Model", ("modelUri",), ("modelUri", "modelType"), (("flavors", {}), ("modelType", None))),
    AssetKind(
        "environments",
        "Environment",
        (),
        ("image", "condaFile", "build", "inferenceConfig", "osType"),
        (("environmentType", "UserCreated"), ("osType", "Linux")),
    ),
    AssetKind("codes", "Code", ("codeUri",), ("codeUri",)),
    AssetKind("data", "Data", ("dataUri", "dataType"), ("dataUri", "dataType")),
)


class MlAssets(ResourceProvider):
    """…/{kind}/{name}/versions/{version}"""

    def operations(self) -> list[Operation]:
        return [operation for kind in KINDS for operation in self._of_kind(kind)]

    def _of_kind(self, kind: AssetKind) -> list[Operation]:
        all_of, action = f"{ONE}/{kind.path}", f"{TYPE}/{kind.path}"
        one = f"{all_of}/{{name}}"
        version, act = f"{one}/versions/{{version}}", f"{action}/versions"

        def on(handler: Callable[[Call, AssetKind], Body | Response]) -> Callable[[Call], Body | Response]:
            return lambda call: handler(call, kind)

        return [
            self.does("GET", all_of, f"{action}/read", on(self.list_containers)),
            self.does("GET", one, f"{action}/read", on(self.show)),
            self.does("PUT", one, f"{action}/write", on(self.put)),
            self.does("DELETE", one, f"{action}/delete", on(self.delete)),
            self.does("GET", f"{one}/versions", f"{act}/read", on(self.list_versions)),
            self.does("GET", version, f"{act}/read", on(self.show_version)),
            self.does("PUT", version, f"{act}/write", on(self.put_version)),
            self.does("DELETE", version, f"{act}/delete", on(self.delete_version)),
            self.does("POST", f"{version}/startPendingUpload", f"{act}/write", on(self.start_pending_upload)),
        ]

    def _workspace(self, call: Call) -> Body:
        return self.sandbox.find(MlWorkspaces).workspace(call)

    def _id(self, call: Call, kind: AssetKind) -> str:
        """Of the container; the ids of its versions begin with it."""
        return f"{self._workspace(call)['id']}/{kind.path}/{call.params['name']}"

    # Containers: all versions of a name

    def list_containers(self, call: Call, kind: AssetKind) -> Body:
        found = children(self.store, CONTAINER, self._workspace(call)["id"], f"{kind.path}/")
        return self._page(call, [self._container(one, kind) for one in _viewed(call, found)])

    def show(self, call: Call, kind: AssetKind) -> Body:
        return _shown(self._container(self._found_container(call, kind), kind))

    def _found_container(self, call: Call, kind: AssetKind) -> Body:
        found = self.store.get(CONTAINER, self._id(call, kind).lower())
        if found is None:
            message = f"{kind.word} container with name: {call.params['name']} not found."
            raise self.dialect.error(404, "UserError", message)
        return found

    def _container(self, kept: Body, kind: AssetKind) -> Body:
        """As it is shown: with the version made last, and the number of the next one."""
        versions = self._versions(kept["id"])
        numbers = [int(one["name"]) for one in versions if one["name"].isdecimal()]
        latest = versions[0]["name"] if versions else None
        counts = {"latestVersion": latest, "nextVersion": str(max(numbers, default=0) + 1)}
        data_type = {"dataType": versions[0]["properties"]["dataType"]} if kind.path == "data" and versions else {}
        return kept | {"properties": kept["properties"] | counts | data_type}

    def _versions(self, container_id: str) -> list[Body]:
        """Newest first."""
        found = self.store.list(VERSION, f"{container_id}/versions/".lower())
        return sorted(found, key=lambda one: str(one["order"]), reverse=True)

    def put(self, call: Call, kind: AssetKind) -> Response:
        """A new container without versions, or other words for one that is there."""
        own_id, asked = self._id(call, kind), call.json().get("properties") or {}
        self._check_name(call.params["name"], kind)
        with self.store.transaction():
            kept = self.store.get(CONTAINER, own_id.lower())
            made = kept or self._new_container(call, own_id, kind)
            made["properties"] |= _words(asked)
            made["systemData"] |= changed_by(call)
            self.store.put(CONTAINER, own_id.lower(), made)
        return answer(_shown(self._container(made, kind)), 200 if kept else 201)

    def _new_container(self, call: Call, own_id: str, kind: AssetKind) -> Body:
        properties: Body = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
        return {
            "id": own_id,
            "name": call.params["name"],
            "type": f"{TYPE}/{kind.path}",
            "properties": properties | {"provisioningState": "Succeeded"},
            "systemData": made_by(call),
            "order": self._next(),
        }

    def _next(self) -> str:
        return f"{self.store.next_number('ml-asset'):012d}"

    def delete(self, call: Call, kind: AssetKind) -> Response:
        """With all its versions; their files stay where they are."""
        own_id = self._id(call, kind).lower()
        with self.store.transaction():
            for key, _ in self.store.items(VERSION, f"{own_id}/versions/"):
                self.store.delete(VERSION, key)
            gone = self.store.delete(CONTAINER, own_id)
        return empty(200 if gone else 204)

    # Versions

    def list_versions(self, call: Call, kind: AssetKind) -> Body:
        found = _viewed(call, self._versions(self._id(call, kind)))
        if wanted := call.query.get("hash"):  # by which the client finds code that it has uploaded before
            found = [one for one in found if one["properties"]["properties"].get("hash_sha256") == wanted]
        return self._page(call, found)

    def show_version(self, call: Call, kind: AssetKind) -> Body:
        return _shown(self._found_version(call, kind))

    def _version_id(self, call: Call, kind: AssetKind) -> str:
        return f"{self._id(call, kind)}/versions/{call.params['version']}"

    def _found_version(self, call: Call, kind: AssetKind) -> Body:
        found = self.store.get(VERSION, self._version_id(call, kind).lower())
        if found is None:
            name, version = call.params["name"], call.params["version"]
            message = f"{kind.word} {name}:{version} not found in workspace {call.params['workspace']}."
            raise self.dialect.error(404, "UserError", message)
        return found

    def put_version(self, call: Call, kind: AssetKind) -> Response:
        """201 for a new version, 200 for other words; UserError where its content would change."""
        own_id, asked = self._version_id(call, kind), call.json().get("properties") or {}
        self._check_name(call.params["name"], kind)
        self._check_name(call.params["version"], kind)
        with self.store.transaction():
            kept = self.store.get(VERSION, own_id.lower())
            if kept:
                self._check_fixed(kept["properties"], asked, kind)
            made = kept or self._new_version(call, own_id, kind, asked)
            made["properties"] |= _words(asked)
            made["systemData"] |= changed_by(call)
            self.store.put(VERSION, own_id.lower(), made)
        return answer(_shown(made), 200 if kept else 201)

    def _check_fixed(self, kept: Body, asked: Body, kind: AssetKind) -> None:
        for name in kind.fixed:
            if asked.get(name) is not None and asked[name] != kept.get(name):
                if name.endswith("Uri"):
                    raise self.dialect.error(409, "UserError", "Asset paths cannot be updated.")
                message = f"{kind.word} versions are immutable: '{name}' cannot be changed. Create a new version."
                raise self.dialect.error(409, "UserError", message)

    def _new_version(self, call: Call, own_id: str, kind: AssetKind, asked: Body) -> Body:
        for name in kind.needs:
            if not asked.get(name):
                raise self.dialect.error(400, "UserError", f"The property '{name}' of a {kind.word} is required.")
        if kind.path == "environments" and not (asked.get("image") or asked.get("build")):
            message = "An environment must have either an image or a build context."
            raise self.dialect.error(400, "UserError", message)
        container_id = self._id(call, kind)
        if self.store.get(CONTAINER, container_id.lower()) is None:
            self.store.put(CONTAINER, container_id.lower(), self._new_container(call, container_id, kind))
        blank: Body = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
        given = {name: value for name, value in asked.items() if value is not None}
        return {
            "id": own_id,
            "name": call.params["version"],
            "type": f"{TYPE}/{kind.path}/versions",
            "properties": blank | dict(kind.defaults) | given | {"provisioningState": "Succeeded"},
            "systemData": made_by(call),
            "order": self._next(),
        }

    def delete_version(self, call: Call, kind: AssetKind) -> Response:
        """Its container goes with the last one."""
        with self.store.transaction():
            gone = self.store.delete(VERSION, self._version_id(call, kind).lower())
            if gone and not self._versions(self._id(call, kind)):
                self.store.delete(CONTAINER, self._id(call, kind).lower())
        return empty(200 if gone else 204)

    def start_pending_upload(self, call: Call, kind: AssetKind) -> Body:
        """A container of its own, and a SAS to fill it."""
        workspace, blobs = self._workspace(call), BlobStore(self.sandbox)
        account, container = storage_of(workspace), f"{uuid.uuid4()}"
        blobs.make_container(account, container)
        return {
            "blobReferenceForConsumption": {
                "blobUri": blobs.url(account, container),
                "storageAccountArmId": workspace["properties"]["storageAccount"],
                "credential": {
                    "credentialType": "SAS",
                    "sasUri": blobs.sas_url(account, container, "", "racwl", UPLOAD_HOURS * 60),
                },
            },
            "pendingUploadId": str(uuid.uuid4()),
            "pendingUploadType": "TemporaryBlobReference",
        }

    def _check_name(self, name: str, kind: AssetKind) -> None:
        if not NAME.fullmatch(name):
            message = (
                f"The {kind.word.lower()} name or version '{name}' is invalid: up to 255 letters, digits, dashes, "
                "underscores and periods are allowed; it cannot begin with a dash or a period."
            )
            raise self.dialect.error(400, "UserError", message)

    def _page(self, call: Call, found: list[Body]) -> Body:
        """$top ends the listing where it is given; longer ones come in pages."""
        top = whole_number(self.dialect, call.query, "$top", 0, 1, 10_000)
        newest = sorted(found, key=lambda one: str(one["order"]), reverse=True)
        if "asc" in call.query.get("$orderBy", ""):
            newest.reverse()
            return {"value": [_shown(one) for one in newest[: top or None]]}
        if top:
            return {"value": [_shown(one) for one in newest[:top]]}
        shown, token = page(newest, PAGE, call.query.get("$skip", ""), lambda one: str(one["order"]), self.dialect)
        body: Body = {"value": [_shown(one) for one in shown]}
        if token:
            others = "".join(
                f"&{name}={call.query[name]}" for name in ("listViewType", "hash", "hashVersion") if name in call.query
            )
            version = call.query["api-version"]
            body["nextLink"] = f"{self.sandbox.origin}{call.path}?api-version={version}&$skip={token}{others}"
        return body

    def removed(self, resource: Body) -> None:
        if resource["type"] != TYPE:
            return
        for kind in KINDS:
            for document in (CONTAINER, VERSION):
                for one in children(self.store, document, resource["id"], f"{kind.path}/"):
                    self.store.delete(document, one["id"].lower())


def _words(asked: Body) -> Body:
    """What may change of a version; tags and properties are never null."""
    return {name: asked[name] for name in WORDS if asked.get(name) is not None}


def _viewed(call: Call, found: list[Body]) -> list[Body]:
    """By `listViewType`."""
    view = call.query.get("listViewType", "ActiveOnly").lower()
    if view == "all":
        return found
    return [one for one in found if bool(one["properties"]["isArchived"]) == (view == "archivedonly")]


def _shown(kept: Body) -> Body:
    return {name: value for name, value in kept.items() if name != "order"}
