"""Azure DevOps' part in a run: what a job may use, what it waits for, and what it is told.

Sources: "Use predefined variables", "Pipeline resource authorization" (https://aka.ms/yamlauthz), the task AzureCLI@2
(what it puts into the environment for a federated connection).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlops_tui.sandbox import devops_members, devops_pipeline
from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.devops_connections import Connections
from mlops_tui.sandbox.devops_definitions import Definitions
from mlops_tui.sandbox.devops_environments import Environments
from mlops_tui.sandbox.devops_pipeline import HOST, Pipeline
from mlops_tui.sandbox.devops_pools import HOSTED
from mlops_tui.sandbox.host_tokens import HostTokens

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

NO_PARALLELISM = (
    "No hosted parallelism has been purchased or granted. To request a free parallelism grant, please fill out the "
    "following form https://aka.ms/azpipelines-parallelism-request"
)
JOB_SECONDS = 3600 * 6  # that a job's own token lives at most
REASONS = {"manual": "Manual", "push": "IndividualCI"}


class DevOpsSide:
    """A HostSide (see `pipelines.model`)."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def why_not(self, run: Body, job: Body) -> str:
        try:
            pipeline = devops_pipeline.of_run(self._sandbox, run)
        except LookupError as error:
            return str(error)
        pool = job.get("pool") or HOSTED
        if pool == HOSTED and not pipeline.organization["hosted_parallelism"]:
            return NO_PARALLELISM
        if pool not in (HOSTED, "Default", *pipeline.organization["pools"]):
            return (
                f"Could not find a pool with name {pool}. The pool does not exist or has not been authorized for use."
            )
        barred = [name for name in job.get("connections") or [] if self._endpoint(pipeline, name) is None]
        if barred:
            return not_permitted("service connection(s)", ", ".join(barred))
        environments = self._sandbox.find(Environments)
        found = environments.find(pipeline.project, job["environment"]) if job.get("environment") else None
        if found and pipeline.number not in environments.permitted(pipeline.project, "environment", str(found["id"])):
            return not_permitted("environment(s)", found["name"])
        return ""

    def needs_approval(self, run: Body, job: Body) -> bool:
        """An environment that is not there is made, for this pipeline to use; one that is there may be closed to it."""
        name = job.get("environment")
        if not name:
            return False
        pipeline, environments = devops_pipeline.of_run(self._sandbox, run), self._sandbox.find(Environments)
        by = devops_members.identity(pipeline.organization, Principal(**run["requested_by"]))
        with self._sandbox.store.transaction():
            found = environments.find(pipeline.project, name)
            if found is None:
                found = environments.make(pipeline.organization, pipeline.project, name, by)
                allowed = {pipeline.number: True}
                environments.allow(pipeline.project, "environment", str(found["id"]), allowed, by)
        return environments.approval(pipeline.project, found) is not None

    def variables(self, run: Body, job: Body) -> Mapping[str, str]:
        definition = devops_pipeline.of_run(self._sandbox, run).definition
        given = definition.get("variables") or {}
        return {name: str(one.get("value") or "") for name, one in given.items() if not one.get("isSecret")}

    def secrets(self, run: Body, job: Body) -> Mapping[str, str]:
        pipeline = devops_pipeline.of_run(self._sandbox, run)
        own = self._sandbox.find(Definitions).secrets(pipeline.definition)
        return own | {"System.AccessToken": self._job_token(pipeline, run, job)}

    def _job_token(self, pipeline: Pipeline, run: Body, job: Body) -> str:
        """It acts as the project's build service, which reads; and asks for tokens of connections (`Connections`)."""
        project = pipeline.project
        service = Principal(
            object_id=str(uuid.uuid5(uuid.UUID(project["id"]), "build service")),
            name=f"Build\\{project['id']}",
            display_name=f"{project['name']} Build Service ({pipeline.organization['name']})",
            is_user=False,
        )
        scopes = ("job", pipeline.organization["id"], run["id"], job["id"])
        return HostTokens(self._sandbox.store).issue(HOST, service, scopes, JOB_SECONDS)

    def facts(self, run: Body, job: Body) -> Mapping[str, str]:
        pipeline = devops_pipeline.of_run(self._sandbox, run)
        project, collection = pipeline.project, f"{self._sandbox.origin}/devops/{pipeline.organization['name']}/"
        return {
            "TF_BUILD": "True",
            "BUILD_BUILDID": run["id"],
            "BUILD_BUILDNUMBER": run["number"],
            "BUILD_DEFINITIONNAME": run["name"],
            "BUILD_REASON": REASONS[run["reason"]],
            "BUILD_REPOSITORY_ID": pipeline.repository["id"],
            "BUILD_REPOSITORY_NAME": pipeline.repository["name"],
            "BUILD_REPOSITORY_PROVIDER": "TfsGit",
            "BUILD_REPOSITORY_URI": pipeline.clone_url,
            "BUILD_REQUESTEDFOR": run["requested_by"]["display_name"],
            "BUILD_SOURCEBRANCH": f"refs/heads/{run['branch']}",
            "BUILD_SOURCEBRANCHNAME": run["branch"].rpartition("/")[2],
            "BUILD_SOURCEVERSION": run["commit"],
            "SYSTEM_COLLECTIONURI": collection,
            "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": collection,
            "SYSTEM_DEFINITIONID": run["pipeline"],
            "SYSTEM_HOSTTYPE": "build",
            "SYSTEM_JOBID": job["id"],
            "SYSTEM_JOBDISPLAYNAME": job["title"] or job["name"],
            "SYSTEM_PLANID": run["id"],
            "SYSTEM_TEAMPROJECT": project["name"],
            "SYSTEM_TEAMPROJECTID": project["id"],
            "SYSTEM_OIDCREQUESTURI": (
                f"{collection}{project['id']}/_apis/distributedtask/hubs/build/plans/{run['id']}/jobs/{job['id']}"
                "/oidctoken"
            ),
        }

    def connection(self, run: Body, job: Body, name: str) -> Mapping[str, str]:
        endpoint = self._endpoint(devops_pipeline.of_run(self._sandbox, run), name)
        if endpoint is None:
            raise LookupError(f"The service connection {name} could not be found.")
        parameters = endpoint["authorization"]["parameters"]
        return {
            "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": endpoint["id"],
            "AZURESUBSCRIPTION_CLIENT_ID": parameters["serviceprincipalid"],
            "AZURESUBSCRIPTION_TENANT_ID": parameters["tenantid"],
        }

    def missing(self, pipeline: Pipeline, names: Iterable[str]) -> list[str]:
        """Which of those service connections are not there at all: a run of them is not even begun."""
        connections = self._sandbox.find(Connections)
        return [name for name in names if connections.find(pipeline.project, name) is None]

    def _endpoint(self, pipeline: Pipeline, name: str) -> Body | None:
        """One that is there and that the pipeline may use."""
        found = self._sandbox.find(Connections).find(pipeline.project, name)
        if found is None:
            return None
        permitted = self._sandbox.find(Environments).permitted(pipeline.project, "endpoint", found["id"])
        return found if pipeline.number in permitted else None


def not_permitted(what: str, names: str) -> str:
    """Azure waits for somebody to permit it; here the job ends, and says so."""
    return (
        f"Pipeline does not have permissions to use the referenced {what} {names}. For authorization details, refer to "
        "https://aka.ms/yamlauthz."
    )
