"""What every test may ask for."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class LiveSandbox:
    """A sandbox served over TLS on loopback by a thread of the test process."""

    folder: Path
    origin: str
    ca: Path
    token: str  # a personal access token of the learner, for the Databricks workspace


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSandbox]:
    """One sandbox for all contract tests of this worker; each test takes names of its own."""
    yield from serve(tmp_path_factory.mktemp("sandbox"))


def serve(folder: Path) -> Iterator[LiveSandbox]:
    """Serve a sandbox from `folder` until the generator is closed."""
    import uvicorn

    from mlops_tui.sandbox import certificates, process
    from mlops_tui.sandbox.api import Principal
    from mlops_tui.sandbox.members import Members
    from mlops_tui.sandbox.sandbox import Sandbox
    from mlops_tui.sandbox.server import application

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

    async def run() -> None:
        await server.serve()
        for connection in list(server.server_state.connections):  # clients that keep theirs open answer no goodbye
            connection.transport.abort()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.01)
    learner = Principal("00000000-0000-4000-8000-000000001ea4", "learner@sandbox.example", "Learner", is_user=True)
    token = sandbox.find(Members).issue(learner, "tests", 0)["token_value"]
    yield LiveSandbox(folder, sandbox.origin, ca, token)
    server.should_exit = True
    thread.join(15)
    assert not thread.is_alive(), "the sandbox did not stop"
    with warnings.catch_warnings():  # a client that still holds its connection leaves the server's end of it unclosed
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
