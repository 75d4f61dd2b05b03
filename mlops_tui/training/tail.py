"""Follow a sweep live: states, logs and metrics of all its runs side by side, over lost connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlops_tui.errors import Interrupted
from mlops_tui.events import LogLine, MetricsRead, RunState, RunStatus
from mlops_tui.following.calls import Call, tell_all
from mlops_tui.following.looks import News, Pace, look_until_end
from mlops_tui.following.outage import of_job_run
from mlops_tui.steps import Emit
from mlops_tui.training.cluster_news import ClusterNews
from mlops_tui.training.segments import Segments

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_runs import RunInfo
    from mlops_tui.session import Session
    from mlops_tui.training.sweep import Launched

QUICK, SLOW = 0.3, 2.0  # seconds between looks: while things move, and at most
METRICS_EVERY = 2.0
AT_ONCE = 8


class Follower:
    """Follows one launched sweep; used once."""

    def __init__(self, session: Session, databricks: Databricks, launched: Launched, emit: Emit) -> None:
        self._session = session
        self._databricks = databricks
        self._launched = launched
        self._emit = emit
        self._segments = {name: Segments(databricks.files, f"{launched.log_folder}/{name}") for name in launched.runs}
        self._seen: dict[str, RunInfo] = {}
        self._ending: dict[str, int] = {}  # runs whose end is not told yet, and for how many rounds
        self._metrics: dict[str, dict[str, float]] = {}
        self._job: RunInfo | None = None  # as it was seen last
        self._metrics_due = 0.0
        self._cluster = ClusterNews(session, databricks, emit)

    @property
    def status(self) -> RunStatus:
        """Of the job run as a whole."""
        return self._job.status if self._job else "pending"

    def follow(self) -> dict[str, RunInfo]:
        """Until the job run has ended: each run's last state, by name; runs that never began are not in it.

        Raises UnreachableError when the connection stays lost, Interrupted when the session was cancelled.
        """
        for name, parameters in self._launched.runs.items():
            self._emit(RunState(run=name, state="pending", parameters=dict(parameters)))
        launched = self._launched
        outage = of_job_run(self._databricks.host, launched.run_id, launched.url, self._say)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tail") as pool:
            look_until_end(lambda: self._look(pool), Pace(QUICK, SLOW), outage, self._session.cancelled, self._left)
            self._finish(pool)
        return self._seen

    def _look(self, pool: ThreadPoolExecutor) -> News:
        """One round of calls, side by side. What came is told even when one of them failed."""
        now = time.monotonic()
        calls: list[Call[Any]] = [Call(pool.submit(self._read_states), self._tell_states)]
        calls += [
            Call(pool.submit(log.read), self._teller(name)) for name, log in self._segments.items() if not log.ended
        ]
        if not self._seen and self._cluster.is_due():
            calls.append(Call(pool.submit(self._cluster.read), self._cluster.tell))
        if now >= self._metrics_due:
            self._metrics_due = now + METRICS_EVERY
            calls.append(Call(pool.submit(self._read_metrics), self._tell_metrics))
        moved = tell_all(calls)
        moved = self._tell_ended() or moved
        if self._job is not None and self._job.ended:
            return News.END
        if any(log.behind for log in self._segments.values()):
            return News.MORE
        return News.SOME if moved else News.NONE

    def _read_states(self) -> tuple[RunInfo, tuple[RunInfo, ...]]:
        job = self._databricks.runs.get(self._launched.run_id)
        iterations = [run for task in job.task_run_ids for run in self._databricks.runs.iterations(task)]
        return job, tuple(iterations)

    def _tell_states(self, read: tuple[RunInfo, tuple[RunInfo, ...]]) -> bool:
        self._job, runs = read
        moved = False
        for run in runs:
            before = self._seen.get(run.name)
            if run.name in self._launched.runs and (before is None or before.status != run.status):
                self._seen[run.name] = run
                moved = True
                if run.ended:
                    self._ending[run.name] = 0
                    self._metrics_due = 0.0
                else:
                    self._tell_state(run)
        return moved

    def _tell_ended(self, everything: bool = False) -> bool:
        """A run's end is told a round after it was seen: behind its last lines and its metrics."""
        told = [name for name, rounds in self._ending.items() if everything or rounds]
        for name in told:
            del self._ending[name]
            self._tell_state(self._seen[name])
        self._ending = {name: rounds + 1 for name, rounds in self._ending.items()}
        return bool(told)

    def _tell_state(self, run: RunInfo) -> None:
        self._emit(
            RunState(
                run=run.name,
                state=run.status,
                parameters=dict(self._launched.runs[run.name]),
                detail=run.message if run.status == "failed" else "",
                url=run.url,
                seconds=run.seconds if run.ended else _seconds_so_far(run),
            )
        )

    def _teller(self, name: str) -> Callable[[list[str]], bool]:
        def tell(lines: list[str]) -> bool:
            for line in lines:
                self._emit(LogLine(source=name, text=line))
            return bool(lines)

        return tell

    def _read_metrics(self) -> dict[str, dict[str, float]]:
        tags = {"build_number": self._launched.build.number}
        runs = self._databricks.experiments.runs(self._session.project.training.experiment, tags)
        newest_last = reversed(runs)
        return {run.name: run.metrics for run in newest_last if run.name in self._launched.runs and run.metrics}

    def _tell_metrics(self, read: dict[str, dict[str, float]]) -> bool:
        moved = False
        for name, metrics in read.items():
            if metrics != self._metrics.get(name):
                self._metrics[name] = metrics
                wanted = self._session.project.training.metrics
                self._emit(MetricsRead(run=name, metrics={key: metrics[key] for key in wanted if key in metrics}))
                moved = True
        return moved

    def _finish(self, pool: ThreadPoolExecutor) -> None:
        """The last lines, and why runs failed that did not say it themselves."""
        for name, log in self._segments.items():
            if not log.ended:
                for lines in log.all():
                    self._teller(name)(lines)
                self._teller(name)(log.rest())
        self._tell_metrics(self._read_metrics())
        self._tell_ended(everything=True)
        silent = [run for name, run in self._seen.items() if run.status == "failed" and not self._segments[name].ended]
        for run, output in zip(
            silent, pool.map(lambda run: self._databricks.runs.output(run.run_id), silent), strict=True
        ):
            for line in (output.trace or output.error or run.message).splitlines():
                self._emit(LogLine(source=run.name, text=line, level="error"))

    def _left(self) -> Interrupted:
        run_id = self._launched.run_id
        return Interrupted(
            f"Left the runs of job run {run_id} going.",
            hint=f"Come back with `mlops-tui logs {run_id} --follow`; end them with `mlops-tui cancel {run_id}`.",
            link=self._launched.url,
        )

    def _say(self, text: str, warning: bool = False) -> None:
        self._emit(LogLine(source="train", text=text, level="warning" if warning else "info"))


def _seconds_so_far(run: RunInfo) -> float | None:
    """Who comes back to a run wants to know how long it has been at work."""
    if run.status != "running" or run.started is None:
        return None
    return max(time.time() - run.started, 0.0)  # the cloud's clock may be ahead of this one
