"""The five lanes of a build: what the jobs of this sitting tell of them, else what the cloud was seen to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal
from uuid import UUID

from mlops_tui.events import Endpoint, Health, Lane, ModelImage, Stage, StepStatus
from mlops_tui.tui.state.delivery import AT_WORK, DeliveryState, LaneRow

Next = Literal["build", "deploy", "validate", "approve", ""]
HEALTH_STATES: Mapping[Health, StepStatus] = {
    "healthy": "done",
    "starting": "checking",
    "unhealthy": "failed",
    "absent": "waiting",
}
STAGE_OF: Mapping[Lane, Stage] = {  # the stage that one means who stands on that lane
    "image": "staging",
    "staging": "staging",
    "validation": "staging",
    "approval": "production",
    "production": "production",
}


def lane_row(state: DeliveryState, lane: Lane) -> LaneRow:
    """Of the build that the lanes speak of; what is at work is always seen."""
    told, build = state.told.get(lane), state.build
    if told is not None and (told.state in AT_WORK or not build or told.build in ("", build)):
        return told
    row = _found(state, lane, build)
    return replace(row, seconds=state.took.get((lane, build))) if row.state == "done" else row


def next_step(state: DeliveryState) -> Next:
    """What is still missing on the way of the build to production; empty: nothing, or it goes no further."""
    build, image = state.build, state.image_of(state.build)
    if image is None:
        return "build"
    if image.verdict == "passed":
        return "" if "production" in state.stages_of(build) else "approve"
    if "staging" not in state.stages_of(build):
        return "deploy"
    return "" if image.verdict == "failed" else "validate"


def approver(image: ModelImage) -> str:
    """Who has approved it: people have names, applications an id."""
    try:
        return f"the application {UUID(image.approved_by)}"
    except ValueError:
        return image.approved_by


def _found(state: DeliveryState, lane: Lane, build: str) -> LaneRow:
    image = state.image_of(build)
    match lane:
        case "image":
            if image is None:
                return LaneRow(lane, detail="none yet: press b to build it" if build else "")
            return LaneRow(lane, "done", build=build, detail=f"{image.model} {image.version}")
        case "staging" | "production":
            return _of_endpoint(lane, state.endpoints.get(lane), build)
        case "validation":
            if image is None or not image.verdict:
                return LaneRow(lane, detail="not validated yet" if image else "")
            done = image.verdict == "passed"
            return LaneRow(lane, "done" if done else "failed", build=build, detail=f"verdict: {image.verdict}")
        case "approval":
            if image is None or not image.approved_by:
                return LaneRow(lane, detail="nobody has approved it yet" if image else "")
            return LaneRow(lane, "done", build=build, detail=f"by {approver(image)}")


def _of_endpoint(lane: Lane, endpoint: Endpoint | None, build: str) -> LaneRow:
    if endpoint is None or endpoint.health == "absent":
        return LaneRow(lane, detail="nothing is deployed" if endpoint else "")
    if endpoint.build == build or not build:
        state = HEALTH_STATES[endpoint.health]
        return LaneRow(lane, state, endpoint.target, endpoint.build, endpoint.detail or endpoint.health)
    kept = "; u brings this back" if build == endpoint.previous else ""
    return LaneRow(lane, "waiting", endpoint.target, endpoint.build, f"answers there{kept}")
