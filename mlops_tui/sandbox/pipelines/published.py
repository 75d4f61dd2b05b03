"""Artifacts of a run: folders that jobs hand over by copying. A name is given once, as on both hosts."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

FORBIDDEN = re.compile(r'["\\/:<>|*?\r\n]')  # in names (actions/toolkit, artifact; Azure Pipelines has nearly the same)
GLOB = re.compile(r"[*?\[]")
SUFFIX = ".part"  # of one that is not whole yet


class ArtifactError(Exception):
    """Something about an artifact cannot be done; the message says why."""


class NothingFoundError(ArtifactError):
    """No file is where they were said to be."""


def listed(root: Path) -> dict[str, Path]:
    """Names and folders."""
    found = sorted(root.iterdir()) if root.is_dir() else []
    return {path.name: path for path in found if path.is_dir() and not path.name.endswith(SUFFIX)}


def publish(root: Path, name: str, patterns: str, base: Path, hidden: bool) -> int:
    """How many files there were. `patterns`: paths, one a line, with `*`, and with `!` before what is left out."""
    if not name or name.startswith(".") or FORBIDDEN.search(name):
        raise ArtifactError(f"The artifact name is not valid: {name}.")
    if name in listed(root):
        raise ArtifactError(f"Artifact {name} already exists on this run.")
    files = sorted(_chosen([line.strip() for line in patterns.splitlines() if line.strip()], base, hidden))
    if not files:
        raise NothingFoundError(f"No files were found with the provided path: {patterns.strip()}.")
    top = _top(patterns, base, files)
    part = root / f"{uuid.uuid4().hex}{SUFFIX}"
    for file in files:
        place = part / file.relative_to(top)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(file, place)
    try:
        part.rename(root / name)
    except OSError as error:  # another job was faster
        shutil.rmtree(part)
        raise ArtifactError(f"Artifact {name} already exists on this run.") from error
    return len(files)


def take(root: Path, name: str, place: Path) -> int:
    """Copy one to a folder; how many files. Raises ArtifactError where there is none of that name."""
    found = listed(root).get(name)
    if found is None:
        raise ArtifactError(f"Artifact not found for name: {name}")
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(found, place, dirs_exist_ok=True)
    return sum(path.is_file() for path in found.rglob("*"))


def _chosen(patterns: list[str], base: Path, hidden: bool) -> set[Path]:
    found: set[Path] = set()
    for pattern in patterns:
        files = set(_files(base, pattern.removeprefix("!").strip()))
        found = found - files if pattern.startswith("!") else found | files
    return found if hidden else {path for path in found if not _is_hidden(path, base)}


def _is_hidden(path: Path, base: Path) -> bool:
    parts = path.relative_to(base).parts if path.is_relative_to(base) else path.parts[-1:]
    return any(part.startswith(".") for part in parts)


def _files(base: Path, pattern: str) -> Iterator[Path]:
    """Below a folder, or one file, or what fits."""
    root, rest = (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (base, pattern)
    places = root.glob(rest) if GLOB.search(rest) else [root / rest]
    for place in places:
        if place.is_file():
            yield Path(os.path.normpath(place))
        elif place.is_dir():
            yield from (Path(os.path.normpath(path)) for path in place.rglob("*") if path.is_file())


def _top(patterns: str, base: Path, files: list[Path]) -> Path:
    """What the paths in the artifact begin below: the one folder that was named, or what all files share."""
    lines = [line.strip() for line in patterns.splitlines() if line.strip() and not line.strip().startswith("!")]
    if len(lines) == 1 and not GLOB.search(lines[0]):
        named = Path(os.path.normpath(base / lines[0]))
        return named if named.is_dir() else named.parent
    return Path(os.path.commonpath([file.parent for file in files]))
