"""Notebooks in a workspace folder (Databricks REST reference, Workspace 2.0)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import CloudError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks


class Notebooks:
    """Python notebooks in source form, by their absolute workspace path ("/Shared/MLFlow/train")."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def list(self, folder: str) -> dict[str, str] | None:
        """What is in the folder: path -> "PYTHON" (or another language) for notebooks, else "DIRECTORY", "FILE", …
        None where there is no such folder. Raises ConflictError where it is no folder."""
        try:
            with speaking_of(f"the workspace folder {folder}"):
                listed = list(self._databricks.client.workspace.list(folder))
        except NotFoundError:
            return None
        if [entry.path for entry in listed] == [folder]:  # a notebook or file lists itself
            raise ConflictError(
                f"{folder} in the workspace is no folder.", hint="Choose another notebook folder or move what is there."
            )
        found = {}
        for entry in listed:
            kind = entry.object_type
            language = entry.language.value if entry.language else ""
            found[entry.path or ""] = language or (kind.value if kind else "")
        return found

    def make_folder(self, folder: str) -> None:
        """With its parents; nothing happens where it is there."""
        with speaking_of(f"the workspace folder {folder}"):
            self._databricks.client.workspace.mkdirs(folder)

    def export(self, path: str) -> str | None:
        """The source; None where there is no such notebook."""
        from databricks.sdk.service.workspace import ExportFormat

        try:
            with speaking_of(f"the notebook {path}"):
                answer = self._databricks.client.workspace.export(path, format=ExportFormat.SOURCE)
        except NotFoundError:
            return None
        return base64.b64decode(answer.content or "").decode("utf-8", "replace")

    def put(self, path: str, source: str) -> None:
        """Import it as a Python notebook, over what is there."""
        from databricks.sdk.service.workspace import ImportFormat, Language

        with speaking_of(f"the notebook {path}"):
            self._databricks.client.workspace.import_(
                path,
                content=base64.b64encode(source.encode()).decode(),
                format=ImportFormat.SOURCE,
                language=Language.PYTHON,
                overwrite=True,
            )

    def delete(self, path: str) -> bool:
        """One notebook, or an empty folder; False where there was none."""
        try:
            with speaking_of(f"the workspace path {path}"):
                self._databricks.client.workspace.delete(path)
        except NotFoundError:
            return False
        return True

    def delete_folder_if_empty(self, folder: str) -> bool:
        """False where it is kept because other things are in it, or is not there."""
        try:
            return self.delete(folder)
        except CloudError as error:
            if error.code == "DIRECTORY_NOT_EMPTY":
                return False
            raise
