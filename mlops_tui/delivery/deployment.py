"""Let a stage answer with an image: kept where it does already, else done by the job of the stage's target."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui import redaction
from mlops_tui.delivery import approval, endpoints, jobs, names
from mlops_tui.delivery.approval import Approval, Ask
from mlops_tui.delivery.image import chosen, require_in_registry
from mlops_tui.delivery.lanes import Telling, under_way
from mlops_tui.delivery.parameters import JobKind, parameters, place
from mlops_tui.errors import DeliveryFailedError
from mlops_tui.events import ApprovalAsked, Endpoint, EndpointsRead, Identified, ModelImage, Stage
from mlops_tui.setup import secret_scope
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ml_models import ModelVersion
    from mlops_tui.session import Session

KEY_BYTES = 32


@dataclass(frozen=True)
class Order:
    """What to deploy where. `flags` are those of the command, to be repeated in the one that gives an approval."""

    stage: Stage
    image: str = ""
    build: str = ""
    approval: Approval | None = None
    ask: Ask | None = None
    flags: Sequence[str] = ()


def deploy(session: Session, emit: Emit, order: Order) -> str:
    """Raises ApprovalNeeded, ValidationFailedError, and DeliveryFailedError where the job fails."""
    stage = order.stage
    image, version = _chosen(session, order)
    before = endpoints.read_stage(session, stage)
    if answers_with(before, image):
        with under_way(session, emit, stage, image.build) as told:
            told.outcome = f"answers with build {image.build} already"
        emit(EndpointsRead(endpoints=endpoints.read(session)))
        return f"{stage.capitalize()} answers with build {image.build} already: {before.url}"
    require_in_registry(session, image)
    force = _approved(session, emit, order, image, version, before) if stage == "production" else ""
    with under_way(session, emit, stage, image.build) as told:
        url = _run(session, told, stage, image, force)
        told.outcome = f"answers with build {image.build}"
        emit(Identified(what=f"{stage} endpoint", id=before.name, url=url))
    emit(EndpointsRead(endpoints=endpoints.read(session)))
    return f"{stage.capitalize()} answers with build {image.build}: {url}"


def approval_of(session: Session, image: str = "", build: str = "") -> ApprovalAsked:
    """What somebody would say yes to; nothing is changed."""
    order = Order("production", image, build)
    found, _ = _chosen(session, order)
    return approval.asked(session, found, endpoints.read_stage(session, "production"))


def answers_with(endpoint: Endpoint, image: ModelImage) -> bool:
    """Whether all requests get their answers from that image."""
    serving = [one for one in endpoint.deployments if one.traffic]
    return (
        endpoint.health == "healthy"
        and endpoint.image == image.id
        and len(serving) == 1
        and serving[0].traffic == 100
        and serving[0].state.lower() in ("succeeded", "running")
    )


def _chosen(session: Session, order: Order) -> tuple[ModelImage, ModelVersion]:
    """What was asked for; else, for production, what staging answers with; else the newest image."""
    if order.stage == "production" and not order.image and not order.build:
        staged = endpoints.read_stage(session, "staging")
        if names.is_image(staged.image) and staged.build:
            return chosen(session, staged.image)
    return chosen(session, order.image, order.build)


def _approved(
    session: Session, emit: Emit, order: Order, image: ModelImage, version: ModelVersion, before: Endpoint
) -> str:
    """Why it goes against the verdict; empty where it does not."""
    question = approval.asked(session, image, before, order.flags)
    with under_way(session, emit, "approval", image.build) as told:
        if order.ask is None:
            approval.require_verdict(image, order.approval.force if order.approval else "")
        answer = approval.obtain(question, order.approval, order.ask, emit)
        approval.require_verdict(image, answer.force)
        said = approval.record(session, emit, image, version, answer)
        told.outcome = f"by {said.by}{f', against the verdict: {said.force}' if said.force else ''}"
    return said.force


def _run(session: Session, told: Telling, stage: Stage, image: ModelImage, force: str) -> str:
    """Where the stage answers then."""
    project = session.project
    targets: dict[str, JobKind] = {names.ACI: "aci", names.AKS: "aks", names.MANAGED: "managed"}
    kind = targets[names.target(project, stage)]
    given = parameters(project, kind, place(session), stage)
    given |= {"build_number": image.build, "build_source": image.source, "model_image_id": image.id}
    if "force" in given:
        given["force"] = force
    if kind == "aci":
        _ensure_key(session, told)
    jobs.run(session, told.report.emit, stage, kind, given)
    after = endpoints.read_stage(session, stage)
    if after.image != image.id:
        raise DeliveryFailedError(
            f"The notebook ended well, and yet {stage} does not answer with this image.",
            hint="Its log above says what it did. Run the same command again: it looks at what is there.",
            raw=f"{after.name}: {after.image or 'no image'}",
        )
    return after.url


def _ensure_key(session: Session, told: Telling) -> None:
    """What callers of a container group must show: made once, kept where the notebooks read it, shown nowhere."""
    if secret_scope.read(session, names.STAGING_KEY):
        return
    keeper = secret_scope.keeper_of(session)
    key = secrets.token_urlsafe(KEY_BYTES)
    redaction.register(key)
    keeper.put(names.STAGING_KEY, key)
    told.log(f"made a key for staging's callers and put it into the {keeper.name}; it is shown nowhere")
