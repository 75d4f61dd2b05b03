"""Files in a workspace: DBFS paths ("dbfs:/…", DBFS 2.0) and Unity Catalog volumes ("/Volumes/…", Files 2.0)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks

CHUNK = 1 << 20  # bytes; the most that dbfs/read gives at once


class Files:
    """Reads folders and files of either kind."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def list(self, folder: str) -> dict[str, int]:
        """Name -> size in bytes of what is in the folder; empty where there is no such folder (yet)."""
        client = self._databricks.client
        try:
            with speaking_of(f"the folder {folder}"):
                if _on_volume(folder):
                    entries = client.files.list_directory_contents(folder)
                    return {entry.name or "": entry.file_size or 0 for entry in entries}
                return {
                    (item.path or "").rpartition("/")[2]: item.file_size or 0
                    for item in client.dbfs.list(_dbfs_path(folder))
                }
        except NotFoundError:
            return {}

    def read(self, path: str, offset: int = 0) -> bytes:
        """The file from `offset` (bytes) to its end. Raises NotFoundError."""
        with speaking_of(f"the file {path}"):
            return self._read_volume(path, offset) if _on_volume(path) else self._read_dbfs(path, offset)

    def _read_volume(self, path: str, offset: int) -> bytes:
        contents = self._databricks.client.files.download(path).contents
        if contents is None:
            return b""
        with contents:
            return contents.read()[offset:]

    def _read_dbfs(self, path: str, offset: int) -> bytes:
        parts: list[bytes] = []
        while True:
            answer = self._databricks.client.dbfs.read(_dbfs_path(path), offset=offset, length=CHUNK)
            part = base64.b64decode(answer.data or "")
            parts.append(part)
            offset += len(part)
            if len(part) < CHUNK:
                return b"".join(parts)


def _on_volume(path: str) -> bool:
    return path.startswith("/Volumes/")


def _dbfs_path(path: str) -> str:
    return "/" + path.removeprefix("dbfs:").lstrip("/")
