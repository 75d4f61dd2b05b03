"""Which path of the Files API is which file on disk.

`/Volumes/<catalog>/<schema>/<volume>/…` needs its volume. MLflow's clients write artifacts to
`/WorkspaceInternal/Mlflow/Artifacts/…` and versions of registered models to `/Models/…`; the first are the same files
as `dbfs:/databricks/mlflow-tracking/…`, which is where runs say that their artifacts are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.storage import PathError, Tree, canonical, segments
from mlops_tui.sandbox.unity_catalog import UnityCatalog

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

VOLUME_DEPTH = 4  # /Volumes/<catalog>/<schema>/<volume>
ARTIFACTS = ["WorkspaceInternal", "Mlflow", "Artifacts"]
ARTIFACT_FOLDERS = {"Runs": [], "LoggedModels": ["logged_models"]}
MODELS_DEPTH = 4  # /Models/<catalog>/<schema>/<model>, where versions stand


class NoVolumeError(Exception):
    """The path is in a volume that does not exist; the message is its full name."""


class FilePlaces:
    """Paths of the Files API to places on disk."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._tree = Tree(sandbox.folder / "files")

    def find(self, path: str, to_write: bool = False) -> tuple[str, Path]:
        """The path in one spelling, and its place. Raises PathError and NoVolumeError."""
        path = canonical(path.removeprefix("dbfs:"))
        names = segments(path)
        if names[:1] == ["Volumes"]:
            return self._in_volume(names, to_write)
        if names[:1] == ["dbfs"]:
            return path, Tree(self._tree.root / "dbfs").place(path.removeprefix("/dbfs") or "/")
        if names[:1] == ["Models"]:
            if to_write and len(names) <= MODELS_DEPTH:
                raise PathError(f"Path must be in a model version: {path}")
            return path, self._tree.place(path)
        if names[:3] == ARTIFACTS and len(names) > len(ARTIFACTS) + 2 and names[4] in ARTIFACT_FOLDERS:
            inside = ["databricks", "mlflow-tracking", names[3], *ARTIFACT_FOLDERS[names[4]], *names[5:]]
            return path, Tree(self._tree.root / "dbfs").place("/" + "/".join(inside))
        raise PathError(f"Path must start with /Volumes/<catalog>/<schema>/<volume>: {path}")

    def _in_volume(self, names: list[str], to_write: bool) -> tuple[str, Path]:
        names = [names[0], *(name.lower() for name in names[1:VOLUME_DEPTH]), *names[VOLUME_DEPTH:]]
        path = "/" + "/".join(names)
        if len(names) < VOLUME_DEPTH:
            if to_write:
                raise PathError(f"Path must start with /Volumes/<catalog>/<schema>/<volume>: {path}")
            return path, self._tree.place(path)
        if not self._sandbox.find(UnityCatalog).has_volume(*names[1:VOLUME_DEPTH]):
            raise NoVolumeError(".".join(names[1:VOLUME_DEPTH]))
        return path, Tree(self._tree.root.joinpath(*names[:VOLUME_DEPTH])).place("/" + "/".join(names[VOLUME_DEPTH:]))

    @property
    def scratch(self) -> Path:
        """Where files stand that are not whole yet."""
        return self._tree.root / ".partial"

    @staticmethod
    def is_top(path: str) -> bool:
        """Whether the path is a volume itself or above one: nothing that this API makes or removes."""
        names = segments(path)
        return len(names) <= VOLUME_DEPTH if names[:1] == ["Volumes"] else len(names) <= 1
