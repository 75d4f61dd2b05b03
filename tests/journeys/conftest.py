"""The command line as people call it, each story in a home of its own with a real practice cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox import process

COMMAND = [sys.executable, "-m", "mlops_tui"]
FOREIGN = (
    "ARM_",
    "AZURE_",
    "DATABRICKS_",
    "MLOPS_TUI_",
    "MLFLOW_",
    "REQUESTS_",
    "SSL_",
    "CURL_",
    "GITHUB_",
    "BUILD_",
    "TF_",
)

SLOW = """# Databricks notebook source
import os, time
folder = dbutils.widgets.get("log_path").replace("dbfs:/", "/dbfs/", 1)
os.makedirs(folder, exist_ok=True)
for number in range(600):
    with open(f"{folder}/{number:06d}.log", "w") as file:
        file.write(f"line {number}\\n")
    time.sleep(0.1)
"""


def _heed_interrupts() -> None:
    """A shell that runs the tests in its background lets them ignore Ctrl+C, and whatever they start as well."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """What `--output json` printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


@dataclass
class Home:
    """An empty HOME and what is done in it."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def sandbox(self) -> Path:
        return self.data / "sandbox"

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return mine | {"HOME": str(self.folder), "MLOPS_TUI_HOME": str(self.data)} | self.variables | extra

    def run(self, *arguments: str, timeout: float = 90, **extra: str) -> Ended:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def use_notebook(self, source: str) -> None:
        """A project whose train notebook is `source`."""
        (self.folder / "notebooks").mkdir(exist_ok=True)
        (self.folder / "notebooks" / "train.py").write_text(source)
        (self.folder / "mlops.toml").write_text('[project]\nname = "wine-quality"\nnotebooks = "notebooks"\n')

    def set_up_and_train(self, *options: str, timeout: float = 110) -> Ended:
        """What `up` begins with, for stories that end before a model is delivered."""
        prepared = self.run("setup", *options, timeout=timeout)
        if prepared.code:
            return prepared
        trained = self.run("train", *options, timeout=timeout)
        return Ended(trained.code, prepared.out + trained.out, prepared.err + trained.err)

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_interrupts,
        )

    def kill_when(self, arguments: tuple[str, ...], reached: Any, after: float = 0.0) -> list[dict[str, Any]]:
        """Start the command with JSON output and kill -9 it once `reached(event)`; the events until then."""
        seen: list[dict[str, Any]] = []
        with self.start(*arguments, "--output", "json") as running:
            assert running.stdout is not None
            for line in running.stdout:
                seen.append(json.loads(line))
                if reached(seen[-1]):
                    time.sleep(after)
                    break
            running.send_signal(signal.SIGKILL)
        return seen

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The sandbox's own door."""
        address = process.status(self.sandbox)
        assert address is not None, "the sandbox is not up"
        return process.ask(self.sandbox, address, method, path, body)

    def writes_since(self, seq: int) -> list[str]:
        lines = self.ask("GET", f"/_sandbox/requests?writes=1&since={seq}")["requests"]
        return [f"{line['method']} {line['path']} {line['status']}" for line in lines]

    def last_request(self) -> int:
        lines = self.ask("GET", "/_sandbox/requests")["requests"]
        return int(lines[-1]["seq"]) if lines else 0

    def close(self) -> None:
        process.stop(self.sandbox)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of the test's own."""
    made = Home(tmp_path)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Settled(Home):
    """A home that was empty, and what was told while all was set up there and three runs were trained."""

    begun: Ended = field(default_factory=lambda: Ended(0, "", ""))


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """For the stories that come after."""
    made = Settled(tmp_path_factory.mktemp("settled"))
    try:
        made.begun = made.set_up_and_train("--output", "json")
        assert made.begun.code == 0, made.begun.out[-3000:] + made.begun.err
        yield made
    finally:
        made.close()
