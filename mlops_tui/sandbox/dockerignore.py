""".dockerignore: what of a context COPY does not see (Docker's build context reference, ".dockerignore files").

The last pattern that fits a file, or a folder above it, decides; `!` takes back.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mlops_tui.sandbox.build_context import ContextError
from mlops_tui.sandbox.storage import remove


def prune(context: Path) -> None:
    """Remove what the context's .dockerignore names, if it has one. Raises ContextError."""
    listed = context / ".dockerignore"
    if not listed.is_file():
        return
    lines = listed.read_text(encoding="utf-8", errors="replace").split("\n")
    patterns = [found for line in lines if (found := _read(line))]
    files = [place for place in context.rglob("*") if not place.is_dir()]
    for place in files:
        if _is_ignored(place.relative_to(context).as_posix(), patterns):
            place.unlink()
    for folder in sorted((place for place in context.rglob("*") if place.is_dir()), reverse=True):
        if not any(folder.iterdir()) and _is_ignored(folder.relative_to(context).as_posix(), patterns):
            remove(folder)


def _read(line: str) -> tuple[bool, re.Pattern[str]] | None:
    """Whether a line's files are ignored or taken back, and which they are; None for one that says nothing."""
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    ignored = not text.startswith("!")
    clean = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
    if clean in ("", "."):
        return None
    try:
        return ignored, re.compile(_expression(clean))
    except re.error as error:
        raise ContextError(f"error checking context: the pattern '{text}' of .dockerignore: {error}") from error


def _expression(pattern: str) -> str:
    """A pattern as a regular expression, for a path and all below it: `**` stands for any number of folders."""
    made = ""
    for part in re.split(r"(\*\*/?|\*|\?|\[[^\]]*\])", pattern):
        if part in ("**", "**/"):
            made += "(?:.*/)?" if part == "**/" else ".*"
        elif part in ("*", "?"):
            made += f"[^/]{part if part == '*' else ''}"
        elif part.startswith("[") and len(part) > 2:
            made += part.replace("[!", "[^", 1)
        else:
            made += re.escape(part)
    return f"{made}(?:/.*)?"


def _is_ignored(path: str, patterns: list[tuple[bool, re.Pattern[str]]]) -> bool:
    decided = [ignored for ignored, pattern in patterns if pattern.fullmatch(path)]
    return bool(decided) and decided[-1]
