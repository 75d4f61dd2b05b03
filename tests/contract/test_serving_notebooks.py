"""The notebooks of delivery against a sandbox: from a build's runs to an image, to staging, and to production.

One service principal does it all, with what its secret scope holds, as on Databricks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun, Outcome
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import CONTRIBUTOR, OPEN, owner

pytestmark = [pytest.mark.xdist_group("delivery-notebooks"), pytest.mark.timeout(300)]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BUILD = {"build_number": "20260101.7", "build_source": "DevOps"}
PROVIDERS = ("MachineLearningServices", "Storage", "KeyVault", "Insights", "OperationalInsights", "ContainerRegistry")
PROVIDERS += ("ContainerInstance", "ContainerService", "KubernetesConfiguration")
STAGING_KEY = "staging-key-0123456789abcdef"


@dataclass
class Delivery:
    """A cluster that runs the notebooks as a job would, in a subscription that is set up."""

    live: LiveSandbox
    cluster: Cluster
    client: WorkspaceClient
    folder: Path
    secret: str  # of the service principal
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    logs: list[str] = field(default_factory=list)

    def run(self, notebook: str, **parameters: str) -> Outcome:
        """One run, to its end."""
        number = next(self.numbers)
        environment = {
            "DATABRICKS_HOST": self.live.origin,
            "DATABRICKS_TOKEN": self.live.token,
            "REQUESTS_CA_BUNDLE": str(self.live.ca),
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_DB_SDK": "false",
        }
        ended: list[Outcome] = []
        given = BUILD | {"resource_manager": self.live.origin, "log_path": f"/Volumes/main/logs/{number}"} | parameters
        path, output = NOTEBOOKS / f"{notebook}.py", self.folder / f"{number}.txt"
        root = self.live.folder / "files"
        self.cluster.submit(NotebookRun(number, path, given, root, environment, output, timeout=180), ended.append)
        deadline = time.monotonic() + 190
        while not ended:
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.02)
        segments = sorted((root / "Volumes/main/logs" / str(number)).glob("*.log"))
        self.logs.append("".join(path.read_text() for path in segments))
        return ended[0]

    def result(self, notebook: str, **parameters: str) -> dict[str, Any]:
        """What the notebook gave to dbutils.notebook.exit."""
        outcome = self.run(notebook, **parameters)
        assert outcome.result is not None, f"{outcome.error}\n{self.logs[-1]}"
        value = json.loads(outcome.result)
        assert isinstance(value, dict)
        return value

    def refused(self, notebook: str, **parameters: str) -> str:
        """The sentence with which the notebook fails."""
        outcome = self.run(notebook, **parameters)
        assert outcome.state == "FAILED"
        error = outcome.error or ""
        assert error.startswith("DeliveryError: "), f"{error}\n{self.logs[-1]}"
        return error.removeprefix("DeliveryError: ")


@pytest.fixture(scope="module")
def delivery(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    """A resource group, a service principal that may work in it, its secrets, and a build of two runs."""
    folder = tmp_path_factory.mktemp("delivery")
    cluster = Cluster(folder, "ML")
    cluster.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(live.ca))
        azure = owner(live)
        for provider in PROVIDERS:
            azure.resources.providers.register(f"Microsoft.{provider}")
        group = azure.group("mlops")
        made = azure.service_principal("MLOps-Databricks")
        azure.assign(f"{azure.root}/resourceGroups/{group}", made.principal["id"], CONTRIBUTOR)
        client = WorkspaceClient(host=live.origin, token=live.token)
        client.secrets.create_scope("azureml")
        kept = {"client_id": made.application["appId"], "client_secret": made.secret, "workspace_name": "wine-quality"}
        kept |= {"subscription_id": azure.subscription, "resource_group": group, "staging_key": STAGING_KEY}
        kept |= {"tenant_id": json.loads((live.folder / "credentials.json").read_text())["tenant_id"]}
        for key, value in kept.items():
            client.secrets.put_secret("azureml", key, string_value=value)
        while OPEN:
            OPEN.pop().close()
        place = Delivery(live, cluster, client, folder, made.secret)
        try:
            for alpha in ("0.5", "0.1"):
                place.result("train", alpha=alpha, l1_ratio=alpha, run_name=f"alpha {alpha}")
            yield place
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def built(delivery: Delivery) -> dict[str, Any]:
    return delivery.result("serving_build_container_image")


def test_the_best_model_of_a_build_becomes_an_image(delivery: Delivery, built: dict[str, Any]) -> None:
    print(delivery.logs[-1])
    print(built)
