"""How far a run is, as Azure Pipelines' expressions see it: `dependencies` and the status functions of stages and jobs.

Microsoft, "Expressions": Dependencies, Job status check functions; "Specify conditions".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_tui.sandbox.pipelines.expressions import ExpressionError, Function
from mlops_tui.sandbox.pipelines.github_results import ancestors
from mlops_tui.sandbox.pipelines.model import Body, HostSide
from mlops_tui.sandbox.pipelines.plan import Job, Plan, Stage

NAMES = {"succeeded": "Succeeded", "failed": "Failed", "canceled": "Canceled", "skipped": "Skipped", "": ""}
REASONS = {"manual": "Manual", "push": "IndividualCI"}


def facts(reason: str, branch: str, commit: str, pipeline: str) -> dict[str, str]:
    """What the host knows of a run before it begins, by the names of its variables."""
    return {
        "Build.DefinitionName": pipeline,
        "Build.Reason": REASONS[reason],
        "Build.SourceBranch": f"refs/heads/{branch}",
        "Build.SourceBranchName": branch.rpartition("/")[2],
        "Build.SourceVersion": commit,
    }


def facts_of(run: Body) -> dict[str, str]:
    known = facts(run["reason"], run["branch"], run["commit"], run["name"])
    return known | {"Build.BuildId": run["id"], "Build.BuildNumber": run["number"]}


def for_stage(run: Body) -> dict[str, Any]:
    """The contexts of a stage's condition."""
    return {"dependencies": {stage["name"]: _stage(stage) for stage in run["stages"]}}


def for_job(run: Body, stage: Stage) -> dict[str, Any]:
    own = next(row for row in run["stages"] if row["name"] == stage.name)
    return {
        "dependencies": {job["name"]: _job(job) for job in own["jobs"]},
        "stagedependencies": {row["name"]: {job["name"]: _job(job) for job in row["jobs"]} for row in run["stages"]},
    }


def _stage(row: Body) -> dict[str, Any]:
    outputs = {f"{job['name']}.{name}": value for job in row["jobs"] for name, value in _job(job)["outputs"].items()}
    return {"result": NAMES[row["result"]], "outputs": outputs}


def _job(row: Body) -> dict[str, Any]:
    """Outputs of deployments are known by the job's name, too."""
    outputs = dict(row["outputs"])
    if row["environment"]:
        outputs |= {f"{row['name']}.{name}": value for name, value in row["outputs"].items()}
    return {"result": NAMES[row["result"]], "outputs": outputs}


def stage_status(run: Body, stage: Stage, plan: Plan) -> dict[str, Function]:
    results = {row["name"]: row["result"] for row in run["stages"]}
    return status(results, stage.needs, {one.name: one.needs for one in plan.stages}, bool(run["canceled"]))


def job_status(run: Body, stage: Stage, job: Job) -> dict[str, Function]:
    own = next(row for row in run["stages"] if row["name"] == stage.name)
    results = {row["name"]: row["result"] for row in own["jobs"]}
    return status(results, job.needs, {one.name: one.needs for one in stage.jobs}, bool(run["canceled"]))


def status(
    results: Mapping[str, str], needs: Iterable[str], of: Mapping[str, tuple[str, ...]], canceled: bool
) -> dict[str, Function]:
    """Without names they look at everything that is depended on, directly or not."""
    everything = ancestors(needs, of)

    def chosen(names: tuple[Any, ...]) -> list[str]:
        by_case = {name.lower(): result for name, result in results.items()}
        unknown = [name for name in names if str(name).lower() not in by_case]
        if unknown:
            raise ExpressionError(f"there is no '{unknown[0]}' to depend on")
        return [by_case[str(name).lower()] for name in (names or everything)]

    return {
        "always": lambda: True,
        "canceled": lambda: canceled,
        "failed": lambda *names: "failed" in chosen(names),
        "succeeded": lambda *names: not canceled and all(one == "succeeded" for one in chosen(names)),
        "succeededorfailed": lambda *names: (
            not canceled and all(one in ("succeeded", "failed") for one in chosen(names))
        ),
    }


def plain_variables(run: Body, row: Body, plan: Plan, stage: Stage, side: HostSide) -> dict[str, str]:
    """Those that conditions of stages and jobs may ask for."""
    return {**side.variables(run, row), **dict(plan.variables), **dict(stage.variables), **facts_of(run)}
