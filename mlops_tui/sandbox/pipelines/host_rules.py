"""One host's rules for runs: how its files are read, what its runs are called, which stages and jobs are to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.pipelines import azure_file, azure_results, github_file, github_results, run_numbers
from mlops_tui.sandbox.pipelines.azure_expressions import Evaluator as AzureEvaluator
from mlops_tui.sandbox.pipelines.azure_job import AzureJob
from mlops_tui.sandbox.pipelines.azure_variables import Variables
from mlops_tui.sandbox.pipelines.folders import Machine
from mlops_tui.sandbox.pipelines.github_expressions import Evaluator as GitHubEvaluator
from mlops_tui.sandbox.pipelines.github_job import GitHubJob
from mlops_tui.sandbox.pipelines.job_context import JobContext, JobOrder
from mlops_tui.sandbox.pipelines.model import Body, HostName, HostSide, RunRequest
from mlops_tui.sandbox.pipelines.plan import Job, Plan, Stage
from mlops_tui.sandbox.pipelines.records import jobs

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store


class HostRules(ABC):
    """Conditions and texts may raise ExpressionError; what asks the host's side, LookupError."""

    @abstractmethod
    def read(self, file: str, data: bytes) -> Plan:
        """Without a run. Raises PipelineFileError."""

    @abstractmethod
    def plan(self, request: RunRequest, data: bytes) -> Plan:
        """Raises PipelineFileError, and ValueError for a parameter."""

    @abstractmethod
    def name(self, store: Store, run_id: str, request: RunRequest, plan: Plan, subject: str) -> tuple[str, str]:
        """Number and title of a new run; `subject` is the first line of the commit's message."""

    @abstractmethod
    def wants_stage(self, run: Body, plan: Plan, stage: Stage, side: HostSide) -> bool: ...

    @abstractmethod
    def wants_job(self, run: Body, row: Body, plan: Plan, stage: Stage, job: Job, side: HostSide) -> bool: ...

    @abstractmethod
    def text(self, run: Body, row: Body | None, plan: Plan, written: str, side: HostSide) -> str:
        """Of a job that does not run yet (its environment, its concurrency), or of the run itself."""

    @abstractmethod
    def machine(self, root: Path, run: Body) -> Machine: ...

    @abstractmethod
    def context(self, order: JobOrder, rename: Callable[[str], None]) -> JobContext: ...


class AzureRules(HostRules):
    def read(self, file: str, data: bytes) -> Plan:
        return azure_file.read(file, data, None, azure_results.facts("manual", "main", "", ""))

    def plan(self, request: RunRequest, data: bytes) -> Plan:
        facts = azure_results.facts(request.reason, request.branch, request.commit, request.name)
        return azure_file.read(request.file, data, request.parameters, facts)

    def name(self, store: Store, run_id: str, request: RunRequest, plan: Plan, subject: str) -> tuple[str, str]:
        known = {
            **dict(plan.variables),
            **azure_results.facts(request.reason, request.branch, request.commit, request.name),
            "Build.BuildId": run_id,
            "System.TeamProject": request.owner.rpartition("/")[2],
        }
        place = f"pipeline-run-number/{request.host}/{request.owner}/{request.pipeline}"
        now = datetime.now().astimezone()
        number = run_numbers.azure(plan.name, known, now, lambda text: store.next_number(f"{place}/{text}"))
        return number, subject

    def wants_stage(self, run: Body, plan: Plan, stage: Stage, side: HostSide) -> bool:
        first = next(row for row in run["stages"] if row["name"] == stage.name)["jobs"][0]
        variables = azure_results.plain_variables(run, first, plan, stage, side)
        contexts = {**azure_results.for_stage(run), "variables": _expanded(variables)}
        return AzureEvaluator(contexts, azure_results.stage_status(run, stage, plan)).holds(stage.condition)

    def wants_job(self, run: Body, row: Body, plan: Plan, stage: Stage, job: Job, side: HostSide) -> bool:
        variables = Variables({}, azure_results.plain_variables(run, row, plan, stage, side))
        contexts = azure_results.for_job(run, stage)
        variables.add(job.variables, contexts)
        functions = azure_results.job_status(run, stage, job)
        return AzureEvaluator({**contexts, "variables": variables.values()}, functions).holds(job.condition)

    def text(self, run: Body, row: Body | None, plan: Plan, written: str, side: HostSide) -> str:
        given = side.variables(run, row) if row else {}
        return Variables({}, {**given, **dict(plan.variables), **azure_results.facts_of(run)}).text(written)

    def machine(self, root: Path, run: Body) -> Machine:
        return Machine(root, root / "work" / "1", root / "work" / "1" / "s")

    def context(self, order: JobOrder, rename: Callable[[str], None]) -> JobContext:
        return AzureJob(order, rename)


def _expanded(variables: Mapping[str, str]) -> dict[str, str]:
    return Variables({}, variables).values()


class GitHubRules(HostRules):
    def read(self, file: str, data: bytes) -> Plan:
        return github_file.read(file, data, None, {})

    def plan(self, request: RunRequest, data: bytes) -> Plan:
        event = "push" if request.reason == "push" else "workflow_dispatch"
        plan = github_file.read(request.file, data, request.parameters, {"github.event_name": event})
        if event == "workflow_dispatch" and not plan.can_be_started:
            raise ValueError("Workflow does not have 'workflow_dispatch' trigger")
        return plan

    def name(self, store: Store, run_id: str, request: RunRequest, plan: Plan, subject: str) -> tuple[str, str]:
        number = str(store.next_number(f"pipeline-run-number/{request.host}/{request.owner}/{request.pipeline}"))
        facts = {
            "GITHUB_REF_NAME": request.branch,
            "GITHUB_REF": f"refs/heads/{request.branch}",
            "GITHUB_SHA": request.commit,
            "GITHUB_RUN_NUMBER": number,
            "GITHUB_RUN_ID": run_id,
            "GITHUB_REPOSITORY": request.owner,
            "GITHUB_WORKFLOW": request.name,
            "GITHUB_EVENT_NAME": "push" if request.reason == "push" else "workflow_dispatch",
            "GITHUB_ACTOR": str(request.requested_by.get("display_name", "")),
        }
        contexts = github_results.contexts({}, None, plan, facts, {})
        otherwise = subject if request.reason == "push" else request.name
        return number, GitHubEvaluator(contexts, {}).text(plan.name).strip() or otherwise

    def wants_stage(self, run: Body, plan: Plan, stage: Stage, side: HostSide) -> bool:
        return True  # workflows have none

    def wants_job(self, run: Body, row: Body, plan: Plan, stage: Stage, job: Job, side: HostSide) -> bool:
        contexts = github_results.contexts(run, job, plan, side.facts(run, row), side.variables(run, row))
        return GitHubEvaluator(contexts, github_results.status(run, job, plan)).holds(job.condition)

    def text(self, run: Body, row: Body | None, plan: Plan, written: str, side: HostSide) -> str:
        asked = row or next(one for _, one in jobs(run))
        job = plan.job("", asked["name"])[1]
        facts, variables = side.facts(run, asked), side.variables(run, asked)
        contexts = github_results.contexts(run, job if row else None, plan, facts, variables)
        return GitHubEvaluator(contexts, {}).text(written)

    def machine(self, root: Path, run: Body) -> Machine:
        name = run["owner"].rpartition("/")[2]
        return Machine(root, root / "work" / name / name, root / "work" / name / name)

    def context(self, order: JobOrder, rename: Callable[[str], None]) -> JobContext:
        return GitHubJob(order)


RULES: dict[HostName, HostRules] = {"azure-devops": AzureRules(), "github": GitHubRules()}
