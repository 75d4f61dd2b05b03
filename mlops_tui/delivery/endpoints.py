"""What answers in staging and in production, as the cloud says it and as it answers itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.errors import DeliveryFailedError, UsageError
from mlops_tui.events import Deployment, Endpoint, Health, Stage
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.container_groups import ContainerGroup, ContainerState
    from mlops_tui.clouds.online_endpoints import OnlineDeployment, OnlineEndpoint
    from mlops_tui.session import Session

STAGES: tuple[Stage, ...] = ("staging", "production")
UNDER_WAY = ("creating", "updating", "pending", "accepted", "repairing", "provisioning", "scaling", "deploying")
LOOK_SECONDS = 3.0  # between looks at what is starting, where the cloud names no time
HEALTHY_SECONDS = 300.0  # that it may take until it answers
BROKEN = ("failed", "canceled", "deleting")
START_SECONDS = 120.0  # that a container may take from its start until its model is loaded
# Tags: of a container group, and of a deployment behind an online endpoint
BUILD, IMAGE, MODEL, VERSION = "build_number", "model_image_id", "model", "version"
PREVIOUS_BUILD, PREVIOUS_IMAGE = "previous_build", "previous_image_id"  # of a container group
Judged = tuple[Health, str]


def read(session: Session) -> tuple[Endpoint, ...]:
    """Staging, then production; read side by side."""
    with ThreadPoolExecutor(len(STAGES), thread_name_prefix="endpoints") as pool:
        return tuple(pool.map(lambda stage: read_stage(session, stage), STAGES))


def read_stage(session: Session, stage: Stage) -> Endpoint:
    if names.target(session.project, stage) == names.ACI:
        return _container_group(session, stage)
    return _online_endpoint(session, stage)


def require(session: Session, stage: Stage, patience: float = 0.0) -> Endpoint:
    """One that answers, waited for where it is starting.

    Raises UsageError where nothing is deployed, DeliveryFailedError where what is does not answer.
    """
    deadline = time.monotonic() + patience
    while True:
        found = read_stage(session, stage)
        if found.health == "absent":
            raise UsageError(
                f"Nothing is deployed to {stage} yet.",
                hint=f"Deploy an image: mlops-tui deploy {stage}; `mlops-tui endpoints` shows what there is.",
            )
        if found.health == "healthy" and found.url:
            return found
        if found.health != "starting" or time.monotonic() > deadline:
            raise DeliveryFailedError(
                f"{stage.capitalize()} does not answer: {(found.detail or found.state).rstrip('.')}.",
                hint=f"Its log may say why: mlops-tui logs {stage}",
            )
        session.cancelled.wait(session.cloud.poll_seconds or LOOK_SECONDS)
        stop_if_cancelled(session, found.name)


def _container_group(session: Session, stage: Stage) -> Endpoint:
    clients = session.clients
    group = clients.container_groups.get(names.container_group_id(session, stage))
    if group is None:
        return _absent(session, stage)
    health, detail = _of_group(session, group)
    image = group.containers[0].image if group.containers else ""
    # Tags tell of the image that they were set with; somebody may have put another one there by hand.
    tags = group.tags if group.tags.get(IMAGE) == image else {}
    state = group.containers[0].state if group.containers else ""
    deployment = _deployment(group.name, image, tags, 100, state or group.provisioning)
    return Endpoint(
        stage,
        group.name,
        names.target_title(session.project, stage),
        health,
        state=group.state or group.provisioning,
        url=f"{group.url}/score" if group.url else "",
        build=deployment.build,
        image=image,
        deployments=(deployment,),
        previous=group.tags.get(PREVIOUS_BUILD, "") if group.tags.get(PREVIOUS_IMAGE) else "",
        page=f"{session.cloud.portal}/#resource{group.id}",
        detail=detail,
    )


def _of_group(session: Session, group: ContainerGroup) -> Judged:
    """By what Azure says, then by what the container answers."""
    container = group.containers[0] if group.containers else None
    if container is None or container.state != "Running" or not group.url:
        return _not_running(group, container)
    answered = session.clients.scoring.health(f"{group.url}/ping")
    if answered.well:
        return "healthy", ""
    if _seconds_since(container.started) < START_SECONDS:
        again = f"; restarts: {container.restarts}" if container.restarts else ""
        return "starting", f"the model is being loaded{again}"
    return "unhealthy", answered.detail


def _not_running(group: ContainerGroup, container: ContainerState | None) -> Judged:
    if group.state == "Stopped":  # by somebody's order: how its container ended says nothing
        return "unhealthy", "the container group has been stopped; deploying again starts it"
    restarted = f"restarts: {container.restarts}" if container and container.restarts else ""
    code = f"exit code {container.exit_code}" if container and container.exit_code is not None else ""
    said = container.detail if container else ""
    last = container.events[-1] if container and container.events else ""
    detail = "; ".join(part for part in (said, code, restarted, last) if part)
    broken = restarted or code or group.provisioning.lower() == "failed" or group.state == "Failed"
    if broken:
        return "unhealthy", detail or f"it is {group.state or group.provisioning}"
    return "starting", detail or f"it is {(group.provisioning or group.state).lower() or 'being made'}"


def _online_endpoint(session: Session, stage: Stage) -> Endpoint:
    clients, workspace = session.clients, names.ml_workspace_id(session)
    service = names.service_name(session.project, stage)
    with ThreadPoolExecutor(1, thread_name_prefix="endpoints") as pool:
        asked = pool.submit(clients.online_endpoints.deployments, workspace, service)
        endpoint = clients.online_endpoints.get(workspace, service)
        behind = asked.result()
    if endpoint is None:
        return _absent(session, stage)
    deployments = tuple(
        _deployment(one.name, one.tags.get(IMAGE, ""), one.tags, endpoint.traffic.get(one.name, 0), one.state)
        for one in behind
    )
    serving = with_traffic(deployments)
    before = before_it(deployments, endpoint.tags.get(PREVIOUS_BUILD, ""))
    health, detail = _of_online(session, endpoint, behind, serving)
    return Endpoint(
        stage,
        endpoint.name,
        names.target_title(session.project, stage),
        health,
        state=endpoint.state,
        url=endpoint.url,
        build=serving.build if serving else "",
        image=serving.image if serving else "",
        deployments=deployments,
        previous=before.build if before and serving else "",
        page=f"{session.cloud.portal}/#resource{endpoint.id}",
        detail=detail,
    )


def with_traffic(deployments: tuple[Deployment, ...]) -> Deployment | None:
    """The one that most requests go to."""
    return max((one for one in deployments if one.traffic), key=lambda one: one.traffic, default=None)


def before_it(deployments: tuple[Deployment, ...], build: str = "") -> Deployment | None:
    """The one that is kept to go back to: without traffic, and in order; that of `build` where there are several."""
    kept = [one for one in deployments if not one.traffic and one.state.lower() == "succeeded"]
    return next((one for one in kept if one.build == build), kept[0] if kept else None)


def _of_online(
    session: Session, endpoint: OnlineEndpoint, behind: tuple[OnlineDeployment, ...], serving: Deployment | None
) -> Judged:
    """By the deployment that has the traffic, then by the endpoint's own door."""
    if serving is None:
        if any(one.state.lower() in UNDER_WAY for one in behind) or endpoint.state.lower() in UNDER_WAY:
            return "starting", "no deployment has the traffic yet"
        failed = [one.name for one in behind if one.state.lower() == "failed"]
        reason = f"{' and '.join(failed)} failed" if failed else "no deployment has the traffic"
        return "unhealthy", reason
    if serving.state.lower() in UNDER_WAY and serving.state.lower() != "updating":
        return "starting", f"{serving.name} is {serving.state.lower()}"
    for name, state in ((serving.name, serving.state), (endpoint.name, endpoint.state)):
        if state.lower() in BROKEN:
            return "unhealthy", f"{name} is {state.lower()}"
    answered = session.clients.scoring.door(endpoint.url)
    return ("healthy", "") if answered.well else ("unhealthy", answered.detail)


def _deployment(name: str, image: str, tags: Mapping[str, str], traffic: int, state: str) -> Deployment:
    build = tags.get(BUILD, "")
    return Deployment(name, image, build, traffic, state, tags.get(MODEL, ""), tags.get(VERSION, ""))


def _absent(session: Session, stage: Stage) -> Endpoint:
    project = session.project
    return Endpoint(stage, names.service_name(project, stage), names.target_title(project, stage), "absent")


def _seconds_since(moment: str) -> float:
    """Of Azure's time; for ever where it says none."""
    return time.time() - datetime.fromisoformat(moment).timestamp() if moment else float("inf")
