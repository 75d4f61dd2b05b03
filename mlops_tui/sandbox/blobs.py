"""Azure Blob Storage at the sandbox's own address: block blobs by /{container}/{blob}.

Operations: Put Blob, Put Block, Put Block List, Get Blob (ranges), Get Blob Properties, Set Blob Metadata, Set Blob
Properties, Delete Blob (Azure Storage REST reference). Containers are in `blob_containers`.

Its routes would fit nearly every path: it stands last among the services, and takes only what is meant for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from mlops_tui.sandbox import blob_access
from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.blob_access import BlobAccess, Need
from mlops_tui.sandbox.blob_dialect import BLOBS, http_date, service_headers
from mlops_tui.sandbox.blob_store import BlobStore, read_section

NAME_LIMIT = 1024  # characters
BODY_LIMIT = 256 * 1024 * 1024  # bytes in one request; larger blobs come in blocks
MD5_LIMIT = 4 * 1024 * 1024  # bytes in a range whose checksum can be asked for
BLOCK_IDS = re.compile(r"<(?:Latest|Uncommitted|Committed)>([^<]*)</(?:Latest|Uncommitted|Committed)>")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
META = "x-ms-meta-"
HEADERS = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")
Place = tuple[str, str, str]  # account, container, blob


class Blobs(Service):
    """/{container}/{blob}"""

    dialect = BLOBS

    def start(self) -> None:
        self._blobs.sweep()

    def routes(self) -> list[Endpoint]:
        path = "/{container}/{blob:path}"
        return [
            self.on("PUT", path, self.put),
            self.on("GET", path, self.get),  # and HEAD
            self.on("DELETE", path, self.delete),
        ]

    @property
    def _blobs(self) -> BlobStore:
        return BlobStore(self.sandbox)

    def _place(self, call: Call, need: Need) -> Place:
        """Where the call is about, once the caller may do that there. Raises BlobError."""
        container, name = call.params["container"], call.params["blob"]
        account = BlobAccess(self.sandbox).account(call, need)
        if self._blobs.container(account, container) is None:
            raise BLOBS.refuse("ContainerNotFound")
        if not 0 < len(name) <= NAME_LIMIT:
            raise BLOBS.refuse("InvalidResourceName")
        return account, container, name

    def _found(self, place: Place) -> Body:
        found = self._blobs.find(*place)
        if found is None:
            raise BLOBS.refuse("BlobNotFound")
        return found

    def put(self, call: Call) -> Response:
        acts: dict[str, Callable[[Call], Response]] = {
            "": self._put_blob,
            "block": self._put_block,
            "blocklist": self._put_block_list,
            "metadata": self._set_metadata,
            "properties": self._set_properties,
        }
        comp = call.query.get("comp", "")
        if comp not in acts:
            raise BLOBS.missing(call, f"PUT with comp={comp}")
        if len(call.body) > BODY_LIMIT:
            raise BLOBS.refuse("RequestBodyTooLarge")
        _check_md5(call)
        return acts[comp](call)

    def _put_blob(self, call: Call) -> Response:
        kind = call.headers.get("x-ms-blob-type", "")
        if kind != "BlockBlob" or "x-ms-copy-source" in call.headers:
            what = "Copy Blob" if "x-ms-copy-source" in call.headers else f"blobs of type '{kind}'"
            raise BLOBS.missing(call, what)
        place, headers = self._place(call, blob_access.CREATE), _content_headers(call, "content-type")
        made = self._blobs.write(
            *place, call.body, metadata_of(call), headers, lambda there: self._check_overwrite(call, there)
        )
        return _written(made, 201, _md5(call.body))

    def _check_overwrite(self, call: Call, there: Body | None) -> None:
        """By the SAS, which may let new blobs be made only, and by the conditions. Raises BlobError."""
        if there and "sig" in call.query and "w" not in call.query.get("sp", ""):
            raise BLOBS.refuse("AuthorizationPermissionMismatch")
        if there and call.headers.get("if-none-match") == "*":
            raise BLOBS.refuse("BlobAlreadyExists")
        _check_match(call, there)

    def _put_block(self, call: Call) -> Response:
        place = self._place(call, blob_access.CREATE)
        block_id = call.query.get("blockid", "")
        try:
            is_valid = 0 < len(base64.b64decode(block_id, validate=True)) <= 64
        except ValueError:
            is_valid = False
        if not is_valid:
            raise BLOBS.refuse("InvalidQueryParameterValue")
        self._blobs.stage(*place, block_id, call.body)
        return Response(status_code=201, headers=service_headers() | {"Content-MD5": _md5(call.body)})

    def _put_block_list(self, call: Call) -> Response:
        place = self._place(call, blob_access.CREATE)
        block_ids = BLOCK_IDS.findall(call.body.decode("utf-8", "replace"))
        metadata, headers = metadata_of(call), _content_headers(call)
        try:
            made = self._blobs.commit(
                *place, block_ids, metadata, headers, lambda there: self._check_overwrite(call, there)
            )
        except KeyError as error:
            raise BLOBS.refuse("InvalidBlockList") from error
        return _written(made, 201, _md5(call.body))  # of the list, as Azure has it, not of the blob

    def _set_metadata(self, call: Call) -> Response:
        return self._change(call, "metadata", metadata_of(call))

    def _set_properties(self, call: Call) -> Response:
        return self._change(call, "headers", _content_headers(call))

    def _change(self, call: Call, part: str, values: dict[str, str]) -> Response:
        place = self._place(call, blob_access.WRITE)
        with self.store.transaction():
            _check_match(call, self._found(place))
            changed = self._blobs.change(*place, part, values)
        assert changed is not None  # found above, in the same transaction
        return _written(changed, 200)

    def get(self, call: Call) -> Response:
        """The content or a part of it; for HEAD the properties alone."""
        comp = call.query.get("comp", "")
        if comp not in ("", "metadata"):
            raise BLOBS.missing(call, f"{call.method} with comp={comp}")
        found = self._found(self._place(call, blob_access.READ))
        if found["etag"] in call.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=service_headers() | {"ETag": found["etag"]})
        _check_match(call, found)
        headers = _facts(found)
        if call.method == "HEAD" or comp:
            length = {} if comp else {"Content-Length": str(found["length"])}
            return Response(status_code=200, headers=headers | length)
        return self._content(call, found, headers)

    def _content(self, call: Call, found: Body, headers: dict[str, str]) -> Response:
        asked = RANGE.fullmatch(call.headers.get("x-ms-range") or call.headers.get("range") or "")
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else found["length"] - 1, found["length"] - 1)
        if asked and first > last:
            raise BLOBS.refuse("InvalidRange", headers={"Content-Range": f"bytes */{found['length']}"})
        headers["Content-Length"] = str(last + 1 - first)
        if asked:
            headers["Content-Range"] = f"bytes {first}-{last}/{found['length']}"
            if md5 := headers.pop("Content-MD5", ""):
                headers["x-ms-blob-content-md5"] = md5
            if call.headers.get("x-ms-range-get-content-md5") == "true":
                headers["Content-MD5"] = self._md5_of(found, first, last + 1 - first)
        content = _opened(self._blobs.path(found), first, last + 1 - first)
        next(content)  # opens the file now: a blob that is written anew meanwhile is still read to its end
        return StreamingResponse(content, 206 if asked else 200, headers)

    def _md5_of(self, found: Body, first: int, length: int) -> str:
        if length > MD5_LIMIT:
            raise BLOBS.refuse("InvalidHeaderValue")
        with self._blobs.path(found).open("rb") as file:
            return _md5(b"".join(read_section(file, first, length)))

    def delete(self, call: Call) -> Response:
        if call.query.get("comp"):
            raise BLOBS.missing(call, f"DELETE with comp={call.query['comp']}")
        place = self._place(call, blob_access.DELETE)
        with self.store.transaction():
            _check_match(call, self._found(place))
            self._blobs.delete(*place)
        return Response(status_code=202, headers=service_headers() | {"x-ms-delete-type-permanent": "true"})


def _opened(path: Path, first: int, length: int) -> Iterator[bytes]:
    """A part of a file, after an empty piece: it is open once that has been taken."""
    with path.open("rb") as file:
        yield b""
        yield from read_section(file, first, length)


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _check_md5(call: Call) -> None:
    if (given := call.headers.get("content-md5")) and given != _md5(call.body):
        raise BLOBS.refuse("Md5Mismatch")


def _check_match(call: Call, there: Body | None) -> None:
    wanted = call.headers.get("if-match")
    if wanted and (there is None or wanted not in ("*", there["etag"])):
        raise BLOBS.refuse("ConditionNotMet")


def metadata_of(call: Call) -> dict[str, str]:
    return {name.removeprefix(META): value for name, value in call.headers.items() if name.startswith(META)}


def _content_headers(call: Call, *plain: str) -> dict[str, str]:
    """What readers of the blob shall get; those in `plain` count without the prefix, too."""
    given = {name: call.headers.get(f"x-ms-blob-{name}", "") for name in HEADERS}
    return given | {name: call.headers.get(name, "") for name in plain if not given[name]}


def _written(blob: Body, status: int, md5: str = "") -> Response:
    """`md5`: of what was sent."""
    headers = {"ETag": blob["etag"], "Last-Modified": http_date(blob["modified"])}
    headers |= {"Content-MD5": md5} if md5 else {}
    headers["x-ms-request-server-encrypted"] = "true"
    return Response(status_code=status, headers=service_headers() | headers)


def _facts(blob: Body) -> dict[str, str]:
    """A blob's properties, as headers."""
    written = {"Content-MD5" if name == "content-md5" else name.title(): v for name, v in blob["headers"].items()}
    own = {
        "ETag": blob["etag"],
        "Last-Modified": http_date(blob["modified"]),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(blob["created"]),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
    }
    metadata = {f"{META}{name}": value for name, value in blob["metadata"].items()}
    return service_headers() | written | own | metadata
