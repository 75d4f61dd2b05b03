"""Runs of Azure DevOps' pipelines: started, looked at, ended.

Shapes: Azure DevOps REST, Pipelines (runs, preview). `devops_builds` shows the same runs as builds.
"""

from __future__ import annotations

from mlops_tui.sandbox import devops_pipeline, git_server
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_host_side import DevOpsSide
from mlops_tui.sandbox.devops_pipeline import HOST, Pipeline
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.devops_timeline import moment
from mlops_tui.sandbox.pipelines.model import PipelineFileError
from mlops_tui.sandbox.pipelines.service import Pipelines
from mlops_tui.sandbox.sandbox import Sandbox

QUEUE = "Queue builds"
BRANCH = "refs/heads/"


class DevOpsRuns(DevOpsService):
    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._runner = sandbox.find(Pipelines)
        self._side = DevOpsSide(sandbox)
        self._runner.register(HOST, self._side)

    def routes(self) -> list[Endpoint]:
        return [
            self.in_project("POST", "/pipelines/{id}/runs", self.queue, QUEUE),
            self.in_project("GET", "/pipelines/{id}/runs", self.list_runs),
            self.in_project("GET", "/pipelines/{id}/runs/{build}", self.show_run),
            self.in_project("POST", "/pipelines/{id}/preview", self.preview, QUEUE),
        ]

    def queue(self, call: Call) -> Body:
        """Raises a PipelineValidationException for a file, a branch or a parameter that will not do."""
        wanted = call.json()
        if wanted.get("previewRun"):
            return self.preview(call)
        source = ((wanted.get("resources") or {}).get("repositories") or {}).get("self") or {}
        pipeline = self._pipeline(call)
        self.check_variables(pipeline, wanted.get("variables") or {})
        run = self.launch(call, pipeline, source, wanted.get("templateParameters") or {})
        return self._run(call, pipeline, run)

    def check_variables(self, pipeline: Pipeline, wanted: Body) -> None:
        """Only those that the definition lets be set; and the sandbox's runner sets none."""
        defined = pipeline.definition.get("variables") or {}
        barred = [name for name in wanted if not (defined.get(name) or {}).get("allowOverride")]
        if barred:
            raise self._invalid(
                f"You can't set the following variables ({', '.join(barred)}). If you want to be able to set these "
                "variables, then edit the pipeline and select Settable at queue time on the variables tab of the "
                "pipeline editor."
            )
        if wanted:
            raise self.dialect.malformed("The sandbox sets no variables for one run: give templateParameters.")

    def launch(self, call: Call, pipeline: Pipeline, source: Body, parameters: Body) -> Body:
        """The run of what `source` names: {"refName", "version"}."""
        branch, commit = self._source(pipeline, source)
        given = {name: str(value) for name, value in parameters.items()}
        self._check_file(pipeline, branch, commit)
        try:
            return self._runner.launch(pipeline.order(branch, commit, call.caller, "manual", given))
        except PipelineFileError as error:
            raise self._invalid_line(error) from error
        except ValueError as error:
            raise self._invalid(str(error)) from error

    def preview(self, call: Call) -> Body:
        """What is in the file, or in `yamlOverride`, checked and not run."""
        wanted, pipeline = call.json(), self._pipeline(call)
        override = wanted.get("yamlOverride")
        if override is None:
            source = ((wanted.get("resources") or {}).get("repositories") or {}).get("self") or {}
            branch, commit = self._source(pipeline, source)
            return {"finalYaml": self._check_file(pipeline, branch, commit).decode("utf-8", "replace")}
        self._check(pipeline, str(override).encode())
        return {"finalYaml": str(override)}

    def _pipeline(self, call: Call) -> Pipeline:
        return self.pipeline(call, self.sandbox.find(Definitions).needed(call))

    def pipeline(self, call: Call, definition: Body) -> Pipeline:
        try:
            return devops_pipeline.of(self.sandbox, self.organization(call), self.project(call), definition)
        except LookupError as error:
            raise self._invalid(str(error)) from error

    def _source(self, pipeline: Pipeline, source: Body) -> tuple[str, str]:
        """Branch and commit that are asked for; the definition's branch where none is."""
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
            "pipeline": {
                "id": pipeline.number,
                "name": run["name"],
                "folder": pipeline.definition["path"],
                "revision": pipeline.definition["revision"],
            },
            "url": self.address(call, pipeline.project["id"], f"_apis/pipelines/{pipeline.number}/runs", run["id"]),
            "_links": {"web": {"href": self.page_of(call, run)}},
        }

    def page_of(self, call: Call, run: Body) -> str:
        """Where a person looks at it."""
        return self.address(call, self.project(call)["name"], f"_build/results?buildId={run['id']}")

    def needed(self, call: Call) -> Body:
        """The run of the path, of this project. Raises the service's 404."""
        run = self._runner.record(call.params["build"])
        owner = f"{self.organization(call)['name']}/{self.project(call)['name']}"
        if run is None or (run["host"], run["owner"]) != (HOST, owner):
            text = f"The requested build {call.params['build']} could not be found."
            raise self.dialect.error(404, "BuildNotFoundException", text)
        return run
