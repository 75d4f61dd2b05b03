"""Training: launch sweeps, come back to those that run, end them, list and describe runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

from mlops_tui.errors import UsageError
from mlops_tui.events import Event, Problem
from mlops_tui.run_parameters import Parameters
from mlops_tui.tui.connection import Request
from mlops_tui.tui.desks.line import INTERRUPTED, Line, Notice
from mlops_tui.tui.state.history import HistoryState
from mlops_tui.tui.state.training import ENDED, Sweep, TrainingState


class TrainingDesk:
    """The sweeps of this sitting and the runs of all builds."""

    def __init__(self, line: Line, logs: Path) -> None:
        self.state = TrainingState()
        self.history = HistoryState()
        self._line = line
        self._logs = logs

    @property
    def busy(self) -> list[str]:
        """What runs, in words."""
        return [f"job run {sweep.job_run or '(just starting)'}" for sweep in self.state.running]

    def launch(self, runs: Iterable[Parameters], build_number: str = "") -> Sweep:
        """Start a sweep and follow it; without runs: the project's."""
        asked = [dict(run) for run in runs]
        sweep = self._sweep(asked=len(asked))
        return self._follow(sweep, "train", runs=asked, build_number=build_number)

    def follow(self, job_run: str) -> Sweep:
        """Come back to a sweep that runs in the cloud (or has ended there), with all its lines."""
        for sweep in self.state.sweeps:
            if sweep.job_run == job_run:
                if not sweep.left:
                    self.choose(sweep)
                    return sweep
                self.state.sweeps.remove(sweep)  # what is told now takes its place
                break
        sweep = self._sweep(job_run=job_run, again=True)
        sweep.over = any(run.id == job_run and run.state in ENDED for run in self.state.job_runs)
        return self._follow(sweep, "log", run=job_run, follow=True)

    def choose(self, sweep: Sweep) -> None:
        """Show this one."""
        self.state.current = sweep
        self._line.changed("training")

    def find_sweeps(self) -> Request:
        """Look for sweeps in the cloud, and follow those that still run."""

        def fold(event: Event) -> None:
            if isinstance(event, Problem) and event.error.exit_code == UsageError.exit_code:
                return  # nothing is set up yet: there is nothing to find, and nothing wrong
            self.state.fold(event)
            for job_run in self.state.going_on:
                self._line.told(Notice("Still running", f"Following job run {job_run.id} again."))
                self.follow(job_run.id)
            self._line.changed("training")

        return self._line.ask("job_runs", fold)

    def end_run(self, job_run: str, only: str = "") -> Request:
        """Cancel a sweep, or one run of it, in the cloud."""
        refusals: list[str] = []

        def fold(event: Event) -> None:
            if isinstance(event, Problem):
                refusals.append(event.error.message)

        def ended(exit_code: int) -> None:
            if exit_code == 0:
                self._line.told(Notice("Cancelled", only or f"all runs of job run {job_run}"))
            elif refusals:
                self._line.told(Notice("Not cancelled", " ".join(refusals), "error"))

        asked = {"only": only} if only else {}
        return self._line.ask("end_run", fold, ended, run=job_run, **asked)

    def list_runs(self, limit: int = 200) -> Request:
        """Runs of all builds: for History and for the comparison with earlier builds."""
        self.state.listing = True

        def fold(event: Event) -> None:
            self.history.fold(event)
            self._fold(event)

        def ended(_: int) -> None:
            self.state.listing = False
            self._changed()

        return self._line.ask("runs", fold, ended, limit=limit)

    def describe_run(self, run_id: str) -> Request:
        """What a tracked run used and made."""

        def fold(event: Event) -> None:
            self.history.fold(event)
            self._changed()

        return self._line.ask("show", fold, run_id=run_id)

    def _sweep(self, asked: int = 0, job_run: str = "", again: bool = False) -> Sweep:
        """A new one, on show from now on."""
        sweep = Sweep(self._logs / secrets.token_hex(6), asked=asked, job_run=job_run, again=again)
        launched = [each for each in self.state.sweeps if each.job_run or each.running]
        self.state.sweeps = [*launched, sweep]  # one that was refused has nothing more to tell
        self.state.problem = None
        self.choose(sweep)
        return sweep

    def _follow(self, sweep: Sweep, do: str, **arguments: object) -> Sweep:
        def fold(event: Event) -> None:
            sweep.fold(event)
            self._line.changed("training")

        def ended(exit_code: int) -> None:
            sweep.end(exit_code, INTERRUPTED)
            if not sweep.over:
                self._tell_end(sweep)
            if sweep.job_run and not (sweep.left or sweep.over):
                self.list_runs()
            self._line.changed("training")

        sweep.request_id = self._line.ask(do, fold, ended, logs=str(sweep.folder), **arguments).id
        return sweep

    def _tell_end(self, sweep: Sweep) -> None:
        if sweep.exit_code == 0:
            text = f"Best run: {sweep.best}. The gate {sweep.gate} is passed."
            self._line.told(Notice("Training has ended", text))
        elif sweep.problem is not None and not sweep.left:
            self._line.told(Notice("Training has ended", sweep.problem.message, "error"))

    def _fold(self, event: Event) -> None:
        self.state.fold(event)
        self._changed()

    def _changed(self) -> None:
        self._line.changed("training")
        self._line.changed("history")
