"""Registered models of an Azure ML workspace and their tags (Azure ML REST API, Model Versions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.arm_resources import ArmResources

API_VERSION = "2024-04-01"
# What the service says of a version and takes back as it is; the rest is its own to say.
KEPT = (
    "description",
    "flavors",
    "isAnonymous",
    "isArchived",
    "jobName",
    "modelType",
    "modelUri",
    "properties",
    "stage",
)


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    id: str  # of the resource
    model: str
    version: str
    tags: dict[str, str] = field(default_factory=dict)
    created: float | None = None  # seconds since 1970


class MlModels:
    def __init__(self, resources: ArmResources) -> None:
        self._resources = resources

    def versions(self, workspace_id: str, model: str) -> tuple[ModelVersion, ...]:
        """Newest first; none where there is no such model, or no workspace yet."""
        path = f"{workspace_id}/models/{quote(model)}/versions"
        found = self._resources.list(path, API_VERSION, f"the versions of the model {model}")
        read = [_version(one, model) for one in found if not one.get("properties", {}).get("isArchived")]
        return tuple(sorted(read, key=_age))

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> ModelVersion:
        """Set these tags and leave all else as it is. Raises NotFoundError."""
        what = f"version {version.version} of the model {version.model}"
        there = self._resources.get(version.id, API_VERSION, what)
        if there is None:
            raise NotFoundError(f"There is no {what} any more.")
        properties = there.get("properties") or {}
        body = {name: properties[name] for name in KEPT if properties.get(name) is not None}
        body["tags"] = {**(properties.get("tags") or {}), **tags}
        changed = self._resources.put(version.id, API_VERSION, {"properties": body}, what).result()
        return _version(changed, version.model)


def _version(one: Mapping[str, Any], model: str) -> ModelVersion:
    tags = (one.get("properties") or {}).get("tags") or {}
    created = str((one.get("systemData") or {}).get("createdAt") or "")
    return ModelVersion(
        str(one["id"]),
        model,
        str(one["name"]),
        {str(name): str(value) for name, value in tags.items()},
        datetime.fromisoformat(created).timestamp() if created else None,
    )


def _age(version: ModelVersion) -> tuple[float, float]:
    """For sorting: what is newer is less. Of the same moment, the higher version is newer."""
    number = float(version.version) if version.version.isdigit() else 0.0
    return (-(version.created or 0.0), -number)
