"""%pip: what a run installs goes into a folder of its own, before everything else on its path.

The sandbox's own environment is never touched. Packages that are there already count as installed; of the others, and
of what they need in turn, only what is missing is fetched.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_WITH_VALUE = {
    *("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-c", "--constraint", "--trusted-host"),
    *("--no-binary", "--only-binary"),
}
_RESTART_NOTE = (
    "Note: you may need to restart the kernel using %restart_python or dbutils.library.restartPython() to use updated"
    " packages."
)


class PipError(Exception):
    """A %pip line did not do what it asked for."""


class Pip:
    """Runs %pip lines for one run; `folder` takes what they install, `environment` is for the installer."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment

    def run(self, line: str) -> None:
        command, *arguments = shlex.split(line) or [""]
        if command == "install":
            self._install(arguments)
        elif command in ("list", "freeze"):
            self._list()
        else:
            raise PipError(f"%pip {command}: the sandbox's clusters know %pip install, list and freeze")

    def _list(self) -> None:
        for distribution in sorted(importlib.metadata.distributions(), key=lambda found: found.name.lower()):
            _say(f"{distribution.name}=={distribution.version}")

    def _install(self, arguments: list[str]) -> None:
        options, wanted = _split(arguments)
        missing: list[str] = []
        upgrade = "-U" in options or "--upgrade" in options
        for text in wanted:
            found = None if upgrade else _installed(text)
            if found:
                _say(f"Requirement already satisfied: {text} (the cluster has {found})")
            else:
                missing.append(text)
        if not missing:
            return
        before = {name.split(".")[0] for name in sys.modules}
        while missing:
            self._fetch(options, missing)
            missing = self._needed()
        if before & {found.name.removesuffix(".py") for found in self.folder.iterdir()}:
            _say(_RESTART_NOTE)

    def _fetch(self, options: list[str], requirements: list[str]) -> None:
        installer = _installer()
        _say(f"Installing for this run only: {' '.join(requirements)}")
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [*installer, "--target", str(self.folder), "--upgrade", "--no-deps", *options, *requirements]
        done = subprocess.run(command, env=self._environment, check=False)  # it prints to the run's output
        if done.returncode:
            raise PipError(f"%pip install {' '.join(requirements)} failed with exit code {done.returncode}")
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        importlib.invalidate_caches()

    def _needed(self) -> list[str]:
        """What the packages of the folder need and nobody has."""
        needed = {
            text
            for distribution in importlib.metadata.distributions(path=[str(self.folder)])
            for text in distribution.requires or []
            if _applies(text) and not _installed(text)
        }
        return sorted(needed)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Options and requirements of `pip install`; -r files are read."""
    options: list[str] = []
    wanted: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in ("-r", "--requirement"):
            lines = Path(rest.pop(0)).read_text().splitlines()
            rest = [word for line in lines for word in _words(line)] + rest
        elif argument in _WITH_VALUE:
            options += [argument, rest.pop(0)]
        elif argument.startswith("-"):
            options.append(argument)
        else:
            wanted.append(argument)
    return options, wanted


def _words(line: str) -> list[str]:
    line = line.split(" #")[0].strip()
    if not line or line.startswith("#"):
        return []
    return shlex.split(line) if line.startswith("-") else [line]


def _applies(text: str) -> bool:
    marker = Requirement(text).marker
    return marker is None or marker.evaluate({"extra": ""})


def _installed(text: str) -> str | None:
    """ "name version" of the installed package that meets the requirement. None also for paths and URLs."""
    try:
        requirement = Requirement(text)
        version = importlib.metadata.version(canonicalize_name(requirement.name))
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return None
    if requirement.url or not requirement.specifier.contains(version, prereleases=True):
        return None
    return f"{requirement.name} {version}"


def _installer() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise PipError("%pip install needs pip in the sandbox's environment, or uv on the path")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (a notebook's output)
