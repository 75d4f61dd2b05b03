"""Which sweep is on show, and by mouse what one can do about it."""

from __future__ import annotations

from typing import ClassVar

from mlops_tui.tui.state.training import TrainingState, parameters_of
from mlops_tui.tui.widgets.which_bar import Arrow, WhichBar
from mlops_tui.tui.words.sweeps import sweep_name


class SweepBar(WhichBar):
    """Back and forth between the sweeps of this sitting, newest last."""

    LEFT = Arrow("earlier-sweep", "screen.sweep(-1)", "Sweep before (<)")
    RIGHT = Arrow("later-sweep", "screen.sweep(1)", "Next sweep (>)")
    ACTIONS: ClassVar = {
        "new": ("Train", "Choose runs and launch them (n)"),
        "again": ("Again", "Launch these runs again, with changes (e)"),
        "retry": ("Retry failed", "Launch again what failed (r)"),
        "end-all": ("End all", "End all runs of this sweep (C)"),
    }

    def show(self, state: TrainingState) -> None:
        sweep = state.current
        several = len(state.sweeps) > 1
        place = f"{state.sweeps.index(sweep) + 1} of {len(state.sweeps)}: " if sweep and several else ""
        self.tell(f"{place}{sweep_name(sweep)}" if sweep else "No runs yet", several)
        self.query_one("#again").display = bool(sweep and sweep.ended and parameters_of(sweep.rows.values()))
        self.query_one("#retry").display = bool(sweep and sweep.ended and sweep.unsuccessful)
        self.query_one("#end-all").display = bool(sweep and sweep.job_run and sweep.unfinished)
