"""What can be asked for of the pipeline on the CI host: run it, follow it, say yes to it, end it. See `operations`.

All that is needed is the host's client: nothing of Azure is looked at, and nobody signs in there for it, unless Azure
DevOps is to be signed in to without a token of its own, or a run has failed because Azure did not trust it. Where no
CI host is chosen, each raises UsageError and says how to choose one.

Following a run tells, in this order:

    Identified              what="pipeline run", the run's id and page: before anything else
    PipelineRunState        as it is now; again whenever its state changes
    PipelinePartState       of each part when it appears (those that it belongs to first), and when it changes
    LogLine                 the lines of each part's log as they come, `source` as in its PipelinePartState;
                            those of the source "pipeline" are ours: a lost connection, a question left open
    PipelinePartState       a part's end comes behind its last line, and behind the ends of the parts in it; but GitHub
                            has the log of a job when that has ended, so that there the ends of its steps come first
    PipelineApprovalAsked   once for each approval that the run waits for
    PipelineApproved        once it has been given, whoever gave it
    PipelineRunState        the run's end comes last of all; a Problem behind it where it has failed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import RunOrder
    from mlops_tui.pipelines.approval import Consent
    from mlops_tui.session import Session


def run(session: Session, emit: Emit, order: RunOrder, follow: bool = False, consent: Consent | None = None) -> str:
    """Start a run: Identified, PipelineRunState. With `follow` go on to its end, as told above.

    Raises RunFailedError where it ends badly, Interrupted where the session was cancelled: the run goes on then.
    """
    from mlops_tui.pipelines import launch
    from mlops_tui.pipelines.approval import Consent
    from mlops_tui.pipelines.follow import follow_run
    from mlops_tui.pipelines.host import ci_host

    started = launch.queue(ci_host(session), emit, order)
    if follow:
        return follow_run(session, emit, started, consent)
    return f"Queued. Follow it with `{(consent or Consent()).command('logs', started.id, '--follow')}`."


def list_runs(session: Session, emit: Emit, limit: int = 20, flags: Sequence[str] = ()) -> str:
    """PipelineRunsListed: the newest runs, and what of them waits for somebody's yes."""
    from mlops_tui.pipelines import history
    from mlops_tui.pipelines.host import ci_host

    emit(history.list_runs(ci_host(session), limit, flags))
    return ""


def read_log(session: Session, emit: Emit, run: str, follow: bool = False, consent: Consent | None = None) -> str:
    """What a run is, its parts and their logs: up to now, or to its end, in the order told above.

    Without `follow` a run that has failed is no error. Raises NotFoundError.
    """
    from mlops_tui.pipelines.follow import follow_run, read_up_to_now

    if follow:
        return follow_run(session, emit, run, consent)
    read_up_to_now(session, emit, run, consent)
    return ""


def approve(
    session: Session, emit: Emit, run: str, comment: str = "", follow: bool = False, consent: Consent | None = None
) -> str:
    """Say yes to all that the run waits for and that is ours to say: PipelineApproved for each. Then as `run`.

    Raises UsageError where it waits for nothing, ForbiddenError where it is all for others to say.
    """
    from mlops_tui.pipelines import approval
    from mlops_tui.pipelines.follow import follow_run
    from mlops_tui.pipelines.host import ci_host

    approval.approve(ci_host(session), emit, run, comment)
    if follow:
        return follow_run(session, emit, run, consent)
    return f"Approved. Follow it with `{(consent or approval.Consent()).command('logs', run, '--follow')}`."


def cancel(session: Session, emit: Emit, run: str) -> str:
    """End a run before its time: PipelineRunState. One that has ended already is left as it is."""
    from mlops_tui.pipelines import launch
    from mlops_tui.pipelines.host import ci_host

    return launch.cancel(ci_host(session), emit, run)
