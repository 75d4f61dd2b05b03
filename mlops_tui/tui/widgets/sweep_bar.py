"""Which sweep is on show, and by mouse what one can do about it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Static

from mlops_tui.tui.state.training import TrainingState, parameters_of
from mlops_tui.tui.words.sweeps import sweep_name

ACTIONS = {
    "new": ("Train", "Choose runs and launch them (n)"),
    "again": ("Again", "Launch these runs again, with changes (e)"),
    "retry": ("Retry failed", "Launch again what failed (r)"),
    "end-all": ("End all", "End all runs of this sweep (C)"),
}


class SweepBar(Horizontal):
    """A line: back and forth between the sweeps of this sitting, newest last."""

    DEFAULT_CSS = """
    SweepBar {
        height: 1; background: $surface; padding: 0 1;
        .which { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        Button { min-width: 3; width: auto; margin-left: 1; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Button("‹", id="earlier-sweep", compact=True, action="screen.sweep(-1)", tooltip="Sweep before (<)")
        yield Static("", markup=False, classes="which")
        yield Button("›", id="later-sweep", compact=True, action="screen.sweep(1)", tooltip="Next sweep (>)")
        for name, (title, tooltip) in ACTIONS.items():
            yield Button(title, id=name, compact=True, tooltip=tooltip, action=f"screen.{name.replace('-', '_')}")

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False  # each has a key of its own

    def show(self, state: TrainingState) -> None:
        sweep = state.current
        several = len(state.sweeps) > 1
        place = f"{state.sweeps.index(sweep) + 1} of {len(state.sweeps)}: " if sweep and several else ""
        which, text = self.query_one(".which", Static), f"{place}{sweep_name(sweep)}" if sweep else "No runs yet"
        if text != which.content:
            which.update(text, layout=False)  # its size stays
        self.query_one("#earlier-sweep").display = several
        self.query_one("#later-sweep").display = several
        self.query_one("#again").display = bool(sweep and sweep.ended and parameters_of(sweep.rows.values()))
        self.query_one("#retry").display = bool(sweep and sweep.ended and sweep.unsuccessful)
        self.query_one("#end-all").display = bool(sweep and sweep.job_run and sweep.unfinished)
