"""Files of volumes, and MLflow's artifacts (Databricks REST reference, Files 2.0).

A file is written whole or not at all, and there is no call to append to one, as on the platform.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service, empty
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.file_places import FilePlaces, NoVolumeError
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.storage import PathError, children, modified_ms, remove, write_whole

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

ROOT = "/api/2.0/fs"
PAGE = 1000  # entries of a directory in one answer, at most


class Files(Service):
    """/api/2.0/fs/{files,directories}/…"""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._places = FilePlaces(sandbox)

    def routes(self) -> list[Endpoint]:
        file, directory = f"{ROOT}/files/{{path:path}}", f"{ROOT}/directories/{{path:path}}"
        return [
            self.on("HEAD", directory, self.look_at_directory),
            self.on("GET", directory, self.list_directory),
            self.on("PUT", directory, self.make_directory),
            self.on("DELETE", directory, self.delete_directory),
            self.on("GET", file, self.download),  # and HEAD: the same answer without its body
            self.on("PUT", file, self.upload),
            self.on("POST", file, self.start_upload),
            self.on("DELETE", file, self.delete_file),
            self.on("GET", f"{ROOT}/endpoints", self.refuse_direct_access),
            self.on("POST", f"{ROOT}/create-download-url", self.refuse_direct_access),
            self.on("POST", f"{ROOT}/create-upload-part-urls", self.refuse_direct_access),
            self.on("POST", f"{ROOT}/create-abort-upload-url", self.name_abort_url),
            self.on("DELETE", f"{ROOT}/uploads/{{token}}", self.abort_upload),
        ]

    def forget_workspace(self) -> None:
        remove(self.sandbox.folder / "files" / "Models")
        remove(self._places.scratch)

    def download(self, call: Call) -> Response:
        """The whole file, or what Range asks for, from disk and in pieces."""
        path, place = self._find(call)
        if place.is_dir():
            raise _error(400, "INVALID_PARAMETER_VALUE", "PATH_IS_A_DIRECTORY", f"{path} is a directory.")
        if not place.is_file():
            raise _error(404, "NOT_FOUND", "FILE_NOT_FOUND", "The file being accessed is not found.")
        _require_unmodified(call, place)
        return FileResponse(place, media_type="application/octet-stream")

    def upload(self, call: Call) -> Response:
        path, place = self._find(call, to_write=True)
        if place.is_dir() or self._places.is_top(path):
            raise _error(409, "ALREADY_EXISTS", "PATH_IS_A_DIRECTORY", f"{path} is a directory.")
        if place.exists() and call.query.get("overwrite", "true").lower() == "false":
            raise _error(409, "ALREADY_EXISTS", "FILE_ALREADY_EXISTS", "The file being created already exists.")
        try:
            write_whole(place, call.body, self._places.scratch)
        except (FileExistsError, NotADirectoryError) as error:
            message = f"A folder on the way to {path} is a file."
            raise _error(409, "ALREADY_EXISTS", "PATH_IS_A_FILE", message) from error
        return empty(204)

    def delete_file(self, call: Call) -> Response:
        _, place = self._find(call, to_write=True)
        if not place.is_file():
            raise _error(404, "NOT_FOUND", "FILE_NOT_FOUND", "The file being accessed is not found.")
        place.unlink()
        return empty(204)

    def look_at_directory(self, call: Call) -> Response:
        self._directory(call)
        return empty()

    def list_directory(self, call: Call) -> Body:
        path, place = self._directory(call)
        after = _last_name(call)
        size = max(whole_number(call, "page_size", 0), 0) or PAGE
        later = [child for child in children(place) if child.name > after]
        page = later[: min(size, PAGE)]
        body: Body = {"contents": [_entry(path, child) for child in page]} if page else {}
        if len(later) > len(page):
            body["next_page_token"] = base64.urlsafe_b64encode(page[-1].name.encode()).decode()
        return body

    def make_directory(self, call: Call) -> Response:
        path, place = self._find(call, to_write=True)
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            message = f"{path}, or a folder on the way to it, is a file."
            raise _error(409, "ALREADY_EXISTS", "PATH_IS_A_FILE", message) from error
        return empty(204)

    def delete_directory(self, call: Call) -> Response:
        path, place = self._directory(call)
        if self._places.is_top(path):
            raise _error(400, "INVALID_PARAMETER_VALUE", "INVALID_PATH", f"{path} is not a directory inside a volume.")
        if any(place.iterdir()):
            message = "The directory being deleted is not empty."
            raise _error(400, "INVALID_PARAMETER_VALUE", "DIRECTORY_IS_NOT_EMPTY", message)
        place.rmdir()
        return empty(204)

    def start_upload(self, call: Call) -> Body:
        """An upload in parts begins; as parts get no URLs here, clients go on with a plain PUT."""
        if call.query.get("action") != "initiate-upload":
            raise call.dialect.malformed(f"Unknown action {call.query.get('action', '')!r}.")
        self._find(call, to_write=True)
        return {"multipart_upload": {"session_token": secrets.token_urlsafe(16)}}

    def refuse_direct_access(self, call: Call) -> Body:
        """There is no cloud storage beside the workspace to be reached directly: clients use the Files API itself."""
        raise call.dialect.error(404, "ENDPOINT_NOT_FOUND", f"No API found for '{call.method} {call.path}'.")

    def name_abort_url(self, call: Call) -> Body:
        token = str(call.need("session_token"))
        return {"abort_upload_url": {"url": f"{self.sandbox.origin}{ROOT}/uploads/{token}", "headers": []}}

    def abort_upload(self, call: Call) -> Response:
        """Nothing was kept of it."""
        return empty(204)

    def _find(self, call: Call, to_write: bool = False) -> tuple[str, Path]:
        try:
            return self._places.find("/" + call.params["path"].lstrip("/"), to_write)
        except PathError as error:
            raise _error(400, "INVALID_PARAMETER_VALUE", "INVALID_PATH", str(error)) from error
        except NoVolumeError as error:
            raise _error(404, "NOT_FOUND", "VOLUME_NOT_FOUND", f"Volume '{error}' does not exist.") from error

    def _directory(self, call: Call) -> tuple[str, Path]:
        path, place = self._find(call)
        if not place.is_dir():
            raise _error(404, "NOT_FOUND", "DIRECTORY_IS_NOT_FOUND", "The directory being accessed is not found.")
        return path, place


def _error(status: int, code: str, reason: str, message: str) -> ApiError:
    """With the reason that clients tell errors of one code apart by."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": f"FILES_API_{reason}",
        "domain": "filesystem.databricks.com",
    }
    return ApiError(status, {"error_code": code, "message": message, "details": [info]})


def _require_unmodified(call: Call, place: Path) -> None:
    """A download that goes on after an interruption must not join two versions of a file."""
    since = call.headers.get("if-unmodified-since")
    if not since:
        return
    try:
        seen = parsedate_to_datetime(since).timestamp()
    except ValueError:
        return  # RFC 9110: a date that is none is ignored
    if int(place.stat().st_mtime) > seen:
        raise _error(412, "FAILED_PRECONDITION", "FILE_MODIFIED", "The file has been modified since.")


def _last_name(call: Call) -> str:
    try:
        return base64.urlsafe_b64decode(call.query.get("page_token", "")).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise call.dialect.malformed("The page_token is invalid.") from error


def _entry(path: str, child: Path) -> Body:
    is_dir = child.is_dir()
    entry: Body = {"path": f"{path}/{child.name}", "name": child.name, "is_directory": is_dir}
    if not is_dir:
        entry["file_size"] = child.stat().st_size
    return entry | {"last_modified": modified_ms(child)}
