"""The app at its setup section, with recorded answers: what the stories of setup begin with."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from mlops_tui.events import Event, SettingsRead
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.screens.setup import SetupScreen
from mlops_tui.tui.state.setup import SetupState
from mlops_tui.tui.widgets.step_list import StepList
from tests.tui.picture import text_of
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import DEADLINE, until

POLL_SECONDS = 0.05
SIZES = [(80, 24), (120, 40)]


def answers(**others: Sequence[Answer]) -> Replay:
    """A practice cloud that has nothing yet; `others` replace or add answers."""
    told: dict[str, Sequence[Answer]] = {
        "open": [Answer(recorded("open"))],
        "plan": [Answer(recorded("plan")), Answer(recorded("plan_done"))],
        "apply": [Answer(recorded("apply"))],
        "describe": [Answer(recorded("open"))],
        "job_runs": [Answer()],
        "runs": [Answer()],
    }
    return Replay({**told, **others})


def settings_read(**values: str) -> SettingsRead:
    """The recorded settings with other values, as if given by flags."""
    read = next(event for event in recorded("open") if isinstance(event, SettingsRead))
    changed = [
        replace(value, value=values[value.name], origin=value.flag) if value.name in values else value
        for value in read.values
    ]
    return replace(read, values=tuple(changed))


def with_settings(**values: str) -> list[Event]:
    """As `open` and `describe` answer, with other values."""
    return [settings_read(**values) if isinstance(event, SettingsRead) else event for event in recorded("open")]


@asynccontextmanager
async def at_setup(
    home: Path, replay: Replay, size: tuple[int, int] = (80, 24), looked: bool = True
) -> AsyncIterator[Pilot[Any]]:
    """The app, opened on the practice cloud; `looked`: the plan is on show."""
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(home)})
    async with app.run_test(size=size, notifications=True) as pilot:
        app.open_cloud({"cloud": "sandbox"})
        await until(pilot, lambda: isinstance(app.screen, SetupScreen) and app.screen.is_mounted)
        if looked:
            await until(pilot, lambda: not state_of(pilot).doing and state_of(pilot).plan_id)
            await until(pilot, lambda: app.screen.query_one(StepList).cursor)
        yield pilot


def state_of(pilot: Pilot[Any]) -> SetupState:
    assert isinstance(pilot.app, MlopsApp)
    return pilot.app.desk.setup.state


def seen(pilot: Pilot[Any]) -> str:
    """The screen as text, dialogs included."""
    return text_of(pilot.app)


async def sees(pilot: Pilot[Any], text: str) -> None:
    """Wait until the text stands on the screen. Reading a whole screen takes a while: it is not done all the time."""
    deadline = time.monotonic() + DEADLINE
    while text not in seen(pilot):
        assert time.monotonic() < deadline, f"waited in vain for {text!r}\n{seen(pilot)}"
        await pilot.pause(POLL_SECONDS)


async def go_to(pilot: Pilot[Any], step: str) -> None:
    """Put the cursor on a step."""
    step_list = pilot.app.screen.query_one(StepList)
    step_list.focus()
    step_list.go(step)
    await until(pilot, lambda: step_list.cursor == step)


async def open_tab(pilot: Pilot[Any], number: int) -> None:
    """From the first tab to another one: 1 is Settings."""
    await pilot.press(*["right_square_bracket"] * number)
    await pilot.pause()
