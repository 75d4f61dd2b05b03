"""The sandbox itself: who and where it is, and its services by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlops_tui.sandbox.faults import Faults
from mlops_tui.sandbox.requests import RequestLog
from mlops_tui.sandbox.store import Store
from mlops_tui.sandbox.tokens import Tokens

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Service
    from mlops_tui.sandbox.members import Members

TENANT_ID = "5a4d0b0c-0000-4000-8000-00000000da7a"
SUBSCRIPTION_ID = "5a4d0b0c-0000-4000-8000-0000000005b5"
DATABRICKS_APP = "2ff814a6-3304-4ab8-85cd-cd0e6f879c1d"  # Azure Databricks' application id, in every Azure tenant
DEVOPS_APP = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps', everywhere, too

AService = TypeVar("AService", bound="Service")


@dataclass(frozen=True)
class Audiences:
    """For whom a token may be made out; compared without a trailing slash."""

    arm: frozenset[str]
    graph: frozenset[str]
    databricks: frozenset[str]
    key_vault: frozenset[str]
    storage: frozenset[str]
    learning: frozenset[str]  # Azure Machine Learning
    registry: frozenset[str]  # Azure Container Registry
    devops: frozenset[str]  # Azure DevOps

    @classmethod
    def at(cls, origin: str) -> Audiences:
        return cls(
            arm=frozenset({origin, "https://management.azure.com", "https://management.core.windows.net"}),
            graph=frozenset({f"{origin}/graph", "https://graph.microsoft.com"}),
            databricks=frozenset({DATABRICKS_APP}),
            key_vault=frozenset({f"{origin}/keyvault", "https://vault.azure.net"}),
            storage=frozenset({"https://storage.azure.com"}),
            learning=frozenset({f"{origin}/aml", "https://ml.azure.com"}),
            registry=frozenset({"https://containerregistry.azure.net"}),
            devops=frozenset({DEVOPS_APP}),
        )


class Sandbox:
    """One practice cloud in one folder, at one origin (https://localhost:PORT)."""

    tenant_id = TENANT_ID
    subscription_id = SUBSCRIPTION_ID

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder
        self.origin = origin
        self.store = Store(folder)
        self.audiences = Audiences.at(origin)
        self.tokens = Tokens(self.store, f"{origin}/{TENANT_ID}/v2.0", TENANT_ID)
        self.faults = Faults()
        self.requests = RequestLog(folder / "requests.jsonl")
        self.services: list[Service] = []

    def find(self, kind: type[AService]) -> AService:
        """The one service of that class."""
        return next(service for service in self.services if isinstance(service, kind))

    @property
    def members(self) -> Members:
        from mlops_tui.sandbox.members import Members

        return self.find(Members)
