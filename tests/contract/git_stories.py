"""What stories of Git start from: a repository at a practice host, and somebody who pushes to it with real git."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.host_tokens import HostTokens
from tests.contract.azure_fixtures import raw
from tests.contract.workspace_users import inside
from tests.credentials import written

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

TRAIN = "# Databricks notebook source\nprint('training')\n"


@dataclass
class Repository:
    """At the practice cloud's GitHub, with a clone of it on this machine."""

    live: LiveSandbox
    url: str
    clone: Path
    token: str

    def commit(self, files: dict[str, str | None], message: str = "a change") -> str:
        """Write (None: remove), commit and push; the commit."""
        for name, text in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", self.url, "HEAD")
        return self.git("rev-parse", "HEAD")

    def another_token(self) -> str:
        """Of the same person, as good as the first."""
        with inside(self.live) as sandbox:
            owner = HostTokens(sandbox.store).owner("github", self.token)
            assert owner is not None
            return HostTokens(sandbox.store).issue("github", owner)

    def forget(self, commit: str) -> None:
        """As hosts do some time after nothing leads to a commit any more."""
        for path in (self.live.folder / "git" / "github").glob("*.git"):
            where = ["git", f"--git-dir={path}"]
            if subprocess.run([*where, "cat-file", "-e", commit], capture_output=True, check=False).returncode == 0:
                subprocess.run([*where, "reflog", "expire", "--expire=now", "--all"], check=True)
                subprocess.run([*where, "gc", "--quiet", "--prune=now"], check=True)

    def git(self, *words: str) -> str:
        header = base64.b64encode(f"learner:{self.token}".encode()).decode()
        settings = {
            "user.name": "Ada",
            "user.email": "ada@sandbox.example",
            "http.extraHeader": f"Authorization: Basic {header}",
            "http.sslCAInfo": str(self.live.ca),
        }
        variables = {
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        for number, (name, value) in enumerate(settings.items()):
            variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        environment = {"PATH": os.environ["PATH"], **variables}
        done = subprocess.run(
            ["git", *words], cwd=self.clone, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def repository(live: LiveSandbox, folder: Path, name: str = "", visibility: str = "private") -> Repository:
    """A new one, empty still."""
    name = name or f"wine-{uuid.uuid4().hex[:8]}"
    token = written(live.folder)["github_token"]
    body = {"name": name, "private": visibility == "private"}
    made = raw(live, "POST", "/api/v3/orgs/practice/repos", json=body, Authorization=f"Bearer {token}")
    assert made.status_code == 201, made.text()
    clone = folder / name
    clone.mkdir()
    one = Repository(live, f"{live.origin}/practice/{name}.git", clone, token)
    one.git("init", "--quiet", "--initial-branch=main")
    return one
