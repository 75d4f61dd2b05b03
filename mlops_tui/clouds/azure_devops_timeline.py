"""A build of Azure DevOps and its timeline, as the runs and parts of `events.pipelines`.

Shapes: Azure DevOps REST, Build (builds, timeline). Records form a tree: a stage has phases (and a checkpoint where it
is guarded), a phase has a job once an agent has taken it, a job has tasks. A phase and its job are one part here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_tui.events import PartKind, PipelinePart, PipelineRun, PipelineState

Record = dict[str, Any]
RESULTS: dict[str, PipelineState] = {
    "succeeded": "succeeded",
    "succeededWithIssues": "succeeded",
    "partiallySucceeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "abandoned": "canceled",
    "skipped": "skipped",
}
REASONS = {"individualCI": "push", "batchedCI": "push"}
PARALLELISM_LINK = "https://aka.ms/azpipelines-parallelism-request"
APPROVAL, PERMISSION = "Checkpoint.Approval", "Checkpoint.Authorization"
PATIENCE = 120.0  # seconds in the queue, after which why is worth a word


@dataclass(frozen=True)
class Timeline:
    records: tuple[Record, ...]

    def parts(self) -> tuple[PipelinePart, ...]:
        """Stages, their jobs, their steps: each behind the one that it belongs to."""
        return tuple(self._parts())

    def _parts(self) -> Iterator[PipelinePart]:
        for stage in self._of("Stage", None):
            yield _part("stage", stage, "", state="waiting" if self.waits(stage) else None)
            for phase in self._of("Phase", stage["id"]):
                job = next(iter(self._of("Job", phase["id"])), phase)
                yield _part("job", {**job, "id": phase["id"]}, stage["id"])
                for task in self._of("Task", job["id"]):
                    yield _part("step", task, phase["id"])

    def _of(self, kind: str, parent: str | None) -> list[Record]:
        found = [one for one in self.records if one["type"] == kind and one.get("parentId") == parent]
        return sorted(found, key=lambda one: one.get("order") or 0)

    def waits(self, stage: Record) -> bool:
        """For a person. A turn that is waited for comes by itself."""
        return bool(self._guards(stage, APPROVAL) or self._guards(stage, PERMISSION))

    def _guards(self, stage: Record, kind: str) -> list[Record]:
        """Those that hold the stage up."""
        checkpoints = self._of("Checkpoint", stage["id"])
        found = [record for checkpoint in checkpoints for record in self._of(kind, checkpoint["id"])]
        return [record for record in found if record["state"] != "completed"]

    def approvals(self) -> dict[str, Record]:
        """The stage that waits for each approval, by the approval's id: that is its record's, too."""
        stages = self._of("Stage", None)
        return {record["id"]: stage for stage in stages for record in self._guards(stage, APPROVAL)}

    def waiting_for(self) -> str:
        """What a person must do, for which stages; empty where nothing is waited for."""
        said = []
        for kind, words in ((APPROVAL, "an approval"), (PERMISSION, "a permission that `mlops-tui setup` gives")):
            names = [stage["name"] for stage in self._of("Stage", None) if self._guards(stage, kind)]
            said += [f"{words}: {', '.join(names)}"] if names else []
        return "; ".join(said)

    def log_of(self, part_id: str) -> int | None:
        """The number of the log of a step, or of a job (by its phase); None where there is none yet."""
        for record in self.records:
            is_it = record["id"] == part_id or (record["type"] == "Job" and record.get("parentId") == part_id)
            if is_it and record.get("log"):
                return int(record["log"]["id"])
        return None

    def first_error(self) -> str:
        """Of the step that failed, rather than of the job that failed with it."""
        for record in sorted(self.records, key=lambda one: one["type"] != "Task"):
            for issue in record.get("issues") or []:
                if issue["type"] == "error":
                    return advised(f"{record['name']}: {issue['message']}")
        return ""


def run_of(build: Record, timeline: Timeline | None) -> PipelineRun:
    """`timeline` tells what it waits for, and why it failed."""
    state = _state(build["status"], build.get("result"))
    detail = _detail(build, state, timeline)
    waiting = timeline.waiting_for() if timeline and state in ("running", "queued") else ""
    if waiting:
        state, detail = "waiting", waiting
    return PipelineRun(
        id=str(build["id"]),
        number=build["buildNumber"],
        state=state,
        url=build["_links"]["web"]["href"],
        branch=build.get("sourceBranch", "").removeprefix("refs/heads/"),
        commit=build.get("sourceVersion") or "",
        reason=REASONS.get(build.get("reason", ""), build.get("reason") or ""),
        queued=moment(build.get("queueTime")),
        started=moment(build.get("startTime")),
        finished=moment(build.get("finishTime")),
        detail=detail,
    )


def _detail(build: Record, state: PipelineState, timeline: Timeline | None) -> str:
    problems = [one["message"] for one in build.get("validationResults") or [] if one.get("result") == "error"]
    if state == "failed":
        return advised(problems[0]) if problems else timeline.first_error() if timeline else ""
    queued = moment(build.get("queueTime")) or time.time()
    if state == "queued" and time.time() - queued > PATIENCE:
        why = "No agent has taken it yet; a new organisation may have no hosted parallelism."
        return advised(why)
    return ""


def advised(text: str) -> str:
    """With what to do, where there are no agents: what a new organisation meets first."""
    if "hosted parallelism" not in text.lower():
        return text
    link = "" if PARALLELISM_LINK in text else f" Ask for it at {PARALLELISM_LINK}."
    return f"{text}{link} Or set ci.pool to a pool of your own agents, and run mlops-tui setup."


def _part(kind: PartKind, record: Record, parent: str, state: PipelineState | None = None) -> PipelinePart:
    issues = [advised(one["message"]) for one in record.get("issues") or []]
    return PipelinePart(
        id=record["id"],
        kind=kind,
        name=record["name"],
        state=state or _state(record["state"], record.get("result")),
        parent=parent,
        started=moment(record.get("startTime")),
        finished=moment(record.get("finishTime")),
        detail="\n".join(issues),
        has_log=bool(record.get("log")),
    )


def _state(state: str, result: str | None) -> PipelineState:
    if state == "completed":
        return RESULTS.get(result or "", "failed")
    return "running" if state in ("inProgress", "cancelling") else "queued"


def moment(text: str | None) -> float | None:
    """Seconds since 1970. The service writes up to seven decimals; six are what Python reads."""
    if not text:
        return None
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
