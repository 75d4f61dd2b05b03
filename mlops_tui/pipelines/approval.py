"""Somebody's yes, without which a run goes no further: asked for once, given here, or by others on the host."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.errors import ConflictError, ForbiddenError, UsageError
from mlops_tui.events import (
    LogLine,
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePart,
    PipelineRunState,
)
from mlops_tui.pipelines.host import find_run
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost

Ask = Callable[[PipelineApproval], bool]  # False: they said no, or nothing
REFUSED = ("failed", "canceled", "skipped")  # states of a stage that waited, and got no yes


@dataclass(frozen=True)
class Consent:
    """Who says yes when a run asks. `flags` are the command's own: those that are told to somebody have them, too."""

    given: bool = False  # already, to all that it will ask
    ask: Ask | None = None  # who sits here; None: nobody
    flags: Sequence[str] = ()

    def command(self, verb: str, run_id: str, *more: str) -> str:
        """That does something else with the run: "mlops-tui ci approve 17"."""
        return shlex.join(["mlops-tui", "ci", verb, run_id, *more, *self.flags])


class Approvals:
    """Of one run that is followed."""

    def __init__(self, host: CiHost, emit: Emit, run_id: str, consent: Consent) -> None:
        self._host, self._emit, self._run_id, self._consent = host, emit, run_id, consent
        self._asked: dict[str, PipelineApproval] = {}  # told, and still open when they were seen last
        self._agreed: set[str] = set()  # somebody here has said yes, and the host may not know yet
        self._given: set[str] = set()  # and now it does

    def tell(self, waiting: Sequence[PipelineApproval], parts: Sequence[PipelinePart]) -> bool:
        """`waiting`: what waits now. Whether something has moved.

        Raises ForbiddenError where the yes was given beforehand, and is for others to say.
        """
        open_now = {one.id: one for one in waiting}
        gone = [one for one in self._asked.values() if one.id not in open_now]
        for one in gone:
            del self._asked[one.id]
            self._tell_gone(one, parts)
        fresh = [one for one in waiting if one.id not in self._asked]
        for one in fresh:
            self._asked[one.id] = one
            self._emit(PipelineApprovalAsked(approval=one, command=self._consent.command("approve", self._run_id)))
            if self._says_yes(one):
                self._agreed.add(one.id)
        agreed = [one for one in waiting if one.id in self._agreed - self._given]
        for one in agreed:
            self._give(one)
        return bool(gone or fresh or agreed)

    def _tell_gone(self, one: PipelineApproval, parts: Sequence[PipelinePart]) -> None:
        stage = next((part for part in parts if part.name == one.stage and part.kind != "step"), None)
        if one.id not in self._given and (stage is None or stage.state not in REFUSED):
            self._emit(PipelineApproved(run=self._run_id, stage=one.stage, by=""))

    def _says_yes(self, one: PipelineApproval) -> bool:
        if self._consent.given:
            if not one.mine:
                raise not_yours(self._run_id, one)
            return True
        if self._consent.ask is None or not one.mine:
            return False
        if self._consent.ask(one):
            return True
        self._emit(LogLine(source="pipeline", text=f"left open: {self._consent.command('approve', self._run_id)}"))
        return False

    def _give(self, one: PipelineApproval) -> None:
        by = self._host.account().name
        try:
            self._host.approve(one, "")
        except ConflictError as error:  # somebody else was quicker: the next look tells
            self._emit(LogLine(source="pipeline", text=error.message))
            self._agreed.discard(one.id)
            return
        self._given.add(one.id)
        self._emit(PipelineApproved(run=self._run_id, stage=one.stage, by=by))


def approve(host: CiHost, emit: Emit, run_id: str, comment: str) -> None:
    """Say yes to all that a run waits for and that is ours to say.

    Raises UsageError where it waits for nothing, ForbiddenError where it is all for others to say, NotFoundError.
    """
    run = find_run(host, run_id, emit)
    waiting = host.approvals(run_id)
    if not waiting:
        emit(PipelineRunState(run=run))
        raise UsageError(
            f"Run {run_id} waits for nobody's yes: it is {run.state}.",
            hint=f"`mlops-tui ci runs` lists what waits; `mlops-tui ci logs {run_id}` shows how far this one is.",
            link=run.url,
        )
    mine = [one for one in waiting if one.mine]
    if not mine:
        raise not_yours(run_id, waiting[0])
    by = host.account().name
    for one in mine:
        host.approve(one, comment)
        emit(PipelineApproved(run=run_id, stage=one.stage, by=by))


def not_yours(run_id: str, one: PipelineApproval) -> ForbiddenError:
    who = ", ".join(one.approvers) or "others"
    return ForbiddenError(
        f"{one.stage} of run {run_id} waits for the yes of {who}: it is not yours to say.",
        hint=f"Ask them, or have yourself made an approver of {one.environment} on the host. The run goes on waiting.",
    )
