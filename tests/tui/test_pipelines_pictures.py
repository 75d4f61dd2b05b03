"""The pipelines section as pictures in text, at two sizes; `make pictures` renews them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from mlops_tui.tui.dialogs.approve_run import ApproveRunDialog
from mlops_tui.tui.dialogs.queue_run import QueueRunDialog
from tests.tui.pipelines import AT, MINE, earlier, listed, lost, parts, run, training, waiting
from tests.tui.pipelines_scene import Scene, pipelines
from tests.tui.replay import Answer
from tests.tui.story import at_rest
from tests.tui.test_pictures import TextFiles, _same_time_everywhere

__all__ = ["_same_time_everywhere"]  # a fixture that counts for all tests here

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
NOW = AT + 425
RUNNING = [Answer([listed(run(19), *earlier())])]
WAITS = [Answer([listed(run(19, "waiting"), *earlier(), approvals=[MINE])])]


@pytest.fixture(autouse=True)
def _the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the calendar: it is what runs are timed by."""
    monkeypatch.setattr(time, "time", lambda: NOW)


async def still(scene: Scene) -> str:
    """The picture, without spinners that go on."""
    await scene.pilot.pause(0.1)
    screen = scene.screen
    screen._tick = 0
    assert screen._clock is not None
    screen._clock.pause()
    screen.show()
    screen._clock.pause()
    return await at_rest(scene.pilot)


@SIZES
async def test_no_host(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with pipelines(tmp_path, size, host="none") as scene:
        await scene.reads("No CI host is chosen")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_run_at_work(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    log = [Answer(training()[2:], held=True)]
    async with pipelines(tmp_path, size, ci_runs=RUNNING, ci_log=log) as scene:
        await scene.reads("rmse 0.7931")
        scene.app.clear_notifications()
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_run_that_waits(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with pipelines(tmp_path, size, ci_runs=WAITS, ci_log=[Answer(waiting(), held=True)]) as scene:
        await scene.reads("Press a to give it", "wine-quality-production")
        await scene.press("a")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveRunDialog) and scene.app.focused)
        scene.app.clear_notifications()
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_run_that_failed(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    log = [Answer(training()[2:], held=True), Answer(parts(number=18))]
    async with pipelines(tmp_path, size, ci_runs=RUNNING, ci_log=log) as scene:
        await scene.reads("rmse 0.7931")
        scene.replay.finish("ci_log", 1, lost())
        await scene.reads("✖ Run 20261122.3 has failed", "What to do: Its log says more.")
        scene.app.clear_notifications()
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_the_form_of_a_run(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with pipelines(tmp_path, size) as scene:
        await scene.reads("mlops-tui deploy production")
        await scene.press("n")
        await scene.until(lambda: isinstance(scene.app.screen, QueueRunDialog) and scene.app.focused)
        await scene.press("right")
        assert await still(scene) == snapshot.use_extension(TextFiles)
