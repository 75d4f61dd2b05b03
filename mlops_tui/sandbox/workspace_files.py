"""Notebooks, files and folders of the workspace (Databricks REST reference, Workspace 2.0)."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.multipart import is_multipart, read_multipart
from mlops_tui.sandbox.notebook_formats import (
    COMMENT,
    EXTENSION,
    NotebookFormatError,
    as_text,
    from_jupyter,
    language_of_header,
    normalized,
    to_jupyter,
)
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.storage import PathError
from mlops_tui.sandbox.workspace_tree import (
    DIRECTORY,
    FILE,
    FOLDERS,
    NOTEBOOK,
    REPO,
    ROOTS,
    OccupiedError,
    WorkspaceTree,
    parent_of,
)

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SIZE_LIMIT = 10 * 1024 * 1024  # bytes of a notebook or file in one import
LEVEL_WORDS = {"CAN_READ": "View", "CAN_EDIT": "Edit", "CAN_MANAGE": "Manage"}


class WorkspaceFiles(Service):
    """/api/2.0/workspace/…"""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.tree = WorkspaceTree(self.store, sandbox.folder / "files")

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/api/2.0/workspace/mkdirs", self.mkdirs),
            self.on("POST", "/api/2.0/workspace/import", self.import_),
            self.on("POST", "/api/2.0/workspace-files/import-file/{path:path}", self.import_file),
            self.on("GET", "/api/2.0/workspace/export", self.export),
            self.on("POST", "/api/2.0/workspace/delete", self.delete),
            self.on("GET", "/api/2.0/workspace/get-status", self.get_status),
            self.on("GET", "/api/2.0/workspace/list", self.list),
        ]

    def start(self) -> None:
        self.tree.seed()

    def forget_workspace(self) -> None:
        self.tree.forget()
        self.tree.seed()

    def local_path(self, workspace_path: str, reader: Principal | None = None) -> Path:
        """Where a notebook, file or folder of the workspace is on disk.

        Raises ApiError: 404 where there is none, 403 where `reader` may not read it.
        """
        found = self._existing(workspace_path)
        if reader:
            self.require(reader, found, "CAN_READ")
        return self.tree.place(found)

    def status(self, workspace_path: str) -> Body | None:
        """What get-status answers; None where there is nothing at that path."""
        return self.tree.find(self.clean(workspace_path))

    def make_home(self, name: str) -> None:
        """A member's own folder, /Users/<name>, which the member manages."""
        path = f"/Users/{name}"
        if self.tree.find(path) is None:
            self.tree.mkdirs(path)
            self._permissions.claim("directories", str(self._existing(path)["object_id"]), name)

    @property
    def _permissions(self) -> Permissions:
        return self.sandbox.find(Permissions)

    def mkdirs(self, call: Call) -> Body:
        path = self.clean(str(call.need("path")))
        if self.tree.find(path) is None:
            above = path
            while (found := self.tree.find(above)) is None:
                above = parent_of(above)
            self._require_unprotected(above)
            self.require(call.caller, found, "CAN_MANAGE")
        try:
            self.tree.mkdirs(path)
        except OccupiedError as error:
            message = f"{error.path} already exists and it is not a folder"
            raise self.dialect.error(400, "RESOURCE_ALREADY_EXISTS", message) from error
        return {}

    def import_(self, call: Call) -> Body:
        return self._import(call, *_upload(call))

    def import_file(self, call: Call) -> Body:
        """The call by which the Databricks command line brings in single files: the body is the content."""
        wanted = {
            "path": f"/{call.params['path'].lstrip('/')}",
            "format": "AUTO",
            "overwrite": call.query.get("overwrite"),
        }
        return self._import(call, wanted, call.body)

    def _import(self, call: Call, wanted: Body, content: bytes) -> Body:
        if len(content) > SIZE_LIMIT:
            message = f"File size imported is ({len(content)} bytes), exceeded max size ({SIZE_LIMIT} bytes)"
            raise call.dialect.error(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)
        path = self.clean(str(wanted.get("path") or ""))
        try:
            path, kind, language, data = _understand(path, wanted, content)
        except NotebookFormatError as error:
            raise call.dialect.malformed(str(error)) from error
        self._require_writable(call, path, kind, overwrite=str(wanted.get("overwrite", "")).lower() == "true")
        try:
            self.tree.write(path, data, kind, language)
        except OccupiedError as error:
            raise _taken(error.path) from error
        except PathError as error:
            raise call.dialect.malformed(str(error)) from error
        return {}

    def _require_writable(self, call: Call, path: str, kind: str, overwrite: bool) -> None:
        there = self.tree.find(path)
        if there is None:
            parent = self.tree.find(parent_of(path))
            if parent is None or parent["object_type"] not in FOLDERS:
                message = f"The parent folder ({parent_of(path)}) does not exist."
                raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
            self._require_unprotected(parent["path"])
            self.require(call.caller, parent, "CAN_MANAGE")
            return
        if there["object_type"] != kind and (overwrite or there["object_type"] in FOLDERS):
            asked = f"(asked: {kind}, actual: {there['object_type']})"
            raise call.dialect.malformed(f"Cannot overwrite the asset at {path} due to type mismatch {asked}.")
        if not overwrite:
            raise _taken(path)
        self.require(call.caller, there, "CAN_EDIT")

    def export(self, call: Call) -> Body | Response:
        found = self._existing(str(call.need("path")))
        self.require(call.caller, found, "CAN_READ")
        wanted = call.query.get("format", "SOURCE")
        is_folder = found["object_type"] in FOLDERS
        content = b"" if is_folder else self.tree.read(found)
        if wanted == "JUPYTER" and found["object_type"] == NOTEBOOK:
            content, ending = to_jupyter(content.decode(), found["language"]), ".ipynb"
        elif wanted not in ("SOURCE", "AUTO", "RAW") or is_folder:
            message = f"The format {wanted} is not supported for exporting a {found['object_type'].lower()} here."
            raise call.dialect.malformed(message)
        else:
            ending = EXTENSION[found["language"]] if found["object_type"] == NOTEBOOK else Path(found["path"]).suffix
        if call.query.get("direct_download", "").lower() == "true":
            return Response(content, media_type="application/octet-stream")
        return {"content": base64.b64encode(content).decode(), "file_type": ending.removeprefix(".")}

    def delete(self, call: Call) -> Body:
        found = self._existing(str(call.need("path")))
        if found["path"] in ROOTS or parent_of(found["path"]) == "/Users":
            self._require_unprotected(found["path"], always=True)
        self.require(call.caller, found, "CAN_MANAGE")
        is_full = found["object_type"] in FOLDERS and self.tree.children(found["path"])
        if is_full and not call.json().get("recursive"):
            raise call.dialect.error(400, "DIRECTORY_NOT_EMPTY", f"Folder ({found['path']}) is not empty")
        for gone in self.tree.remove(found):
            self._permissions.forget(permission_type(gone), str(gone["object_id"]))
        return {}

    def get_status(self, call: Call) -> Body:
        found = self._existing(str(call.need("path")))
        self.require(call.caller, found, "CAN_READ")
        return found

    def list(self, call: Call) -> Body:
        found = self._existing(str(call.need("path")))
        self.require(call.caller, found, "CAN_READ")
        since = whole_number(call, "notebooks_modified_after", 0)
        inside = self.tree.children(found["path"]) if found["object_type"] in FOLDERS else [found]
        seen = [one for one in inside if one["modified_at"] >= since and self._may(call.caller, one, "CAN_READ")]
        return {"objects": seen} if seen else {}

    def clean(self, path: str) -> str:
        """One spelling for each path; the platform's 400 for what is none."""
        try:
            return self.tree.clean(path)
        except PathError as error:
            raise self.dialect.malformed(str(error)) from error

    def _existing(self, path: str) -> Body:
        found = self.tree.find(self.clean(path))
        if found is None:
            raise self.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return found

    def _may(self, caller: Principal, found: Body, level: str) -> bool:
        return self._permissions.allows(caller, permission_type(found), str(found["object_id"]), level)

    def require(self, caller: Principal, found: Body, level: str) -> None:
        """Refuse (403) whoever may not do that much with an object of the workspace."""
        if not self._may(caller, found, level):
            message = (
                f"{caller.name} does not have {LEVEL_WORDS[level]} permissions on {found['path']}. "
                "Please contact the owner or an administrator for access."
            )
            raise self.dialect.error(403, "PERMISSION_DENIED", message)

    def _require_unprotected(self, path: str, always: bool = False) -> None:
        """The workspace itself makes what is in /Users; and it keeps its own folders."""
        if path == "/Users" or always:
            name = path.rpartition("/")[2] or "/"
            raise self.dialect.error(400, "DIRECTORY_PROTECTED", f"Folder {name} is protected")


def permission_type(body: Body) -> str:
    """The kind of object, as permissions know it."""
    return {DIRECTORY: "directories", REPO: "repos", NOTEBOOK: "notebooks"}.get(body["object_type"], "files")


def _taken(path: str) -> ApiError:
    return DATABRICKS.error(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")


def _upload(call: Call) -> tuple[Body, bytes]:
    """The fields and the content of an import: JSON with base64, or a form."""
    if is_multipart(call):
        fields, files = read_multipart(call)
        return dict(fields), files.get("content", fields.get("content", "").encode())
    wanted = call.json()
    try:
        return wanted, base64.b64decode(str(wanted.get("content") or ""), validate=True)
    except binascii.Error as error:
        raise call.dialect.malformed("The content is not valid base64.") from error


def _understand(path: str, wanted: Body, content: bytes) -> tuple[str, str, str, bytes]:
    """Path, object type, language ("" for a file) and bytes to keep. Raises NotebookFormatError."""
    form = str(wanted.get("format") or "SOURCE")
    if form == "RAW":
        return path, FILE, "", content
    if form == "AUTO":
        return _guess(path, content)
    if form == "JUPYTER":
        text, language = from_jupyter(content)
        return path, NOTEBOOK, language, text.encode()
    if form != "SOURCE":
        raise NotebookFormatError(f"The import format {form} is not supported here: use SOURCE, JUPYTER, AUTO or RAW.")
    text = as_text(content)
    language = str(wanted.get("language") or language_of_header(text, path) or "")
    if language not in COMMENT:
        raise NotebookFormatError(f"The language is required for the format SOURCE: one of {', '.join(COMMENT)}.")
    return path, NOTEBOOK, language, normalized(text, language).encode()


def _guess(path: str, content: bytes) -> tuple[str, str, str, bytes]:
    """AUTO: a notebook by its ending and first line, which then loses its ending; a file otherwise."""
    if path.lower().endswith(".ipynb"):
        text, language = from_jupyter(content)
        return path[: -len(".ipynb")], NOTEBOOK, language, text.encode()
    ending = Path(path).suffix
    if ending.lower() in EXTENSION.values():
        try:
            text = as_text(content)
        except NotebookFormatError:  # not text, so a file
            return path, FILE, "", content
        found = language_of_header(text, path)
        if found and EXTENSION[found] == ending.lower():
            return path.removesuffix(ending), NOTEBOOK, found, text.encode()
    return path, FILE, "", content
