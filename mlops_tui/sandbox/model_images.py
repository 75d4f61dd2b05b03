"""MLflow models that are deployed without an image: what stands in for the one that Azure ML builds for them.

The model's files are fetched from the workspace's default datastore; `model_server` serves them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from mlops_tui.sandbox.arm import RESOURCE
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.images import Image
from mlops_tui.sandbox.ml_assets import VERSION
from mlops_tui.sandbox.ml_workspaces import default_container, storage_of

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

PLACE = re.compile(r"azureml://(?:.*/)?datastores/workspaceblobstore/paths/(?P<path>.+)", re.IGNORECASE)
COMMAND = ("python", "-m", "mlops_tui.sandbox.model_server")
PORT = 5001


class ModelImages:
    """Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store
        self._blobs = BlobStore(sandbox)
        self._folder = sandbox.folder / "online-models"

    def image(self, model_id: str) -> Image | None:
        """To serve that registered model; None where it is no MLflow model, or its files are not there."""
        model = self._store.get(VERSION, model_id.lower())
        workspace = self._store.get(RESOURCE, model_id.lower().partition("/models/")[0])
        if model is None or workspace is None:
            return None
        files = self._files(workspace, str(model["properties"]["modelUri"]))
        if "MLmodel" not in files:
            return None
        state = "\n".join(f"{name} {blob['file']}" for name, blob in sorted(files.items()))
        digest = hashlib.sha256(f"{model_id.lower()}\n{state}".encode()).hexdigest()
        folder = self._folder / digest
        if not folder.is_dir():
            self._fetch(files, folder)
        *_, name, _, version = model_id.split("/")
        return Image("azureml", f"{name}-{version}", f"sha256:{digest}", folder, COMMAND, {}, PORT)

    def _files(self, workspace: Body, uri: str) -> dict[str, Body]:
        """The model's blobs by their names below its folder."""
        found = PLACE.fullmatch(uri.rstrip("/"))
        if found is None:
            return {}
        prefix = f"{found['path']}/"
        blobs = self._blobs.list(storage_of(workspace), default_container(workspace), prefix)
        return {str(one["name"]).removeprefix(prefix): one for one in blobs}

    def _fetch(self, files: dict[str, Body], folder: Path) -> None:
        """Whole, or not at all: a killed sandbox begins anew."""
        making = self._folder / f"making-{secrets.token_hex(8)}"
        for name, blob in files.items():
            target = making / "model" / name
            if not target.resolve().is_relative_to(making.resolve()):
                continue  # a blob's name may say anything
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.write_bytes(self._blobs.read(blob))
        making.replace(folder)
