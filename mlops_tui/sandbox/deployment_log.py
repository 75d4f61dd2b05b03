"""What `getLogs` of an online deployment shows, laid out as Azure lays it out."""

from __future__ import annotations

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.container_state import Container
from mlops_tui.sandbox.generations import Generation


def instance_log(generation: Generation | None, containers: list[Container], printed: list[str]) -> str:
    """Of the inference server: how the instances are, what has happened to them, what they have printed."""
    if generation is None:
        return "The deployment has no instance yet.\n"
    lines = ["Instance status:", *_status(generation, containers), "", "Container events:"]
    if generation.problem:
        lines.append(
            f"Kind: Pod, Name: Failed, Type: Warning, Time: {clock.now()}, Message: {generation.problem.message}"
        )
    for container in containers:
        for event in container.events:
            times = f" (x{event.count})" if event.count > 1 else ""
            lines.append(
                f"Kind: Pod, Name: {event.name}, Type: {event.type}, Time: {event.last_at}, "
                f"Message: {event.message}{times}"
            )
    lines += ["", "Container logs:"]
    for number, text in enumerate(printed, 1):
        lines += [f"Instance {number}:"] * (len(printed) > 1) + [text]
    return "\n".join(lines)


def _status(generation: Generation, containers: list[Container]) -> list[str]:
    pulled = "Succeeded" if generation.containers else "Failed"
    started = (
        "Succeeded"
        if containers and all(one.started_at for one in containers)
        else "Failed"
        if not containers
        else "InProgress"
    )
    lines = ["SystemSetup: Succeeded", f"UserContainerImagePull: {pulled}", "ModelDownload: Succeeded"]
    lines.append(f"UserContainerStart: {started}")
    for number, one in enumerate(containers, 1):
        state = f"{one.status.capitalize()}{f' ({one.detail})' if one.detail else ''}"
        ended = f", last exit code {one.previous.exit_code}" if one.previous else ""
        ready = "ready" if one.ready else "not ready"
        lines.append(f"Instance {number}: {state}, {ready}, restarts {one.restarts}{ended}")
    return lines


def initializer_log(deployment: Body) -> str:
    """Of the storage initializer, which fetches the model."""
    model = deployment["properties"].get("model")
    fetched = f"Model {model} was made available to the container.\n" if model else "There is no model to fetch.\n"
    return "Instance status:\nSystemSetup: Succeeded\n\nContainer logs:\n" + fetched
