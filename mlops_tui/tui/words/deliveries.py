"""What delivery says of itself in a line: jobs, their ends, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from mlops_tui.tui.words.labels import duration
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS, WARNING

if TYPE_CHECKING:
    from mlops_tui.events import Lane
    from mlops_tui.tui.state.delivery import DeliveryState, Job
    from mlops_tui.tui.state.lanes import Next

LANE_TITLES: Mapping[Lane, str] = {
    "image": "Image",
    "staging": "Staging",
    "validation": "Validation",
    "approval": "Approval",
    "production": "Production",
}
NEXT_WORDS: Mapping[Next, str] = {
    "build": "builds its image",
    "deploy": "deploys it to staging",
    "validate": "validates what staging answers",
    "approve": "asks for the approval to deploy it to production",
}
NAME_WIDTH = 26  # cells of a build's number in a sentence


def build_words(build: str) -> str:
    """build 17"""
    return f"build {end_of(plain(build), NAME_WIDTH)}" if build else "the newest build"


def end_of(text: str, width: int) -> str:
    """Numbers of builds differ at their ends."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def job_words(job: Job) -> str:
    """deploying build 17 to staging"""
    build = build_words(job.build)
    match job.do:
        case "build":
            return f"building the image of {build}"
        case "deploy":
            return f"deploying {build} to {job.lane}"
        case "validate":
            return f"validating {build} on staging"
        case _:
            return f"rolling {job.lane} back to {build}"


def ended_words(
    state: DeliveryState, job: Job, exit_code: int, interrupted: int
) -> tuple[Literal["information", "warning", "error"], str]:
    """How a job has ended."""
    what = job_words(job)
    if exit_code == 0:
        return "information", plain(job.summary) or f"Done: {what}."
    if exit_code == interrupted:
        return "warning", f"Stopped: {what}. What the cloud has begun may go on there."
    problem = state.problems.get(job.lane) or next(iter(state.problems.values()), None)
    return "error", f"Failed: {what}. {plain(problem.message) if problem else ''}".rstrip()


def status_words(state: DeliveryState, following: Next, now: float) -> tuple[str, str]:
    """The line below the lanes, and a variable of the theme for its colour."""
    job = state.running
    if job is not None:
        ending = ", being ended" if job.ending else ""
        said = f" · {plain(state.said)}" if state.said else ""
        return (
            f"{STEP_SIGNS['running']} {_capital(job_words(job))}{ending} · {duration(now - job.since)}{said}",
            "primary",
        )
    if state.job is not None and state.job.lane in state.problems and state.job.lane != "validation":
        return f"{STEP_SIGNS['failed']} {plain(state.problems[state.job.lane].message)}", "error"
    build, image = build_words(state.build), state.image_of(state.build)
    failed = image is not None and image.verdict == "failed"
    if "production" in state.stages_of(state.build):
        against = ", against its verdict" if failed else ""
        sign, colour = (WARNING, "warning") if failed else (STEP_SIGNS["done"], "success")
        return f"{sign} {_capital(build)} answers in production{against}. Press t to try it.", colour
    if failed:
        way = "Train better, or press a and say why it is to go on all the same."
        return f"{WARNING} The verdict on {build} is: failed. {way}", "warning"
    reading = " (looking …)" if state.reading else ""  # short: the line is to stay one, at 80 columns, too
    return f"Next: g {NEXT_WORDS[following]}.{reading}" if following else "", "text-muted"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
