"""The service that runs pipelines, for Azure DevOps and GitHub alike; it has no routes: the hosts have those."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox import git_server
from mlops_tui.sandbox.api import Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.pipelines import folders, leftovers, progress, published, records, step_log
from mlops_tui.sandbox.pipelines.agent import LOST
from mlops_tui.sandbox.pipelines.conductor import Conductor
from mlops_tui.sandbox.pipelines.host_rules import RULES
from mlops_tui.sandbox.pipelines.model import (
    PIPELINE_RUN,
    Body,
    HostName,
    HostSide,
    PipelineFileError,
    RunRequest,
)
from mlops_tui.sandbox.pipelines.plan import Plan
from mlops_tui.sandbox.pipelines.records import PipelineRuns, issue
from mlops_tui.sandbox.pipelines.yard import Yard

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

AT_ONCE = 2  # jobs that run side by side, of all runs
STOPPING = 5.0  # seconds that jobs have to end with the sandbox


class Pipelines(Service):
    """Runs are documents (see `model`); each unfinished one has a conductor, a thread that sees to its order.

    A sandbox that is killed takes what ran with it: such a job has failed when the sandbox is started again. What
    waited goes on waiting.
    """

    dialect = OPEN

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._sides: dict[HostName, HostSide] = {}
        self._runs = PipelineRuns(sandbox.store)
        practice = folders.practice(sandbox.origin, sandbox.folder / "ca.pem")
        self._yard = Yard(sandbox.folder / "pipelines", self._runs, practice, AT_ONCE)

    def routes(self) -> list[Endpoint]:
        return []

    def register(self, host: HostName, side: HostSide) -> None:
        """Before the sandbox starts: in a host service's constructor."""
        self._sides[host] = side

    def start(self) -> None:
        if (self._yard.folder / "machines").exists():
            leftovers.end(self._yard.folder / "machines")
            shutil.rmtree(self._yard.folder / "machines", ignore_errors=True)
        for run in self._runs.unfinished():
            run = self._runs.edit(run["id"], partial(progress.lose, message=issue("error", LOST)))
            try:
                plan = self._plan(_request(run))
            except (PipelineFileError, ValueError) as error:  # its repository is gone
                self._runs.edit(run["id"], partial(progress.give_up, message=issue("error", str(error))))
            else:
                self._conduct(run, plan)

    def stop(self) -> None:
        """Jobs end at once, and have failed. What waits is kept."""
        self._yard.stopping.set()
        self._yard.wake()
        with self._yard.lock:
            going = list(self._yard.conductors.values())
        deadline = time.monotonic() + STOPPING
        for thread in [one for conductor in going for one in (conductor, *conductor.threads)]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def check(self, host: HostName, file: str, text: bytes) -> Plan:
        """Read it as that host would. Raises PipelineFileError."""
        return RULES[host].read(file, text)

    def triggers(self, host: HostName, file: str, text: bytes, branch: str, changed: Iterable[str]) -> bool:
        """Whether a push to that branch that changed those paths starts the pipeline. Raises PipelineFileError."""
        trigger = self.check(host, file, text).trigger
        return trigger is not None and trigger.takes(branch, list(changed))

    def launch(self, request: RunRequest) -> Body:
        """The run's document, at once. Raises PipelineFileError for the file, ValueError for a parameter."""
        plan = self._plan(request)
        run_id = str(self.store.next_number(PIPELINE_RUN))
        subject = git_server.message(request.repository, request.commit).partition("\n")[0]
        number, title = RULES[request.host].name(self.store, run_id, request, plan, subject)
        run = records.made(run_id, request, plan, number, title)
        self._runs.add(run)
        self._conduct(run, plan)
        return run

    def _plan(self, request: RunRequest) -> Plan:
        try:
            text = git_server.show(request.repository, request.commit, request.file)
        except LookupError as error:
            raise PipelineFileError(request.file, 1, f"there is no such file in {request.commit}") from error
        return RULES[request.host].plan(request, text)

    def _conduct(self, run: Body, plan: Plan) -> None:
        conductor = Conductor(self._yard, run, plan, self._sides[run["host"]])
        with self._yard.lock:
            self._yard.conductors[run["id"]] = conductor
        conductor.start()

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
        run = self.record(run_id)
        steps = [step["id"] for _, job in records.jobs(run) for step in job["steps"]] if run else []
        kept = self._yard.kept(run_id)
        chosen = [step for step in steps if step == part_id or step.startswith(f"{part_id}.")]
        return [line for step in chosen for line in step_log.read(kept.log(step))][after:]

    def summary(self, run_id: str, job_id: str) -> str:
        """The Markdown that the job's steps have left for its page."""
        run = self.record(run_id)
        if run is None or job_id not in {job["id"] for _, job in records.jobs(run)}:
            return ""
        path = self._yard.kept(run_id).summary(job_id)
        return path.read_text("utf-8") if path.exists() else ""

    def approve(self, run_id: str, approval_id: str, by: str, comment: str = "", rejected: bool = False) -> Body:
        """The approval, decided. Raises LookupError for an unknown one, ValueError where it is decided already."""

        def decide(run: Body) -> None:
            approval = _approval(run, approval_id)
            if approval["state"] != "pending" or run["state"] == "completed":
                raise ValueError(f"The approval {approval_id} has been decided already.")
            state = "rejected" if rejected else "approved"
            approval |= {"state": state, "by": by, "comment": comment, "at": time.time()}

        run = self._runs.edit(run_id, decide)
        self._yard.wake(run_id)
        return _approval(run, approval_id)

    def cancel(self, run_id: str) -> None:
        """End it and its processes. Raises LookupError; nothing happens to one that has ended."""
        if self._runs.get(run_id)["state"] != "completed":
            self._runs.change(run_id, canceled=True)
            self._yard.wake(run_id)

    def artifacts(self, run_id: str) -> dict[str, Path]:
        """What its jobs have published: names and folders."""
        return published.listed(self._yard.kept(run_id).artifacts) if self.record(run_id) else {}


def _approval(run: Body, approval_id: str) -> Body:
    approvals = [job["approval"] for _, job in records.jobs(run) if job["approval"]]
    found = next((one for one in approvals if one["id"] == approval_id), None)
    if found is None:
        raise LookupError(f"There is no approval {approval_id}.")
    assert isinstance(found, dict)
    return found


def _request(run: Body) -> RunRequest:
    """Of which the run was made."""
    same = ("host", "owner", "pipeline", "name", "clone_url", "file", "branch", "commit", "reason", "requested_by")
    given = {name: run[name] for name in (*same, "parameters")}
    return RunRequest(**given, repository=Path(run["repository"]))
