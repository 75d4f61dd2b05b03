"""Building an image from a Dockerfile and its context without Docker: what can be done is really done.

Files are copied, requirements are checked against the sandbox's own Python environment, Python programs run. Whatever
else a Dockerfile asks for fails the build, with its line: no image is ever other than its Dockerfile says.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox import build_context, dockerfile, dockerignore
from mlops_tui.sandbox.base_images import BaseImage, UnknownBaseError, base_image
from mlops_tui.sandbox.build_context import ContextError
from mlops_tui.sandbox.dockerfile import DockerfileError, Instruction
from mlops_tui.sandbox.image_layers import write_parts
from mlops_tui.sandbox.images import ROOT
from mlops_tui.sandbox.run_step import CommandFailedError, Place, RunStep

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body

MAKES_FILES = ("COPY", "RUN", "WORKDIR")  # the others change the configuration alone


class BuildTimeoutError(Exception):
    """The time that the run was given is over."""


class BuildCanceledError(Exception):
    """Somebody canceled the run, or the sandbox ends."""


class BuildFailedError(Exception):
    """The build came to its end without an image; the message says why, with the line of the Dockerfile."""


@dataclass(frozen=True)
class Order:
    """What to build: a context on disk, and what came with the request."""

    context: Path
    dockerfile: str
    arguments: dict[str, str]
    target: str
    deadline: float  # as time.monotonic() counts
    canceled: threading.Event


@dataclass
class _State:
    """The image as it is after the steps so far."""

    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    workdir: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    history: list[Body] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        return self.arguments | self.environment

    @property
    def starts(self) -> tuple[str, ...]:
        """What a container runs; an ENTRYPOINT in shell form takes nothing from CMD."""
        return self.entrypoint if self.entrypoint[:2] == ("/bin/sh", "-c") else self.entrypoint + self.command


class ImageBuild:
    """One build: `made` is the folder that takes the image's parts, `say` takes the lines of the log."""

    def __init__(self, order: Order, made: Path, say: Callable[[str], None]) -> None:
        self._order = order
        self._made = made
        self._root = made / ROOT
        self._say = say
        self._state = _State()
        self._base: BaseImage | None = None
        self._shown_id = ""

    def run(self) -> Body:
        """What the registry keeps of the image.

        Raises BuildFailedError, ContextError, BuildTimeoutError and BuildCanceledError.
        """
        self._root.mkdir(mode=0o700)
        steps = self._read()
        dockerignore.prune(self._order.context)  # Docker reads the Dockerfile even where that is ignored
        for number, step in enumerate(steps, 1):
            self._check()
            self._say(f"Step {number}/{len(steps)} : {step.shown}")
            try:
                self._do(step)
            except (DockerfileError, ContextError, UnknownBaseError, CommandFailedError) as error:
                raise BuildFailedError(f"{error} (line {step.line} of the Dockerfile)") from error
            self._state.history.append({"created_by": step.shown, "empty_layer": step.keyword not in MAKES_FILES})
            self._shown_id = hashlib.sha256(f"{self._shown_id}{step.shown}".encode()).hexdigest()[:12]
            self._say(f" ---> {self._shown_id}")
        for name in sorted(set(self._order.arguments) - set(self._state.arguments)):
            self._say(f"[Warning] One or more build-args [{name}] were not consumed")
        self._check()
        return self._finished()

    def _read(self) -> list[Instruction]:
        try:
            path = build_context.inside(self._order.context, self._order.dockerfile)
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ContextError) as error:
            name = self._order.dockerfile
            why = "no such file or directory" if isinstance(error, FileNotFoundError) else str(error)
            message = f"unable to prepare context: unable to evaluate Dockerfile path: /workspace/{name}: {why}"
            raise BuildFailedError(message) from error
        try:
            return dockerfile.parse(text)
        except DockerfileError as error:
            raise BuildFailedError(f"dockerfile parse error line {error.line}: {error}") from error

    def _check(self) -> None:
        if self._order.canceled.is_set():
            raise BuildCanceledError
        if time.monotonic() > self._order.deadline:
            raise BuildTimeoutError

    def _do(self, step: Instruction) -> None:
        handler = getattr(self, f"_do_{step.keyword.lower()}", None)
        if handler is None:
            raise DockerfileError(
                f"the sandbox cannot do '{step.shown}': it has no Docker, and does not know {step.keyword}"
            )
        handler(step)

    def _words(self, step: Instruction) -> list[str]:
        if step.listed is not None:
            return [dockerfile.replaced(word, self._state.variables) for word in step.listed]
        return dockerfile.words(step.text, self._state.variables)

    def _one_word(self, step: Instruction) -> str:
        found = self._words(step)
        if len(found) != 1 or not found[0]:
            raise DockerfileError(f"{step.keyword} requires exactly one argument")
        return found[0]

    def _do_from(self, step: Instruction) -> None:
        found = self._words(step)
        named = len(found) == 3 and found[1].lower() == "as"
        if not found or (len(found) != 1 and not named):
            raise DockerfileError("FROM requires either one or three arguments")
        if self._base is not None:
            raise DockerfileError("the sandbox builds one stage alone: a second FROM is not supported")
        if self._order.target and self._order.target not in (found[2:] or ["0"]):
            raise DockerfileError(f'target stage "{self._order.target}" could not be found')
        self._base = base_image(found[0])
        self._state.arguments = {}  # what came before FROM is good for FROM alone

    def _do_arg(self, step: Instruction) -> None:
        for word in self._words(step):
            name, _, default = word.partition("=")
            self._state.arguments[name] = self._order.arguments.get(name, default)

    def _do_env(self, step: Instruction) -> None:
        self._state.environment |= dockerfile.pairs(step, self._state.variables)

    def _do_label(self, step: Instruction) -> None:
        self._state.labels |= dockerfile.pairs(step, self._state.variables)

    def _do_workdir(self, step: Instruction) -> None:
        self._state.workdir = posixpath.normpath(posixpath.join(self._state.workdir, self._one_word(step)))
        build_context.inside(self._root, self._state.workdir).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _do_copy(self, step: Instruction) -> None:
        if unknown := [name for name, _ in step.flags if name not in ("chown", "chmod", "link")]:
            raise DockerfileError(f"the sandbox cannot do COPY --{unknown[0]}")
        found = self._words(step)
        if len(found) < 2:
            raise DockerfileError("COPY requires at least two arguments")
        build_context.copy(self._order.context, found[:-1], found[-1], self._root, self._state.workdir)

    def _do_expose(self, step: Instruction) -> None:
        for word in self._words(step):
            port, _, protocol = word.partition("/")
            if not port.isdecimal() or not 0 < int(port) < 65536 or protocol not in ("", "tcp", "udp"):
                raise DockerfileError(f"Invalid containerPort: {word}")
            self._state.ports.append(f"{port}/{protocol or 'tcp'}")

    def _do_user(self, step: Instruction) -> None:
        self._state.user = self._one_word(step)

    def _do_cmd(self, step: Instruction) -> None:
        self._state.command = dockerfile.command(step)

    def _do_entrypoint(self, step: Instruction) -> None:
        self._state.entrypoint, self._state.command = dockerfile.command(step), ()

    def _do_run(self, step: Instruction) -> None:
        assert self._base is not None  # FROM is the first step
        place = Place(self._root, self._state.workdir, self._state.environment, self._state.arguments, self._base)
        RunStep(step, place, self._say, self._check).run()

    def _finished(self) -> Body:
        state = self._state
        settings: dict[str, Any] = {"WorkingDir": state.workdir}
        if state.environment:
            settings["Env"] = [f"{name}={value}" for name, value in state.environment.items()]
        if state.labels:
            settings["Labels"] = state.labels
        if state.ports:
            settings["ExposedPorts"] = {port: {} for port in state.ports}
        if state.user:
            settings["User"] = state.user
        if state.entrypoint:
            settings["Entrypoint"] = list(state.entrypoint)
        if state.command:
            settings["Cmd"] = list(state.command)
        build_context.inside(self._root, state.workdir).mkdir(parents=True, exist_ok=True, mode=0o700)
        return write_parts(self._made, settings, state.history) | {
            "base": self._base.name if self._base else "",
            "workdir": state.workdir,
            "environment": state.environment,
            "command": list(state.starts),
            "port": int(state.ports[0].partition("/")[0]) if state.ports else 0,
        }
