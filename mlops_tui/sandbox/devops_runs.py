"""Runs of Azure DevOps' pipelines: started, looked at, ended.

Shapes: Azure DevOps REST, Pipelines (runs, preview) and Build (builds, timeline, logs, artifacts).
"""

from __future__ import annotations

import io
import zipfile

from starlette.responses import PlainTextResponse, Response

from mlops_tui.sandbox import devops_members, devops_pipeline, devops_timeline, git_server
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_host_side import DevOpsSide
from mlops_tui.sandbox.devops_pipeline import HOST, Pipeline
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.devops_timeline import BUILD_STATES, REASONS, moment
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.pipelines.model import PipelineFileError
from mlops_tui.sandbox.pipelines.service import Pipelines
from mlops_tui.sandbox.sandbox import Sandbox

QUEUE, STOP = "Queue builds", "Stop builds"
BRANCH = "refs/heads/"


class DevOpsRuns(DevOpsService):
    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._runner = sandbox.find(Pipelines)
        self._side = DevOpsSide(sandbox)
        self._runner.register(HOST, self._side)

    def routes(self) -> list[Endpoint]:
        build = "/build/builds/{build}"
        return [
            self.in_project("POST", "/pipelines/{id}/runs", self.queue, QUEUE),
            self.in_project("GET", "/pipelines/{id}/runs", self.list_runs),
            self.in_project("GET", "/pipelines/{id}/runs/{build}", self.show_run),
            self.in_project("POST", "/pipelines/{id}/preview", self.preview, QUEUE),
            self.in_project("GET", "/build/builds", self.list_builds),
            self.in_project("GET", build, self.show_build),
            self.in_project("PATCH", build, self.change_build, STOP),
            self.in_project("GET", build + "/timeline", self.timeline),
            self.in_project("GET", build + "/logs", self.logs),
            self.in_project("GET", build + "/logs/{log}", self.log),
            self.in_project("GET", build + "/artifacts", self.artifacts),
            self.in_project("GET", build + "/artifacts/{artifact}/content", self.artifact),
        ]

    # Pipelines' view

    def queue(self, call: Call) -> Body:
        """Raises a PipelineValidationException for a file, a branch or a parameter that will not do."""
        wanted = call.json()
        if wanted.get("previewRun"):
            return self.preview(call)
        pipeline = self._pipeline(call)
        branch, commit = self._source(pipeline, wanted)
        given = {name: str(value) for name, value in (wanted.get("templateParameters") or {}).items()}
        self._check_file(pipeline, branch, commit)
        try:
            run = self._runner.launch(pipeline.order(branch, commit, call.caller, "manual", given))
        except PipelineFileError as error:
            raise self._invalid_line(error) from error
        except ValueError as error:
            raise self._invalid(str(error)) from error
        return self._run(call, pipeline, run)

    def preview(self, call: Call) -> Body:
        """What is in the file, or in `yamlOverride`, checked and not run."""
        wanted, pipeline = call.json(), self._pipeline(call)
        override = wanted.get("yamlOverride")
        if override is None:
            branch, commit = self._source(pipeline, wanted)
            return {"finalYaml": self._check_file(pipeline, branch, commit).decode("utf-8", "replace")}
        self._check(pipeline, str(override).encode())
        return {"finalYaml": str(override)}

    def _pipeline(self, call: Call) -> Pipeline:
        definition = self.sandbox.find(Definitions).needed(call)
        try:
            return devops_pipeline.of(self.sandbox, self.organization(call), self.project(call), definition)
        except LookupError as error:
            raise self._invalid(str(error)) from error

    def _source(self, pipeline: Pipeline, wanted: Body) -> tuple[str, str]:
        """Branch and commit that are asked for; the definition's branch where none is."""
        source = ((wanted.get("resources") or {}).get("repositories") or {}).get("self") or {}
        reference = str(source.get("refName") or pipeline.definition["repository"].get("defaultBranch") or "main")
        branch = reference.removeprefix(BRANCH)
        commit = source.get("version") or git_server.head(pipeline.directory, branch)
        if commit is None:
            text = (
                f"Could not get the latest source version for repository {pipeline.repository['name']} hosted on Azure "
                f"Repos using ref {BRANCH}{branch}."
            )
            raise self._invalid(text)
        return branch, str(commit)

    def _check_file(self, pipeline: Pipeline, branch: str, commit: str) -> bytes:
        try:
            text = git_server.show(pipeline.directory, commit, pipeline.file)
        except LookupError as error:
            place = f"{pipeline.clone_url} branch {BRANCH}{branch} version {commit}"
            raise self._invalid(f"File /{pipeline.file} not found in repository {place}.") from error
        self._check(pipeline, text)
        return text

    def _check(self, pipeline: Pipeline, text: bytes) -> None:
        try:
            plan = self._runner.check(HOST, pipeline.file, text)
        except PipelineFileError as error:
            raise self._invalid_line(error) from error
        for job in (job for stage in plan.stages for job in stage.jobs):
            for name in self._side.missing(pipeline, job.connections):
                raise self._invalid(
                    f"The pipeline is not valid. Job {job.name}: Step input azureSubscription references service "
                    f"connection {name} which could not be found. The service connection does not exist, has been "
                    "disabled or has not been authorized for use. For authorization details, refer to "
                    "https://aka.ms/yamlauthz."
                )

    def _invalid_line(self, error: PipelineFileError) -> ApiError:
        return self._invalid(f"/{error.file.lstrip('/')} (Line: {error.line}, Col: 1): {error.message}")

    def _invalid(self, message: str) -> ApiError:
        return self.dialect.error(400, "PipelineValidationException", message)

    def list_runs(self, call: Call) -> Body:
        pipeline = self._pipeline(call)
        found = self._runner.records(HOST, pipeline.owner, str(pipeline.number))
        return listed([self._run(call, pipeline, run) for run in found])

    def show_run(self, call: Call) -> Body:
        pipeline, run = self._pipeline(call), self.needed(call)
        return self._run(call, pipeline, run)

    def _run(self, call: Call, pipeline: Pipeline, run: Body) -> Body:
        over = run["state"] == "completed"
        own = {
            "repository": {"id": pipeline.repository["id"], "type": "azureReposGit"},
            "refName": f"{BRANCH}{run['branch']}",
            "version": run["commit"],
        }
        return {
            "id": int(run["id"]),
            "name": run["number"],
            "state": "completed" if over else "inProgress",
            **({"result": run["result"], "finishedDate": moment(run["finished"])} if over else {}),
            "createdDate": moment(run["created"]),
            "templateParameters": run["parameters"],
            "resources": {"repositories": {"self": own}},
            "pipeline": {"id": pipeline.number, "name": run["name"], "folder": "\\", "revision": 1},
            "_links": {"web": {"href": self._page(call, run)}},
        }

    def _page(self, call: Call, run: Body) -> str:
        return self.address(call, self.project(call)["name"], f"_build/results?buildId={run['id']}")

    # Build's view

    def needed(self, call: Call) -> Body:
        """The run of the path, of this project. Raises the service's 404."""
        run = self._runner.record(call.params["build"])
        owner = f"{self.organization(call)['name']}/{self.project(call)['name']}"
        if run is None or (run["host"], run["owner"]) != (HOST, owner):
            text = f"The requested build {call.params['build']} could not be found."
            raise self.dialect.error(404, "BuildNotFoundException", text)
        return run

    def list_builds(self, call: Call) -> Body:
        """The newest first; `definitions` (their numbers) and $top."""
        owner = f"{self.organization(call)['name']}/{self.project(call)['name']}"
        wanted = [one for one in call.query.get("definitions", "").split(",") if one]
        found = [run for run in self._runner.records(HOST, owner) if not wanted or run["pipeline"] in wanted]
        return listed([self._build(call, run) for run in found[: whole_number(call, "$top", 1000)]])

    def show_build(self, call: Call) -> Body:
        return self._build(call, self.needed(call))

    def change_build(self, call: Call) -> Body:
        """{"status": "cancelling"}; nothing happens to a run that has ended."""
        run = self.needed(call)
        if call.json().get("status") != "cancelling":
            raise self.dialect.malformed("The sandbox changes a build's status to cancelling only.")
        self._runner.cancel(run["id"])
        return self._build(call, self.needed(call))

    def _build(self, call: Call, run: Body) -> Body:
        organization, project = self.organization(call), self.project(call)
        by = devops_members.identity(organization, Principal(**run["requested_by"]))
        over = run["state"] == "completed"
        return {
            "id": int(run["id"]),
            "buildNumber": run["number"],
            "status": BUILD_STATES[run["state"]],
            **({"result": run["result"], "finishTime": moment(run["finished"])} if over else {}),
            "queueTime": moment(run["created"]),
            "startTime": moment(run["started"]),
            "definition": {"id": int(run["pipeline"]), "name": run["name"], "path": "\\"},
            "project": self.reference(project),
            "sourceBranch": f"{BRANCH}{run['branch']}",
            "sourceVersion": run["commit"],
            "reason": REASONS[run["reason"]],
            "requestedFor": by,
            "requestedBy": by,
            "templateParameters": run["parameters"],
            "validationResults": [
                {"result": one["type"], "message": one["message"]} for one in run["issues"] if one["type"] == "error"
            ],
            "_links": {"web": {"href": self._page(call, run)}},
        }

    def timeline(self, call: Call) -> Body:
        run = self.needed(call)
        return {"id": run["id"], "changeId": 1, "records": devops_timeline.records(run)}

    def logs(self, call: Call) -> Body:
        shown = [one["log"] for one in devops_timeline.records(self.needed(call)) if one["log"]]
        return listed(shown)

    def log(self, call: Call) -> Body | Response:
        """Its lines from `startLine` to `endLine`; as JSON for who asks for that."""
        run = self.needed(call)
        there = {str(one["log"]["id"]): one["id"] for one in devops_timeline.records(run) if one["log"]}
        part = there.get(call.params["log"])
        if part is None:
            text = f"The log with ID {call.params['log']} could not be found."
            raise self.dialect.error(404, "LogNotFoundException", text)
        lines = self._runner.log(run["id"], part, whole_number(call, "startLine", 0))
        if last := call.query.get("endLine"):
            lines = lines[: max(0, int(last) - whole_number(call, "startLine", 0))]
        if "application/json" in call.headers.get("accept", ""):
            return {"count": len(lines), "value": lines}
        return PlainTextResponse("".join(f"{line}\r\n" for line in lines))

    def artifacts(self, call: Call) -> Body:
        run = self.needed(call)
        place = self.address(call, self.project(call)["name"], "_apis/build/builds", run["id"], "artifacts")
        return listed(
            [
                {
                    "id": number,
                    "name": name,
                    "resource": {"type": "PipelineArtifact", "downloadUrl": f"{place}/{name}/content?format=zip"},
                }
                for number, name in enumerate(self._runner.artifacts(run["id"]), 1)
            ]
        )

    def artifact(self, call: Call) -> Response:
        """All of it as a zip file."""
        run, name = self.needed(call), call.params["artifact"]
        folder = self._runner.artifacts(run["id"]).get(name)
        if folder is None:
            text = f"The artifact {name} could not be found for build {run['id']}."
            raise self.dialect.error(404, "ArtifactNotFoundException", text)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, f"{name}/{file.relative_to(folder)}")
        return Response(packed.getvalue(), media_type="application/zip")
