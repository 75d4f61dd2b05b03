"""The workspace's own file system (Databricks REST reference, DBFS 2.0). Below `<sandbox>/files/dbfs`.

`/databricks-datasets` is there to be read. What Unity Catalog governs (`/Volumes`) and what MLflow keeps is reached
by other APIs, as on the platform.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.multipart import is_multipart, read_multipart
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.storage import PathError, Tree, canonical, children, modified_ms, move_into, remove, write_whole

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

HANDLE = "dbfs-handle"
BLOCK_LIMIT = 1024 * 1024  # bytes in one put, add-block or read
READ_DEFAULT = 512 * 1024
DATASETS = "databricks-datasets"
TRACKING = "/databricks/mlflow-tracking"  # MLflow's artifacts


class Dbfs(Service):
    """/api/2.0/dbfs/…"""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        files = sandbox.folder / "files"
        self._tree = Tree(files / "dbfs")
        self._datasets = Tree(files / DATASETS)
        self._scratch = files / ".partial"

    def routes(self) -> list[Endpoint]:
        return [
            self.on("GET", "/api/2.0/dbfs/get-status", self.get_status),
            self.on("GET", "/api/2.0/dbfs/list", self.list),
            self.on("GET", "/api/2.0/dbfs/read", self.read),
            self.on("POST", "/api/2.0/dbfs/mkdirs", self.mkdirs),
            self.on("POST", "/api/2.0/dbfs/put", self.put),
            self.on("POST", "/api/2.0/dbfs/delete", self.delete),
            self.on("POST", "/api/2.0/dbfs/move", self.move),
            self.on("POST", "/api/2.0/dbfs/create", self.create),
            self.on("POST", "/api/2.0/dbfs/add-block", self.add_block),
            self.on("POST", "/api/2.0/dbfs/close", self.close),
        ]

    def start(self) -> None:
        self._tree.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        streams = {self._upload(int(key)) for key, _ in self.store.items(HANDLE)}
        for left in self._scratch.glob("*"):  # what a kill has cut off; open streams go on
            if left not in streams:
                left.unlink()

    def forget_workspace(self) -> None:
        for key, _ in self.store.items(HANDLE):
            self.store.delete(HANDLE, key)
        remove(self._tree.root)
        self.start()

    def get_status(self, call: Call) -> Body:
        path = self._path(call.need("path"))
        return _info(path, self._there(path))

    def list(self, call: Call) -> Body:
        path = self._path(call.need("path"))
        place = self._there(path)
        if not place.is_dir():
            return {"files": [_info(path, place)]}
        infos = [_info(f"{path.rstrip('/')}/{child.name}", child) for child in children(place)]
        if path == "/" and self._datasets.root.is_dir():
            infos.append(_info(f"/{DATASETS}", self._datasets.root))
        return {"files": infos} if infos else {}

    def read(self, call: Call) -> Body:
        path = self._path(call.need("path"))
        offset, length = whole_number(call, "offset", 0), whole_number(call, "length", READ_DEFAULT)
        if offset < 0 or length < 0:
            raise call.dialect.malformed("offset and length must not be negative.")
        if length > BLOCK_LIMIT:
            message = f"The read length {length} exceeds the limit of {BLOCK_LIMIT} bytes."
            raise call.dialect.error(400, "MAX_READ_SIZE_EXCEEDED", message)
        place = self._there(path)
        if place.is_dir():
            raise call.dialect.malformed(f"Cannot read a directory: {path}")
        with place.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        return {"bytes_read": len(data), "data": base64.b64encode(data).decode()}

    def mkdirs(self, call: Call) -> Body:
        path = self._path(call.need("path"))
        try:
            self._writable(path).mkdir(parents=True, exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(path) from error
        return {}

    def put(self, call: Call) -> Body:
        """A whole file at once: base64 in JSON, up to 1 MB; or a form with the file in it."""
        if is_multipart(call):
            fields, files = read_multipart(call)
            # The reference calls the part "contents"; the legacy Databricks CLI calls it "file", and is understood.
            data = files["contents"] if "contents" in files else next(iter(files.values()), None)
            if data is None:
                raise call.dialect.malformed("The form has no file in it.")
            path = self._path(fields.get("path", ""))
            overwrite = fields.get("overwrite", "").lower() == "true"
        else:
            wanted = call.json()
            path, data = self._path(call.need("path")), _block(str(wanted.get("contents") or ""))
            overwrite = bool(wanted.get("overwrite"))
        place = self._free(path, overwrite)
        try:
            write_whole(place, data, self._scratch)
        except OSError as error:
            raise _taken(path) from error
        return {}

    def delete(self, call: Call) -> Body:
        """What is not there is deleted already, as on the platform."""
        path = self._path(call.need("path"))
        if path == "/":
            raise call.dialect.malformed("Cannot delete the root of the file system.")
        place = self._removable(path)
        if place.is_dir() and any(place.iterdir()) and not call.json().get("recursive"):
            raise call.dialect.error(400, "IO_ERROR", f"The directory {path} is not empty; delete it recursively.")
        remove(place)
        return {}

    def move(self, call: Call) -> Body:
        """A folder that is already there takes the source in; nothing is written over."""
        source, target = self._path(call.need("source_path")), self._path(call.need("destination_path"))
        there = self._there(source)
        self._removable(source)
        place = self._writable(target)
        if place.is_dir() and there.is_file():
            place, target = place / there.name, f"{target}/{there.name}"
        if place.exists() or source == "/":
            raise _taken(target)
        if f"{target}/".startswith(f"{source}/"):
            raise call.dialect.malformed(f"Cannot move {source} into itself.")
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            there.rename(place)
        except OSError as error:
            raise _taken(target) from error
        return {}

    def create(self, call: Call) -> Body:
        """Opens a stream. What comes stands aside until `close` puts it in its place, so nobody sees half a file."""
        path = self._path(call.need("path"))
        overwrite = bool(call.json().get("overwrite"))
        self._free(path, overwrite)
        handle = self.store.next_number(HANDLE)
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._upload(handle).touch(mode=0o600)
        self.store.put(HANDLE, str(handle), {"path": path, "overwrite": overwrite, "owner": call.caller.name})
        return {"handle": handle}

    def add_block(self, call: Call) -> Body:
        handle, _ = self._stream(call)
        with self._upload(handle).open("ab") as file:
            file.write(_block(str(call.json().get("data") or "")))
        return {}

    def close(self, call: Call) -> Body:
        handle, stream = self._stream(call)
        try:
            move_into(self._upload(handle), self._free(stream["path"], stream["overwrite"]))
        except OSError as error:
            raise _taken(stream["path"]) from error
        self.store.delete(HANDLE, str(handle))
        return {}

    def _stream(self, call: Call) -> tuple[int, Body]:
        handle = str(call.need("handle"))
        stream = self.store.get(HANDLE, handle)
        if stream is None or stream["owner"] != call.caller.name:
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Handle {handle} does not exist.")
        return int(handle), stream

    def _upload(self, handle: int) -> Path:
        return self._scratch / f"dbfs-{handle}"

    def _path(self, given: object) -> str:
        """The path without dbfs:; ApiError (400) for what is no path, 403 for what other APIs keep."""
        try:
            path = canonical(str(given).removeprefix("dbfs:"))
        except PathError as error:
            raise self.dialect.malformed(str(error)) from error
        if path.split("/")[1] in ("Volumes", "Workspace", "Models") or f"{path}/".startswith(f"{TRACKING}/"):
            raise self._not_allowed()
        return path

    def _not_allowed(self) -> ApiError:
        return self.dialect.error(403, "PERMISSION_DENIED", "No operations allowed on this path")

    def _removable(self, path: str) -> Path:
        """Its place; ApiError (403) where MLflow's artifacts would go with it."""
        if TRACKING.startswith(f"{path}/"):
            raise self._not_allowed()
        return self._writable(path)

    def _place(self, path: str) -> Path:
        try:
            if path.split("/")[1] == DATASETS:
                return self._datasets.place(path.removeprefix(f"/{DATASETS}") or "/")
            return self._tree.place(path)
        except PathError as error:
            raise self.dialect.malformed(str(error)) from error

    def _writable(self, path: str) -> Path:
        if path.split("/")[1] == DATASETS:
            raise self.dialect.error(403, "PERMISSION_DENIED", f"{path} is read-only.")
        return self._place(path)

    def _there(self, path: str) -> Path:
        place = self._place(path)
        if not place.exists():
            message = f"No file or directory exists on path {path}."
            raise self.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", message)
        return place

    def _free(self, path: str, overwrite: bool) -> Path:
        place = self._writable(path)
        if place.is_dir() or (place.exists() and not overwrite):
            raise _taken(path)
        return place


def _taken(path: str) -> ApiError:
    message = f"A file or directory already exists at the input path dbfs:{path}."
    return DATABRICKS.error(400, "RESOURCE_ALREADY_EXISTS", message)


def _block(text: str) -> bytes:
    """Base64 to bytes; ApiError where it is none or too much."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise DATABRICKS.malformed("The contents are not valid base64.") from error
    if len(data) > BLOCK_LIMIT:
        message = f"The block of {len(data)} bytes exceeds the limit of {BLOCK_LIMIT} bytes."
        raise DATABRICKS.error(400, "MAX_BLOCK_SIZE_EXCEEDED", message)
    return data


def _info(path: str, place: Path) -> Body:
    is_dir = place.is_dir()
    size = 0 if is_dir else place.stat().st_size
    return {"path": path, "is_dir": is_dir, "file_size": size, "modification_time": modified_ms(place)}
