"""Sweeps, as a screen acts on them: launch, launch again, end, follow, and choose the one on show."""

from __future__ import annotations

from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.launching import Launch, LaunchDialog
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.state.training import RunRow, TrainingState, parameters_of
from mlops_tui.tui.widgets.runs_table import RunsTable


class SweepActions(Section):
    """What ends something asks first. The screen has a RunsTable: the run under its cursor is meant."""

    def __init__(self) -> None:
        super().__init__()
        self.all_logs = True  # else the chosen run's

    @property
    def state(self) -> TrainingState:
        return self.desk.training.state

    @property
    def table(self) -> RunsTable:
        return self.query_one(RunsTable)

    def action_new(self) -> None:
        """The form, with the runs launched last among what it offers."""
        sweep = self.state.current
        last = parameters_of(sweep.rows.values()) if sweep else ()
        self.app.push_screen(LaunchDialog("Train", "project", last, self.desk.project_runs), self._launch)

    def action_again(self) -> None:
        self._offer("Train again, with changes", list(self.state.current.rows.values()) if self.state.current else [])

    def action_retry(self) -> None:
        self._offer("Launch again what failed", self.state.current.unsuccessful if self.state.current else [])

    def _offer(self, title: str, rows: list[RunRow]) -> None:
        runs = parameters_of(rows)
        self.app.push_screen(LaunchDialog(title, "sets", runs, self.desk.project_runs), self._launch)

    def _launch(self, launch: Launch | None) -> None:
        if launch is not None:
            self.all_logs = True
            self.desk.training.launch(launch.runs, launch.build_number)
            self.table.focus()

    @property
    def endable(self) -> RunRow | None:
        """The chosen run, where it can be ended."""
        sweep, row = self.state.current, self.table.chosen
        return row if sweep and sweep.job_run and row and not row.ended and not self.table.chosen_is_earlier else None

    def action_end_run(self) -> None:
        sweep, row = self.state.current, self.endable
        if sweep is None or row is None:
            return

        def end(sure: bool | None, job_run: str = sweep.job_run, name: str = row.name) -> None:
            if sure:
                self.desk.training.end_run(job_run, name)

        self.app.push_screen(EndingDialog("End this run in the cloud? The other runs go on.", [row.name]), end)

    def action_end_all(self) -> None:
        sweep = self.state.current
        if sweep is None:
            return

        def end(sure: bool | None, job_run: str = sweep.job_run) -> None:
            if sure:
                self.desk.training.end_run(job_run)

        names = [row.name for row in sweep.unfinished]
        self.app.push_screen(EndingDialog(f"End job run {sweep.job_run} in the cloud, with all its runs?", names), end)

    def action_follow(self) -> None:
        if self.state.current is not None:
            self.desk.training.follow(self.state.current.job_run)

    def action_sweep(self, by: int) -> None:
        sweeps, current = self.state.sweeps, self.state.current
        if current is not None:
            self.all_logs = True
            self.desk.training.choose(sweeps[(sweeps.index(current) + by) % len(sweeps)])
            self.show()
