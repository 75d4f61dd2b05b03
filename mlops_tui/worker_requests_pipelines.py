"""What the worker can be asked for of the pipeline on the CI host; see `worker_requests`.

    ci_run      branch, build_number, stage ("all", "staging", "production"), follow (true unless it is false)
    ci_runs     limit
    ci_log      run, follow
    ci_approve  run, comment, follow
    ci_cancel   run

`run` is the host's id of a run. Which events come, and in which order, is told in `pipeline_operations`. Those that
follow a run spool its log where the request names a folder (`logs`).
"""

from __future__ import annotations

from mlops_tui import pipeline_operations as operations
from mlops_tui.errors import UsageError
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.worker_service import Call, Kind, on_session


def _run_id(call: Call) -> str:
    """Raises UsageError where none is named."""
    run = call.text("run")
    if not run:
        raise UsageError("run: which one is meant? Give the id of a run.")
    return run


def _follow(call: Call) -> bool:
    return call.arguments.get("follow") is True


def _run(session: Session, emit: Emit, call: Call) -> str:
    from mlops_tui.pipelines.launch import order_of

    order = order_of(session.project, call.text("branch"), call.text("build_number"), call.text("stage"))
    return operations.run(session, emit, order, call.arguments.get("follow") is not False)


def _list_runs(session: Session, emit: Emit, call: Call) -> str:
    return operations.list_runs(session, emit, call.number("limit", 20))


def _read_log(session: Session, emit: Emit, call: Call) -> str:
    return operations.read_log(session, emit, _run_id(call), _follow(call))


def _approve(session: Session, emit: Emit, call: Call) -> str:
    return operations.approve(session, emit, _run_id(call), call.text("comment"), _follow(call))


def _cancel(session: Session, emit: Emit, call: Call) -> str:
    return operations.cancel(session, emit, _run_id(call))


REQUESTS: dict[str, Kind] = {
    "ci_run": Kind(on_session(_run), writes=True, spools=True),
    "ci_runs": Kind(on_session(_list_runs)),
    "ci_log": Kind(on_session(_read_log), spools=True),
    "ci_approve": Kind(on_session(_approve), writes=True, spools=True),
    "ci_cancel": Kind(on_session(_cancel), writes=True),
}
