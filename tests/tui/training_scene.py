"""The training section on top of the app, with recorded answers: what its stories begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static, TabbedContent

from mlops_tui.events import Event, JobRunsFound
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.launching import LaunchDialog
from mlops_tui.tui.screens.training import TrainingScreen
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.runs_table import RunsTable
from mlops_tui.tui.widgets.sweep_bar import SweepBar
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.sweeps import begun
from tests.tui.waiting import until

NOTHING_RUNS = Answer([JobRunsFound(job_runs=())])


class Scene:
    """The app with the training section on top, and what is seen there."""

    def __init__(self, app: MlopsApp, pilot: Pilot[Any], replay: Replay) -> None:
        self.app, self.pilot, self.replay = app, pilot, replay

    @property
    def screen(self) -> TrainingScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, TrainingScreen)
        return screen

    @property
    def table(self) -> RunsTable:
        return self.screen.query_one(RunsTable)

    @property
    def rows(self) -> list[list[str]]:
        """The table's cells as text."""
        return [[str(cell) for cell in self.table.get_row_at(index)] for index in range(self.table.row_count)]

    @property
    def status(self) -> str:
        return str(self.screen.query_one("#status", Static).render())

    @property
    def pane(self) -> str:
        return self.screen.query_one(TabbedContent).active

    @property
    def log(self) -> LogView:
        return self.screen.query_one(LogView)

    def column(self, title: str) -> list[str]:
        titles = [str(column.label) for column in self.table.ordered_columns]
        return [row[titles.index(title)] for row in self.rows]

    def footer(self) -> list[str]:
        return [active.binding.description for active in self.screen.active_bindings.values() if active.binding.show]

    async def until(self, condition: Any) -> None:
        await until(self.pilot, condition)

    async def launch(self) -> None:
        """As a newcomer does it."""
        await self.pilot.press("n")
        await self.until(lambda: isinstance(self.app.screen, LaunchDialog) and self.app.focused is not None)
        await self.pilot.press("enter")
        await self.until(lambda: self.app.screen is self.screen and self.table.row_count)

    async def say_yes(self) -> None:
        await self.until(lambda: isinstance(self.app.screen, EndingDialog))
        await self.pilot.click("#end")
        await self.until(lambda: self.app.screen is self.screen)

    @property
    def said(self) -> str:
        """All toasts."""
        return "\n".join(f"{each.title}: {each.message}" for each in self.app._notifications)

    @property
    def bar(self) -> str:
        """Which sweep is on show."""
        return str(self.screen.query_one(SweepBar).query_one(".which", Static).render())


@asynccontextmanager
async def training(
    tmp_path: Path,
    train: Sequence[Event] = (),
    size: tuple[int, int] = (80, 24),
    plan: Sequence[Event] | None = None,
    held: bool = True,
    launches: Sequence[Answer] = (),
    **answers: Sequence[Answer],
) -> AsyncIterator[Scene]:
    """What is launched tells `train`, and goes on until the test ends it, where it is held."""
    replay = Replay(
        {
            "sign_ins": [Answer()],
            "describe": [Answer()],
            "open": [Answer()],
            "plan": [Answer(recorded("plan_done") if plan is None else plan)],
            "job_runs": [NOTHING_RUNS],
            "train": launches or [Answer(train or begun(), held=held)],
            "log": [Answer(begun(), held=True)],
            "runs": [Answer()],
            "show": [Answer()],
            "end_run": [Answer()],
            **answers,
        }
    )
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.desk is not None)
        app.desk.open({"cloud": "sandbox"})
        await until(pilot, lambda: app.desk.opened and not app.desk.setup.state.doing)
        app.show_section("training")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen) and app.screen.is_mounted)
        yield Scene(app, pilot, replay)
