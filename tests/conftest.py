"""What every test may ask for."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops_tui import redaction

if TYPE_CHECKING:
    import uvicorn

    from mlops_tui.sandbox.machines import Machine
    from tests.scheduling import Grouped


# Where these tests are themselves a CI host's job: their commands speak as at a desk.
for _sign in ("TF_BUILD", "GITHUB_ACTIONS"):
    os.environ.pop(_sign, None)

# Dozens of sandboxes and every SDK live in one test process: at its usual pace the collector takes a third of the time.
gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped:
    from tests.scheduling import Grouped

    return Grouped(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from tests.scheduling import longest_first

    items[:] = longest_first(items)


def pytest_collection_finish() -> None:
    """What all tests have imported stays: no collection need look through it, of which each sandbox's end has one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _secrets_of_other_tests_are_words_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test hides stays hidden in its process: the words that it used must not vanish from the next one."""
    monkeypatch.setattr(redaction, "_known", set(redaction._known))
    monkeypatch.setattr(redaction, "_pattern", redaction._pattern)


@dataclass
class LiveSandbox:
    """A sandbox served over TLS on loopback by a thread of the test process."""

    folder: Path
    origin: str
    ca: Path
    token: str  # a personal access token of the learner, for the Databricks workspace


class Sandboxes:
    """One sandbox for each group of test modules; the one before is stopped when the next begins."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._group = ""
        self._serving: Iterator[LiveSandbox] | None = None
        self._live: LiveSandbox | None = None

    def of_group(self, group: str) -> LiveSandbox:
        if self._live is None or group != self._group:
            self.close()
            self._group, self._serving = group, serve(self._factory.mktemp(group))
            self._live = next(self._serving)
        return self._live

    def close(self) -> None:
        for _ in self._serving or ():  # lets the generator end
            pass
        self._serving = self._live = None


@pytest.fixture(scope="session")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    made = Sandboxes(tmp_path_factory)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, sandboxes: Sandboxes) -> LiveSandbox:
    """The sandbox of this module's xdist_group; each test takes names of its own."""
    marks = getattr(request.module, "pytestmark", [])
    groups = [mark.args[0] for mark in (marks if isinstance(marks, list) else [marks]) if mark.name == "xdist_group"]
    return sandboxes.of_group(groups[0] if groups else request.module.__name__)


# A cluster's process, up to the packages that it imports and the training that it does to be warm.
UNWARMED = "from mlops_tui.sandbox.notebooks import warm; warm.warm_up = lambda: None; warm.main()"


def unwarmed(folder: Path, name: str) -> Machine:
    """A cluster that is up in half a second. What its runs import they import themselves: most import nothing."""
    from mlops_tui.sandbox.notebooks.cluster import Cluster

    class Unwarmed(Cluster):
        program = ("-c", UNWARMED)

    return Unwarmed(folder, name)


# The same for practice clouds in processes of their own: every Python that starts reads it.
SITE = """
import sys
if "mlops_tui.sandbox.notebooks.warm" in sys.orig_argv:
    from mlops_tui.sandbox.notebooks import warming
    warming.warm_up = lambda: None
if "mlops_tui.sandbox" in sys.orig_argv:
    from mlops_tui.sandbox.tracking import Tracking
    Tracking.warm_up = lambda self: None
"""


def unwarmed_site(folder: Path) -> str:
    """The PYTHONPATH for stories whose clusters import nothing, or are only started."""
    (folder / "sitecustomize.py").write_text(SITE)
    return str(folder)


def serve(folder: Path) -> Iterator[LiveSandbox]:
    """Serve a sandbox from `folder` until the generator is closed."""
    import uvicorn

    from mlops_tui.sandbox import certificates, clusters, process
    from mlops_tui.sandbox.api import Principal
    from mlops_tui.sandbox.members import Members
    from mlops_tui.sandbox.sandbox import Sandbox
    from mlops_tui.sandbox.server import application

    if clusters.Clusters.cluster_factory is clusters.warm_process:
        clusters.Clusters.cluster_factory = staticmethod(unwarmed)
    ca, certificate, key = certificates.ensure(folder)
    port = process._free_port()
    sandbox = Sandbox(folder, f"https://localhost:{port}")
    config = uvicorn.Config(
        application(sandbox),
        host="127.0.0.1",
        port=port,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.01)
    learner = Principal("00000000-0000-4000-8000-000000001ea4", "learner@sandbox.example", "Learner", is_user=True)
    token = sandbox.find(Members).issue(learner, "tests", 0)["token_value"]
    try:
        yield LiveSandbox(folder, sandbox.origin, ca, token)
    finally:
        _stop(server, thread, loop)


def _stop(server: uvicorn.Server, thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> None:
    """End the server, and with it the connections that clients keep open."""

    def abort() -> None:
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    loop.call_soon_threadsafe(abort)
    server.should_exit = True
    thread.join(15)
    assert not thread.is_alive(), "the sandbox did not stop"
    loop.close()
    with warnings.catch_warnings():  # a client that still holds its connection leaves the server's end of it unclosed
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
