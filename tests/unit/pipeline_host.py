"""A CI host of plain objects: it plays a run look by look, with parts, growing logs, approvals and lost connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from mlops_tui.clouds.ci_host import Account, RunOrder
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.errors import ConflictError, NotFoundError, UnreachableError
from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun, PipelineState
from mlops_tui.project import Project
from mlops_tui.project_parts import Ci
from mlops_tui.session import Session

PAGE = "https://dev.azure.com/contoso/wine-quality/_build/results?buildId=17"
RUN = PipelineRun("17", "20261128.1", "queued", PAGE, "main", "c0ffee", "manual", 1.79e9)
TREE: Mapping[str, PipelinePart] = {
    part.id: part
    for part in (
        PipelinePart("s1", "stage", "Train", "queued"),
        PipelinePart("j1", "job", "train", "queued", "s1"),
        PipelinePart("t1", "step", "Checkout", "queued", "j1"),
        PipelinePart("t2", "step", "mlops-tui train", "queued", "j1"),
        PipelinePart("s2", "stage", "Production", "queued"),
        PipelinePart("j2", "job", "production", "queued", "s2"),
        PipelinePart("t3", "step", "mlops-tui deploy production", "queued", "j2"),
    )
}
ASKED = PipelineApproval("a1", "17", "Production", "wine-quality-production", ("ada@example.com",), True, 1.79e9)


@dataclass(frozen=True)
class Frame:
    """What the host answers from one look to the next; what is not named stays as it was."""

    run: PipelineState = "running"
    parts: Mapping[str, PipelineState] = field(default_factory=dict)
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)  # that come, by part
    waits: PipelineApproval | None = None  # until it is approved: the play goes no further without


@dataclass
class FakeHost:
    """Each call of `run` is the next frame; the last one stays."""

    frames: Sequence[Frame]
    tree: Mapping[str, PipelinePart] = field(default_factory=lambda: TREE)
    details: Mapping[str, str] = field(default_factory=dict)  # of parts that failed; of the run itself by its id
    title: str = "Azure DevOps"
    lost: set[str] = field(default_factory=set)  # calls whose next answer is lost
    gone: bool = False  # nobody answers any more
    has_pipeline: bool = True
    late: int = 0  # looks that find no log of a part that has ended, though there is one
    frame: int = -1
    refuses: Exception | None = None  # what approving raises
    approved: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: Callable[[FakeHost], None] = lambda _: None  # what happens on the host at each look
    queued: list[RunOrder] = field(default_factory=list)
    cancelled: bool = False
    asked_for: list[tuple[str, str, int]] = field(default_factory=list)  # run, part, after
    directory: object = None  # of Azure
    lock: threading.Lock = field(default_factory=threading.Lock)

    def session(self, project: Project | None = None) -> Session:
        session = Session(project or Project(ci=Ci(host="azure-devops", organization="contoso")), AZURE)
        session._clients = cast("Any", SimpleNamespace(ci_host=self, directory=self.directory, close=lambda: None))
        return session

    def account(self) -> Account:
        return Account("me", "ada@example.com", "Ada")

    def page(self) -> str:
        return "https://dev.azure.com/contoso/wine-quality/_build?definitionId=3"

    def runs(self, limit: int) -> tuple[PipelineRun, ...]:
        self._require_pipeline()
        self.frame = max(self.frame, 0)
        return (self._run(), replace(RUN, id="16", number="20261128.0", state="succeeded", finished=1.79e9))[:limit]

    def queue(self, order: RunOrder) -> PipelineRun:
        self._require_pipeline()
        self.queued.append(order)
        return RUN

    def run(self, run_id: str) -> PipelineRun:
        if run_id != "17":
            raise NotFoundError(f"There is no run {run_id}.")
        self._answer("run")
        self.elsewhere(self)
        now = self.frames[max(self.frame, 0)]
        if self.frame < 0 or now.waits is None or any(now.waits.id == one for one, _ in self.approved):
            self.frame = min(self.frame + 1, len(self.frames) - 1)
        return self._run()

    def parts(self, run_id: str) -> tuple[PipelinePart, ...]:
        self._answer("parts")
        states: dict[str, PipelineState] = {}
        for frame in self.frames[: self.frame + 1]:
            states |= frame.parts
        return tuple(
            replace(
                part,
                state=states.get(part.id, part.state),
                detail=self.details.get(part.id, "") if states.get(part.id) == "failed" else "",
                has_log=bool(self._lines(part.id)) or (self.late > 0 and states.get(part.id) == "succeeded"),
            )
            for part in self.tree.values()
        )

    def log(self, run_id: str, part_id: str, after: int) -> tuple[str, ...]:
        with self.lock:
            self.asked_for.append((run_id, part_id, after))
            if self.late:
                self.late -= 1
                return ()
        self._answer(f"log {part_id}")
        return tuple(self._lines(part_id)[after:])

    def approvals(self, run_id: str) -> tuple[PipelineApproval, ...]:
        self._answer("approvals")
        waits = self.frames[self.frame].waits
        return () if waits is None or any(waits.id == one for one, _ in self.approved) else (waits,)

    def approve(self, approval: PipelineApproval, comment: str) -> None:
        self._answer("approve")
        if self.refuses:
            raise self.refuses
        if any(approval.id == one for one, _ in self.approved):
            raise ConflictError("Somebody has approved already.")
        self.approved.append((approval.id, comment))

    def cancel(self, run_id: str) -> None:
        self.cancelled = True
        self.frames = [*self.frames[: self.frame + 1], Frame("canceled")]

    def _run(self) -> PipelineRun:
        state = self.frames[self.frame].run
        return replace(RUN, state=state, detail=self.details.get(RUN.id, ""))

    def _lines(self, part_id: str) -> list[str]:
        return [line for frame in self.frames[: self.frame + 1] for line in frame.lines.get(part_id, ())]

    def _answer(self, call: str) -> None:
        """Raises UnreachableError where the answer is to be lost."""
        with self.lock:
            if self.gone or call in self.lost:
                self.lost.discard(call)
                raise UnreachableError("Nobody answers.")

    def _require_pipeline(self) -> None:
        if not self.has_pipeline:
            raise NotFoundError("There is no pipeline.", raw="TF200016: …")
