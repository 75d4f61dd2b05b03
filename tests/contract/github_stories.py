"""What stories of GitHub start from: a project whose repository is in the practice cloud's organisation."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.github import GitHub
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.events import Change, Event, LogLine
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox import process
from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.host_tokens import HostTokens
from mlops_tui.sandbox.seed import LEARNER_ID, LEARNER_NAME
from mlops_tui.sandbox.store import Store
from mlops_tui.session import Session
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.pipeline import Pipeline
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.steps import Finding, Report
from tests.conftest import LiveSandbox
from tests.credentials import of_owner, written

ADA = Principal("00000000-0000-4000-8000-000000000ada", "ada@sandbox.example", "Ada", is_user=True)
LEARNER = Principal(LEARNER_ID, LEARNER_NAME, "Learner", is_user=True)
STRANGER = Principal("00000000-0000-4000-8000-00000000bad0", "eve@elsewhere.example", "Eve", is_user=True)


class RepositoryStep:
    """Only the repository, without anything in it."""

    name, title, about, link = "repository", "Repository", "", ""
    needs: tuple[str, ...] = ("sign-in",)
    settings: tuple[str, ...] = ()

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (Change("create", "repository"),)

    def inspect(self, session: Session) -> Finding:
        found = session.clients.ci_host.find_repository()
        return Finding((Change("keep" if found else "create", "repository"),))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        session.clients.ci_host.make_repository()

    def remove(self, session: Session, report: Report) -> None:
        if found := session.clients.ci_host.find_repository():
            session.clients.ci_host.delete_repository(found)

    def by_hand(self, project: Project) -> str:
        return ""


@dataclass
class Desk:
    """A learner with a project of their own."""

    live: LiveSandbox
    project: Project
    cloud: Cloud
    folder: Path
    open: ExitStack
    events: list[Event] = field(default_factory=list)

    @contextmanager
    def session(self, **ci: Any) -> Iterator[Session]:
        project = replace(self.project, ci=replace(self.project.ci, **ci))
        with closing(Session(project, self.cloud)) as session:
            yield session

    def github(self, **ci: Any) -> GitHub:
        """Until the test ends."""
        return self.open.enter_context(self.session(**ci)).clients.github

    def plan(self, **ci: Any) -> Plan:
        with self.session(**ci) as session:
            return self._engine(session).plan()

    def set_up(self, **ci: Any) -> Outcome:
        with self.session(**ci) as session:
            engine = self._engine(session)
            return engine.apply(engine.plan())

    def remove(self, **ci: Any) -> Outcome:
        with self.session(**ci) as session:
            return self._engine(session).remove()

    def _engine(self, session: Session) -> Engine:
        self.events.clear()
        steps = (SignIn(), ResourceGroup(), DatabricksWorkspace(), ServicePrincipal(), RepositoryStep(), Pipeline())
        return Engine(steps, session, self.events.append)

    def pending(self, plan: Plan) -> list[tuple[str, str]]:
        return [(change.action, change.what) for change in plan.findings["pipeline"].pending]

    def lines(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, LogLine))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        address = process.Address(int(self.live.origin.rpartition(":")[2]))
        return process.ask(self.live.folder, address, method, path, body)

    def writes(self) -> list[str]:
        listed = self.ask("GET", "/_sandbox/requests?writes=1")["requests"]
        return [f"{one['method']} {one['path']}" for one in listed]

    def token(self, owner: Principal, *scopes: str) -> str:
        """For somebody else, or one of the learner's that may do less."""
        with closing(Store(self.live.folder)) as store:
            if owner is ADA:
                store.put("user", ADA.object_id, _person(ADA))
            return HostTokens(store).issue("github", owner, scopes)

    def push(self, files: Mapping[str, str], message: str, branch: str = "main", token: str = "") -> str:
        """A commit with these files more, on the branch; its id. Raises CalledProcessError."""
        github = self.github(**({"github_token": token} if token else {}))
        place = self.folder / "work"
        if not place.exists():
            self._git("init", "--quiet", "-b", branch, str(place), where=self.folder)
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        return self._send(github, message, branch)

    def remove_file(self, name: str) -> str:
        """A commit without this file, on the branch main; its id."""
        (self.folder / "work" / name).unlink()
        return self._send(self.github(), f"Remove {name}", "main")

    def _send(self, github: GitHub, message: str, branch: str) -> str:
        place = self.folder / "work"
        self._git("add", ".", where=place)
        self._git("commit", "--quiet", "-m", message, where=place)
        address = f"{self.live.origin}/{github.full}.git"
        self._git("push", "--quiet", address, f"HEAD:{branch}", where=place, signed_in=github.authorization())
        return self._git("rev-parse", "HEAD", where=place).strip()

    def _git(self, *arguments: str, where: Path, signed_in: str = "") -> str:
        ours = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraheader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {signed_in}",
            "GIT_SSL_CAINFO": str(self.live.ca),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        people = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
        environment = os.environ | ours | dict.fromkeys(people, "ada@example.com")
        done = subprocess.run(
            ["git", *arguments], cwd=where, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


def _desk(live: LiveSandbox, folder: Path, open_: ExitStack) -> Desk:
    name = f"wine-{uuid.uuid4().hex[:6]}"
    kept = written(live.folder)
    ci = Ci(host="github", organization=kept["ci_organization"], github_token=kept["github_token"])
    # One resource group and workspace for the module: there can be one workspace, and nothing here is about it.
    project = Project(
        **of_owner(live.folder),
        name=name,
        resource_group="github-stories",
        databricks_workspace="github-stories",
        service_principal=name,
        ci=ci,
    )
    return Desk(live, project, local_cloud(live.origin, str(live.ca)), folder, open_)


def at_a_desk(live: LiveSandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # what the clients set is unset again
    with ExitStack() as opened:
        yield _desk(live, folder, opened)


def _person(who: Principal) -> dict[str, Any]:
    return {"id": who.object_id, "userPrincipalName": who.name, "displayName": who.display_name, "accountEnabled": True}
