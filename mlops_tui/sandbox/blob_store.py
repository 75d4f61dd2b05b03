"""What the storage accounts hold: containers, and blobs as files of the sandbox's folder.

Documents: "blob-container" by "{account}/{container}", "blob" by "{account}/{container}/{name}", and "blob-block",
which is not yet part of a blob, by a hash of its blob's key and its id. A blob's content is a file of its own that,
logs aside, never changes once its document names it: a reader, or a kill, finds the old content or the new one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from mlops_tui.sandbox import blob_signatures, clock
from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.blob_accounts import BlobAccounts

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

CONTAINER, BLOB, BLOCK = "blob-container", "blob", "blob-block"
PIECE = 1024 * 1024
BINARY = "application/octet-stream"
Check = Callable[[Body | None], None]
Section = tuple[Path, int, int]  # a file, an offset in it, a length


class BlobStore:
    """Reads and writes them; for the other services, too. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._origin = sandbox.origin
        self._store = sandbox.store
        self._folder = sandbox.folder / "blobs"
        self.accounts = BlobAccounts(sandbox)

    def address(self, account: str) -> str:
        """Where its blobs answer: what stands before "@" is userinfo, so that any account's host is this one."""
        return f"https://{account}.blob.core.sandbox@{self._origin.removeprefix('https://')}"

    def url(self, account: str, container: str, name: str = "") -> str:
        return f"{self.address(account)}/{container}" + (f"/{quote(name, safe='~/')}" if name else "")

    def sas(self, account: str, container: str, name: str, permissions: str, minutes: float) -> str:
        """A query string that lets anyone do `permissions` ("rcwdl") to a blob, or, without a name, in a container."""
        key = self.accounts.keys(account)[0]
        return blob_signatures.service_sas(key, account, container, name, permissions, minutes)

    def sas_url(self, account: str, container: str, name: str, permissions: str, minutes: float) -> str:
        return f"{self.url(account, container, name)}?{self.sas(account, container, name, permissions, minutes)}"

    # Accounts and containers

    def make_account(self, name: str) -> None:
        """Safe to repeat."""
        self.accounts.make(name)

    def remove_account(self, name: str) -> None:
        for container in self.containers(name):
            self.remove_container(name, container["name"])
        self.accounts.forget(name)

    def containers(self, account: str) -> list[Body]:
        return self._store.list(CONTAINER, f"{account}/")

    def container(self, account: str, name: str) -> Body | None:
        return self._store.get(CONTAINER, f"{account}/{name}")

    def make_container(self, account: str, name: str, metadata: Mapping[str, str] | None = None) -> Body:
        """The container; one that is there stays as it is."""
        with self._store.transaction():
            kept = self.container(account, name)
            if kept is None:
                kept = {"name": name, "metadata": dict(metadata or {})} | _stamps()
                self._store.put(CONTAINER, f"{account}/{name}", kept)
        return kept

    def set_container_metadata(self, account: str, name: str, metadata: Mapping[str, str]) -> Body | None:
        with self._store.transaction():
            kept = self.container(account, name)
            if kept:
                kept |= {"metadata": dict(metadata)} | _stamps()
                self._store.put(CONTAINER, f"{account}/{name}", kept)
        return kept

    def remove_container(self, account: str, name: str) -> Body | None:
        """With its blobs; None where there was none."""
        for blob in self.list(account, name):
            self.delete(account, name, blob["name"])
        return self._store.delete(CONTAINER, f"{account}/{name}")

    # Blobs

    def list(self, account: str, container: str, prefix: str = "") -> list[Body]:
        """By name."""
        return self._store.list(BLOB, f"{account}/{container}/{prefix}")

    def find(self, account: str, container: str, name: str) -> Body | None:
        return self._store.get(BLOB, _key(account, container, name))

    def path(self, blob: Body) -> Path:
        """The file with its content, to be read only."""
        return self._folder / str(blob["file"])[:2] / str(blob["file"])

    def read(self, blob: Body) -> bytes:
        return self.path(blob).read_bytes()

    def write(
        self,
        account: str,
        container: str,
        name: str,
        pieces: bytes | Iterable[bytes],
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> Body:
        """A new blob in place of any other of that name; `headers` are what a reader gets (content-type …).

        `check` is given what it would replace, and may raise.
        """
        file, length, digest = self._fill([pieces] if isinstance(pieces, bytes) else pieces)
        kept = {"content-type": BINARY, "content-md5": digest} | {k: v for k, v in (headers or {}).items() if v}
        fresh: Body = {"name": name, "file": file, "length": length, "headers": kept, "metadata": dict(metadata or {})}
        try:
            with self._store.transaction():
                before = self.find(account, container, name)
                if check:
                    check(before)
                stamps = _stamps()
                fresh |= stamps | {"created": before["created"] if before else stamps["modified"]}
                self._store.put(BLOB, _key(account, container, name), fresh)
        except BaseException:
            self.path(fresh).unlink()
            raise
        if before:
            self.path(before).unlink(missing_ok=True)
        return fresh

    def append(self, account: str, container: str, name: str, data: bytes) -> Body:
        """Put it at the end, as a log grows; makes the blob where there is none. One writer at a time."""
        with self._store.transaction():
            kept = self.find(account, container, name)
            if kept is None:
                return self.write(account, container, name, data, headers={"content-type": "text/plain"})
            with self.path(kept).open("r+b") as file:
                file.seek(kept["length"])  # what a killed writer has left beyond it goes
                file.write(data)
                file.truncate()
            kept["headers"].pop("content-md5", None)
            kept |= _stamps() | {"length": kept["length"] + len(data)}
            self._store.put(BLOB, _key(account, container, name), kept)
        return kept

    def change(self, account: str, container: str, name: str, part: str, values: Mapping[str, str]) -> Body | None:
        """Other `metadata` or `headers`, the content staying as it is; None where there is no such blob."""
        with self._store.transaction():
            kept = self.find(account, container, name)
            if kept:
                md5 = {"content-md5": kept["headers"].get("content-md5", "")} if part == "headers" else {}
                kept |= {part: {key: value for key, value in (md5 | dict(values)).items() if value}} | _stamps()
                self._store.put(BLOB, _key(account, container, name), kept)
        return kept

    def delete(self, account: str, container: str, name: str) -> Body | None:
        gone = self._store.delete(BLOB, _key(account, container, name))
        for key, block in self._store.items(BLOCK, _block_key(account, container, name, "")):
            self._drop_block(key, block)
        if gone:
            self.path(gone).unlink(missing_ok=True)
        return gone

    # Blocks

    def stage(self, account: str, container: str, name: str, block_id: str, data: bytes) -> None:
        """Keep a block until it is committed."""
        file, length, _ = self._fill([data])
        key = _block_key(account, container, name, block_id)
        with self._store.transaction():
            before = self._store.get(BLOCK, key)
            self._store.put(BLOCK, key, {"file": file, "length": length, "id": block_id})
        if before:
            self.path(before).unlink(missing_ok=True)

    def commit(
        self,
        account: str,
        container: str,
        name: str,
        block_ids: Iterable[str],
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
        check: Check | None = None,
    ) -> Body:
        """The blob is these blocks, in this order: staged ones or, by their old ids, those that it is made of already.

        Staged ones that are not named are dropped. Raises KeyError for an unknown one.
        """
        known = self._committed(account, container, name)
        staged = self._store.list(BLOCK, _block_key(account, container, name, ""))
        known |= {block["id"]: (self.path(block), 0, block["length"]) for block in staged}
        blocks = [(one, known[one]) for one in block_ids]
        pieces = _sections(section for _, section in blocks)
        made = self.write(account, container, name, pieces, metadata, headers, check)
        with self._store.transaction():
            # By the checksum of the whole Azure does not know a blob that came in blocks.
            made["headers"] = {key: value for key, value in made["headers"].items() if key != "content-md5"}
            made["blocks"] = [(one, length) for one, (_, _, length) in blocks]
            self._store.put(BLOB, _key(account, container, name), made)
        for key, block in self._store.items(BLOCK, _block_key(account, container, name, "")):
            self._drop_block(key, block)
        return made

    def _committed(self, account: str, container: str, name: str) -> dict[str, Section]:
        """Where in the blob's file its blocks are."""
        found: dict[str, Section] = {}
        blob, at = self.find(account, container, name) or {}, 0
        for one, length in blob.get("blocks", ()):
            found[one] = (self.path(blob), at, length)
            at += length
        return found

    def sweep(self) -> None:
        """Remove the files that no document names: of writers that were killed. Nobody may be writing."""
        named = {one["file"] for kind in (BLOB, BLOCK) for one in self._store.list(kind)}
        for place in self._folder.glob("*/*"):
            if place.name not in named:
                place.unlink()

    def _drop_block(self, key: str, block: Body) -> None:
        self._store.delete(BLOCK, key)
        self.path(block).unlink(missing_ok=True)

    def _fill(self, pieces: Iterable[bytes]) -> tuple[str, int, str]:
        """A new file's name, its length, and the MD5 (base64) of its content."""
        name = uuid.uuid4().hex
        place = self.path({"file": name})
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        length, digest = 0, hashlib.md5(usedforsecurity=False)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                length += len(piece)
        return name, length, base64.b64encode(digest.digest()).decode()


def read_section(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    """A part of a file, in pieces."""
    file.seek(first)
    while length > 0 and (piece := file.read(min(PIECE, length))):
        length -= len(piece)
        yield piece


def _sections(sections: Iterable[Section]) -> Iterator[bytes]:
    for path, first, length in sections:
        with path.open("rb") as file:
            yield from read_section(file, first, length)


def _key(account: str, container: str, name: str) -> str:
    return f"{account}/{container}/{name}"


def _block_key(account: str, container: str, name: str, block_id: str) -> str:
    return f"{hashlib.sha256(_key(account, container, name).encode()).hexdigest()}/{block_id}"


def _stamps() -> dict[str, str]:
    return {"etag": f'"0x8D{uuid.uuid4().hex[:13].upper()}"', "modified": clock.now()}
