"""One Databricks workspace: one client, made when first asked for, and its services."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlops_tui import __version__
from mlops_tui.clouds import preload
from mlops_tui.clouds.databricks_artifacts import Artifacts
from mlops_tui.clouds.databricks_clusters import Clusters
from mlops_tui.clouds.databricks_experiments import Experiments
from mlops_tui.clouds.databricks_files import Files
from mlops_tui.clouds.databricks_git import Git
from mlops_tui.clouds.databricks_jobs import Jobs
from mlops_tui.clouds.databricks_models import Models
from mlops_tui.clouds.databricks_notebooks import Notebooks
from mlops_tui.clouds.databricks_runs import Runs
from mlops_tui.clouds.databricks_secrets import Secrets
from mlops_tui.clouds.databricks_tokens import AccessTokens

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.databricks_client import Client
    from mlops_tui.clouds.databricks_transport import Line
    from mlops_tui.clouds.identity import Identity


class Databricks:
    """The workspace at `host` ("https://adb-….azuredatabricks.net"), for `identity` or for who holds `token`."""

    def __init__(self, host: str, identity: Identity, cloud: Cloud, token: str = "") -> None:
        self.host = host.rstrip("/")
        self.cloud = cloud
        self._identity = identity
        self._token = token
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._line: Line | None = None
        self.secrets = Secrets(self)
        self.tokens = AccessTokens(self)
        self.notebooks = Notebooks(self)
        self.git = Git(self)
        self.clusters = Clusters(self)
        self.jobs = Jobs(self)
        self.runs = Runs(self)
        self.files = Files(self)
        self.experiments = Experiments(self)
        self.artifacts = Artifacts(self)
        self.models = Models(self)

    @property
    def client(self) -> Client:
        """The SDK's client, one for all threads. The first use imports the SDK, which takes a third of a second."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._client = self._line = None

    def _connect(self) -> Client:
        preload.databricks_sdk()
        from mlops_tui.clouds import databricks_transport as transport
        from mlops_tui.clouds.databricks_client import Client

        credentials = transport.BearerTokens("pat" if self._token else "entra", self._bearer)
        config = transport.GivenConfig(
            host=self.host,
            credentials_strategy=credentials,
            http_timeout_seconds=transport.ANSWER_SECONDS,
            retry_timeout_seconds=transport.THROTTLED_SECONDS,
            product="mlops-tui",
            product_version=__version__,
        )
        client = Client(config)
        self._line = transport.Line(self.host, self.cloud.ca_bundle)
        # The SDK takes no transport of its own users, so we mount ours where it keeps its session.
        client.api_client._api_client._session.mount("https://", self._line)
        return client

    def _bearer(self) -> str:
        return self._token or self._identity.token(self.cloud.databricks_scope)
