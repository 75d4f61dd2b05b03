"""What a registry's builds read and write in blob storage: uploaded sources and the logs of runs, behind signed URLs.

As on Azure the storage is Azure's own, not an account of the subscription: all that a client has is a URL with a
shared access signature, good for one blob, for a while. Shapes: Blob service REST API (Put Blob, Get Blob, Get Blob
Properties); the account's name is in the path, as storage clients expect it of a local host.
"""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import re
import secrets
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.responses import Response

from mlops_tui.sandbox.api import Call, Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.storage import PathError, Tree, remove, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT = "acrbuilds"
VERSION = "2023-11-03"
UPLOAD_LIMIT = 256 * 1024**2  # bytes
SOURCE_KEPT = 24 * 3600  # seconds
READ, WRITE = "r", "cw"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class RegistryBlobs(Service):
    """/acrbuilds/{registry}/{blob}: `source/…` to write, `logs/…` to read."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        path = f"/{ACCOUNT}/{{registry}}/{{blob:path}}"
        return [self.on("PUT", path, self.put), self.on("GET", path, self.get)]  # GET answers HEAD, too

    def place(self, registry: str, blob: str) -> Path:
        """Where it is on disk. Raises PathError."""
        return Tree(self.sandbox.folder / "registries" / registry.lower()).place(f"/{blob}")

    def forget_old_sources(self) -> None:
        """A build is ordered soon after its source was uploaded, or never."""
        oldest = time.time() - SOURCE_KEPT
        for place in (self.sandbox.folder / "registries").glob("*/source/*/*.tar.gz"):
            if place.stat().st_mtime < oldest:
                remove(place)

    def signed_url(self, registry: str, blob: str, permission: str, seconds: int) -> str:
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        path = f"/{ACCOUNT}/{registry.lower()}/{blob}"
        query = {"sv": VERSION, "se": expires, "sr": "b", "sp": permission}
        return f"{self.sandbox.origin}{quote(path)}?{urlencode(query | {'sig': self._signature(path, query)})}"

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        with self.store.transaction():
            kept = self.store.get("signing-key", "registry-blobs")
            if kept is None:
                kept = {"key": secrets.token_hex(32)}
                self.store.put("signing-key", "registry-blobs", kept)
        text = "\n".join([path, *(query.get(name, "") for name in ("sv", "se", "sr", "sp"))])
        return hmac.new(bytes.fromhex(kept["key"]), text.encode(), hashlib.sha256).hexdigest()

    def _objection(self, call: Call, permission: str) -> Response | None:
        """The refusal, where the signature is not good for this."""
        query = call.query
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        right = hmac.compare_digest(query.get("sig", "").encode(), self._signature(call.path, query).encode())
        if not right or query.get("se", "") < now:
            message = "Server failed to authenticate the request. Make sure the value of the Authorization header is "
            return _refusal(403, "AuthenticationFailed", f"{message}formed correctly including the signature.")
        if query.get("sp") != permission:
            message = "This request is not authorized to perform this operation using this permission."
            return _refusal(403, "AuthorizationPermissionMismatch", message)
        return None

    def put(self, call: Call) -> Response:
        """Put Blob, in one piece."""
        if refusal := self._objection(call, WRITE):
            return refusal
        if call.headers.get("x-ms-blob-type") != "BlockBlob" or "comp" in call.query:
            message = "A build's source is uploaded as one block blob (x-ms-blob-type: BlockBlob) by one Put Blob."
            return _refusal(400, "InvalidHeaderValue", message)
        if len(call.body) > UPLOAD_LIMIT:
            message = f"The request body is too large: the sandbox takes {UPLOAD_LIMIT // 1024**2} MB."
            return _refusal(413, "RequestBodyTooLarge", message)
        try:
            target = self.place(call.params["registry"], call.params["blob"])
        except PathError as error:
            return _refusal(400, "InvalidUri", str(error))
        write_whole(target, call.body, target.parent)
        return Response(status_code=201, headers=_facts(target) | {"x-ms-request-server-encrypted": "true"})

    def get(self, call: Call) -> Response:
        """Get Blob and Get Blob Properties, of a log that may still grow."""
        if refusal := self._objection(call, READ):
            return refusal
        registry, blob = call.params["registry"], call.params["blob"]
        log = self.place(registry, blob)
        if not log.is_file():
            return _refusal(404, "BlobNotFound", "The specified blob does not exist.")
        headers = _facts(log) | {
            "x-ms-blob-type": "AppendBlob",
            "x-ms-blob-committed-block-count": "1",
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-server-encrypted": "true",
            "Accept-Ranges": "bytes",
        }
        headers |= self._ending(registry, blob)
        data = log.read_bytes()
        wanted = RANGE.fullmatch(call.headers.get("x-ms-range") or call.headers.get("range") or "")
        if wanted is None or call.method == "HEAD":
            headers["Content-Length"] = str(len(data))
            body = b"" if call.method == "HEAD" else data
            return Response(body, headers=headers, media_type="text/plain; charset=utf-8")
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first >= len(data):
            message = "The range specified is invalid for the current size of the resource."
            return _refusal(416, "InvalidRange", message, {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Response(data[first : last + 1], 206, headers, "text/plain; charset=utf-8")

    def _ending(self, registry: str, blob: str) -> dict[str, str]:
        """The metadata that tells readers of a log that no more will come."""
        from mlops_tui.sandbox.registry_runs import RegistryRuns

        said = RegistryRuns(self.store).log_ending(registry, blob.split("/")[1])
        return {"x-ms-meta-Complete": said} if said else {}


def _facts(place: Path) -> dict[str, str]:
    found = place.stat()
    return {
        "ETag": f'"0x{found.st_mtime_ns:X}{found.st_size:X}"',
        "Last-Modified": email.utils.formatdate(found.st_mtime, usegmt=True),
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-version": VERSION,
    }


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(
        body, status, {"x-ms-error-code": code, "x-ms-version": VERSION} | (headers or {}), "application/xml"
    )
