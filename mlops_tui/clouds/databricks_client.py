"""The SDK's services that are used here, on one connection.

As `databricks.sdk.WorkspaceClient` puts them together, and by the same names; that one imports thirty more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from databricks.sdk.core import ApiClient, Config
from databricks.sdk.mixins.compute import ClustersExt
from databricks.sdk.mixins.files import DbfsExt, FilesExt
from databricks.sdk.mixins.jobs import JobsExt
from databricks.sdk.mixins.workspace import WorkspaceExt
from databricks.sdk.service.compute import LibrariesAPI
from databricks.sdk.service.ml import ExperimentsAPI
from databricks.sdk.service.workspace import GitCredentialsAPI, ReposAPI, SecretsAPI

if TYPE_CHECKING:
    from databricks.sdk.service.settings import TokensAPI

AService = TypeVar("AService")


class Client:
    """One workspace."""

    def __init__(self, config: Config) -> None:
        self.api_client = ApiClient(config)
        self.clusters = self.service(ClustersExt)
        self.dbfs = self.service(DbfsExt)
        self.experiments = self.service(ExperimentsAPI)
        self.files = self.service(lambda api: FilesExt(api, config))
        self.git_credentials = self.service(GitCredentialsAPI)
        self.jobs = self.service(JobsExt)
        self.libraries = self.service(LibrariesAPI)
        self.repos = self.service(ReposAPI)
        self.secrets = self.service(SecretsAPI)
        self.workspace = self.service(WorkspaceExt)

    def service(self, kind: Callable[[ApiClient], AService]) -> AService:
        """One of the SDK's services on this connection."""
        return kind(self.api_client)

    @cached_property
    def tokens(self) -> TokensAPI:
        """Seldom asked for, and long to import."""
        from databricks.sdk.service.settings import TokensAPI

        return self.service(TokensAPI)
