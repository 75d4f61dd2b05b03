"""The container image of a build's best model: found by the tags of the model's version, or built by a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mlops_tui import training
from mlops_tui.delivery import jobs, names, versions
from mlops_tui.delivery.lanes import Telling, under_way
from mlops_tui.delivery.parameters import parameters, place
from mlops_tui.errors import DeliveryFailedError, GateMissedError, UsageError
from mlops_tui.events import Identified, ImageReady, ModelImage, RunResult
from mlops_tui.steps import Emit
from mlops_tui.training.selection import compare

if TYPE_CHECKING:
    from mlops_tui.clouds.ml_models import ModelVersion
    from mlops_tui.session import Session

OF_A_BUILD = 200  # runs
NOTHING = ("", "none", "null", "nil", "undefined")  # what a stage before writes that had no image to name


def build_image(session: Session, emit: Emit, build: str = "") -> str:
    """The image of that build, the newest one's where none is named: kept where it is there, else built.

    Raises GateMissedError where no run of the build is good enough, DeliveryFailedError where the job fails.
    """
    number = build or newest_build(session)
    with under_way(session, emit, "image", number) as told:
        emit(Identified(what="build", id=number))
        runs = training.list_runs(session, number, OF_A_BUILD)
        best = _best(session, number, runs) if runs else None
        kept = _kept(session, number, best, runs, told)
        image = kept or _built(session, told, number, best)
        told.outcome = f"{names.short_image(image.id)}{' is there already' if kept else ''}"
        emit(ImageReady(image=image, fresh=kept is None))
    return f"Image of build {number}: {image.id}"


def list_images(session: Session) -> tuple[ModelImage, ...]:
    """Of all builds, newest first."""
    return tuple(as_image(session, version) for version in versions.with_image(session))


def chosen(session: Session, image: str = "", build: str = "") -> tuple[ModelImage, ModelVersion]:
    """The image of that id, else of that build, else the newest; with the model's version that tells of it.

    Raises UsageError where none is meant.
    """
    if image:
        if image.strip().lower() in NOTHING or not names.is_image(image):
            raise UsageError(
                f"{image!r} names no image.",
                hint="An image is named with its digest, as in NAME.azurecr.io/winequality@sha256:…; "
                "`mlops-tui build --out DIR` writes it into DIR/metadata/image.json.",
            )
        version = versions.of_image(session, image)
        if version is None:
            raise DeliveryFailedError(
                f"No version of the model {session.project.delivery.model_name} tells of the image {image}.",
                hint="`mlops-tui build` registers model and image together; `mlops-tui endpoints` shows what there is.",
            )
    else:
        version = versions.of_build(session, build)
    return as_image(session, version), version


def as_image(session: Session, version: ModelVersion) -> ModelImage:
    """As the tags tell; a figure that is none is left out."""
    tags = version.tags
    verdict: Literal["", "passed", "failed"] = ""
    if tags.get("verdict") in ("passed", "failed"):
        verdict = "passed" if tags["verdict"] == "passed" else "failed"
    return ModelImage(
        id=tags.get(versions.IMAGE, ""),
        build=tags.get(versions.BUILD, ""),
        source=tags.get("build_source", ""),
        run_id=tags.get(versions.RUN, ""),
        model=version.model,
        version=version.version,
        metrics=_metrics(tags, session.project.training.metrics),
        created=version.created,
        verdict=verdict,
        verdict_at=_moment(tags.get("verdict_at", "")),
        approved_by=tags.get("approved_by", ""),
        url=f"{session.cloud.portal}/#resource{names.ml_workspace_id(session)}",
        verdict_detail=tags.get("verdict_detail", "") if verdict else "",
    )


def require_in_registry(session: Session, image: ModelImage) -> None:
    """Raises DeliveryFailedError where the image has been deleted."""
    if not session.clients.container_images.exists(image.id):
        raise DeliveryFailedError(
            f"The image of build {image.build} is lost: the registry has no {names.short_image(image.id)} any more.",
            hint=f"Have it built again: mlops-tui build --build {image.build}",
        )


def newest_build(session: Session) -> str:
    """Raises UsageError where nothing has been trained."""
    newest = next((run.build for run in training.list_runs(session) if run.build), "")
    if not newest:
        raise UsageError("No build has any runs yet.", hint="Train first: mlops-tui train")
    return newest


def _best(session: Session, build: str, runs: tuple[RunResult, ...]) -> RunResult:
    """Raises GateMissedError where none is good enough."""
    compared = compare(build, runs, session.project.training)
    best = next((run for run in compared.results if run.best), None)
    if best is None or not compared.passed:
        found = f"the best run, {compared.best}, is not good enough" if compared.best else "no run has that metric"
        raise GateMissedError(
            f"No image is built: build {build} misses the gate {compared.gate}: {found}.",
            hint="Train with other parameters (mlops-tui train --grid alpha=0.1:0.5:0.1), or change training.gate.",
            link=best.url if best else "",
        )
    return best


def _kept(
    session: Session, build: str, best: RunResult | None, runs: tuple[RunResult, ...], told: Telling
) -> ModelImage | None:
    """The image that is there and is of a run as good as the best; None where one must be built."""
    there = [one for one in list_images(session) if one.build == build]
    if not there:
        if best is None:
            raise UsageError(f"Build {build} has no runs.", hint="`mlops-tui runs` lists builds with their runs.")
        return None
    metric = session.project.training.best_metric
    figures = {run.run_id: run.metrics.get(metric) for run in runs}
    fitting = [one for one in there if best is None or figures.get(one.run_id) == best.metrics.get(metric)]
    if not fitting:
        told.log(f"build {build} has an image, but of another run than {best.name if best else '?'}: building anew")
        return None
    found = fitting[0]
    if not session.clients.container_images.exists(found.id):
        told.log(f"the registry has lost the image of build {build}: building it again", "warning")
        return None
    return found


def _built(session: Session, told: Telling, build: str, best: RunResult | None) -> ModelImage:
    source = {"build_source": best.source} if best and best.source else {}
    given = parameters(session.project, "build", place(session)) | {"build_number": build} | source
    jobs.run(session, told.report.emit, "image", "build", given)
    # Not what the notebook says at its end: there, what the secret scope holds (names, too) is blacked out.
    made = next((one for one in list_images(session) if one.build == build and names.is_image(one.id)), None)
    if made is None:
        raise DeliveryFailedError(
            f"The notebook ended well, and yet no model version in Azure ML tells of an image of build {build}.",
            hint="Its log above says what it did. Run the same command again: it does what is missing.",
        )
    return made


def _metrics(tags: dict[str, str], wanted: tuple[str, ...]) -> dict[str, float]:
    """The project's own first."""
    found = versions.metrics(tags)
    ordered = {name: found.pop(name) for name in wanted if name in found}
    return ordered | found


def _moment(text: str) -> float | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
