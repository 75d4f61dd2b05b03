"""Follow one run of the pipeline to its end: its parts, their logs, and who must say yes, over lost connections.

The order in which things are told is in `pipeline_operations`.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_tui.errors import Interrupted
from mlops_tui.events import LogLine, PipelinePart, PipelinePartState, PipelineRun, PipelineRunState
from mlops_tui.events.pipelines import ENDED
from mlops_tui.following.looks import News, Pace, look_until_end
from mlops_tui.following.outage import Followed, Outage
from mlops_tui.pipelines.approval import Approvals, Consent
from mlops_tui.pipelines.failure import failure
from mlops_tui.pipelines.host import ci_host, find_run
from mlops_tui.pipelines.logs import Logs, level_of
from mlops_tui.pipelines.parts import in_order_of_ends, source_of
from mlops_tui.pipelines.trust import with_expected
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost
    from mlops_tui.session import Session

# A look takes two calls, and one for each log that may have grown: a hundred a minute at most, a dozen while it waits.
# GitHub allows 5,000 an hour and 900 a minute (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
# Azure DevOps slows down whoever takes more than 200 times what a usual user does in five minutes
# (learn.microsoft.com/azure/devops/integrate/concepts/rate-limits).
PACE, LOCAL_PACE = Pace(3.0, 15.0), Pace(0.3, 1.5)
AT_ONCE = 6
STUCK_SECONDS = 60.0  # without anything at work: then somebody should look whether there are agents at all


def follow_run(session: Session, emit: Emit, run: PipelineRun | str, consent: Consent | None = None) -> str:
    """To its end; a sentence about that. A run that was named only is told first.

    Raises RunFailedError, NotFoundError, UnreachableError when the connection stays lost, ForbiddenError where a yes
    was given beforehand that is for others to say, Interrupted when the session was cancelled: the run goes on then.
    """
    follower = _begun(session, emit, run, consent)
    ended = follower.follow()
    if ended.state != "succeeded":
        raise with_expected(session, emit, failure(ended, follower.parts, follower.last_lines))
    return f"Run {ended.id} (build {ended.number}) has succeeded."


def read_up_to_now(session: Session, emit: Emit, run_id: str, consent: Consent | None = None) -> None:
    """All that there is to tell of a run now."""
    _begun(session, emit, run_id, consent).read_up_to_now()


def _begun(session: Session, emit: Emit, run: PipelineRun | str, consent: Consent | None) -> Follower:
    host, known = ci_host(session), None
    if isinstance(run, PipelineRun):
        known = run
    else:
        run = find_run(host, run, emit)
    return Follower(session, host, run, emit, consent or Consent(), known)


class Follower:
    """Follows one run; used once."""

    def __init__(
        self,
        session: Session,
        host: CiHost,
        run: PipelineRun,
        emit: Emit,
        consent: Consent,
        told: PipelineRun | None = None,
    ) -> None:
        """`told`: the run as somebody has told it already."""
        self._session, self._host, self._emit = session, host, emit
        self._run, self._told = run, told
        self._approvals, self._consent = Approvals(host, emit, run.id, consent), consent
        self._logs = Logs(host, run.id)
        self._idle_since: float | None = None  # nothing is at work, and nobody is asked
        self._warned = False
        self._states: dict[str, PipelinePartState] = {}  # as they were told last, by part
        self._sources: dict[tuple[str, str], str] = {}  # of log lines, by part and name: others may come beside it
        self.parts: tuple[PipelinePart, ...] = ()  # as they were seen last

    def follow(self) -> PipelineRun:
        """The run as it ended."""
        pace = LOCAL_PACE if self._session.cloud.poll_seconds else PACE
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pipeline") as pool:
            look_until_end(lambda: self._look(pool), pace, self._outage(), self._session.cancelled, self._left)
        return self._run

    def read_up_to_now(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pipeline") as pool:
            self._look(pool)
        self._tell_run(self._run)

    def last_lines(self, part_id: str) -> list[str]:
        """Of a part's log: what it printed at its end."""
        return self._logs.last(part_id)

    def _look(self, pool: ThreadPoolExecutor) -> News:
        """The run first, its parts then, their logs last: what is known to have ended is read to its end."""
        run = self._run = self._host.run(self._run.id)
        ended = run.state in ENDED
        moved = not ended and self._tell_run(run)
        self.parts = self._host.parts(run.id)
        for order, part in enumerate(self.parts):
            if part.state not in ENDED:
                moved = self._tell_part(part, order) or moved
        self._warn_if_stuck(run)
        waits = run.state == "waiting" or any(part.state == "waiting" for part in self.parts)
        asked = pool.submit(self._host.approvals, run.id) if waits and not ended else None
        moved = self._tell_logs(pool) or moved
        moved = self._approvals.tell(asked.result() if asked else (), self.parts) or moved
        if ended and not self._logs.due(self.parts):
            self._tell_run(run)
            return News.END
        return News.SOME if moved or ended else News.NONE

    def _tell_run(self, run: PipelineRun) -> bool:
        before = self._told
        if before is not None and (before.state, before.detail, before.number) == (run.state, run.detail, run.number):
            return False
        self._told = run
        self._emit(PipelineRunState(run=run))
        return True

    def _tell_part(self, part: PipelinePart, order: int) -> bool:
        state = PipelinePartState(run=self._run.id, part=part, order=order, source=self._source(part))
        if self._states.get(part.id) == state:
            return False
        self._states[part.id] = state
        self._emit(state)
        return True

    def _tell_logs(self, pool: ThreadPoolExecutor) -> bool:
        """The lines that have come, side by side; a part's end behind its lines and the ends of what belongs to it.

        Where an answer is lost nothing after it is told: the next look reads it again.
        """
        due = self._logs.due(self.parts)
        reading = {part.id: pool.submit(self._logs.read, part) for part in self.parts if part.id in due}
        orders = {part.id: order for order, part in enumerate(self.parts)}
        moved = False
        for part in in_order_of_ends(self.parts):
            if part.id in reading:
                moved = self._tell_lines(part, reading[part.id].result()) or moved
            if part.state in ENDED:
                moved = self._tell_part(part, orders[part.id]) or moved
        return moved

    def _tell_lines(self, part: PipelinePart, lines: tuple[str, ...]) -> bool:
        source = self._source(part)
        for line in lines:
            self._emit(LogLine(source=source, text=line, level=level_of(line)))
        self._logs.took(part, lines, part.state in ENDED or self._run.state in ENDED)
        return bool(lines)

    def _source(self, part: PipelinePart) -> str:
        """It stays as it is, unless the host gives the part another name."""
        return self._sources.setdefault((part.id, part.name), source_of(part, self.parts))

    def _warn_if_stuck(self, run: PipelineRun) -> None:
        """Once, where the host does not say itself what it waits for."""
        if run.state != "queued" and any(part.state in ("running", "waiting") for part in self.parts):
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        is_told = self._warned or bool(run.detail)
        if run.state not in ENDED and not is_told and now - self._idle_since >= STUCK_SECONDS:
            self._warned = True
            why = "are there any, and are they at work on something else?"
            self._say(f"run {run.id} waits for an agent of {self._host.title}: {why} {run.url}", warning=True)

    def _outage(self) -> Outage:
        run, local = self._run, bool(self._session.cloud.poll_seconds)
        return Outage(Followed(self._host.title, f"run {run.id}", run.url, self._back(), local), self._say)

    def _left(self) -> Interrupted:
        run = self._run
        return Interrupted(
            f"Left run {run.id} going.",
            hint=f"Come back with `{self._back()}`; end it with `{self._consent.command('cancel', run.id)}`.",
            link=run.url,
        )

    def _back(self) -> str:
        return self._consent.command("logs", self._run.id, "--follow")

    def _say(self, text: str, warning: bool = False) -> None:
        self._emit(LogLine(source="pipeline", text=text, level="warning" if warning else "info"))
