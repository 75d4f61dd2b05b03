"""One run of a quick build, from the uploaded source to the pushed image, and the log that tells of it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox import build_context
from mlops_tui.sandbox.build_context import ContextError
from mlops_tui.sandbox.image_build import (
    BuildCanceledError,
    BuildFailedError,
    BuildTimeoutError,
    ImageBuild,
    Order,
)
from mlops_tui.sandbox.images import REPOSITORY, TAG_NAME, Images, split_name
from mlops_tui.sandbox.storage import remove

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")
STOPPED = "the sandbox was stopped while the build ran: build it again"


class BuildLog:
    """A text file that grows line by line, with line ends as ACR writes them."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path

    def begin(self) -> None:
        """Readers find an empty log, not none."""
        self._path.touch(mode=0o600)

    def say(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(f"{line}\r\n")

    def step(self, line: str) -> None:
        """A line of the agent, with its time."""
        self.say(f"{time.strftime('%Y/%m/%d %H:%M:%S')} {line}")


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: str
    error: str | None = None
    images: tuple[Body, ...] = ()


class Cancellation(threading.Event):
    """Set when a run is to end early, and with what ending."""

    ended = Ended("Canceled")


class BuildRun:
    """Does the work of a run document."""

    def __init__(
        self, sandbox: Sandbox, run: Body, login_server: str, source: Path, told: BuildLog, canceled: Cancellation
    ) -> None:
        self._sandbox = sandbox
        self._run = run
        self._login_server = login_server
        self._source = source
        self._log = told
        self._canceled = canceled
        self._images = Images(sandbox)

    def work(self, keep: Callable[[Ended], bool]) -> None:
        """From its start to its end; `keep` takes the ending, and says False where nobody wants it any more."""
        started = time.monotonic()
        made = self._images.scratch(self._run["registry"])
        try:
            self._build(made, started, keep)
            return
        except BuildCanceledError:
            ended = self._canceled.ended
        except BuildTimeoutError:
            ended = Ended("Timeout", f"the run took longer than its timeout of {self._timeout} s")
        except (BuildFailedError, ContextError) as error:
            self._log.say(str(error))
            ended = Ended("Failed", f"failed during run, err: exit status 1: {error}")
        except Exception as error:  # a defect of ours fails this run; nobody may wait for it for ever
            log.exception("run %s", self._run["run_id"])
            ended = Ended("Failed", f"the sandbox failed: {error!r}; its log says where")
        finally:
            remove(made)
        with self._sandbox.store.transaction():  # whoever hears of the end finds the whole log
            if keep(ended):
                self.tell_end(ended, time.monotonic() - started)

    def tell_end(self, ended: Ended, seconds: float) -> None:
        how = {
            "Succeeded": f"was successful after {seconds:.0f}s",
            "Canceled": f"was canceled after {seconds:.0f}s",
            "Timeout": f"timed out after {seconds:.0f}s. Error: {ended.error}",
        }.get(ended.status, f"failed after {seconds:.0f}s. Error: {ended.error}")
        self._log.say(f"\r\nRun ID: {self._run['run_id']} {how}")

    @property
    def _timeout(self) -> int:
        return int(self._run["request"]["timeout"])

    def _build(self, made: Path, started: float, keep: Callable[[Ended], bool]) -> None:
        request, tell = self._run["request"], self._log
        names = [self._name(text) for text in request["imageNames"]]
        context = made / "context"
        context.mkdir(mode=0o700)
        tell.step("Downloading source code...")
        if not self._source.is_file():
            raise BuildFailedError(f"failed to download context: '{request['sourceLocation']}' was not uploaded")
        size = build_context.unpack(self._source, context)
        tell.step("Finished downloading source code")
        tell.step(f"Executing step ID: build. Timeout(sec): {self._timeout}, Working directory: '', Network: ''")
        tell.say(f"Sending build context to Docker daemon  {size / 1000:.4g}kB")
        order = Order(
            context=context,
            dockerfile=request["dockerFilePath"],
            arguments={one["name"]: one["value"] for one in request["arguments"]},
            target=request["target"],
            deadline=started + self._timeout,
            canceled=self._canceled,
        )
        built = ImageBuild(order, made, tell.say).run()
        remove(context)
        tell.say(f"Successfully built {built['config'].removeprefix('sha256:')[:12]}")
        for repository, tag in names:
            tell.say(f"Successfully tagged {self._login_server}/{repository}:{tag}")
        tell.step(f"Step ID: build marked as successful (elapsed time in seconds: {time.monotonic() - started:.6f})")
        self._push(made, built, names, started, keep)

    def _push(
        self, made: Path, built: Body, names: list[tuple[str, str]], started: float, keep: Callable[[Ended], bool]
    ) -> None:
        """All at once: whoever hears that the run has succeeded finds its images, and nobody finds them before."""
        pushed = names if self._run["request"]["isPushEnabled"] else []
        images = tuple(
            {"registry": self._login_server, "repository": repository, "tag": tag, "digest": built["digest"]}
            for repository, tag in pushed
        )
        ended = Ended("Succeeded", images=images)
        for repository, tag in pushed:
            self._log.step(f"Pushing image: {self._login_server}/{repository}:{tag}, attempt 1")
            self._log.say(f"The push refers to repository [{self._login_server}/{repository}]")
            self._log.say(f"{built['layer'].removeprefix('sha256:')[:12]}: Pushed")
            self._log.say(f"{tag}: digest: {built['digest']} size: {built['size']}")
            self._log.step(f"Successfully pushed image: {self._login_server}/{repository}:{tag}")
        if images:
            self._tell_dependencies(images, built)
        with self._sandbox.store.transaction():
            for repository, tag in pushed:
                facts = built | {"registry": self._run["registry"], "repository": repository}
                self._images.add(made, facts, [tag])
            if not keep(ended):
                raise BuildCanceledError  # which takes back what was added
            self.tell_end(ended, time.monotonic() - started)

    def _tell_dependencies(self, images: tuple[Body, ...], built: Body) -> None:
        self._log.step("The following dependencies were found:")
        self._log.step("")
        for image in images:
            self._log.say("- image:")
            for name in ("registry", "repository", "tag", "digest"):
                self._log.say(f"    {name}: {image[name]}")
            self._log.say(f"  runtime-dependency:\r\n    image: {built['base']}\r\n  git: {{}}")

    def _name(self, text: str) -> tuple[str, str]:
        """Repository and tag of an image name, with or without the registry in front. Raises BuildFailedError."""
        name = re.sub(r"\{\{\s*\.Run\.ID\s*\}\}", self._run["run_id"], text)
        name = re.sub(r"^(\$Registry|\{\{\s*\.Run\.Registry\s*\}\}|" + re.escape(self._login_server) + ")/", "", name)
        repository, tag = split_name(name)
        if not REPOSITORY.fullmatch(repository) or not TAG_NAME.fullmatch(tag):
            raise BuildFailedError(f'invalid argument "{text}" for "-t, --tag" flag: invalid reference format')
        return repository, tag
