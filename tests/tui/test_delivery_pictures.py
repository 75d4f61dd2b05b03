"""The delivery section as pictures in text, at two sizes; `make pictures` renews them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from mlops_tui.tui.dialogs.approve import ApproveDialog
from tests.tui.deliveries import (
    NEW,
    OLD,
    absent,
    answering,
    asked,
    building,
    image,
    images,
    production,
    rows,
    staging,
    validated,
)
from tests.tui.delivery_scene import Scene, delivery, told
from tests.tui.replay import Answer
from tests.tui.story import at_rest
from tests.tui.test_pictures import TextFiles, _same_time_everywhere

__all__ = ["_same_time_everywhere"]  # a fixture that counts for all tests here

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
HOUR = 3725.0  # seconds: "1h02m" stays for a while
STAGED = {
    "images": [Answer([images(image(verdict="passed"), image(OLD, verdict="passed"))])],
    "endpoints": [Answer([answering(staging(), production(OLD, ""))])],
}
DONE = {
    "images": [Answer([images(image(verdict="passed", approved_by="ada"), image(OLD, verdict="passed"))])],
    "endpoints": [Answer([answering(staging(), production())])],
}


async def still(scene: Scene) -> str:
    """The picture, with the clock stopped."""
    await scene.pilot.pause(0.1)
    screen = scene.screen
    screen._tick = 0
    if scene.state.running is not None:
        scene.state.running.since = time.monotonic() - HOUR
        for row in scene.state.told.values():
            row.since = scene.state.running.since
    screen.show()
    assert screen._clock is not None
    screen._clock.pause()
    return await at_rest(scene.pilot)


@SIZES
async def test_nothing_to_deliver(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, runs=[Answer()]) as scene:
        await scene.reads("There is no trained build yet")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_no_image_yet(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size) as scene:
        await scene.reads("g builds its image")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_build_at_work(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, build=told(building(), held=True)) as scene:
        await scene.press("g")
        await scene.reads("Step 3/8")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_passed_verdict(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, STAGED, validate=told(validated())) as scene:
        await scene.press("v")
        await scene.reads("metric", "better")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_failed_verdict(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    failed = [image(verdict="failed"), image(OLD, verdict="passed")]
    async with delivery(tmp_path, size, STAGED, validate=told(validated(False), 1)) as scene:
        scene.now(images=failed)
        await scene.press("v")
        await scene.reads("The verdict on build 18 is: failed")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_the_approval(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, STAGED, validate=told(validated())) as scene:
        await scene.press("v")
        await scene.until(lambda: NEW in scene.state.verdicts and not scene.state.running)
        await scene.press("a")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveDialog))
        await scene.reads("Deploy build 18 to production?")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_the_approval_against_the_verdict(
    size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    failed = {**STAGED, "images": [Answer([images(image(verdict="failed"))])]}
    async with delivery(tmp_path, size, failed, approval=[Answer([asked("failed")])]) as scene:
        await scene.press("a")
        await scene.reads("it loses to the champion")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_everything_is_delivered(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, DONE) as scene:
        await scene.press("end")
        await scene.reads("answers in production", "██████████ 100 %")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_a_prediction(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    async with delivery(tmp_path, size, {**DONE, "rows": [Answer([rows(count=5)])]}) as scene:
        await scene.press("t")
        await scene.reads("Row 1 of 5")
        await scene.press("f5")
        await scene.reads("Predicted 5.2345")
        assert await still(scene) == snapshot.use_extension(TextFiles)


@SIZES
async def test_the_question_before_a_rollback(
    size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    async with delivery(tmp_path, size, DONE) as scene:
        scene.now(endpoints=[absent("staging"), production()])
        await scene.press("end", "u")
        await scene.reads("Bring build 17 back in production?")
        assert await still(scene) == snapshot.use_extension(TextFiles)
