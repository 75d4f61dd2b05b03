"""Clients of the sandbox's workspace for tests: the learner, who is an admin, and people who are not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.members import Members
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.workspace_files import WorkspaceFiles

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

CLIENTS: list[WorkspaceClient] = []  # those of the running test, to be closed at its end


def client(host: str, token: str) -> WorkspaceClient:
    """The real SDK's client; one that gives up soon."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    config = Config(host=host, token=token, auth_type="pat", http_timeout_seconds=20, retry_timeout_seconds=10)
    CLIENTS.append(WorkspaceClient(config=config))
    return CLIENTS[-1]


def learner(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    """The workspace's first member, an admin; until it is closed, clients trust the sandbox's CA."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
    yield client(live.origin, live.token)
    for one in CLIENTS:
        one.api_client._api_client._session.close()
    CLIENTS.clear()


@contextmanager
def inside(live: LiveSandbox) -> Iterator[Sandbox]:
    """The served sandbox's own folder, opened a second time: to do what no caller from outside can."""
    sandbox = Sandbox(live.folder, live.origin)
    sandbox.services = [Members(sandbox), WorkspaceFiles(sandbox), Permissions(sandbox)]
    yield sandbox
    sandbox.requests.close()
    sandbox.store.close()


def person(name: str) -> Principal:
    return Principal(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name, name.partition("@")[0].title(), is_user=True)


def someone(live: LiveSandbox) -> tuple[WorkspaceClient, str]:
    """A new member without rights, and the member's name."""
    name = f"{fresh('user')}@sandbox.example"
    with inside(live) as sandbox:
        sandbox.members.welcome(person(name))
        token = sandbox.members.issue(person(name), "tests", 600)["token_value"]
    return client(live.origin, token), name


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"
