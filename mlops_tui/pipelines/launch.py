"""Start a run of the pipeline, and end one before its time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.errors import UsageError
from mlops_tui.events import PipelineRun, PipelineRunState
from mlops_tui.events.pipelines import ENDED
from mlops_tui.pipelines.host import NO_PIPELINE, find_run, identify, where_not_found
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost
    from mlops_tui.project import Project

STAGES = ("all", "staging", "production")
# It becomes a tag, a file's name and a word of commands on the way: what none of them takes for something else.
_BUILD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")


def order_of(project: Project, branch: str = "", build_number: str = "", stage: str = "") -> RunOrder:
    """What is empty is as the project says. Raises UsageError for what cannot be meant."""
    if stage and stage not in STAGES:
        raise UsageError(f"stage: {stage!r} is none of {', '.join(STAGES)}.")
    if build_number and not _BUILD.fullmatch(build_number):
        raise UsageError(
            f"build number: {build_number!r} is none: at most 100 letters, digits and . _ + -, a letter or digit first."
        )
    return RunOrder(branch or project.ci.branch, build_number, stage or "all")


def queue(host: CiHost, emit: Emit, order: RunOrder) -> PipelineRun:
    """Its id and its page are told at once. Raises NotFoundError where there is no pipeline yet."""
    with where_not_found(NO_PIPELINE):
        run = host.queue(order)
    identify(emit, run)
    emit(PipelineRunState(run=run))
    return run


def cancel(host: CiHost, emit: Emit, run_id: str) -> str:
    """A sentence about what became of it. Raises NotFoundError."""
    run = find_run(host, run_id, emit)
    if run.state not in ENDED:
        host.cancel(run_id)
        run = host.run(run_id)
        emit(PipelineRunState(run=run))
        return f"Run {run.id} is being cancelled."
    emit(PipelineRunState(run=run))
    return f"Run {run.id} has ended already: {run.state}."
