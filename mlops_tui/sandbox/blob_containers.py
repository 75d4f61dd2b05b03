"""Containers of Azure Blob Storage, at /{container}: made, listed, described and deleted.

Shapes: Azure Storage REST reference, "Operations on containers" and "List Blobs".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from mlops_tui.sandbox import blob_access
from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.blob_access import BlobAccess
from mlops_tui.sandbox.blob_dialect import BLOBS, http_date, service_headers
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.blobs import META, metadata_of

NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
PAGE = 5000  # blobs in one listing, at most
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what XML cannot hold
ELEMENTS = {
    "content-type": "Content-Type",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-disposition": "Content-Disposition",
    "cache-control": "Cache-Control",
    "content-md5": "Content-MD5",
}


class BlobContainers(Service):
    """/{container}?restype=container"""

    dialect = BLOBS

    def routes(self) -> list[Endpoint]:
        path = "/{container}"
        return [self.on("PUT", path, self.put), self.on("GET", path, self.get), self.on("DELETE", path, self.delete)]

    @property
    def _blobs(self) -> BlobStore:
        return BlobStore(self.sandbox)

    @cached_property
    def _reserved(self) -> set[str]:
        """The first words of all other paths."""
        paths = (endpoint.path for service in self.sandbox.services for endpoint in service.routes())
        return {path.split("/")[1] for path in paths if not path.startswith("/{")}

    def _check_kind(self, call: Call, *comps: str) -> str:
        """The call's `comp`, which must be one of those. Raises BlobError."""
        comp = call.query.get("comp", "")
        if call.query.get("restype") != "container" or comp not in comps:
            kind = call.query.get("restype", "")
            raise BLOBS.missing(call, f"{call.method} with restype={kind}&comp={comp} on containers")
        return comp

    def _found(self, call: Call, need: blob_access.Need) -> tuple[str, Body]:
        account = BlobAccess(self.sandbox).account(call, need)
        found = self._blobs.container(account, call.params["container"])
        if found is None:
            raise BLOBS.refuse("ContainerNotFound")
        return account, found

    def put(self, call: Call) -> Response:
        """A new container, or other metadata for one that is there."""
        name = call.params["container"]
        if self._check_kind(call, "", "metadata"):
            account, _ = self._found(call, blob_access.WRITE_CONTAINER)
            changed = self._blobs.set_container_metadata(account, name, metadata_of(call))
            return Response(status_code=200, headers=_facts(changed) if changed else service_headers())
        account = BlobAccess(self.sandbox).account(call, blob_access.WRITE_CONTAINER)
        if not NAME.fullmatch(name):
            raise BLOBS.refuse("InvalidResourceName")
        if name in self._reserved:
            text = f"The sandbox cannot have a container '{name}': other things of it answer at '/{name}/'."
            raise BLOBS.error(400, "InvalidResourceName", text)
        with self.store.transaction():
            if self._blobs.container(account, name):
                raise BLOBS.refuse("ContainerAlreadyExists")
            made = self._blobs.make_container(account, name, metadata_of(call))
        return Response(status_code=201, headers=_facts(made))

    def get(self, call: Call) -> Response:
        """What is in it (comp=list), or what it is."""
        if self._check_kind(call, "", "metadata", "list") == "list":
            return self._list(call)
        _, found = self._found(call, blob_access.READ_CONTAINER)
        return Response(status_code=200, headers=_facts(found))

    def delete(self, call: Call) -> Response:
        self._check_kind(call, "")
        account, found = self._found(call, blob_access.DELETE_CONTAINER)
        self._blobs.remove_container(account, found["name"])
        return Response(status_code=202, headers=service_headers())

    def list_all(self, call: Call) -> Response:
        """The containers of an account: GET /?comp=list, which `pages` passes on."""
        if call.query.get("comp") != "list" or call.query.get("restype"):
            raise BLOBS.missing(call, f"{call.method} with restype={call.query.get('restype', '')} on accounts")
        call.params = {"container": ""}
        account = BlobAccess(self.sandbox).account(call, blob_access.LIST_CONTAINERS)
        prefix, marker, size = call.query.get("prefix", ""), call.query.get("marker", ""), self._size(call)
        found = [one for one in self._blobs.containers(account) if one["name"].startswith(prefix)]
        left = [one for one in found if one["name"] >= marker]
        following = left[size]["name"] if len(left) > size else ""
        with_metadata = "metadata" in call.query.get("include", "")
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f"<EnumerationResults ServiceEndpoint={quoteattr(f'{self._blobs.address(account)}/')}>",
            f"<Prefix>{escape(prefix)}</Prefix><Marker>{escape(marker)}</Marker><MaxResults>{size}</MaxResults>",
            "<Containers>",
            *(_container(one, with_metadata) for one in left[:size]),
            f"</Containers><NextMarker>{escape(following)}</NextMarker></EnumerationResults>",
        ]
        return Response("".join(lines), 200, service_headers(), media_type="application/xml")

    def _list(self, call: Call) -> Response:
        account, container = self._found(call, blob_access.LIST)
        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        marker, size = call.query.get("marker", ""), self._size(call)
        entries = _entries(self._blobs.list(account, container["name"], prefix), prefix, delimiter)
        shown = [one for one in entries if one[0] >= marker]
        following = shown[size][0] if len(shown) > size else ""
        with_metadata = "metadata" in call.query.get("include", "")
        service = quoteattr(f"{self._blobs.address(account)}/")
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f"<EnumerationResults ServiceEndpoint={service} ContainerName={quoteattr(container['name'])}>",
            *(f"<{tag}>{escape(text)}</{tag}>" for tag, text in (("Prefix", prefix), ("Marker", marker))),
            f"<MaxResults>{size}</MaxResults>",
            f"<Delimiter>{escape(delimiter)}</Delimiter>" if delimiter else "",
            "<Blobs>",
            *(_blob(blob, with_metadata) if blob else _prefix(name) for name, blob in shown[:size]),
            f"</Blobs><NextMarker>{escape(following)}</NextMarker></EnumerationResults>",
        ]
        return Response("".join(lines), 200, service_headers(), media_type="application/xml")

    def _size(self, call: Call) -> int:
        text = call.query.get("maxresults", str(PAGE))
        if not text.isdecimal() or int(text) < 1:
            raise BLOBS.refuse("InvalidQueryParameterValue")
        return min(int(text), PAGE)


def _entries(blobs: list[Body], prefix: str, delimiter: str) -> Iterator[tuple[str, Body | None]]:
    """Blobs by name; those that have the delimiter after the prefix as one entry, without a blob."""
    last = None
    for blob in blobs:
        head, mark, _ = blob["name"][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if not mark:
            yield blob["name"], blob
        elif (folder := prefix + head + mark) != last:
            last = folder
            yield folder, None


def _name(name: str) -> str:
    if UNFIT.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _prefix(name: str) -> str:
    return f"<BlobPrefix>{_name(name)}</BlobPrefix>"


def _container(container: Body, with_metadata: bool) -> str:
    facts = {
        "Last-Modified": http_date(container["modified"]),
        "Etag": container["etag"],
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "HasImmutabilityPolicy": "false",
        "HasLegalHold": "false",
    }
    properties = "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in facts.items())
    metadata = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in container["metadata"].items())
    extra = f"<Metadata>{metadata}</Metadata>" if with_metadata else ""
    return f"<Container>{_name(container['name'])}<Properties>{properties}</Properties>{extra}</Container>"


def _blob(blob: Body, with_metadata: bool) -> str:
    facts = {
        "Creation-Time": http_date(blob["created"]),
        "Last-Modified": http_date(blob["modified"]),
        "Etag": blob["etag"].strip('"'),
        "Content-Length": str(blob["length"]),
        **{ELEMENTS[name]: value for name, value in blob["headers"].items()},
        "BlobType": "BlockBlob",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    properties = "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in facts.items())
    metadata = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in blob["metadata"].items())
    extra = f"<Metadata>{metadata}</Metadata>" if with_metadata else ""
    return f"<Blob>{_name(blob['name'])}<Properties>{properties}</Properties>{extra}</Blob>"


def _facts(container: Body) -> dict[str, str]:
    own = {
        "ETag": container["etag"],
        "Last-Modified": http_date(container["modified"]),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    return service_headers() | own | {f"{META}{name}": value for name, value in container["metadata"].items()}
