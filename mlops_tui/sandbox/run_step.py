"""RUN: of all that a shell can do, `pip install` and `python`, joined by `&&`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.sandbox import build_context, build_process, dockerfile, pip_step
from mlops_tui.sandbox.base_images import OWN, BaseImage
from mlops_tui.sandbox.dockerfile import DockerfileError, Instruction
from mlops_tui.sandbox.pip_step import PipFailedError

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
PYTHON = re.compile(r"(?:/usr/(?:local/)?bin/)?python(?:3(?:\.\d+)?)?")
PIP = re.compile(r"(?:/usr/(?:local/)?bin/)?pip3?")


class CommandFailedError(Exception):
    """A command ended with an exit code other than 0."""


@dataclass(frozen=True)
class Place:
    """The image in which a command runs, as it is so far."""

    root: Path
    workdir: str
    environment: dict[str, str]
    arguments: dict[str, str]
    base: BaseImage


class RunStep:
    """One RUN of a build."""

    def __init__(self, step: Instruction, place: Place, say: Callable[[str], None], check: Callable[[], None]) -> None:
        self._step = step
        self._place = place
        self._say = say
        self._check = check

    def run(self) -> None:
        """Raises CommandFailedError, DockerfileError for what cannot be done here, and what `check` raises."""
        for name, value in self._step.flags:
            if name != "network" and not (name == "mount" and value.startswith("type=cache")):
                raise DockerfileError(f"the sandbox cannot do RUN --{name}={value}")
        listed = self._step.listed
        for command in self._split() if listed is None else [listed]:
            self._do(command)

    def _split(self) -> list[list[str]]:
        """The commands of the shell form. Raises DockerfileError for all of a shell's language but `&&`."""
        text = self._step.text
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            signs = {token for token in lexer if token and not token.strip("();<>|&")}
        except ValueError as error:
            raise DockerfileError(f"/bin/sh: Syntax error: {error}") from error
        if signs - {"&&"} or "`" in text or "$(" in text:
            raise self._unable("it has no shell, and knows commands joined by && alone")
        commands: list[list[str]] = [[]]
        for word in dockerfile.words(text, self._place.arguments | self._place.environment):
            if word == "&&":
                commands.append([])
            else:
                commands[-1].append(word)
        return commands

    def _unable(self, why: str) -> DockerfileError:
        return DockerfileError(f"the sandbox cannot do '{self._step.shown}': {why}")

    def _do(self, words: list[str]) -> None:
        environment = self._place.arguments | self._place.environment
        while words and ASSIGNMENT.fullmatch(words[0]):
            name, _, value = words[0].partition("=")
            environment[name], words = value, words[1:]
        program = words[0] if words else ""
        folder = build_context.inside(self._place.root, self._place.workdir)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if PIP.fullmatch(program):
            self._pip(words[1:], folder)
        elif PYTHON.fullmatch(program) and words[1:3] == ["-m", "pip"]:
            self._pip(words[3:], folder)
        elif PYTHON.fullmatch(program):
            self._python(words[1:], folder, environment)
        else:
            raise self._unable("it has no Docker, and runs pip install and python alone")

    def _python(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._require_own_python()
        command = ["python", *(self._on_disk(word) for word in arguments)]
        if code := build_process.run(command, folder, environment, self._say, self._check):
            raise self._failed(code)

    def _on_disk(self, word: str) -> str:
        """An absolute path of the image as the path on disk, where there is such a file."""
        if not word.startswith("/"):
            return word
        place = build_context.inside(self._place.root, word)
        return str(place) if place.exists() else word

    def _pip(self, arguments: list[str], folder: Path) -> None:
        self._require_own_python()
        try:
            pip_step.install(arguments, self._place.root, folder, self._say)
        except PipFailedError as error:
            for line in str(error).splitlines():
                self._say(line)
            raise self._failed(1) from error

    def _require_own_python(self) -> None:
        """What can be had and run here is made for the sandbox's own Python."""
        base = self._place.base
        if not base.is_own:
            self._say(f"ERROR: {base.name} has Python {base.python}, and all packages here require Python {OWN}.")
            self._say(f"The sandbox builds with its own Python: use FROM python:{OWN}-slim.")
            raise self._failed(1)

    def _failed(self, code: int) -> CommandFailedError:
        shown = " ".join(dockerfile.command(self._step))
        return CommandFailedError(f"The command '{shown}' returned a non-zero code: {code}")
