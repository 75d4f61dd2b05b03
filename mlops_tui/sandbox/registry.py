"""The two model registries of a Databricks workspace: Unity Catalog's, and the older one of the workspace itself.

MLflow's own registry keeps both; a name of three parts (catalog.schema.model) belongs to Unity Catalog. The shapes are
those of MLflow's protocol files databricks_uc_registry_messages and model_registry.
"""

from __future__ import annotations

import re
import shutil

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.artifacts import Artifacts
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.mlflow_server import MlflowServer
from mlops_tui.sandbox.tracking import V2, Tracking
from mlops_tui.sandbox.unity_catalog import UnityCatalog

CATALOG = f"{V2}/unity-catalog"
VERSION = "uc-model-version"  # a kind of document {user_id, pending}; its key is name/version
MODEL_ID = "registered-model-id"  # a kind of document and a counter: the workspace registry's ids by name
NAME = re.compile(r"[^\s./\x00-\x1f]+(\.[^\s./\x00-\x1f]+){2}")


class Registry(Service):
    """/api/2.0/mlflow/unity-catalog/…, and what the workspace registry has beyond MLflow's own API."""

    dialect = DATABRICKS

    def routes(self) -> list[Endpoint]:
        asked = "registered-models:is-databricks-sdk-models-artifact-repository-enabled"
        catalog = [
            self.on("GET", f"{CATALOG}/{asked}", self.say_files_api),
            self.on("POST", f"{CATALOG}/registered-models/create", self.create_model),
            self.on("DELETE", f"{CATALOG}/registered-models/delete", self.delete_model),
            self.on("POST", f"{CATALOG}/model-versions/create", self.create_version),
            self.on("POST", f"{CATALOG}/model-versions/finalize", self.finalize_version),
            self.on("DELETE", f"{CATALOG}/model-versions/delete", self.delete_version),
            self.on("GET", f"{CATALOG}/model-versions/get-download-uri", self.get_storage_location),
            self.on("POST", f"{CATALOG}/model-versions/emit-lineage", self.note_lineage),
        ]
        catalog += [self.on(m, f"{CATALOG}/{{rest:path}}", self.pass_on) for m in ("GET", "POST", "PATCH", "DELETE")]
        workspace = [
            self.on("GET", f"{V2}/databricks/registered-models/get", self.get_workspace_model),
            self.on("POST", f"{V2}/databricks/model-versions/transition-stage", self.transition_stage),
            self.on("GET", f"{V2}/registered-models/list", self.list_workspace_models),
            self.on("GET", f"{V2}/registered-models/search", self.list_workspace_models),
            self.on("POST", f"{V2}/registered-models/create", self.create_workspace_model),
            self.on("GET", f"{V2}/model-versions/list-artifacts", self.list_version_artifacts),
            self.on("GET", f"{V2}/model-versions/get-signed-download-uri", self.sign_version_artifact),
        ]
        return catalog + workspace

    @property
    def _server(self) -> MlflowServer:
        return self.sandbox.find(Tracking).server

    def forget_workspace(self) -> None:
        for kind in (VERSION, MODEL_ID):
            for key, _ in self.store.items(kind):
                self.store.delete(kind, key)

    # Unity Catalog

    def pass_on(self, call: Call) -> Body:
        """What MLflow's registry does too, in Unity Catalog's words."""
        operation = call.path.removeprefix(CATALOG + "/")
        fields = call.query if call.method == "GET" else call.json()
        if "name" in fields:
            self._check_name(call, str(fields["name"]))
        return self._catalog_form(self._server.call(call.method, f"{V2}/{operation}", dict(fields)))

    def say_files_api(self, call: Call) -> Body:
        """Models' files go through the Files API, not straight to cloud storage."""
        return {"is_databricks_sdk_models_artifact_repository_enabled": True}

    def note_lineage(self, call: Call) -> Body:
        """Lineage is not kept; the client sends it with every load and does not read it."""
        return {}

    def create_model(self, call: Call) -> Body:
        name = self._check_name(call, str(call.need("name")))
        self.sandbox.find(UnityCatalog).require_schema(*name.split(".")[:2])
        return self._catalog_form(self._server.call("POST", f"{V2}/registered-models/create", call.json()))

    def delete_model(self, call: Call) -> Body:
        name = self._check_name(call, str(call.json().get("name", "")))
        found = self._server.call("GET", f"{V2}/model-versions/search", {"filter": f"name='{name}'"})
        if found.get("model_versions"):
            message = f"Cannot delete model '{name}' because it has model versions. Delete them first."
            raise call.dialect.error(400, "INVALID_STATE", message)
        return self._server.call("DELETE", f"{V2}/registered-models/delete", {"name": name})

    def create_version(self, call: Call) -> Body:
        """A version that waits for its files, which the client uploads before it finalizes."""
        wanted = call.json()
        name = self._check_name(call, str(call.need("name")))
        fields: Body = {
            k: wanted[k] for k in ("name", "source", "run_id", "description", "tags", "model_id") if k in wanted
        }
        made = self._server.call("POST", f"{V2}/model-versions/create", fields)
        kept = {"user_id": call.caller.name, "pending": True}
        self.store.put(VERSION, f"{name}/{made['model_version']['version']}", kept)
        return self._catalog_form(made)

    def finalize_version(self, call: Call) -> Body:
        name, version = self._version(call, call.json())
        found = self._server.call("GET", f"{V2}/model-versions/get", {"name": name, "version": version})
        if not self.sandbox.find(Artifacts).place(_location(name, version), "MLmodel").is_file():
            message = f"No MLmodel file was uploaded for version {version} of model '{name}'."
            raise call.dialect.malformed(message)
        kept = self.store.get(VERSION, f"{name}/{version}") or {"user_id": call.caller.name}
        self.store.put(VERSION, f"{name}/{version}", kept | {"pending": False})
        return self._catalog_form(found)

    def delete_version(self, call: Call) -> Body:
        name, version = self._version(call, call.json())
        answer = self._server.call("DELETE", f"{V2}/model-versions/delete", {"name": name, "version": version})
        self.store.delete(VERSION, f"{name}/{version}")
        shutil.rmtree(self.sandbox.find(Artifacts).place(_location(name, version)), ignore_errors=True)
        return answer

    def get_storage_location(self, call: Call) -> Body:
        name, version = self._version(call, call.query)
        self._server.call("GET", f"{V2}/model-versions/get", {"name": name, "version": version})
        return {"artifact_uri": _location(name, version)}

    def _version(self, call: Call, fields: Body | dict[str, str]) -> tuple[str, str]:
        version = str(fields.get("version", ""))
        if not version.isdecimal():
            raise call.dialect.malformed(f"Model version must be an integer, got '{version}'")
        return self._check_name(call, str(fields.get("name", ""))), version

    def _check_name(self, call: Call, name: str) -> str:
        if not NAME.fullmatch(name):
            raise call.dialect.malformed(
                f"'{name}' is not a valid name for a registered model. "
                "A Unity Catalog model is named by its three-level name: <catalog>.<schema>.<model>."
            )
        return name

    def _catalog_form(self, answer: Body) -> Body:
        """MLflow's answer without what Unity Catalog has not (stages), with what it has more."""
        shaped = dict(answer)
        if "registered_model" in answer:
            shaped["registered_model"] = _model_form(answer["registered_model"])
        if "registered_models" in answer:
            mine = [model for model in answer["registered_models"] if NAME.fullmatch(model["name"])]
            shaped["registered_models"] = [_model_form(model) for model in mine]
        if "model_version" in answer:
            shaped["model_version"] = self._version_form(answer["model_version"])
        if "model_versions" in answer:
            mine = [version for version in answer["model_versions"] if NAME.fullmatch(version["name"])]
            shaped["model_versions"] = [self._version_form(version) for version in mine]
        return shaped

    def _version_form(self, version: Body) -> Body:
        name, number = version["name"], version["version"]
        kept = self.store.get(VERSION, f"{name}/{number}") or {"user_id": "", "pending": False}
        shaped = {k: v for k, v in version.items() if k not in ("current_stage", "run_link")}
        return shaped | {
            "user_id": kept["user_id"],
            "status": "PENDING_REGISTRATION" if kept["pending"] else "READY",
            "storage_location": _location(name, number),
            "aliases": [{"alias": alias, "version": number} for alias in version.get("aliases", [])],
        }

    # The workspace's own registry

    def create_workspace_model(self, call: Call) -> Response:
        name = str(call.need("name"))
        if NAME.fullmatch(name):
            message = f"Model name '{name}' looks like a Unity Catalog model; use the registry databricks-uc for it."
            raise call.dialect.malformed(message)
        return self.sandbox.find(Tracking).pass_on(call)

    def list_workspace_models(self, call: Call) -> Body:
        answer = self._server.call("GET", f"{V2}/registered-models/search", dict(call.query))
        models = [model for model in answer.get("registered_models", []) if not NAME.fullmatch(model["name"])]
        return answer | {"registered_models": models}

    def get_workspace_model(self, call: Call) -> Body:
        """Databricks REST reference, Model Registry: get model."""
        found = self._server.call("GET", f"{V2}/registered-models/get", {"name": call.need("name")})["registered_model"]
        number = self.store.get(MODEL_ID, found["name"])
        if number is None:
            number = {"id": f"{self.store.next_number(MODEL_ID):032x}"}
            self.store.put(MODEL_ID, found["name"], number)
        return {"registered_model_databricks": found | number | {"permission_level": "CAN_MANAGE"}}

    def transition_stage(self, call: Call) -> Body:
        """Databricks REST reference, Model Registry: transition a stage."""
        wanted = call.json()
        fields = {name: wanted.get(name) for name in ("name", "version", "stage")}
        fields["archive_existing_versions"] = bool(wanted.get("archive_existing_versions"))
        moved = self._server.call("POST", f"{V2}/model-versions/transition-stage", fields)
        return {"model_version_databricks": moved["model_version"] | {"permission_level": "CAN_MANAGE"}}

    def list_version_artifacts(self, call: Call) -> Body:
        source = self._version_source(call)
        return {"root_uri": source, "files": self.sandbox.find(Artifacts).infos(source, call.query.get("path", ""))}

    def sign_version_artifact(self, call: Call) -> Body:
        artifacts, path = self.sandbox.find(Artifacts), call.query.get("path", "")
        file = artifacts.place(self._version_source(call), path)
        if not file.is_file():
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"File does not exist: {path}")
        return {"signed_uri": artifacts.signed_link(file), "headers": []}

    def _version_source(self, call: Call) -> str:
        """The artifact URI of the version asked for; a logged model's (models:/m-…) is looked up."""
        fields = {"name": call.need("name"), "version": call.need("version")}
        found = self._server.call("GET", f"{V2}/model-versions/get", fields)["model_version"]
        source = str(found["source"])
        if source.startswith("models:/m-"):
            logged = self._server.call("GET", f"{V2}/logged-models/{source.removeprefix('models:/')}", {})
            return str(logged["model"]["info"]["artifact_uri"])
        return source


def _location(name: str, version: str) -> str:
    return f"dbfs:/Models/{name.replace('.', '/')}/{version}"


def _model_form(model: Body) -> Body:
    return {k: v for k, v in model.items() if k != "latest_versions"}
