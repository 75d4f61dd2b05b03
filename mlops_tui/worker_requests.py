"""What the worker can be asked for, by name, and how each request is performed.

Most work on a session: they look at the cloud, and tell what they see. Some need none, for they look at this machine
alone. `plan` leaves its plan behind, and `apply` makes that plan true, all of it or some steps.
"""

from __future__ import annotations

import contextlib
import os

from mlops_tui import operations, worker_requests_delivery, worker_requests_pipelines
from mlops_tui.engine import Plan, Sequencer
from mlops_tui.errors import MlopsError, UsageError
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.training.builds import build_of
from mlops_tui.worker_requests_delivery import approval
from mlops_tui.worker_service import Call, HeldPlan, Kind, Service, on_session


def _describe(service: Service, call: Call, show: Emit) -> int:
    """Every setting and every step, as far as is known: nothing is started or called for it."""
    operations.describe(service.options(call), Sequencer(show), service.surroundings.known_practice())
    return 0


def _find_sign_ins(service: Service, call: Call, show: Emit) -> int:
    operations.find_sign_ins(service.surroundings.environment, Sequencer(show))
    return 0


def _save_settings(service: Service, call: Call, show: Emit) -> int:
    """Into the project file; then all settings, as `_describe` tells them."""
    values = call.arguments.get("values")
    if not isinstance(values, dict):
        raise UsageError(f"values: {values!r} are not settings by name.")
    texts = {str(name): str(value) for name, value in values.items()}
    practice = service.surroundings.known_practice()
    operations.save_settings(service.options(call), Sequencer(show), texts, practice)
    return 0


def _open(service: Service, call: Call, show: Emit) -> int:
    """Get ready: the practice cloud, if that is meant, and the SDKs. What cannot be used is shown all the same."""
    try:
        session = service.open(call, show)
    except MlopsError:
        _describe(service, call, show)
        raise
    _describe(service, call, show)
    if call.arguments.get("renew"):
        service.clients.renew()
    with contextlib.closing(session):
        session.clients  # noqa: B018 (making them begins the import of the SDKs)
    return 0


def _plan(service: Service, call: Call, show: Emit) -> int:
    session = service.open(call, show)
    found: list[Plan] = []

    def look(emit: Emit) -> str:
        found.append(operations.plan(session, emit))
        return "Nothing was changed."

    exit_code = operations.perform(call.do, session, look, show)
    if found:
        service.held = HeldPlan(call.id, session, found[0])
    return exit_code


def _apply(service: Service, call: Call, show: Emit) -> int:
    held = service.find_plan(call.text("plan"))
    only = _steps(call)
    with held.taken():
        session = held.session
        session.cancelled = call.cancelled
        service.wake(session.cloud, show)
        return operations.perform(call.do, session, lambda emit: operations.apply(session, emit, held.plan, only), show)


def _steps(call: Call) -> tuple[str, ...]:
    """The steps named; none: all of them are meant."""
    steps = call.arguments.get("steps")
    if steps is None:
        return ()
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise UsageError(f"steps: {steps!r} is not a list of names.")
    return tuple(steps)


def _sweep(session: Session, call: Call) -> operations.Sweep:
    from mlops_tui.project import checked_runs

    build = build_of(os.environ, call.text("build_number"), call.text("build_source"))
    runs = checked_runs(call.arguments["runs"]) if call.arguments.get("runs") else session.project.training.runs
    return operations.Sweep(build, runs, bool(call.arguments.get("detach", False)))


def _log(session: Session, emit: Emit, call: Call) -> str:
    return operations.read_log(session, emit, call.text("run"), bool(call.arguments.get("follow", False)))


REQUESTS: dict[str, Kind] = {
    # this machine
    "open": Kind(_open),
    "describe": Kind(_describe),
    "sign_ins": Kind(_find_sign_ins),
    "save_settings": Kind(_save_settings),
    # setup
    "plan": Kind(_plan),
    "apply": Kind(_apply, writes=True),
    "setup": Kind(on_session(lambda session, emit, _: operations.setup(session, emit)), writes=True, outdates=True),
    "teardown": Kind(
        on_session(lambda session, emit, _: operations.teardown(session, emit)), writes=True, outdates=True
    ),
    "choices": Kind(
        on_session(lambda session, emit, call: operations.list_choices(session, emit, call.text("setting")))
    ),
    # training
    "up": Kind(
        on_session(
            lambda session, emit, call: operations.up(
                session, emit, _sweep(session, call), onward=operations.Onward(approval(call))
            )
        ),
        writes=True,
        outdates=True,
    ),
    "train": Kind(
        on_session(lambda session, emit, call: operations.train(session, emit, _sweep(session, call))),
        writes=True,
        spools=True,
    ),
    "log": Kind(on_session(_log), spools=True),
    "job_runs": Kind(
        on_session(lambda session, emit, call: operations.list_job_runs(session, emit, call.number("limit", 20)))
    ),
    "runs": Kind(
        on_session(
            lambda session, emit, call: operations.list_runs(
                session, emit, call.text("build"), call.number("limit", 50)
            )
        )
    ),
    "show": Kind(on_session(lambda session, emit, call: operations.describe_run(session, emit, call.text("run_id")))),
    "end_run": Kind(
        on_session(
            lambda session, emit, call: operations.cancel_run(session, emit, call.text("run"), call.text("only"))
        ),
        writes=True,
    ),
    **worker_requests_delivery.REQUESTS,
    **worker_requests_pipelines.REQUESTS,
}
