"""Runs of Azure DevOps' pipelines as builds: with their timeline, their logs and their artifacts.

Shapes: Azure DevOps REST, Build (builds, timeline, logs, artifacts); a build's fields as in the recordings of
Azure/azure-devops-cli-extension (test_build_listQueueShow).
"""

from __future__ import annotations

import io
import json
import zipfile

from starlette.responses import PlainTextResponse, Response

from mlops_tui.sandbox import devops_members, devops_timeline
from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Principal
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_git import DevOpsRepositories
from mlops_tui.sandbox.devops_pipeline import HOST
from mlops_tui.sandbox.devops_pools import HOSTED
from mlops_tui.sandbox.devops_runs import BRANCH, QUEUE, DevOpsRuns
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.devops_timeline import BUILD_STATES, REASONS, moment
from mlops_tui.sandbox.parameters import whole_number
from mlops_tui.sandbox.pipelines.service import Pipelines
from mlops_tui.sandbox.sandbox import Sandbox

STOP = "Stop builds"


class DevOpsBuilds(DevOpsService):
    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._runner = sandbox.find(Pipelines)
        self._runs = sandbox.find(DevOpsRuns)

    def routes(self) -> list[Endpoint]:
        build = "/build/builds/{build}"
        return [
            self.in_project("GET", "/build/builds", self.list_builds),
            self.in_project("POST", "/build/builds", self.queue, QUEUE),
            self.in_project("GET", build, self.show),
            self.in_project("PATCH", build, self.change, STOP),
            self.in_project("GET", build + "/timeline", self.timeline),
            self.in_project("GET", build + "/timeline/{timeline}", self.timeline),
            self.in_project("GET", build + "/logs", self.logs),
            self.in_project("GET", build + "/logs/{log}", self.log),
            self.in_project("GET", build + "/artifacts", self.artifacts),
            self.in_project("GET", build + "/artifacts/{artifact}/content", self.content),
        ]

    def list_builds(self, call: Call) -> Response:
        """The newest first; `definitions` (their numbers), `statusFilter`, `resultFilter`, `branchName`, $top."""
        owner = f"{self.organization(call)['name']}/{self.project(call)['name']}"
        wanted = [one for one in call.query.get("definitions", "").split(",") if one]
        found = [run for run in self._runner.records(HOST, owner) if not wanted or run["pipeline"] in wanted]
        builds = [self._build(call, run) for run in found]
        for name, field in (("statusFilter", "status"), ("resultFilter", "result"), ("branchName", "sourceBranch")):
            asked = call.query.get(name, "")
            builds = [one for one in builds if asked in ("", "all") or one.get(field) in asked.split(",")]
        return self.page(call, builds, 1000)

    def queue(self, call: Call) -> Body:
        """{"definition": {"id"}, "sourceBranch", "sourceVersion", "templateParameters", "parameters": variables}."""
        wanted = call.json()
        number = str((wanted.get("definition") or {}).get("id") or "")
        definition = self.sandbox.find(Definitions).find(self.project(call), number)
        if definition is None:
            text = f"The build pipeline {number} does not exist in team project {call.params['project']}."
            raise self.dialect.error(404, "DefinitionNotFoundException", text)
        pipeline = self._runs.pipeline(call, definition)
        self._runs.check_variables(pipeline, self._variables(wanted.get("parameters") or "{}"))
        source = {"refName": wanted.get("sourceBranch"), "version": wanted.get("sourceVersion")}
        return self._build(call, self._runs.launch(call, pipeline, source, wanted.get("templateParameters") or {}))

    def _variables(self, text: str) -> Body:
        """An object as text; apostrophes do for quotation marks, as `az pipelines run --variables` writes them."""
        try:
            return dict(json.loads(text.replace("'", '"')))
        except ValueError as error:
            raise self.dialect.malformed("parameters must be a JSON object, as text.") from error

    def show(self, call: Call) -> Body:
        return self._build(call, self._runs.needed(call))

    def change(self, call: Call) -> Body:
        """{"status": "cancelling"}; nothing happens to a run that has ended."""
        run = self._runs.needed(call)
        if str(call.json().get("status")).lower() != "cancelling":
            raise self.dialect.malformed("The sandbox changes a build's status to cancelling only.")
        self._runner.cancel(run["id"])
        return self._build(call, self._runs.needed(call))

    def _build(self, call: Call, run: Body) -> Body:
        organization, project = self.organization(call), self.project(call)
        by = devops_members.identity(organization, Principal(**run["requested_by"]))
        over = run["state"] == "completed"
        place = self._place(call, run)
        return {
            "id": int(run["id"]),
            "buildNumber": run["number"],
            "status": BUILD_STATES[run["state"]],
            **({"result": run["result"], "finishTime": moment(run["finished"])} if over else {}),
            "queueTime": moment(run["created"]),
            "startTime": moment(run["started"]),
            "definition": self._definition(call, project, run),
            "project": self.reference(project),
            "repository": self._repository(call, project, run),
            "sourceBranch": f"{BRANCH}{run['branch']}",
            "sourceVersion": run["commit"],
            "queue": {"id": 1, "name": HOSTED, "pool": {"id": 1, "name": HOSTED, "isHosted": True}},
            "priority": "normal",
            "reason": REASONS[run["reason"]],
            "requestedFor": by,
            "requestedBy": by,
            "templateParameters": run["parameters"],
            "validationResults": [
                {"result": one["type"], "message": one["message"]} for one in run["issues"] if one["type"] == "error"
            ],
            "tags": [],
            "logs": {"id": 0, "type": "Container", "url": f"{place}/logs"},
            "uri": f"vstfs:///Build/Build/{run['id']}",
            "url": place,
            "_links": {"self": {"href": place}, "web": {"href": self._runs.page_of(call, run)}},
        }

    def _definition(self, call: Call, project: Body, run: Body) -> Body:
        """What is still known of it: a definition may have gone."""
        found = self.sandbox.find(Definitions).find(project, run["pipeline"])
        named = {"id": int(run["pipeline"]), "name": run["name"], "path": "\\", "project": self.reference(project)}
        return named | {key: found[key] for key in ("path", "type", "queueStatus", "revision", "url") if found}

    def _repository(self, call: Call, project: Body, run: Body) -> Body:
        definition = self.sandbox.find(Definitions).find(project, run["pipeline"])
        number = definition["repository"]["id"] if definition else ""
        found = self.sandbox.find(DevOpsRepositories).find(project, number)
        name = found["name"] if found else ""
        return {"id": number, "type": "TfsGit", "name": name, "url": self.address(call, project["name"], "_git", name)}

    def _place(self, call: Call, run: Body) -> str:
        return self.address(call, self.project(call)["id"], "_apis/build/Builds", run["id"])

    def timeline(self, call: Call) -> Body | Response:
        """A run has one, of the run's own id; of another there is null."""
        run = self._runs.needed(call)
        if call.params.get("timeline", run["id"]) != run["id"]:
            return Response("null", media_type="application/json")
        place = self._place(call, run)
        shown = devops_timeline.records(run)
        for log in (one["log"] for one in shown if one["log"]):
            log["url"] = f"{place}/logs/{log['id']}"
        return {"id": run["id"], "changeId": 1, "records": shown, "url": f"{place}/Timeline/{run['id']}"}

    def logs(self, call: Call) -> Body:
        run = self._runs.needed(call)
        place = self._place(call, run)
        numbers = [one["log"]["id"] for one in devops_timeline.records(run) if one["log"]]
        return listed([{"id": one, "type": "Container", "url": f"{place}/logs/{one}"} for one in numbers])

    def log(self, call: Call) -> Body | Response:
        """Its lines from `startLine` to `endLine`; as JSON for who asks for that."""
        run = self._runs.needed(call)
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

    def artifacts(self, call: Call) -> Body | Response:
        """All of them, or the one that `artifactName` names: also packed, for who accepts that."""
        run, name = self._runs.needed(call), call.query.get("artifactName")
        if name and (
            call.query.get("$format") == "zip" or call.headers.get("accept", "").startswith("application/zip")
        ):
            return self._packed(run, name)
        place = self.address(call, self.project(call)["name"], "_apis/build/builds", run["id"], "artifacts")
        shown: list[Body] = [
            {
                "id": number,
                "name": one,
                "resource": {"type": "PipelineArtifact", "downloadUrl": f"{place}/{one}/content?format=zip"},
            }
            for number, one in enumerate(self._runner.artifacts(run["id"]), 1)
        ]
        if not name:
            return listed(shown)
        found = next((one for one in shown if one["name"] == name), None)
        if found is None:
            raise self._no_artifact(run, name)
        return found

    def content(self, call: Call) -> Response:
        return self._packed(self._runs.needed(call), call.params["artifact"])

    def _packed(self, run: Body, name: str) -> Response:
        """All of it as a zip file."""
        folder = self._runner.artifacts(run["id"]).get(name)
        if folder is None:
            raise self._no_artifact(run, name)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, f"{name}/{file.relative_to(folder)}")
        return Response(packed.getvalue(), media_type="application/zip")

    def _no_artifact(self, run: Body, name: str) -> ApiError:
        text = f"The artifact {name} could not be found for build {run['id']}."
        return self.dialect.error(404, "ArtifactNotFoundException", text)
