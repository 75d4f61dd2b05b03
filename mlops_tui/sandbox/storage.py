"""Files of the sandbox's cloud on this machine's disk: paths that cannot leave their root, writes that are whole.

Below `<sandbox>/files` stand the roots `Workspace`, `dbfs`, `Volumes`, `Models` and `databricks-datasets`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

SEGMENT_LIMIT = 255  # bytes in one name, as most file systems have it


class PathError(ValueError):
    """A path that names nothing below its root; the message is fit to be shown."""


def segments(path: str) -> list[str]:
    """The names in an absolute path. Raises PathError for a relative path, `..` and names no file can have."""
    if not path.startswith("/"):
        raise PathError(f"Path must be absolute: {path}")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names or any("\0" in name or len(name.encode()) > SEGMENT_LIMIT for name in names):
        raise PathError(f"Path is not valid: {path!r}")
    return names


def canonical(path: str) -> str:
    """One spelling of a path: absolute, no empty names, no slash at the end. Raises PathError."""
    return "/" + "/".join(segments(path))


class Tree:
    """A folder of files addressed by absolute paths with slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, path: str) -> Path:
        """Where that path is on disk. Raises PathError where it, or a symbolic link on its way, leads outside."""
        place = self.root.joinpath(*segments(path))
        if not place.resolve().is_relative_to(self.root.resolve()):
            raise PathError(f"Path leads out of its file system: {path!r}")
        return place


def write_whole(target: Path, data: bytes, scratch: Path) -> None:
    """Write beside, then rename: a reader, or a kill, finds the old file or the new one.

    `scratch` is a folder on the same file system that no listing shows. Raises OSError where a parent is a file.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = scratch / secrets.token_hex(8)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    move_into(fresh, target)


def move_into(fresh: Path, target: Path) -> None:
    """Rename a finished file to its place, making the folders on the way; removes it where that fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def remove(place: Path) -> None:
    """A file or a whole folder; nothing where nothing is. A symbolic link goes, not what it points to."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def modified_ms(place: Path) -> int:
    """When it was last written, in milliseconds since 1970, as Databricks gives times."""
    return place.stat().st_mtime_ns // 1_000_000


def children(folder: Path) -> list[Path]:
    """What a folder holds, by name; not the links that lead nowhere."""
    return sorted(child for child in folder.iterdir() if child.exists())
