"""Every scene of the story as a picture in text, at two sizes; `make screenshots` and `make pictures` renew them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from mlops_tui.tui.app import MlopsApp
from tests.tui.retold import Retold
from tests.tui.story import at_rest, story


class TextFiles(SingleFileSnapshotExtension):
    """__snapshots__/test_pictures/test_the_story[80x24][opening].txt"""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture(autouse=True)
def _same_time_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_the_story(size: tuple[int, int], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    pictures = snapshot.use_extension(TextFiles)
    replay = Retold("story")
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    async with app.run_test(size=size) as pilot:
        async for scene in story(pilot):
            assert await at_rest(pilot) == pictures(name=scene)
