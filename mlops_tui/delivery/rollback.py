"""Back to what answered before: at once, without a job, and so that another rollback goes forward again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.delivery import endpoints, kept_rows, keys, lanes, measures, names, versions
from mlops_tui.delivery.validation import Questions
from mlops_tui.errors import (
    CloudError,
    ConflictError,
    DeliveryFailedError,
    MlopsError,
    NotFoundError,
    UsageError,
)
from mlops_tui.events import Deployment, Endpoint, EndpointsRead, Stage
from mlops_tui.setup.waiting import finish, stop_if_cancelled
from mlops_tui.steps import Emit, Report

if TYPE_CHECKING:
    from mlops_tui.session import Session

SMOKE_ROWS = 10
SCORING_KEY = "SCORING_KEY"  # the containers' variable


def rollback(session: Session, emit: Emit, stage: Stage) -> str:
    """Raises UsageError where there is nothing to go back to, DeliveryFailedError where what is there does not work."""
    with lanes.under_way(session, emit, stage) as lane:
        endpoint = endpoints.read_stage(session, stage)
        if endpoint.health == "absent":
            raise UsageError(
                f"Nothing is deployed to {stage}, so there is nothing to go back from.",
                hint=f"Deploy an image: mlops-tui deploy {stage}",
            )
        before = endpoint.build
        lane.build = endpoint.previous
        if names.target(session.project, stage) == names.ACI:
            _put_previous_image(session, lane.report, endpoint)
        else:
            _move_traffic(session, lane.report, endpoint)
        lane.outcome = f"build {lane.build} answers again, in place of {before or 'another'}"
        emit(EndpointsRead(endpoints=endpoints.read(session)))
    return f"{stage.capitalize()} is back at build {lane.build}; the same command goes forward again."


def _move_traffic(session: Session, report: Report, endpoint: Endpoint) -> None:
    """To the deployment that is kept, once it has answered on its own."""
    clients, workspace = session.clients, names.ml_workspace_id(session)
    serving = endpoints.with_traffic(endpoint.deployments)
    found = clients.online_endpoints.get(workspace, endpoint.name)
    if found is None or serving is None:
        raise UsageError(f"No deployment of {endpoint.name} has the traffic, so there is nothing to go back from.")
    previous = endpoints.before_it(endpoint.deployments, found.tags.get(endpoints.PREVIOUS_BUILD, ""))
    if previous is None:
        raise _nothing_kept(endpoint, serving)
    if found.state.lower() in endpoints.UNDER_WAY:
        raise ConflictError(f"The endpoint {endpoint.name} is being changed ({found.state}).")
    report.log(f"asking {previous.name} (build {previous.build}) on its own, before any traffic goes there")
    _smoke(session, report, endpoint, previous)
    tags = {
        "current_build": previous.build,
        "current_image": previous.image,
        "previous_build": serving.build,
        "previous_image": serving.image,
    }
    stop_if_cancelled(session, f"the traffic of {endpoint.name}")
    moving = clients.online_endpoints.set_traffic(found, {previous.name: 100, serving.name: 0}, tags)
    finish(session, report, moving, f"the traffic of {endpoint.name}")
    report.log(f"all traffic goes to {previous.name}; {serving.name} (build {serving.build}) is kept without any")


def _nothing_kept(endpoint: Endpoint, serving: Deployment) -> UsageError:
    others = [one for one in endpoint.deployments if one is not serving]
    there = "; ".join(
        f"{one.name} (build {one.build or '?'}) is {one.state} with {one.traffic} % of the traffic" for one in others
    )
    return UsageError(
        f"There is nothing to go back to in {endpoint.stage}: {serving.name} (build {serving.build or '?'}) has "
        f"{serving.traffic} % of the traffic, and {there or 'there is no other deployment'}.",
        hint=f"Deploy an older build's image instead: mlops-tui deploy {endpoint.stage} --build NUMBER",
    )


def _put_previous_image(session: Session, report: Report, endpoint: Endpoint) -> None:
    """Into the container group, which restarts with it. Secrets come along: Azure gives none back."""
    clients, group_id = session.clients, names.container_group_id(session, endpoint.stage)
    group = clients.container_groups.get(group_id)
    image = group.tags.get(endpoints.PREVIOUS_IMAGE, "") if group else ""
    if group is None or not image or image == endpoint.image:
        raise UsageError(
            f"There is nothing to go back to in {endpoint.stage}: {endpoint.name} knows of no build before "
            f"{endpoint.build or 'the one it runs'}.",
            hint=f"Deploy an older build's image instead: mlops-tui deploy {endpoint.stage} --build NUMBER",
        )
    if not clients.container_images.exists(image):
        raise DeliveryFailedError(
            f"The image of build {endpoint.previous} is no longer in its registry ({image}).",
            hint=f"Have it built again: mlops-tui build --build {endpoint.previous}",
        )
    tags = _swapped(session, group.tags, endpoint, image)
    secure = {SCORING_KEY: keys.of_scope(session, names.STAGING_KEY)}
    password = keys.of_scope(session, "client_secret")
    stop_if_cancelled(session, endpoint.name)
    putting = clients.container_groups.put_image(group_id, image, tags, secure, password)
    if putting is None:
        raise NotFoundError(f"There is no container group {endpoint.name} any more.")
    report.log(f"{endpoint.name} restarts with {names.short_image(image)} (build {endpoint.previous})")
    finish(session, report, putting, f"the container group {endpoint.name}")
    now = endpoints.require(session, endpoint.stage, endpoints.HEALTHY_SECONDS)
    _smoke(session, report, now, now.deployments[0], alone=False)


def _swapped(session: Session, tags: dict[str, str], endpoint: Endpoint, image: str) -> dict[str, str]:
    """What the group says of itself, and what it says of before."""
    version = versions.of_image(session, image)
    mine = {
        endpoints.IMAGE: image,
        endpoints.BUILD: endpoint.previous,
        "build_source": version.tags.get("build_source", "") if version else "",
        endpoints.MODEL: version.model if version else "",
        endpoints.VERSION: version.version if version else "",
    }
    return {**tags, **mine, endpoints.PREVIOUS_IMAGE: endpoint.image, endpoints.PREVIOUS_BUILD: endpoint.build}


def _smoke(session: Session, report: Report, endpoint: Endpoint, deployment: Deployment, alone: bool = True) -> None:
    """The deployment predicts what its model predicted when it was trained; `alone`: asked by its name.

    Raises DeliveryFailedError. Where nobody knows what it has to answer, that it answers must do.
    """
    about = f"{deployment.name} (build {deployment.build or '?'})"
    version = versions.of_image(session, deployment.image) or versions.of_image(session, endpoint.image)
    if version is None:
        report.log(f"no model version has the image of {about}: its answers cannot be checked", "warning")
        return
    kept = kept_rows.read(session, versions.run_of(version))
    asked = Questions(
        session, endpoint.url, keys.endpoint_key(session, endpoint.stage), deployment.name if alone else ""
    )
    try:
        answers = asked.all(kept.rows[:SMOKE_ROWS])
    except CloudError as error:
        raise _not_well(about, error.message, error) from error
    known = version.tags[versions.IMAGE] == deployment.image
    tolerance = session.project.delivery.tolerance
    pairs = zip(answers, kept.predicted, strict=False)
    if known and not all(measures.close(one, other, tolerance) for one, other in pairs):
        raise _not_well(about, "it predicts something else than when its model was trained")
    report.log(f"{about} answers {len(answers)} rows{' as trained' if known else ''}")


def _not_well(about: str, why: str, error: MlopsError | None = None) -> DeliveryFailedError:
    return DeliveryFailedError(
        f"{about} cannot take over: {why.rstrip('.')}.",
        hint="What answers now was left as it is; `mlops-tui endpoints` shows it.",
        raw=error.raw if error else "",
    )
