"""A runner of pipelines on its own: the service with a host that says yes, and a bare repository made by git."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlops_tui.sandbox.git_server import GitRepositories
from mlops_tui.sandbox.pipelines.model import Body, HostName, RunRequest
from mlops_tui.sandbox.pipelines.service import Pipelines
from mlops_tui.sandbox.sandbox import Sandbox

PATIENCE = 60.0
FILES: dict[HostName, str] = {"azure-devops": "azure-pipelines.yml", "github": ".github/workflows/mlops.yml"}


@dataclass
class Side:
    """A HostSide: what a test wants it to say."""

    guarded: set[str] = field(default_factory=set)  # environments that ask for an approval
    objection: str = ""
    plain: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    def why_not(self, run: Body, job: Body) -> str:
        return self.objection

    def needs_approval(self, run: Body, job: Body) -> bool:
        return job["environment"] in self.guarded

    def variables(self, run: Body, job: Body) -> Mapping[str, str]:
        return self.plain

    def secrets(self, run: Body, job: Body) -> Mapping[str, str]:
        return self.hidden

    def facts(self, run: Body, job: Body) -> Mapping[str, str]:
        return self.given

    def connection(self, run: Body, job: Body, name: str) -> Mapping[str, str]:
        if name != "azure":
            raise LookupError(f"The service connection {name} could not be found.")
        return {"AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "77", "AZURE_CONNECTION_TOKEN": "connection-secret"}


@dataclass
class Desk:
    """One host's runner."""

    pipelines: Pipelines
    side: Side
    host: HostName
    repository: Path
    folder: Path

    def push(self, files: Mapping[str, str]) -> str:
        """One more commit on main; its id."""
        work = self.folder / "pushed"
        work.mkdir(exist_ok=True)
        for name, text in files.items():
            place = work / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        _git(work, "init", "--quiet", "--initial-branch=main")
        _git(work, "add", "--all")
        _git(
            work,
            "-c",
            "user.name=L",
            "-c",
            "user.email=l@x",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message=Try\n\nmore",
        )
        _git(work, "push", "--quiet", "--force", str(self.repository), "HEAD:refs/heads/main")
        return _git(work, "rev-parse", "HEAD").strip()

    def launch(
        self,
        text: str,
        reason: Literal["manual", "push"] = "manual",
        files: Mapping[str, str] | None = None,
        **given: str,
    ) -> Body:
        commit = self.push({FILES[self.host]: text, **(files or {})})
        person = {"object_id": "1", "name": "l@x", "display_name": "L", "is_user": True, "app_id": ""}
        return self.pipelines.launch(
            RunRequest(
                host=self.host,
                owner="practice/wine",
                pipeline="3",
                name="wine",
                repository=self.repository,
                clone_url="https://user:pass@localhost/practice/wine.git",
                file=FILES[self.host],
                branch="main",
                commit=commit,
                reason=reason,
                requested_by=person,
                parameters=given,
            )
        )

    def run(self, text: str, **given: Any) -> Body:
        """To its end."""
        return self.until(self.launch(text, **given)["id"], lambda run: run["state"] == "completed")

    def until(self, run_id: str, seen: Callable[[Body], bool]) -> Body:
        deadline = time.monotonic() + PATIENCE
        while True:
            run = self.pipelines.record(run_id)
            assert run is not None
            if seen(run):
                return run
            assert time.monotonic() < deadline, run
            time.sleep(0.01)

    def text(self, run: Body, part_id: str = "") -> str:
        """The logs of all jobs, or of one part, without the moments."""
        parts = [part_id] if part_id else [job["id"] for stage in run["stages"] for job in stage["jobs"]]
        lines = [line for part in parts for line in self.pipelines.log(run["id"], part)]
        return "\n".join(line.partition(" ")[2] for line in lines)


def jobs(run: Body) -> dict[str, str]:
    """Results by name."""
    return {job["name"]: job["result"] for stage in run["stages"] for job in stage["jobs"]}


def job(run: Body, name: str) -> Body:
    found: Body = next(one for stage in run["stages"] for one in stage["jobs"] if one["name"] == name)
    return found


def messages(part: Body) -> list[str]:
    return [issue["message"] for issue in part["issues"]]


@contextmanager
def desk(folder: Path, host: HostName, side: Side | None = None) -> Iterator[Desk]:
    """A sandbox of this one service; another one in the same folder finds what this one leaves."""
    sandbox = Sandbox(folder / "sandbox", "https://localhost:1")
    pipelines, said = Pipelines(sandbox), side or Side()
    pipelines.register(host, said)
    repository = GitRepositories(sandbox.folder, host).create("practice/wine")
    pipelines.start()
    try:
        yield Desk(pipelines, said, host, repository, folder)
    finally:
        pipelines.stop()
        sandbox.requests.close()
        sandbox.store.close()


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=30
    ).stdout
