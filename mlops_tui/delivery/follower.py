"""Follow one run of a delivery job live: its state, its log, and its cluster while that starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlops_tui.errors import Interrupted, ThrottledError, UnreachableError
from mlops_tui.events import LogLine
from mlops_tui.following.calls import Call, tell_all
from mlops_tui.following.looks import News, Pace, look_until_end
from mlops_tui.following.outage import of_job_run
from mlops_tui.steps import Emit
from mlops_tui.training.cluster_news import ClusterNews
from mlops_tui.training.segments import Segments

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_runs import RunInfo
    from mlops_tui.delivery.jobs import Launched
    from mlops_tui.session import Session

QUICK, SLOW = 0.2, 2.0  # seconds between looks: while things move, and at most
AT_ONCE = 3


class Follower:
    """Follows one launched run; used once."""

    def __init__(self, session: Session, databricks: Databricks, launched: Launched, emit: Emit) -> None:
        self._session = session
        self._databricks = databricks
        self._launched = launched
        self._emit = emit
        self._log = Segments(databricks.files, launched.log_folder)
        self._cluster = ClusterNews(session, databricks, emit, launched.started)
        self._run: RunInfo | None = None  # as it was seen last
        self._begun = False  # its notebook has printed something

    def follow(self) -> RunInfo:
        """Until the run has ended: its last state.

        Raises UnreachableError when the connection stays lost, Interrupted when the session was cancelled.
        """
        launched = self._launched
        outage = of_job_run(self._databricks.host, launched.run_id, launched.url, self._say)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tail") as pool:
            look_until_end(lambda: self._look(pool), Pace(QUICK, SLOW), outage, self._session.cancelled, self._left)
        self._try_to_read_rest()
        assert self._run is not None
        return self._run

    def read_up_to_now(self) -> None:
        for lines in (*self._log.all(), self._log.rest()):
            self._tell_lines(lines)

    def _look(self, pool: ThreadPoolExecutor) -> News:
        runs, run_id = self._databricks.runs, self._launched.run_id
        calls: list[Call[Any]] = [Call(pool.submit(runs.get, run_id), self._tell_state)]
        if not self._log.ended:
            calls.append(Call(pool.submit(self._log.read), self._tell_lines))
        if not self._begun and self._cluster.is_due():
            calls.append(Call(pool.submit(self._cluster.read), self._cluster.tell))
        moved = tell_all(calls)
        if self._run is not None and self._run.ended:
            return News.END
        if self._log.behind:
            return News.MORE
        return News.SOME if moved else News.NONE

    def _try_to_read_rest(self) -> None:
        """The last lines. That the run has ended is known: a log that cannot be read any more must not hide it."""
        try:
            if not self._log.ended:
                self.read_up_to_now()
        except (UnreachableError, ThrottledError) as error:
            self._say(f"the end of the log cannot be read: {error.message}", warning=True)

    def _tell_state(self, run: RunInfo) -> bool:
        moved = self._run is None or self._run.status != run.status
        if moved and not run.ended:
            waiting = "waits for its turn or its cluster" if run.status == "pending" else "runs"
            self._say(f"job run {run.run_id} {waiting}")
        self._run = run
        return moved

    def _tell_lines(self, lines: list[str]) -> bool:
        for line in lines:
            self._emit(LogLine(source=self._launched.lane, text=line))
        self._begun = self._begun or bool(lines)
        return bool(lines)

    def _left(self) -> Interrupted:
        run_id = self._launched.run_id
        return Interrupted(
            f"Left job run {run_id} going.",
            hint=f"The same command takes it up again; `mlops-tui logs {run_id} --follow` shows it; "
            f"`mlops-tui cancel {run_id}` ends it.",
            link=self._launched.url,
        )

    def _say(self, text: str, warning: bool = False) -> None:
        self._emit(LogLine(source=self._launched.lane, text=text, level="warning" if warning else "info"))
