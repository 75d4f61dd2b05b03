"""What the worker can be asked for of delivery; see `worker_requests`."""

from __future__ import annotations

import os

from mlops_tui import delivery_operations as operations
from mlops_tui.delivery.approval import Approval, actor
from mlops_tui.errors import UsageError
from mlops_tui.events import Stage
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.worker_service import Call, Kind, on_session

STAGES: dict[str, Stage] = {"staging": "staging", "production": "production"}


def _stage(call: Call) -> Stage:
    """Raises UsageError for what is none."""
    found = STAGES.get(call.text("stage"))
    if found is None:
        raise UsageError(f"stage: {call.text('stage')!r} is neither staging nor production.")
    return found


def approval(call: Call) -> Approval | None:
    """`approve`: the person has said yes in the dialog, with `force` against the verdict."""
    return Approval(actor(os.environ), call.text("force")) if call.arguments.get("approve") is True else None


def _build(session: Session, emit: Emit, call: Call) -> str:
    return operations.build_image(session, emit, call.text("build"))


def _deploy(session: Session, emit: Emit, call: Call) -> str:
    stage, given = _stage(call), approval(call)
    return operations.deploy(session, emit, stage, call.text("image"), call.text("build"), given)


def _ask_approval(session: Session, emit: Emit, call: Call) -> str:
    return operations.ask_approval(session, emit, call.text("build"), call.text("image"))


def _validate(session: Session, emit: Emit, call: Call) -> str:
    stage = _stage(call) if call.text("stage") else "staging"
    return operations.validate(session, emit, stage, call.text("build"))


def _rollback(session: Session, emit: Emit, call: Call) -> str:
    return operations.rollback(session, emit, _stage(call))


def _list_endpoints(session: Session, emit: Emit, call: Call) -> str:
    return operations.list_endpoints(session, emit)


def _list_images(session: Session, emit: Emit, call: Call) -> str:
    return operations.list_images(session, emit)


def _read_rows(session: Session, emit: Emit, call: Call) -> str:
    return operations.read_rows(session, emit, call.text("build"), call.number("limit", 5))


def _predict(session: Session, emit: Emit, call: Call) -> str:
    rows = call.arguments.get("rows")
    if not isinstance(rows, str) and not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise UsageError(f"rows: {str(rows)[:60]!r} are no rows: a list of objects, or the text of a file.")
    return operations.predict(session, emit, _stage(call), rows, call.text("deployment"))


def _read_stage_log(session: Session, emit: Emit, call: Call) -> str:
    return operations.read_stage_log(session, emit, _stage(call), bool(call.arguments.get("follow", False)))


def _endpoint_key(session: Session, emit: Emit, call: Call) -> str:
    """On a line of its own, for whoever asked; no event and no journal has it."""
    call.tell_secret(operations.endpoint_key(session, emit, _stage(call)))
    return ""


REQUESTS: dict[str, Kind] = {
    "build": Kind(on_session(_build), writes=True, spools=True),
    "deploy": Kind(on_session(_deploy), writes=True, spools=True),
    "approval": Kind(on_session(_ask_approval)),
    "validate": Kind(on_session(_validate), writes=True, spools=True),
    "rollback": Kind(on_session(_rollback), writes=True, spools=True),
    "endpoints": Kind(on_session(_list_endpoints)),
    "images": Kind(on_session(_list_images)),
    "rows": Kind(on_session(_read_rows)),
    "predict": Kind(on_session(_predict)),
    "stage_log": Kind(on_session(_read_stage_log), spools=True),
    "endpoint_key": Kind(on_session(_endpoint_key)),
}
