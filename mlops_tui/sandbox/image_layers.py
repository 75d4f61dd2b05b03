"""An image's parts as a registry keeps them: one layer, the configuration, the manifest (OCI image specification 1.1).

The same files and the same configuration make the same bytes, and so the same digest: names are sorted, times and
owners are left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.images import CONFIG, LAYER, MANIFEST_FILE, ROOT

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


class _Hashed:
    """A file for writing that knows the hash of what went through it."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self.sha = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        self.size += len(data)
        self._target.write(data)
        return len(data)

    def flush(self) -> None:
        self._target.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha.hexdigest()}"


def write_parts(made: Path, settings: Body, history: list[Body]) -> Body:
    """Write layer, configuration and manifest beside `made`/root; digests and sizes."""
    diff_id, layer = _write_layer(made)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": history,
    }
    config_digest, config_size = _write_json(made / CONFIG, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": config_size},
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}],
    }
    digest, size = _write_json(made / MANIFEST_FILE, manifest)
    return {
        "digest": digest,
        "size": size,
        "image_size": layer.size + config_size,
        "config": config_digest,
        "layer": layer.digest,
    }


def _write_json(path: Path, value: Body) -> tuple[str, int]:
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    path.write_bytes(data)
    return f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)


def _write_layer(made: Path) -> tuple[str, _Hashed]:
    """The digest of the bare archive, and the packed file."""
    root = made / ROOT
    with (made / LAYER).open("wb") as file:
        packed = _Hashed(file)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=packed, mtime=0) as zipped:
            bare = _Hashed(zipped)
            with tarfile.open(fileobj=bare, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]  # as above
                for place in sorted(_below(root)):
                    _add(tar, place, place.relative_to(root).as_posix())
    return bare.digest, packed


def _below(root: Path) -> list[Path]:
    return [Path(folder) / name for folder, folders, files in os.walk(root) for name in [*folders, *files]]


def _add(tar: tarfile.TarFile, place: Path, name: str) -> None:
    if place.is_socket():  # which an archive cannot hold
        return
    entry = tar.gettarinfo(place, name)
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.pax_headers = {}
    if entry.isreg():
        with place.open("rb") as file:
            tar.addfile(entry, file)
    else:
        tar.addfile(entry)
