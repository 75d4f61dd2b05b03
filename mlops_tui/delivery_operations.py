"""What can be asked for of delivery: build, deploy, validate, roll back, look, try. See `operations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.delivery.approval import Approval, Ask
from mlops_tui.events import ImagesListed, Stage
from mlops_tui.looking import look
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.session import Session


def build_image(session: Session, emit: Emit, build: str = "") -> str:
    """Have the image of a build's best model built, the newest build's where none is named; kept where it is there."""
    from mlops_tui.delivery import image

    _look_at_jobs(session, emit)
    return image.build_image(session, emit, build)


def deploy(
    session: Session,
    emit: Emit,
    stage: Stage,
    image: str = "",
    build: str = "",
    approval: Approval | None = None,
    ask: Ask | None = None,
) -> str:
    """Let a stage answer with an image; kept where it does. Production needs an approval: given, or `ask`ed for."""
    from mlops_tui.delivery import deployment

    _look_at_jobs(session, emit)
    return deployment.deploy(session, emit, deployment.Order(stage, image, build, approval, ask))


def ask_approval(session: Session, emit: Emit, build: str = "", image: str = "") -> str:
    """What somebody would say yes to; nothing is changed."""
    from mlops_tui.delivery import deployment

    _look_at_jobs(session, emit)
    emit(deployment.approval_of(session, image, build))
    return ""


def list_images(session: Session, emit: Emit) -> str:
    """The images of all builds, newest first."""
    from mlops_tui.delivery import image

    look(session, emit, "databricks-workspace")
    emit(ImagesListed(images=image.list_images(session)))
    return ""


def _look_at_jobs(session: Session, emit: Emit) -> None:
    if not session.knows("delivery_jobs"):
        look(session, emit, "delivery-jobs")
