"""Keys are answered at once: laying out the whole screen is what takes long, so it is done only where it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from mlops_tui.tui.screens.setup import SetupScreen
from tests.tui.at_setup import SIZES, answers, at_setup, sees, state_of
from tests.tui.replay import Answer, recorded
from tests.tui.sweeps import begun
from tests.tui.training_scene import training


class Layouts:
    """Counts those of a screen."""

    def __init__(self, screen: Screen[Any]) -> None:
        self.number = 0
        screen.screen_layout_refresh_signal.subscribe(screen, self._another)

    def _another(self, _: object) -> None:
        self.number += 1


@pytest.mark.parametrize("size", SIZES)
async def test_a_key_in_the_list_of_steps_takes_one_layout_at_most(tmp_path: Path, size: tuple[int, int]) -> None:
    async with at_setup(tmp_path, answers(), size) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, SetupScreen)
        assert screen.row is not None
        await pilot.press("down")  # to where no button for the step comes or goes
        await pilot.pause(0.1)
        before, layouts = screen.row, Layouts(screen)
        for _ in range(5):
            await pilot.press("down")
            await pilot.pause()
        assert screen.row is not before
        assert 0 < layouts.number <= 5


async def test_news_of_steps_and_the_clock_take_no_layout(tmp_path: Path) -> None:
    plan = answers(plan=[Answer(held=True)])
    async with at_setup(tmp_path, plan, (120, 40), looked=False) as pilot:
        await sees(pilot, "Sign-in and subscription")
        screen = pilot.app.screen
        assert isinstance(screen, SetupScreen)
        await pilot.press("end")  # the last step: the plan does not tell of it at first
        await pilot.pause()
        layouts, news = Layouts(screen), recorded("plan")[:8]
        for event in news:
            screen.desk.setup.fold(event)
            screen.show()
            await pilot.pause()
        assert any(row.state != "waiting" for row in state_of(pilot).steps.values())
        assert layouts.number == 0


async def test_a_key_in_the_table_of_runs_takes_no_layout_and_no_other_footer(tmp_path: Path) -> None:
    names = [f"alpha=0.{number},l1_ratio=0.5" for number in range(10, 60)]
    async with training(tmp_path, begun(names), (120, 40)) as scene:
        await scene.launch()
        await scene.pilot.press("down")
        await scene.pilot.pause(0.1)
        layouts, keys, chosen = Layouts(scene.screen), list(scene.screen.query("FooterKey")), scene.table.chosen
        await scene.pilot.press(*["down"] * 5)
        await scene.pilot.pause()
        assert scene.table.chosen is not chosen
        assert layouts.number == 0
        assert list(scene.screen.query("FooterKey")) == keys
