"""MLflow's tracking API as a Databricks workspace serves it (MLflow REST API 2.0 and 3.0).

MLflow's own server does the work. Here is what a workspace adds: sign-in, experiments named by workspace paths, runs
that belong to their caller, and artifacts of its own.
"""

from __future__ import annotations

import json
import logging
from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from mlops_tui.sandbox import datasets
from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.artifacts import Artifacts
from mlops_tui.sandbox.dialects import DATABRICKS
from mlops_tui.sandbox.mlflow_server import MlflowServer, MlflowServerError, Reply
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.sandbox import Sandbox

V2 = "/api/2.0/mlflow"
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
log = logging.getLogger("mlops_tui.sandbox")


class Tracking(Service):
    """/api/2.0/mlflow/… and /api/3.0/mlflow/… ; Registry has the routes of the model registries before this one's."""

    dialect = DATABRICKS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.server = MlflowServer(sandbox.folder / "mlflow" / "server")

    def routes(self) -> list[Endpoint]:
        own = [
            self.on("POST", f"{V2}/experiments/create", self.create_experiment),
            self.on("GET", f"{V2}/experiments/list", self.list_experiments),
            self.on("POST", f"{V2}/runs/create", self.create_run),
            self.on("POST", f"{V2}/databricks/runs/delete-runs", self.delete_runs),
            self.on("GET", f"{V2}/artifacts/list", self.list_artifacts),
            self.on("POST", f"{V2}/artifacts/credentials-for-read", self.sign_artifacts),
            self.on("GET", f"{V2}/logged-models/{{model_id}}/artifacts/directories", self.list_model_artifacts),
        ]
        rest = [f"/api/{version}/mlflow/{{rest:path}}" for version in ("2.0", "3.0")]
        return own + [self.on(method, path, self.pass_on) for path in rest for method in METHODS]

    def warm_up(self) -> None:
        """Start MLflow's server in the background: somebody will soon ask. It takes about five seconds."""
        self.server.start()

    def start(self) -> None:
        datasets.ensure(self.sandbox.folder / "files")

    def stop(self) -> None:
        self.server.stop()

    def forget_workspace(self) -> None:
        self.server.forget()

    # Passing on

    def pass_on(self, call: Call) -> Response:
        if call.method == "DELETE" and not call.body:  # the SDK's way; MLflow reads the body alone
            return self.ask(call, call.path, json.dumps(call.query).encode())
        return self.ask(call, call.path, call.body)

    def ask(self, call: Call, path: str, body: bytes) -> Response:
        """MLflow's answer to this call with another path or body. Raises ApiError where it has no such endpoint."""
        query = f"?{call.query_string}" if call.query_string else ""
        try:
            reply = self.server.ask(call.method, path + query, body)
        except MlflowServerError as error:
            log.exception("%s %s", call.method, call.path)
            raise call.dialect.error(503, "TEMPORARILY_UNAVAILABLE", str(error)) from error
        return self.respond(call, reply)

    def respond(self, call: Call, reply: Reply) -> Response:
        if not reply.is_json:  # MLflow's own 404 is a web page
            message = f"No API found for '{call.method} {call.path.removeprefix('/api/2.0')}'"
            raise call.dialect.error(404, "ENDPOINT_NOT_FOUND", message)
        return Response(reply.body, reply.status, {"x-databricks-org-id": self._workspace_id()}, "application/json")

    def _workspace_id(self) -> str:
        """The number of the workspace, by which MLflow's client links a model version to its run."""
        workspace = self.sandbox.members.workspace()
        return str(workspace["properties"].get("workspaceId", 0)) if workspace else "0"

    # Experiments

    def create_experiment(self, call: Call) -> Response:
        wanted = call.json()
        name = str(call.need("name"))
        self._check_name(call, name)
        tags = {tag["key"]: tag for tag in wanted.get("tags") or []}
        for key, value in _owner_tags(call, name).items():
            tags[key] = {"key": key, "value": value}
        wanted["tags"] = list(tags.values())
        return self.ask(call, call.path, json.dumps(wanted).encode())

    def _check_name(self, call: Call, name: str) -> None:
        """An experiment is an object of the workspace: a path, whose parent folder is there."""
        if not name.startswith("/"):
            raise call.dialect.malformed(
                f"Got an invalid experiment name '{name}'. An experiment name must be an absolute path within the "
                "Databricks workspace, e.g. '/Users/<some-username>/my-experiment'."
            )
        parent = str(PurePosixPath(name).parent)
        always = ("/", "/Shared", f"/Users/{call.caller.name}")
        folder = self.sandbox.folder / "files" / "Workspace" / parent.strip("/")
        if ".." in PurePosixPath(name).parts or (parent not in always and not folder.is_dir()):
            raise call.dialect.error(404, "RESOURCE_DOES_NOT_EXIST", f"Parent directory {parent} does not exist.")

    def list_experiments(self, call: Call) -> Body:
        """The older way to search (Databricks REST reference, Experiments: list)."""
        fields: Body = {"max_results": whole_number(call, "max_results", 1000)}
        for name in ("page_token", "view_type"):
            if name in call.query:
                fields[name] = call.query[name]
        return self.server.call("POST", f"{V2}/experiments/search", fields)

    # Runs

    def create_run(self, call: Call) -> Response:
        """A run belongs to who makes it, whatever the client takes the name of its user to be."""
        wanted = call.json()
        wanted["user_id"] = call.caller.name
        tags = [tag for tag in wanted.get("tags") or [] if tag.get("key") != "mlflow.user"]
        wanted["tags"] = [*tags, {"key": "mlflow.user", "value": call.caller.name}]
        return self.ask(call, call.path, json.dumps(wanted).encode())

    def delete_runs(self, call: Call) -> Body:
        """All runs of an experiment that were created up to a time (Databricks REST reference, delete-runs)."""
        call.need("max_timestamp_millis")
        fields = {
            "experiment_ids": [call.need("experiment_id")],
            "filter": f"attributes.start_time <= {whole_number(call, 'max_timestamp_millis', 0)}",
            "order_by": ["attributes.start_time ASC"],
            "max_results": whole_number(call, "max_runs", 1000) or 1000,
        }
        runs = self.server.call("POST", f"{V2}/runs/search", fields).get("runs", [])
        for run in runs:
            self.server.call("POST", f"{V2}/runs/delete", {"run_id": run["info"]["run_id"]})
        return {"runs_deleted": len(runs)}

    # Artifacts

    def list_artifacts(self, call: Call) -> Body:
        run_id = call.query.get("run_id") or call.query.get("run_uuid") or call.need("run_id")
        run: dict[str, Any] = self.server.call("GET", f"{V2}/runs/get", {"run_id": run_id})["run"]
        return self._listing(run["info"]["artifact_uri"], call.query.get("path", ""))

    def sign_artifacts(self, call: Call) -> Body:
        """An address for each path, whether or not there is such a file: asking at the address tells."""
        run_id, paths = call.need("run_id"), call.need("path")
        if not isinstance(paths, list):
            raise call.dialect.malformed("path must be a list of artifact paths.")
        run: dict[str, Any] = self.server.call("GET", f"{V2}/runs/get", {"run_id": run_id})["run"]
        artifacts = self.sandbox.find(Artifacts)
        signed = [
            {
                "run_id": run_id,
                "path": path,
                "signed_uri": artifacts.signed_link(artifacts.place(run["info"]["artifact_uri"], str(path))),
                "type": "AZURE_SAS_URI",
                "headers": [],
            }
            for path in paths
        ]
        return {"credential_infos": signed}

    def list_model_artifacts(self, call: Call) -> Body:
        found = self.server.call("GET", f"{V2}/logged-models/{call.params['model_id']}", {})
        return self._listing(found["model"]["info"]["artifact_uri"], call.query.get("artifact_directory_path", ""))

    def _listing(self, uri: str, path: str) -> Body:
        return {"root_uri": uri, "files": self.sandbox.find(Artifacts).infos(uri, path)}


def _owner_tags(call: Call, name: str) -> dict[str, str]:
    """The tags that a workspace gives every new experiment."""
    return {
        "mlflow.experiment.sourceName": name,
        "mlflow.experimentType": "MLFLOW_EXPERIMENT",
        "mlflow.ownerEmail": call.caller.name,
        "mlflow.ownerId": call.caller.object_id,
    }
