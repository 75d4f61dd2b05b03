"""The service that runs pipelines, for Azure DevOps and GitHub alike; it has no routes: the hosts have those."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.api import Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN, Body, HostName, HostSide, RunRequest

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox


class Pipelines(Service):
    """Runs are documents (see `model`); each unfinished one has a thread that sees to its order."""

    dialect = OPEN

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._sides: dict[HostName, HostSide] = {}

    def routes(self) -> list[Endpoint]:
        return []

    def register(self, host: HostName, side: HostSide) -> None:
        """Before the sandbox starts: in a host service's constructor."""
        self._sides[host] = side

    def check(self, host: HostName, file: str, text: bytes) -> object:
        """Read it as that host would. Raises PipelineFileError."""
        raise NotImplementedError

    def triggers(self, host: HostName, file: str, text: bytes, branch: str, changed: Iterable[str]) -> bool:
        """Whether a push to that branch that changed those paths starts the pipeline. Raises PipelineFileError."""
        raise NotImplementedError

    def launch(self, request: RunRequest) -> Body:
        """The run's document, at once. Raises PipelineFileError for the file, ValueError for a parameter."""
        raise NotImplementedError

    def record(self, run_id: str) -> Body | None:
        return self.store.get(PIPELINE_RUN, run_id)

    def records(self, host: HostName, owner: str, pipeline: str = "") -> list[Body]:
        """Of one pipeline, or of all of that owner; the newest first."""
        runs = [run for run in self.store.list(PIPELINE_RUN) if (run["host"], run["owner"]) == (host, owner)]
        chosen = [run for run in runs if pipeline in ("", run["pipeline"])]
        return sorted(chosen, key=lambda run: int(run["id"]), reverse=True)

    def log(self, run_id: str, part_id: str, after: int = 0) -> list[str]:
        """The lines of a step, or of all steps of a job, without the first `after`; each begins with its moment,
        as 2026-11-28T12:00:00.1234567Z. No lines where there is no such part."""
        raise NotImplementedError

    def summary(self, run_id: str, job_id: str) -> str:
        """The Markdown that the job's steps have left for its page."""
        raise NotImplementedError

    def approve(self, run_id: str, approval_id: str, by: str, comment: str = "", rejected: bool = False) -> Body:
        """The approval, decided. Raises LookupError for an unknown one, ValueError where it is decided already."""
        raise NotImplementedError

    def cancel(self, run_id: str) -> None:
        """End it and its processes. Raises LookupError; nothing happens to one that has ended."""
        raise NotImplementedError

    def artifacts(self, run_id: str) -> dict[str, Path]:
        """What its jobs have published: names and folders."""
        raise NotImplementedError
