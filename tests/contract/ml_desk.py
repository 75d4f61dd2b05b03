"""The real azure-ai-ml client, in a process of its own: it keeps its cloud and its connections process-wide.

A test hands over functions (`desk.call(function, …)`), which run there with an MLClient before them. They import what
they need themselves, and what they return must have a JSON form.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.contract.azure_fixtures import CONTRIBUTOR, credentials, owner

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

Result = TypeVar("Result")
PROVIDERS = (
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
)
POLL_SECONDS = 0.1  # azure-ai-ml sleeps 5 s, whatever the server says
CHILD = """
import json, os, sys
answers, sys.stdout = sys.stdout, sys.stderr
from azure.identity import ClientSecretCredential
from azure.ai.ml import MLClient
from azure.ai.ml.constants._common import LROConfigurations
LROConfigurations.SLEEP_TIME = LROConfigurations.POLL_INTERVAL = float(os.environ["POLL_SECONDS"])
origin, clients = os.environ["ORIGIN"], {}
host = origin.removeprefix("https://")
places = ("azure_portal", "resource_manager", "active_directory", "aml_resource_id", "registry_discovery_endpoint")
cloud = dict.fromkeys(places, origin) | {"storage_endpoint": f"core.sandbox@{host}"}


def client(tenant_id, client_id, client_secret, subscription_id, group, workspace):
    credential = ClientSecretCredential(
        tenant_id, client_id, client_secret, authority=origin, disable_instance_discovery=True
    )
    described = {} if clients else {"cloud_metadata": cloud}  # once in a process
    return MLClient(
        credential, subscription_id, group, workspace, show_progress=False, enable_telemetry=False,
        cloud=f"cloud-{host}", **described,
    )


for line in sys.stdin:
    asked = json.loads(line)
    known = {}
    try:
        who = json.dumps(asked["who"])
        clients[who] = clients.get(who) or client(**asked["who"])
        exec(asked["source"], known)
        answer = json.dumps({"result": known[asked["name"]](clients[who], *asked["arguments"])}, default=dict)
    except Exception as error:
        code = getattr(getattr(error, "error", None), "code", None) or getattr(error, "error_code", None)
        answer = json.dumps({"error": type(error).__name__, "message": str(error), "code": str(code or "")})
    print(answer, file=answers, flush=True)
"""


class DeskError(Exception):
    """What the client raised: its type, its words, and the error code of the service."""

    def __init__(self, kind: str, message: str, code: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.code = kind, code


class MlDesk:
    """Works in one resource group and workspace, as one identity."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, who: dict[str, str]) -> None:
        self._process, self.folder, self._who = process, folder, who

    @property
    def group(self) -> str:
        return self._who["group"]

    @property
    def workspace(self) -> str:
        return self._who["workspace"]

    def other(self, **who: str) -> MlDesk:
        """The same process with another client: another workspace, client_id, client_secret."""
        return MlDesk(self._process, self.folder, self._who | who)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What the function gives for the MLClient and these arguments. Raises DeskError."""
        source = "from __future__ import annotations\n" + textwrap.dedent(inspect.getsource(function))
        asked = {"source": source, "name": function.__name__, "arguments": arguments, "who": self._who}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process with azure-ai-ml has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise DeskError(answer["error"], answer["message"], answer["code"])
        result: Result = answer["result"]
        return result


@contextmanager
def ml_desk(live: LiveSandbox, folder: Path, group: str, workspace: str, **who: str) -> Iterator[MlDesk]:
    """A desk whose client is signed in as the owner, or with another client_id and client_secret."""
    environment = os.environ | {
        "REQUESTS_CA_BUNDLE": str(live.ca),
        "ORIGIN": live.origin,
        "POLL_SECONDS": str(POLL_SECONDS),
    }
    with (folder / "azure-ai-ml.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=folder,
        )
    with process:
        try:
            yield MlDesk(process, folder, credentials(live) | {"group": group, "workspace": workspace} | who)
        finally:
            process.kill()


@contextmanager
def project_desk(live: LiveSandbox, folder: Path, workspace: str) -> Iterator[MlDesk]:
    """Signed in as an application with Contributor on a resource group of its own alone, as notebooks are."""
    azure = owner(live)
    for provider in PROVIDERS:
        azure.resources.providers.register(provider)
    group = azure.group()
    robot = azure.service_principal("the project's own")
    azure.assign(f"{azure.root}/resourceGroups/{group}", robot.principal["id"], CONTRIBUTOR)
    who = {"client_id": robot.application["appId"], "client_secret": robot.secret}
    with ml_desk(live, folder, group, workspace, **who) as desk:
        yield desk
