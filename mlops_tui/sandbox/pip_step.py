"""`pip install` in an image's build or in a pipeline's step: nothing is installed, everything is checked.

Both run in the sandbox's own Python environment, so a requirement is met where that environment meets it, and fails in
pip's words where it does not.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlops_tui.sandbox.libraries import unsatisfied

IN_EVERY_IMAGE = ("pip", "setuptools", "wheel")
WITH_VALUE = {
    *("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--timeout", "--retries"),
    *("--progress-bar", "--root-user-action", "--cache-dir", "--only-binary", "--no-binary"),
}
SWITCHES = {
    *("-q", "--quiet", "-v", "--verbose", "-U", "--upgrade", "--no-cache-dir", "--no-input", "--no-deps", "--user"),
    *("--disable-pip-version-check", "--pre", "--no-compile", "--prefer-binary", "--force-reinstall"),
    *("--ignore-installed", "--break-system-packages", "--no-warn-script-location", "--no-index", "--require-hashes"),
}
HINT = (
    "The sandbox has what its own Python environment has and installs nothing from outside: ask for a version that is "
    "there, or install it beside mlops-tui."
)


class PipFailedError(Exception):
    """pip ended with an exit code other than 0; the message is what it printed."""


def install(arguments: list[str], root: Path, folder: Path, say: Callable[[str], None]) -> None:
    """The arguments after `pip`, as given in a folder of the image that has its files at `root`.

    Raises PipFailedError.
    """
    if arguments[:1] != ["install"]:
        raise PipFailedError(f"ERROR: the sandbox has pip install alone, not pip {' '.join(arguments)}")
    wanted = list(_wanted(arguments[1:], root, folder))
    if not wanted:
        raise PipFailedError('ERROR: You must give at least one requirement to install (see "pip help install")')
    for text in wanted:
        _meet(text, say)


def _meet(text: str, say: Callable[[str], None]) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise PipFailedError(f"ERROR: Invalid requirement: {text!r}: {error}") from error
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        say(f"Ignoring {requirement.name}: markers '{requirement.marker}' don't match your environment")
        return
    name = canonicalize_name(requirement.name)
    if requirement.url:
        raise PipFailedError(f"ERROR: {text} cannot be fetched.\n{HINT}")
    problem = unsatisfied(text)
    if problem and name not in IN_EVERY_IMAGE:
        raise PipFailedError(f"{problem}\n{HINT}")
    say(f"Requirement already satisfied: {text}" + ("" if problem else f" ({version(name)})"))


def _wanted(arguments: list[str], root: Path, folder: Path) -> Iterator[str]:
    """The requirements of a command line or of a line in a requirements file, files read."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        option, equals, value = argument.partition("=")
        if argument.startswith("-r") and not argument.startswith("--"):
            yield from _of_file(argument[2:] or _next(rest, option), root, folder)
        elif option == "--requirement":
            yield from _of_file(value if equals else _next(rest, option), root, folder)
        elif option in WITH_VALUE:
            _ = value if equals else _next(rest, option)
        elif argument in SWITCHES:
            continue
        elif argument.startswith("-"):
            raise PipFailedError(f"ERROR: the sandbox does not know pip install's option {option}")
        elif argument in (".", "..") or "/" in argument.partition(";")[0].partition("@")[0]:
            raise PipFailedError(f"ERROR: {argument} cannot be installed.\n{HINT}")
        else:
            yield argument


def _next(rest: list[str], option: str) -> str:
    if not rest:
        raise PipFailedError(f"ERROR: {option} option requires 1 argument")
    return rest.pop(0)


def _of_file(name: str, root: Path, folder: Path) -> Iterator[str]:
    path = (root / name.lstrip("/") if name.startswith("/") else folder / name).resolve()
    try:
        if not path.is_relative_to(root.resolve()):
            raise FileNotFoundError(name)  # as it would be in the image
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = f"[Errno 2] No such file or directory: '{name}'" if isinstance(error, FileNotFoundError) else str(error)
        raise PipFailedError(f"ERROR: Could not open requirements file: {why}") from error
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.split(" #")[0].strip()
        if line.startswith("-"):
            yield from _wanted(shlex.split(line), root, path.parent)
        elif line and not line.startswith("#"):
            yield line.split(" --")[0].strip()  # what follows are hashes and options of this requirement
