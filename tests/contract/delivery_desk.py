"""What the stories of the serving notebooks share: a subscription that is set up, and a cluster that runs notebooks."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient

from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun, Outcome
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import CONTRIBUTOR, OPEN, credentials, owner
from tests.contract.notebook_desk import wait_for

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BUILD = {"build_number": "20260101.7", "build_source": "DevOps"}
NEXT = {"build_number": "20260101.8", "build_source": "DevOps"}
TRAININGS = (
    ("0.5", BUILD | {"run_name": "alpha 0.5"}),
    ("0.1", BUILD | {"run_name": "alpha 0.1"}),
    ("0.3", NEXT | {"run_name": "alpha 0.3"}),
)
PROVIDERS = (
    *("MachineLearningServices", "Storage", "KeyVault", "Insights", "OperationalInsights", "ContainerRegistry"),
    *("ContainerInstance", "ContainerService", "KubernetesConfiguration"),
)
STAGING_KEY = "staging-key-0123456789abcdef"
ML = "Microsoft.MachineLearningServices/workspaces/mlops-wine"
MODEL = f"{ML}/models/winequality/versions"
VERSIONS = {"MachineLearningServices": "2024-04-01", "ContainerInstance": "2023-05-01"}


@dataclass
class Delivery:
    """A cluster that runs the notebooks as a job would, in a subscription that is set up."""

    live: LiveSandbox
    cluster: Cluster
    folder: Path
    kept: dict[str, str]  # by key, what the secret scope holds
    group_id: str
    azure: httpx.Client  # signed in as the owner
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    logs: list[str] = field(default_factory=list)  # live logs, in the order of their ends

    def start(self, notebook: str | Path, **parameters: str) -> Started:
        """One run. A notebook is named, or a file of the test's own."""
        number = next(self.numbers)
        environment = {
            "DATABRICKS_HOST": self.live.origin,
            "DATABRICKS_TOKEN": self.live.token,
            "REQUESTS_CA_BUNDLE": str(self.live.ca),
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_DB_SDK": "false",
        }
        given = BUILD | {"resource_manager": self.live.origin, "log_path": f"/Volumes/main/logs/{number}"} | parameters
        path = notebook if isinstance(notebook, Path) else NOTEBOOKS / f"{notebook}.py"
        root, output = self.live.folder / "files", self.folder / f"{number}.txt"
        started = Started(self, number, root / "Volumes/main/logs" / str(number), output)
        run = NotebookRun(number, path, given, root, environment, output, timeout=180)
        self.cluster.submit(run, started.outcomes.put)
        return started

    def result(self, notebook: str | Path, **parameters: str) -> dict[str, Any]:
        """What the notebook gave to dbutils.notebook.exit."""
        return self.start(notebook, **parameters).result()

    def refused(self, notebook: str, **parameters: str) -> str:
        """The sentence with which the notebook fails."""
        return self.start(notebook, **parameters).refusal()

    def arm(self, method: str, path: str, body: Any = None) -> Any:
        """The owner's own look at a resource of the group, or change of it."""
        version = VERSIONS[path.partition("/")[0].removeprefix("Microsoft.")]
        answer = self.azure.request(method, f"{self.group_id}/providers/{path}?api-version={version}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def versions(self) -> list[dict[str, Any]]:
        """The model's versions in Azure ML, newest first: their names and tags."""
        found = self.arm("GET", MODEL)["value"]
        return [{"version": one["name"]} | one["properties"]["tags"] for one in found]

    def tag_version(self, version: str, **tags: str) -> None:
        """As the engine does after a validation."""
        kept = self.arm("GET", f"{MODEL}/{version}")
        properties = {name: kept["properties"][name] for name in ("modelUri", "modelType")}
        self.arm("PUT", f"{MODEL}/{version}", {"properties": properties | {"tags": kept["properties"]["tags"] | tags}})

    def writes(self) -> list[str]:
        """Requests that may have changed something, oldest first."""
        listed = self.azure.get("/_sandbox/requests?writes=1").json()["requests"]
        return [f"{one['method']} {one['path']}" for one in listed]


@dataclass
class Started:
    """A run on its way."""

    delivery: Delivery
    number: int
    folder: Path  # of its live log
    output: Path
    outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)

    def end(self) -> Outcome:
        outcome = self.outcomes.get(timeout=190)
        self.delivery.logs.append(self.log())
        return outcome

    def kill_when(self, happened: Callable[[str], object]) -> None:
        """Cancel the run once its log so far says so: no cell gets to clean up."""
        wait_for(lambda: happened(self.log()), 60)
        self.delivery.cluster.cancel(self.number)
        assert self.end().state == "CANCELED"

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def result(self) -> dict[str, Any]:
        outcome = self.end()
        assert outcome.result is not None, f"{outcome.error}\n{self.output.read_text()}"
        value = json.loads(outcome.result)
        assert isinstance(value, dict)
        return value

    def refusal(self) -> str:
        outcome = self.end()
        assert outcome.state == "FAILED"
        error = outcome.error or ""
        assert error.startswith("DeliveryError: "), f"{error}\n{self.output.read_text()}"
        assert "DeliveryError: " in self.log()
        assert (self.folder / "_END").read_text() == "FAILED"
        return error.removeprefix("DeliveryError: ")


def delivery_in(live: LiveSandbox, folder: Path) -> Iterator[Delivery]:
    """A resource group, a service principal that may work in it, its secrets, and two builds' runs."""
    cluster = Cluster(folder, "ML")
    cluster.start()
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.callback(cluster.stop)
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        kept, group_id, token = set_up(live)
        trust, signed = ssl.create_default_context(cafile=live.ca), {"Authorization": f"Bearer {token}"}
        azure = stack.enter_context(httpx.Client(base_url=live.origin, verify=trust, headers=signed, timeout=30))
        place = Delivery(live, cluster, folder, kept, group_id, azure)
        runs = [place.start("train", alpha=alpha, l1_ratio=alpha, **build) for alpha, build in TRAININGS]
        for run in runs:
            run.result()
        yield place


def set_up(live: LiveSandbox) -> tuple[dict[str, str], str, str]:
    """What `setup` does. What the secret scope holds, the resource group's id, a token of the owner."""
    azure = owner(live)
    for provider in PROVIDERS:
        azure.resources.providers.register(f"Microsoft.{provider}")
    group = azure.group("mlops")
    group_id = f"{azure.root}/resourceGroups/{group}"
    made = azure.service_principal("MLOps-Databricks")
    azure.assign(group_id, made.principal["id"], CONTRIBUTOR)
    client = WorkspaceClient(host=live.origin, token=live.token)
    client.secrets.create_scope("azureml")
    kept = {"client_id": made.application["appId"], "client_secret": made.secret, "workspace_name": "mlops-wine"}
    kept |= {"subscription_id": azure.subscription, "resource_group": group, "staging_key": STAGING_KEY}
    kept |= {"tenant_id": credentials(live)["tenant_id"]}
    for key, value in kept.items():
        client.secrets.put_secret("azureml", key, string_value=value)
    token = azure.credential.get_token(f"{live.origin}/.default").token
    while OPEN:
        OPEN.pop().close()
    return kept, group_id, token
