"""Where runs and models keep their files: the two roots of the Files API that belong to MLflow.

On Databricks the client reads and writes run artifacts below /WorkspaceInternal/Mlflow/Artifacts and Unity Catalog's
models below /Models, with the Files API (Databricks REST reference, Files 2.0); neither can be seen through DBFS.
"""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import os
import secrets
import shutil
import tempfile
import time
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

from starlette.responses import FileResponse, Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service, empty
from mlops_tui.sandbox.dialects import DATABRICKS, OPEN

RUNS, MODELS = "WorkspaceInternal/Mlflow/Artifacts", "Models"
TRACKING_ROOT = "dbfs:/databricks/mlflow-tracking/"
LINK_LIFETIME = 900  # seconds that a signed link is good for


class Artifacts(Service):
    """/api/2.0/fs/{files,directories}/{WorkspaceInternal/Mlflow/Artifacts,Models}/…, and links signed for a while."""

    dialect = DATABRICKS

    @property
    def root(self) -> Path:
        return self.sandbox.folder / "mlflow" / "artifacts"

    def routes(self) -> list[Endpoint]:
        found = [self.on("GET", "/mlflow-artifacts/{expires:int}/{signature}/{path:path}", self.download_signed, OPEN)]
        for top in (RUNS, MODELS):
            file, directory = f"/api/2.0/fs/files/{top}/{{path:path}}", f"/api/2.0/fs/directories/{top}/{{path:path}}"
            found += [
                self.on("PUT", file, self.upload),
                self.on("GET", file, self.download),
                self.on("HEAD", file, self.download),
                self.on("DELETE", file, self.delete),
                self.on("PUT", directory, self.make_directory),
                self.on("GET", directory, self.list_directory),
                self.on("HEAD", directory, self.list_directory),
            ]
        return found

    def forget_workspace(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    # Inside the sandbox

    def folder_of(self, uri: str) -> Path:
        """The folder behind an artifact URI as runs and logged models have it (dbfs:/databricks/mlflow-tracking/…)."""
        experiment, _, rest = uri.removeprefix(TRACKING_ROOT).partition("/")
        owner = f"LoggedModels/{rest[len('logged_models/') :]}" if rest.startswith("logged_models/") else f"Runs/{rest}"
        return self._inside(f"{RUNS}/{experiment}/{owner}")

    def model_folder(self, *names: str) -> Path:
        """The folder of a model version in Unity Catalog: catalog, schema, model, version."""
        return self._inside(f"{MODELS}/{'/'.join(names)}")

    def infos(self, folder: Path, path: str) -> list[Body]:
        """The files and folders below `path`, as MLflow's FileInfo; `path` itself where it is a file."""
        place = _below(folder, path)
        if place.is_file():
            return [_info(place, folder)]
        return [_info(entry, folder) for entry in sorted(place.iterdir())] if place.is_dir() else []

    def signed_link(self, file: Path) -> str:
        """An address from which anyone may fetch this file for a quarter of an hour, as cloud storage gives them."""
        path, expires = str(file.relative_to(self.root)), int(time.time()) + LINK_LIFETIME
        return f"{self.sandbox.origin}/mlflow-artifacts/{expires}/{self._signature(path, expires)}/{quote(path)}"

    # Handlers

    def upload(self, call: Call) -> Response:
        file = self._place(call)
        if file.is_dir():
            raise _refused(409, "RESOURCE_CONFLICT", f"The path {_shown(call)} is a directory.")
        if file.exists() and call.query.get("overwrite", "false") != "true":
            raise _refused(409, "ALREADY_EXISTS", f"The file {_shown(call)} already exists.")
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, fresh = tempfile.mkstemp(dir=file.parent, prefix=".upload-")  # mode 0600
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(call.body)
        Path(fresh).replace(file)  # whole or not at all
        return empty(204)

    def download(self, call: Call) -> Response:
        return _file_response(call, self._place(call))

    def download_signed(self, call: Call) -> Response:
        path, expires = call.params["path"], int(call.params["expires"])
        if not hmac.compare_digest(call.params["signature"], self._signature(path, expires)) or expires < time.time():
            raise call.dialect.error(403, "AuthenticationFailed", "The signature did not match or has expired.")
        return _file_response(call, self._inside(path))

    def delete(self, call: Call) -> Response:
        file = self._place(call)
        if not file.is_file():
            raise _not_found(call)
        file.unlink()
        return empty(204)

    def make_directory(self, call: Call) -> Response:
        self._place(call).mkdir(parents=True, exist_ok=True, mode=0o700)
        return empty(204)

    def list_directory(self, call: Call) -> Body | Response:
        place = self._place(call)
        if not place.is_dir():
            raise _not_found(call)
        if call.method == "HEAD":
            return empty(200)
        return {"contents": [self._entry(entry) for entry in sorted(place.iterdir()) if not _is_upload(entry)]}

    def _entry(self, path: Path) -> Body:
        status = path.stat()
        entry: Body = {"path": f"/{path.relative_to(self.root)}", "name": path.name, "is_directory": path.is_dir()}
        entry["last_modified"] = int(status.st_mtime * 1000)
        return entry if path.is_dir() else entry | {"file_size": status.st_size}

    def _place(self, call: Call) -> Path:
        return self._inside(_shown(call).lstrip("/"))

    def _inside(self, path: str) -> Path:
        return _below(self.root, path)

    def _signature(self, path: str, expires: int) -> str:
        kept = self.store.get("artifact-link-key", "1")
        if kept is None:
            kept = {"key": secrets.token_hex(32)}
            self.store.put("artifact-link-key", "1", kept)
        return hmac.new(bytes.fromhex(kept["key"]), f"{expires}/{path}".encode(), hashlib.sha256).hexdigest()


def _below(root: Path, path: str) -> Path:
    """Raises ApiError (400) on a path that leads out of its root."""
    place = (root / path.strip("/")).resolve()
    if not place.is_relative_to(root.resolve()):
        raise _refused(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}")
    return root / place.relative_to(root.resolve())


def _info(path: Path, folder: Path) -> Body:
    name = str(path.relative_to(folder))
    if path.is_dir():
        return {"path": name, "is_dir": True}
    return {"path": name, "is_dir": False, "file_size": path.stat().st_size}


def _is_upload(path: Path) -> bool:
    return path.name.startswith(".upload-")


def _file_response(call: Call, file: Path) -> Response:
    if not file.is_file():
        raise _not_found(call)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if call.method == "GET":
        return FileResponse(file, media_type=kind)
    status = file.stat()
    headers = {"Content-Length": str(status.st_size), "Last-Modified": formatdate(status.st_mtime, usegmt=True)}
    return empty(200, headers | {"Content-Type": kind})


def _shown(call: Call) -> str:
    """The path as the caller wrote it, below /api/2.0/fs/files or /api/2.0/fs/directories."""
    return "/" + call.path.split("/", 5)[5]


def _not_found(call: Call) -> ApiError:
    return _refused(404, "NOT_FOUND", f"The file or directory being accessed is not found: {_shown(call)}")


def _refused(status: int, code: str, message: str) -> ApiError:
    return DATABRICKS.error(status, code, message)
