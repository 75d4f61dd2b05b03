"""Azure DevOps as a host of the repository and of the pipeline (see `ci_host.CiHost`).

Calls: Azure DevOps REST 7.1, Core, Git, Build, Pipelines, Approvals and checks.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlops_tui import redaction
from mlops_tui.clouds.azure_devops_pipelines import DevOpsPipelines
from mlops_tui.clouds.azure_devops_rest import PREVIEW, DevOpsRest
from mlops_tui.clouds.azure_devops_timeline import Timeline, moment, run_of
from mlops_tui.clouds.azure_devops_wires import DevOpsWires
from mlops_tui.clouds.ci_host import Account, Repository, RunOrder
from mlops_tui.errors import CloudError, NotFoundError, UsageError
from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity
    from mlops_tui.project import Project

OPERATION_SECONDS = 300.0  # a project takes some seconds to make
PAUSE = 1.0  # between looks at an operation, where the cloud names no time
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?")  # how each line of a log begins


class AzureDevOps:
    title = "Azure DevOps"

    def __init__(self, project: Project, cloud: Cloud, identity: Identity) -> None:
        """Raises UsageError where the organisation is not given."""
        organization = project.ci.organization
        if not organization:
            hint = "Set ci.organization to its name: the NAME in https://dev.azure.com/NAME."
            raise UsageError("The organisation in Azure DevOps is not known.", hint=hint)
        token = project.ci.azure_devops_token
        self._cloud, self._name = cloud, project.name
        self._project, self._repository = project.ci_project, project.repository
        self._rest = DevOpsRest(identity, cloud, organization, token)
        identities = f"{cloud.devops_identities}/{organization}"
        self._identities = DevOpsRest(identity, cloud, organization, token, identities)
        self.wires = DevOpsWires(self._rest, self._identities, project, cloud)
        self.pipelines = DevOpsPipelines(self._rest, project, self.wires.mark)
        self._lock = threading.Lock()
        self._me: Account | None = None
        self._timelines: dict[str, Timeline] = {}

    def close(self) -> None:
        self._rest.close()
        self._identities.close()

    def account(self) -> Account:
        with self._rest.speaking_of("the sign-in to Azure DevOps"):
            user = self._rest.call("GET", "_apis/connectionData", None, **{"api-version": "7.1-preview"})
        found = user["authenticatedUser"]
        if found.get("providerDisplayName") == "Anonymous":  # what an organisation with public projects says
            raise self._rest.no_sign_in(200)
        name = (found.get("properties") or {}).get("Account", {}).get("$value") or found.get("providerDisplayName")
        return Account(found["id"], str(name or ""), str(found.get("providerDisplayName") or ""))

    # The repository

    def find_repository(self) -> Repository | None:
        try:
            with self._rest.speaking_of(f"the repository {self._repository}"):
                found = self._rest.call("GET", self._in_project(f"git/repositories/{quote(self._repository)}"))
        except NotFoundError:
            return None
        return _repository(found)

    def make_repository(self) -> Repository:
        """And the project around it. Raises ConflictError where its name is somebody else's."""
        self._make_project()
        found = self.find_repository()
        if found is not None:
            return found
        with self._rest.speaking_of(f"the repository {self._repository}"):
            made = self._rest.call("POST", self._in_project("git/repositories"), {"name": self._repository})
        return _repository(made)

    def _make_project(self) -> None:
        if self.wires.find_project() is not None:
            return
        with self._rest.speaking_of(f"the project {self._project} in Azure DevOps"):
            processes = {one["name"]: one["id"] for one in self._rest.values("_apis/process/processes")}
            template = processes.get("Basic") or next(iter(processes.values()))
            wanted = {
                "name": self._project,
                "description": self.wires.mark,
                "visibility": self.wires.visibility,
                "capabilities": {
                    "versioncontrol": {"sourceControlType": "Git"},
                    "processTemplate": {"templateTypeId": template},
                },
            }
            begun = self._rest.call("POST", "_apis/projects", wanted)
        self._finish(begun["id"], f"the project {self._project} in Azure DevOps")

    def _finish(self, operation: str, what: str) -> None:
        """Wait for an operation's end. Raises CloudError where it ends badly, or takes too long."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:
            with self._rest.speaking_of(what):
                found = self._rest.call("GET", f"_apis/operations/{operation}")
            if found["status"] == "succeeded":
                return
            if found["status"] in ("failed", "cancelled"):
                raw = str(found.get("detailedMessage") or found.get("resultMessage") or "")
                raise CloudError(f"Azure DevOps could not finish {what}.", hint="Run the command again.", raw=raw)
            if time.monotonic() > deadline:
                raise CloudError(f"Azure DevOps is still at work on {what} after {OPERATION_SECONDS:.0f} s.")
            time.sleep(self._cloud.poll_seconds or PAUSE)

    def delete_repository(self, repository: Repository) -> bool:
        """With the project where we have made it and there is nothing else in it: the only repository of a project
        cannot go alone. Azure DevOps keeps a deleted project for 28 days."""
        if self.find_repository() is None:
            return False
        what = f"the repository {self._repository}"
        project = self.wires.find_project()
        with self._rest.speaking_of(what):
            others = [
                one for one in self._rest.values(self._in_project("git/repositories")) if one["id"] != repository.id
            ]
            if project is None or not project.is_ours or others:
                self._rest.call("DELETE", self._in_project(f"git/repositories/{repository.id}"))
                return True
            begun = self._rest.call("DELETE", f"_apis/projects/{project.id}")
        self._finish(begun["id"], f"the deletion of the project {self._project}")
        return True

    def head(self, repository: Repository, branch: str) -> str | None:
        place = self._in_project(f"git/repositories/{repository.id}/refs")
        with self._rest.speaking_of(f"the branch {branch}"):
            found = self._rest.values(place, filter=f"heads/{branch}")
        return next((one["objectId"] for one in found if one["name"] == f"refs/heads/{branch}"), None)

    def files(self, repository: Repository, commit: str) -> Mapping[str, str]:
        asked = {"scopePath": "/", "recursionLevel": "Full"} | _at(commit)
        with self._rest.speaking_of(f"the files of the repository {self._repository}"):
            found = self._rest.values(self._in_project(f"git/repositories/{repository.id}/items"), **asked)
        return {one["path"].lstrip("/"): one["objectId"] for one in found if one["gitObjectType"] == "blob"}

    def read(self, repository: Repository, commit: str, path: str) -> bytes:
        asked = {"path": f"/{path}", "$format": "octetStream"} | _at(commit)
        place = self._in_project(f"git/repositories/{repository.id}/items")
        with self._rest.speaking_of(f"the file {path} of the repository {self._repository}"):
            return bytes(self._rest.send("GET", place, None, asked).content)

    def authorization(self) -> str:
        value = self._rest.authorization()
        redaction.register(value)
        return value

    # Runs of the pipeline

    def page(self) -> str:
        return f"{self._cloud.devops}/{self._rest.organization}/{quote(self._project)}/_build"

    def runs(self, limit: int) -> tuple[PipelineRun, ...]:
        asked = {"definitions": str(self._pipeline()), "$top": str(limit), "queryOrder": "queueTimeDescending"}
        with self._rest.speaking_of("the runs of the pipeline"):
            builds = self._rest.values(self._in_project("build/builds"), **asked)
        return tuple(self._run(build) for build in builds)

    def queue(self, order: RunOrder) -> PipelineRun:
        """Raises CloudError where the file is not one that Azure Pipelines takes, in its words.

        What the file does anyway is not asked for: somebody's own file may have no parameters.
        """
        given = {"build_number": order.build_number, "stage": "" if order.stage == "all" else order.stage}
        body = {
            "resources": {"repositories": {"self": {"refName": f"refs/heads/{order.branch}"}}},
            "templateParameters": {name: value for name, value in given.items() if value},
        }
        place = self._in_project(f"pipelines/{self._pipeline()}/runs")
        with self._rest.speaking_of(f"a run of the pipeline {self._name}"):
            made = self._rest.call("POST", place, body)
        return self.run(str(made["id"]))

    def run(self, run_id: str) -> PipelineRun:
        with self._rest.speaking_of(f"the run {run_id}"):
            return self._run(self._rest.call("GET", self._in_project(f"build/builds/{quote(run_id)}")))

    def _run(self, build: dict[str, Any]) -> PipelineRun:
        """One that has ended well needs no second look."""
        is_plain = build["status"] == "completed" and build.get("result") != "failed"
        return run_of(build, None if is_plain else self._timeline(str(build["id"])))

    def _timeline(self, run_id: str) -> Timeline:
        """Read now, and kept for `log`."""
        with self._rest.speaking_of(f"the run {run_id}"):
            found = self._rest.call("GET", self._in_project(f"build/builds/{quote(run_id)}/timeline"))
        timeline = Timeline(tuple(found.get("records") or ()))
        with self._lock:
            self._timelines = {run_id: timeline}  # the latest alone: one is followed at a time
        return timeline

    def parts(self, run_id: str) -> tuple[PipelinePart, ...]:
        return self._timeline(run_id).parts()

    def log(self, run_id: str, part_id: str, after: int) -> tuple[str, ...]:
        """Azure DevOps has a step's log once the step has ended."""
        with self._lock:
            kept = self._timelines.get(run_id)
        number = kept.log_of(part_id) if kept else None
        if number is None:
            number = self._timeline(run_id).log_of(part_id)
        if number is None:
            return ()
        place = self._in_project(f"build/builds/{quote(run_id)}/logs/{number}")
        with self._rest.speaking_of(f"the log of the run {run_id}"):
            response = self._rest.send("GET", place, None, {"startLine": str(after)}, {"Accept": "application/json"})
        return tuple(STAMP.sub("", line) for line in response.json()["value"])

    def approvals(self, run_id: str) -> tuple[PipelineApproval, ...]:
        waiting = self._timeline(run_id).approvals()
        if not waiting:
            return ()
        asked = {"approvalIds": ",".join(waiting), "$expand": "steps", "api-version": PREVIEW}
        with self._rest.speaking_of(f"the approvals of the run {run_id}"):
            found = self._rest.values(self._in_project("pipelines/approvals"), **asked)
        return tuple(self._approval(run_id, one, waiting[one["id"]]) for one in found if one["status"] == "pending")

    def _approval(self, run_id: str, found: dict[str, Any], stage: dict[str, Any]) -> PipelineApproval:
        left = [one["assignedApprover"] for one in found.get("steps") or [] if one["status"] == "pending"]
        if self._me is None:
            self._me = self.account()
        name = stage.get("identifier") or stage["name"]
        return PipelineApproval(
            id=found["id"],
            run=run_id,
            stage=stage["name"],
            environment=f"{self._name}-{name.lower()}",
            approvers=tuple(one.get("uniqueName") or one["displayName"] for one in left),
            mine=any(one["id"] == self._me.id for one in left),
            since=moment(found.get("createdOn")),
        )

    def approve(self, approval: PipelineApproval, comment: str) -> None:
        body = [{"approvalId": approval.id, "status": "approved", "comment": comment}]
        with self._rest.speaking_of(f"the approval of {approval.stage}"):
            self._rest.call("PATCH", self._in_project("pipelines/approvals"), body, **{"api-version": PREVIEW})

    def cancel(self, run_id: str) -> None:
        place = self._in_project(f"build/builds/{quote(run_id)}")
        with self._rest.speaking_of(f"the run {run_id}"):
            if self._rest.call("GET", place)["status"] in ("completed", "cancelling"):
                return
            self._rest.call("PATCH", place, {"status": "cancelling"})

    def _pipeline(self) -> int:
        found = self.pipelines.find()
        if found is None:
            hint = "Make it: mlops-tui setup"
            raise NotFoundError(f"There is no pipeline {self._name} in the project {self._project} yet.", hint=hint)
        return found.id

    def _in_project(self, path: str) -> str:
        return f"{quote(self._project)}/_apis/{path}"


def _repository(found: dict[str, Any]) -> Repository:
    """Addresses without the user's name that the service may put before the host."""
    clone = re.sub(r"^https://[^/@]+@", "https://", found["remoteUrl"])
    return Repository(found["id"], found["name"], clone, found.get("webUrl") or clone)


def _at(commit: str) -> dict[str, str]:
    return {"versionDescriptor.version": commit, "versionDescriptor.versionType": "commit"}
