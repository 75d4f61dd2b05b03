"""What stories of Azure DevOps start from: a project of their own in the practice organisation, and real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_tui.clouds.azure_devops import AzureDevOps
from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox import process
from mlops_tui.session import Session
from tests.conftest import LiveSandbox
from tests.credentials import of_owner, written

SECONDS = 60  # for one command of git


def cloud_of(live: LiveSandbox) -> Cloud:
    return local_cloud(live.origin, str(live.ca))


def project_of(live: LiveSandbox, name: str, **ci: Any) -> Project:
    """One whose repository and pipeline bear its name."""
    given = {"host": "azure-devops", "organization": "practice"}
    given["azure_devops_token"] = written(live.folder)["azure_devops_token"]
    return Project(**of_owner(live.folder), name=name, ci=Ci(**{**given, **ci}))


@contextmanager
def devops(live: LiveSandbox, project: Project) -> Iterator[AzureDevOps]:
    session = Session(project, cloud_of(live))
    try:
        yield session.clients.azure_devops
    finally:
        session.close()


def ask(live: LiveSandbox, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The practice cloud's own door."""
    address = process.Address(int(live.origin.rpartition(":")[2]))
    answer: dict[str, Any] = process.ask(live.folder, address, method, path, body)
    return answer


def writes(live: LiveSandbox) -> list[str]:
    listed = ask(live, "GET", "/_sandbox/requests?writes=1")["requests"]
    return [f"{line['method']} {line['path']}" for line in listed]


@contextmanager
def switched(live: LiveSandbox, **switches: Any) -> Iterator[None]:
    """The practice organisation as it is told to be; as before afterwards."""
    all_of_them = ask(live, "GET", "/_sandbox/devops")["organizations"]
    before = next(one for one in all_of_them if one["name"] == "practice")
    ask(live, "POST", "/_sandbox/devops", switches)
    try:
        yield
    finally:
        ask(live, "POST", "/_sandbox/devops", {name: before[name] for name in switches})


class Git:
    """git as a person runs it, with a header for signing in that is in no argument."""

    def __init__(self, live: LiveSandbox, folder: Path, authorization: str = "") -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSL_CAINFO": str(live.ca),
            **{f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        if authorization:
            self._environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraheader",
                "GIT_CONFIG_VALUE_0": f"Authorization: {authorization}",
            }

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def push(self, url: str, files: dict[str, str], message: str, branch: str = "main") -> str:
        """The commit, made of these files on top of what is there."""
        if not (self._folder / ".git").exists():
            self.run("init", "--quiet", f"--initial-branch={branch}")
            self.run("remote", "add", "origin", url)
            if self.run("ls-remote", "--exit-code", "origin", f"refs/heads/{branch}", check=False).returncode == 0:
                self.run("pull", "--quiet", "origin", branch)
        for name, text in files.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message", message)
        self.run("push", "--quiet", "origin", f"HEAD:{branch}")
        return self.run("rev-parse", "HEAD").stdout.strip()


def with_ci(project: Project, **changes: Any) -> Project:
    return replace(project, ci=replace(project.ci, **changes))
