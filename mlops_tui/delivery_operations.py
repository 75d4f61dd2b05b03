"""What can be asked for of delivery: build, deploy, validate, roll back, look, try. See `operations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tui.delivery.approval import Approval, Ask
from mlops_tui.events import EndpointsRead, ImagesListed, Stage
from mlops_tui.looking import look
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.delivery.kept_rows import Cell
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
    flags: Sequence[str] = (),
) -> str:
    """Let a stage answer with an image; kept where it does. Production needs an approval: given, or `ask`ed for.

    `flags` are the command's own: whoever must give an approval is told a command that has them, too.
    """
    from mlops_tui.delivery import deployment

    _look_at_jobs(session, emit)
    return deployment.deploy(session, emit, deployment.Order(stage, image, build, approval, ask, flags))


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


def validate(session: Session, emit: Emit, stage: Stage = "staging", build: str = "") -> str:
    """Ask a stage about the build's kept test set, and keep the verdict. Raises ValidationFailedError."""
    from mlops_tui.delivery import validation

    look(session, emit, "databricks-workspace")
    return validation.validate(session, emit, stage, build)


def rollback(session: Session, emit: Emit, stage: Stage) -> str:
    """Let a stage answer with what it answered with before."""
    from mlops_tui.delivery import rollback

    look(session, emit, "databricks-workspace")
    return rollback.rollback(session, emit, stage)


def list_endpoints(session: Session, emit: Emit) -> str:
    """What answers now: staging, then production."""
    from mlops_tui.delivery import endpoints

    look(session, emit, "sign-in")
    emit(EndpointsRead(endpoints=endpoints.read(session)))
    return ""


def read_rows(session: Session, emit: Emit, build: str = "", limit: int = 5) -> str:
    """Real rows of a build's kept test set, to try an endpoint with."""
    from mlops_tui.delivery import trying

    look(session, emit, "databricks-workspace")
    emit(trying.read_rows(session, build, limit))
    return ""


def predict(
    session: Session, emit: Emit, stage: Stage, rows: str | Sequence[Mapping[str, Cell]], deployment: str = ""
) -> str:
    """What a stage answers to rows: objects, or the text of a file (JSON, JSON lines, CSV)."""
    from mlops_tui.delivery import kept_rows, trying

    given = kept_rows.given(rows) if isinstance(rows, str) else kept_rows.checked(rows)
    look(session, emit, "databricks-workspace")
    emit(trying.predict(session, stage, given, deployment))
    return ""


def read_stage_log(session: Session, emit: Emit, stage: Stage, follow: bool) -> str:
    """What a stage's containers print."""
    from mlops_tui.delivery import stage_log

    look(session, emit, "sign-in")
    return stage_log.read(session, emit, stage, follow)


def endpoint_key(session: Session, emit: Emit, stage: Stage) -> str:
    """The key itself, registered as a secret: for whoever asked, and for no event. `emit` tells problems alone."""
    from mlops_tui.delivery import keys

    look(session, emit, "databricks-workspace")
    return keys.endpoint_key(session, stage)


def _look_at_jobs(session: Session, emit: Emit) -> None:
    if not session.knows("delivery_jobs"):
        look(session, emit, "delivery-jobs")
