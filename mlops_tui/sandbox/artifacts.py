"""Where runs and models keep their files, and links to them that are good for a while.

The Files API serves the same files to MLflow's client (see `file_places`): a run's below
/WorkspaceInternal/Mlflow/Artifacts, those of Unity Catalog's models below /Models.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from pathlib import Path
from urllib.parse import quote

from starlette.responses import FileResponse, Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import DATABRICKS, OPEN
from mlops_tui.sandbox.storage import PathError, Tree, children

LINK_LIFETIME = 900  # seconds that a signed link is good for


class Artifacts(Service):
    """Artifacts on disk, for the other services; over HTTP only by signed links, as cloud storage gives them."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [self.on("GET", "/signed-artifacts/{expires:int}/{signature}/{path:path}", self.download)]

    def place(self, uri: str, path: str = "") -> Path:
        """The file or folder at `path` below an artifact URI (dbfs:/…). Raises ApiError (400) when it leads outside."""
        root = uri.removeprefix("dbfs:").rstrip("/")
        try:
            if root.startswith("/Models/"):
                return Tree(self._files).place(f"{root}/{path}")
            return Tree(self._files / "dbfs").place(f"{root}/{path}")
        except PathError as error:
            raise DATABRICKS.malformed(f"Invalid path: {path}") from error

    def infos(self, uri: str, path: str = "") -> list[Body]:
        """The files and folders below `path`, as MLflow's FileInfo; `path` itself where it is a file."""
        root, place = self.place(uri), self.place(uri, path)
        if place.is_file():
            return [_info(place, root)]
        return [_info(child, root) for child in children(place)] if place.is_dir() else []

    def signed_link(self, file: Path) -> str:
        """An address from which anyone may fetch this file for a quarter of an hour."""
        path, expires = str(file.relative_to(self._files)), int(time.time()) + LINK_LIFETIME
        return f"{self.sandbox.origin}/signed-artifacts/{expires}/{self._signature(path, expires)}/{quote(path)}"

    def download(self, call: Call) -> Response:
        path, expires = call.params["path"], int(call.params["expires"])
        if not hmac.compare_digest(call.params["signature"], self._signature(path, expires)) or expires < time.time():
            raise call.dialect.error(403, "AuthenticationFailed", "The signature did not match or has expired.")
        file = self._files / path  # the signature says that it was we who wrote the path
        if not file.is_file():
            raise call.dialect.error(404, "BlobNotFound", "The specified blob does not exist.")
        return FileResponse(file, media_type="application/octet-stream")

    @property
    def _files(self) -> Path:
        return self.sandbox.folder / "files"

    def _signature(self, path: str, expires: int) -> str:
        kept = self.store.get("artifact-link-key", "1")
        if kept is None:
            kept = {"key": secrets.token_hex(32)}
            self.store.put("artifact-link-key", "1", kept)
        return hmac.new(bytes.fromhex(kept["key"]), f"{expires}/{path}".encode(), hashlib.sha256).hexdigest()


def _info(path: Path, root: Path) -> Body:
    name = str(path.relative_to(root))
    if path.is_dir():
        return {"path": name, "is_dir": True}
    return {"path": name, "is_dir": False, "file_size": path.stat().st_size}
