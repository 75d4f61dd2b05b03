"""The files that a build is given: unpacked with care, and copied into the image as COPY says.

Of an archive only folders and regular files are taken, at names below the folder it is unpacked into. Links are
refused, also those that stay inside: nothing in a build needs them, and so nothing can lead out.
"""

from __future__ import annotations

import fnmatch
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SIZE_LIMIT = 2 * 1024**3  # bytes, unpacked
FILE_LIMIT = 50_000


class ContextError(Exception):
    """An archive that cannot be taken, or a file that is not in it; in Docker's words where it has some."""


def unpack(archive: Path, folder: Path) -> int:
    """The number of bytes that were unpacked into `folder`. Raises ContextError."""
    size = count = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                size, count = size + member.size, count + 1
                if size > SIZE_LIMIT or count > FILE_LIMIT:
                    limits = f"{SIZE_LIMIT // 1024**2} MB and {FILE_LIMIT} files"
                    raise ContextError(f"the build context is larger than the sandbox takes ({limits})")
                _take(tar, member, folder)
    except (tarfile.TarError, EOFError, OSError, zlib.error, UnicodeError) as error:
        raise ContextError(f"error reading the build context: {error}") from error
    return size


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise ContextError(f"the build context has a file outside of its folder: {member.name!r}")
    if not member.isfile() and not member.isdir():
        raise ContextError(
            f"the build context has a link or a device, which the sandbox does not take: {member.name!r}"
        )
    place = folder / name
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = tar.extractfile(member)
    assert source is not None  # of a regular file
    with source, place.open("wb") as target:
        shutil.copyfileobj(source, target)
    place.chmod(0o700 if member.mode & 0o100 else 0o600)


def copy(context: Path, sources: list[str], target: str, root: Path, workdir: str) -> None:
    """COPY: files and what folders hold, to a path of the image. Raises ContextError."""
    wanted = posixpath.normpath(posixpath.join("/", workdir, target))
    into_folder = target.endswith(("/", "/.")) or target == "."
    found = [place for source in sources for place in _matching(context, source)]
    place = inside(root, wanted)
    if (len(sources) > 1 and not into_folder) or (len(found) > 1 and not into_folder and not place.is_dir()):
        message = "When using COPY with more than one source file, the destination must be a directory and end with a /"
        raise ContextError(message)
    for source in found:
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
            continue
        goal = place / source.name if into_folder or place.is_dir() else place
        goal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(source, goal)


def inside(root: Path, path: str) -> Path:
    """Where an absolute path of the image is on disk. Raises ContextError where a link on its way leads outside."""
    place = root / path.lstrip("/")
    if not place.resolve().is_relative_to(root.resolve()):
        raise ContextError(f"the path leads out of the image: {path!r}")
    return place


def _matching(context: Path, source: str) -> list[Path]:
    """What a source of COPY stands for; its wildcards do not cross slashes."""
    clean = posixpath.normpath(source.lstrip("/") or ".")
    if clean == ".." or clean.startswith("../"):
        raise ContextError(f"COPY failed: forbidden path outside the build context: {source} ()")
    if not any(mark in clean for mark in "*?["):
        place = context / clean
        if not place.exists():
            raise ContextError(
                f"COPY failed: file not found in build context or excluded by .dockerignore: stat {clean}: file does "
                "not exist"
            )
        return [place]
    found = sorted(_globbed(context, PurePosixPath(clean).parts))
    if not found:
        raise ContextError("COPY failed: no source files were specified")
    return found


def _globbed(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    if not parts:
        yield folder
    elif folder.is_dir():
        for child in folder.iterdir():
            if fnmatch.fnmatchcase(child.name, parts[0]):
                yield from _globbed(child, parts[1:])
