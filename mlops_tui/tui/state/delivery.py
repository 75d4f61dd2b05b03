"""Delivery, as far as it has been told: jobs of this sitting, and what the cloud was last seen to hold."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from mlops_tui.events import (
    ApprovalAsked,
    Approved,
    CommandFinished,
    Endpoint,
    EndpointsRead,
    ErrorCard,
    Event,
    Identified,
    ImageReady,
    ImagesListed,
    Lane,
    LaneState,
    LogLine,
    ModelImage,
    Predicted,
    Problem,
    RowsRead,
    Stage,
    StepStatus,
    Validated,
    Verdict,
)
from mlops_tui.tui.state.history import BuildRow, HistoryState

LANES: tuple[Lane, ...] = get_args(Lane)
STAGES: tuple[Stage, ...] = get_args(Stage)
READ_OF_IMAGES: tuple[Lane, ...] = ("image", "validation", "approval")  # what the tags of models tell
READ_OF_ENDPOINTS: tuple[Lane, ...] = ("staging", "production")
AT_WORK: tuple[StepStatus, ...] = ("running", "checking")


@dataclass
class LaneRow:
    """How far a stage is."""

    lane: Lane
    state: StepStatus = "waiting"
    title: str = ""
    build: str = ""
    detail: str = ""
    since: float | None = None  # time.monotonic() when it was first seen at work
    seconds: float | None = None

    def elapsed(self, now: float) -> float | None:
        """Seconds that it took, or has been at work for; None where nobody knows."""
        if self.seconds is not None:
            return self.seconds
        return None if self.since is None else now - self.since


@dataclass
class Job:
    """Something that was asked for and takes its time. One at a time."""

    do: str  # "build", "deploy", "validate", "rollback"
    lane: Lane
    folder: Path  # of its log files, see `spool.log_file`
    build: str = ""
    job_run: str = ""  # its number, where the cloud runs it
    url: str = ""
    since: float = field(default_factory=time.monotonic)
    ending: bool = False  # a person has asked to end it
    exit_code: int | None = None
    summary: str = ""

    @property
    def running(self) -> bool:
        return self.exit_code is None


@dataclass
class TryOut:
    """An endpoint on trial: rows to choose from, and what it answered."""

    stage: Stage
    build: str
    deployments: tuple[str, ...] = ()
    deployment: str = ""  # the one that is to answer; empty: whichever the traffic goes to
    rows: tuple[dict[str, float], ...] = ()
    target: tuple[float, ...] = ()
    place: int = 0
    reading: bool = False
    asking: bool = False
    predicted: Predicted | None = None
    problem: ErrorCard | None = None

    @property
    def row(self) -> dict[str, float]:
        return self.rows[self.place] if self.rows else {}

    @property
    def actual(self) -> float | None:
        return self.target[self.place] if self.place < len(self.target) else None

    def fold(self, event: Event) -> None:
        match event:
            case RowsRead():
                self.rows, self.target, self.place, self.problem = event.rows, event.target, 0, None
            case Predicted():
                self.predicted, self.problem = event, None
            case Problem():
                self.predicted, self.problem = None, event.error


@dataclass
class Question:
    """An approval that is being asked for, or what speaks against asking."""

    build: str
    asked: ApprovalAsked | None = None
    problem: ErrorCard | None = None

    def fold(self, event: Event) -> None:
        match event:
            case ApprovalAsked():
                self.asked, self.problem = event, None
            case Problem():
                self.problem = event.error


class DeliveryState:
    """`history` knows which builds there are."""

    def __init__(self, history: HistoryState) -> None:
        self.images: tuple[ModelImage, ...] = ()  # newest first
        self._by_build: dict[str, ModelImage] = {}  # of each build the newest
        self.endpoints: dict[Stage, Endpoint] = {}
        self.verdicts: dict[str, Verdict] = {}  # of this sitting, by build
        self.told: dict[Lane, LaneRow] = {}  # by the jobs of this sitting
        self.took: dict[tuple[Lane, str], float] = {}  # seconds, by lane and build
        self.problems: dict[Lane, ErrorCard] = {}
        self.unread: dict[str, ErrorCard] = {}  # by what could not be read: "images", "endpoints"
        self.reading: set[str] = set()
        self.read = False  # once at least
        self._chosen = "", ""  # a build that a person has chosen or acted on, and which was the newest one then
        self.job: Job | None = None  # the last one
        self.logs: dict[Lane, Path] = {}  # folders of the jobs' log files
        self.stage_logs: dict[Stage, Path] = {}  # of what the services themselves write
        self.question: Question | None = None
        self.try_out: TryOut | None = None
        self.said = ""  # the last line that went into no log
        self._history = history

    @property
    def running(self) -> Job | None:
        return self.job if self.job is not None and self.job.running else None

    @property
    def builds(self) -> tuple[str, ...]:
        """Those that may be delivered, newest first."""
        trained = [build.number for build in self._history.builds if build.number]
        return tuple(dict.fromkeys([*trained, *(image.build for image in self.images)]))

    @property
    def build(self) -> str:
        """The one that the lanes speak of; empty: none. What is trained after a choice takes its place."""
        chosen, newest_then = self._chosen
        return chosen if chosen and (self.running or newest_then == self.newest) else self.newest

    def choose(self, build: str) -> None:
        """The lanes speak of this build from now on."""
        self._chosen = build, self.newest

    @property
    def newest(self) -> str:
        """The newest build that is good enough; where none is, the newest of all."""
        good = (each.number for each in self._history.builds if each.number and self._good_enough(each))
        return next(good, "") or next(iter(self.builds), "")

    @property
    def nothing_there(self) -> bool:
        """Neither a trained build nor an image nor anything that answers."""
        deployed = any(endpoint.health != "absent" for endpoint in self.endpoints.values())
        return not (self.builds or deployed or self.running)

    def _good_enough(self, build: BuildRow) -> bool:
        return build.outcome == "gate passed" or build.number in self._by_build

    def image_of(self, build: str) -> ModelImage | None:
        return self._by_build.get(build) if build else None

    def stages_of(self, build: str) -> list[Stage]:
        """Where this build answers."""
        there = ((stage, self.endpoints.get(stage)) for stage in STAGES)
        return [stage for stage, endpoint in there if build and endpoint is not None and endpoint.build == build]

    def begin(self, job: Job) -> None:
        self.job, self.said = job, ""
        if job.build:
            self.choose(job.build)
        self.logs[job.lane] = job.folder
        self.problems.pop(job.lane, None)
        self.told[job.lane] = LaneRow(job.lane, "running", build=job.build, since=job.since)

    def end(self, exit_code: int, interrupted: int) -> None:
        """The job's request has ended; where its lanes do not say how, its exit code does."""
        job = self.job
        if job is None:
            return
        job.exit_code = exit_code
        for lane, row in self.told.items():
            if row.state not in AT_WORK:
                continue
            row.seconds, row.since = row.elapsed(time.monotonic()), None
            if exit_code == 0:
                row.state = "done"
            elif exit_code == interrupted:
                row.state, row.detail = "warning", "nobody follows it any more; press r to see what became of it"
            else:
                problem = self.problems.get(lane)
                row.state, row.detail = "failed", problem.message if problem else row.detail

    def fold(self, event: Event) -> None:
        """What a job tells, or somebody who looks. Log lines of jobs are in the files of their folders."""
        match event:
            case LaneState():
                self._lane_state(event)
            case ImageReady():
                self._keep_image(event.image)
            case ImagesListed():
                self._keep_images(event.images)
                self._settle(READ_OF_IMAGES)
            case EndpointsRead():
                self.endpoints = {endpoint.stage: endpoint for endpoint in event.endpoints}
                self._settle(READ_OF_ENDPOINTS)
            case Validated():
                self._keep_verdict(event.verdict)
            case Approved():
                if (image := self.image_of(event.build)) is not None:
                    self._keep_image(replace(image, approved_by=event.by))
            case LogLine():
                self.said = event.text
            case _:
                self._of_the_job(event)

    def _of_the_job(self, event: Event) -> None:
        job = self.job
        if job is None:
            return
        match event:
            case Identified() if event.what.endswith("job run"):
                job.job_run, job.url = event.id, event.url
            case Problem():
                at_work = [lane for lane, row in self.told.items() if row.state in AT_WORK]
                lane = event.source if event.source in LANES else (at_work or [job.lane])[-1]
                self.problems[lane] = event.error
            case CommandFinished():
                job.summary = event.summary

    def _lane_state(self, event: LaneState) -> None:
        now, before = time.monotonic(), self.told.get(event.lane)
        row = LaneRow(event.lane, event.state, event.title, event.build, event.detail)
        if event.state in AT_WORK:
            known = before.since if before is not None and before.state in AT_WORK else None
            row.since = known if known is not None and event.seconds is None else now - (event.seconds or 0.0)
        elif event.state != "waiting":
            took = before.elapsed(now) if before is not None else None
            row.seconds = event.seconds if event.seconds is not None else took
        self.told[event.lane] = row
        if self.running is not None:
            self.logs[event.lane] = self.running.folder
        if event.state in ("done", *AT_WORK):
            self.problems.pop(event.lane, None)

    def _settle(self, lanes: tuple[Lane, ...]) -> None:
        """The cloud has been looked at: what was done is seen there from now on, or it is no longer so."""
        for lane in lanes:
            row = self.told.get(lane)
            if row is not None and row.state in ("done", "waiting"):
                if row.seconds is not None:
                    self.took[lane, row.build] = row.seconds
                del self.told[lane]

    def _keep_image(self, image: ModelImage) -> None:
        known = any(each.id == image.id for each in self.images)
        changed = (image if each.id == image.id else each for each in self.images)
        self._keep_images(tuple(changed) if known else (image, *self.images))

    def _keep_images(self, images: tuple[ModelImage, ...]) -> None:
        self.images = images
        self._by_build = {image.build: image for image in reversed(images)}

    def _keep_verdict(self, verdict: Verdict) -> None:
        self.verdicts[verdict.build] = verdict
        image = self.image_of(verdict.build)
        if image is not None:
            self._keep_image(replace(image, verdict="passed" if verdict.passed else "failed", verdict_at=verdict.at))
