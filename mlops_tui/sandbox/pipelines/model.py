"""What a host asks of the runner, what the runner asks of the host, and the document that tells how far a run is.

A run is a document of the kind PIPELINE_RUN by its id, which hosts and runner share; only the runner writes it:

    {"id": "17", "host": "azure-devops", "owner": "practice/wine-quality", "pipeline": "3", "number": "20261128.1",
     "name": …, "file": "azure-pipelines.yml", "branch": "main", "commit": …, "reason": "manual" | "push",
     "requested_by": {…Principal}, "parameters": {…},
     "state": "queued" | "running" | "waiting" | "completed", "result": "" | "succeeded" | "failed" | "canceled",
     "title": what this one run is called (GitHub: run-name; else the first line of the commit's message),
     "created": seconds since 1970, "started": …, "finished": …, "issues": [ISSUE, …],
     "stages": [{"id", "name", "title", "needs": [names], "state": STATE, "result": RESULT, "started", "finished",
                 "jobs": [{"id", "name", "title", "needs", "environment": "" | name, "approval": null | APPROVAL,
                           "permissions": {scope: level} (GitHub),
                           "connections": [names], "pool": "" | name (Azure DevOps; "" is a hosted one),
                           "state", "result", "started", "finished", "issues", "outputs": {…},
                           "steps": [{"id", "name", "title", "state", "result", "started", "finished", "issues",
                                      "lines": number of lines in its log}]}]}]}

STATE is "pending", "waiting" (for an approval), "running" or "completed"; RESULT is "", "succeeded", "failed",
"canceled" or "skipped". GitHub's workflows have one stage with an empty name. Ids of parts are unique in the run.
Moments that have not come are 0. A step that has failed and may (continueOnError) is "failed" in a job that succeeds.
ISSUE is {"type": "error" | "warning", "message", "file": "", "line": 0}.
APPROVAL is {"id", "state": "pending" | "approved" | "rejected", "asked": seconds, "by": "", "at": 0, "comment": ""}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Body = dict[str, Any]
HostName = Literal["azure-devops", "github"]
PIPELINE_RUN = "pipeline-run"


class PipelineFileError(Exception):
    """The file is not one that can be run here; says where."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}: line {line}: {message}")
        self.file, self.line, self.message = file, line, message


@dataclass(frozen=True)
class RunRequest:
    """What a host wants to be run."""

    host: HostName
    owner: str  # whose pipeline, in the host's own words: "practice/wine-quality"
    pipeline: str  # the host's id of the pipeline
    name: str  # its name
    repository: Path  # the bare repository on disk
    clone_url: str
    file: str  # the pipeline's file in the repository
    branch: str
    commit: str
    reason: Literal["manual", "push"]
    requested_by: Body  # vars() of a Principal
    parameters: Mapping[str, str] = field(default_factory=dict)  # as given; the file has the defaults


class HostSide(Protocol):
    """What the runner asks of the host while it runs; `run` and `job` are those of the document.

    Asked from the runner's threads. Values of `secrets`, and of `facts` and `connection` under names that end in
    TOKEN, SECRET or KEY, are masked in every log. On Azure DevOps a fact BUILD_BUILDID is the variable Build.BuildId.
    """

    def why_not(self, run: Body, job: Body) -> str:
        """Why this job may not run (no parallelism, a resource not authorised), in the host's words; else empty."""
        ...

    def needs_approval(self, run: Body, job: Body) -> bool:
        """Of the job's environment, which is made here where it does not exist, as hosts do."""
        ...

    def variables(self, run: Body, job: Body) -> Mapping[str, str]:
        """The plain variables that the pipeline's owner has set for it (GitHub: `vars`), by name."""
        ...

    def secrets(self, run: Body, job: Body) -> Mapping[str, str]:
        """The secret ones by name (System.AccessToken and GITHUB_TOKEN are among them): there only where the file
        maps them."""
        ...

    def facts(self, run: Body, job: Body) -> Mapping[str, str]:
        """The environment that the host itself gives to steps: BUILD_BUILDNUMBER …, GITHUB_RUN_NUMBER …"""
        ...

    def connection(self, run: Body, job: Body, name: str) -> Mapping[str, str]:
        """Azure DevOps: what AzureCLI@2 puts into the environment for a service connection. Raises LookupError."""
        ...
