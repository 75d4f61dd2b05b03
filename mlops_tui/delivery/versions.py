"""The model versions of Azure ML that tell which build, run and image belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.errors import DeliveryFailedError, UsageError

if TYPE_CHECKING:
    from mlops_tui.clouds.ml_models import ModelVersion
    from mlops_tui.session import Session

BUILD, RUN, IMAGE = "build_number", "run_id", "model_image_id"  # tags that the build's notebook sets
METRIC = "metric_"  # how those begin that tell the metrics of the training


def with_image(session: Session) -> tuple[ModelVersion, ...]:
    """Those whose image was built, newest first."""
    model = session.project.delivery.model_name
    found = session.clients.models.versions(names.ml_workspace_id(session), model)
    return tuple(version for version in found if version.tags.get(IMAGE))


def of_build(session: Session, build: str) -> ModelVersion:
    """The newest build's where none is named. Raises UsageError that names the builds there are."""
    found = with_image(session)
    fitting = next((version for version in found if not build or version.tags.get(BUILD) == build), None)
    if fitting is None:
        builds = ", ".join(dict.fromkeys(version.tags.get(BUILD, "?") for version in found))
        raise UsageError(
            f"No image of build {build} has been made." if build else "No image has been made yet.",
            hint=f"There are images of the builds {builds}." if builds else "Make one: mlops-tui build",
        )
    return fitting


def of_image(session: Session, image: str) -> ModelVersion | None:
    return next((version for version in with_image(session) if version.tags.get(IMAGE) == image), None)


def run_of(version: ModelVersion) -> str:
    """MLflow's id of the run that made the model. Raises DeliveryFailedError."""
    if not version.tags.get(RUN):
        raise DeliveryFailedError(
            f"Version {version.version} of the model {version.model} does not say which run has made it.",
            hint=f"It lacks the tag {RUN}: somebody has removed it, or it was made by other means.",
        )
    return version.tags[RUN]


def metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """As trained, by name; a tag that is no number is somebody else's."""
    found = {}
    for tag, text in tags.items():
        if tag.startswith(METRIC):
            try:
                found[tag.removeprefix(METRIC)] = float(text)
            except ValueError:
                continue
    return found
