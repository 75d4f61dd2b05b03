"""Runs of a pipeline, their parts and approvals, and how following one tells of itself: as the worker does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlops_tui.events import (
    ErrorCard,
    Event,
    Identified,
    LogLine,
    PartKind,
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePart,
    PipelinePartState,
    PipelineRun,
    PipelineRunsListed,
    PipelineRunState,
    PipelineState,
    Problem,
)

AT = 1795324543.0
PAGE = "https://dev.azure.com/practice/wine-quality/_build"
FAILED = "Validation of build 20261122.2 in staging: failed. It loses to the champion."
LOST = ErrorCard("Run 18 (build 20261122.2) has failed in Staging · mlops-tui validate staging.", "Its log says more.")
NO_PIPELINE = ErrorCard("Azure DevOps has no pipeline of this project yet.", "`mlops-tui setup` makes it.", exit_code=2)
REFUSED = ErrorCard("Azure DevOps refuses to sign in: the token has expired.", "Make another.", exit_code=3)
MINE = PipelineApproval("approval-19", "19", "Production", "wine-quality-production", ("ada@contoso.com",), since=AT)
THEIRS = replace(MINE, approvers=("grace@contoso.com", "[Contoso]\\Admins"), mine=False)
ALL_STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Train", ("Install mlops-tui", "mlops-tui train", "mlops-tui build", "Publish drop")),
    ("Staging", ("Download drop", "mlops-tui deploy staging", "mlops-tui validate staging")),
    ("Production", ("Download drop", "mlops-tui deploy production")),
)


def run(number: int = 19, state: PipelineState = "running", **others: object) -> PipelineRun:
    """The newest is 19; each was queued an hour before the next."""
    queued = AT - 3600 * (19 - number)
    begun = None if state == "queued" else queued + 5
    known: dict[str, object] = {
        "id": f"{number}",
        "number": f"20261122.{number - 16}",
        "state": state,
        "url": f"{PAGE}/results?buildId={number}",
        "branch": "main",
        "commit": f"{number:02x}a9f3c7d5e1b2a4",
        "reason": "manual",
        "queued": queued,
        "started": begun,
        "finished": queued + 317 if state in ("succeeded", "failed", "canceled") else None,
        **others,
    }
    return PipelineRun(**known)  # type: ignore[arg-type]  # by name, from a dict


def listed(*runs: PipelineRun, approvals: Sequence[PipelineApproval] = (), host: str = "Azure DevOps") -> Event:
    return PipelineRunsListed(host=host, page=PAGE, runs=runs, approvals=tuple(approvals))


def earlier() -> tuple[PipelineRun, ...]:
    """One that has failed, one by push that went well, one that was canceled."""
    return (
        run(18, "failed", detail=f"Staging: {FAILED}"),
        run(17, "succeeded", reason="push", branch="main"),
        run(16, "canceled", branch="try-another-solver"),
    )


def parts(at: str = "", number: int = 19, failed: bool = False) -> list[Event]:
    """All parts, as they are while the step of that name is at work; empty: all have ended well."""
    found: list[Event] = []
    before, over = bool(at), False  # before: what comes now has ended well

    def add(kind: PartKind, id: str, name: str, parent: str, state: PipelineState, source: str) -> None:  # noqa: A002
        ended = state in ("succeeded", "failed")
        begun = AT + 10.0 * len(found) if ended or state == "running" else None
        detail = FAILED if state == "failed" and kind == "step" else ""
        part = PipelinePart(
            id, kind, name, state, parent, begun, (begun or 0) + 42 if ended else None, detail, kind == "step" and ended
        )
        if kind == "step" and state == "running":
            part = replace(part, has_log=True)
        found.append(PipelinePartState(run=f"{number}", part=part, order=len(found), source=source))

    for stage, steps in ALL_STAGES:
        holds = at in steps and not over
        state: PipelineState = ("failed" if failed else "running") if holds else "succeeded"
        if over:
            state = "skipped" if failed else "queued"
        add("stage", stage, stage, "", state, stage)
        add("job", f"{stage}/job", "Job", stage, state, stage)
        for step in steps:
            word: PipelineState = "succeeded" if before or not at else "queued"
            if at == step and not over:
                word, before, over = ("failed" if failed else "running"), False, True
            elif over:
                word = "skipped" if failed else "queued"
            add("step", f"{stage}/{step}", step, f"{stage}/job", word, f"{stage} · {step}")
    return found


def waiting(approval: PipelineApproval = MINE) -> list[Event]:
    """Everything but production has ended well, and that waits for a yes."""
    state = run(19, "waiting", detail="Production waits for an approval")
    asked = PipelineApprovalAsked(approval=approval, command="mlops-tui ci approve 19")
    return [*_through("Production"), PipelineRunState(run=state), asked]


def _through(stage: str) -> list[Event]:
    """Well up to that stage, which waits; what comes behind it is queued."""
    found: list[Event] = []
    reached = False
    for event in parts():
        assert isinstance(event, PipelinePartState)
        reached = reached or event.part.name == stage
        if reached:
            state: PipelineState = "waiting" if event.part.name == stage else "queued"
            part = replace(event.part, state=state, started=None, finished=None, has_log=False)
            event = replace(event, part=part)
        found.append(event)
    return found


def begun() -> list[Event]:
    """As it is told when a run has just been queued."""
    queued = run(19, "queued", started=None)
    return [Identified(what="pipeline run", id="19", url=queued.url), PipelineRunState(run=queued)]


def training() -> list[Event]:
    return [
        *begun(),
        PipelineRunState(run=run()),
        *parts("mlops-tui train"),
        LogLine(source="Train · Install mlops-tui", text="Successfully installed mlops-tui-0.1.0"),
        LogLine(source="Train · mlops-tui train", text="alpha=0.5,l1_ratio=0.5 │ rmse 0.7931"),
        LogLine(source="Train · mlops-tui train", text="WARNING: the scaler has not seen a volume above 15"),
    ]


def approved(by: str = "ada@contoso.com") -> Event:
    return PipelineApproved(run="19", stage="Production", by=by)


def succeeded() -> list[Event]:
    return [*parts(), PipelineRunState(run=run(19, "succeeded"))]


def lost() -> list[Event]:
    """Staging has failed."""
    state = PipelineRunState(run=run(19, "failed", detail=f"Staging: {FAILED}"))
    log = LogLine(source="Staging · mlops-tui validate staging", text=f"Error: {FAILED}", level="error")
    return [*parts("mlops-tui validate staging", failed=True), log, state, Problem(error=LOST)]
