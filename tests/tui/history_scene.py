"""The history screen over a connection that answers from recordings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from mlops_tui.events import Event, RunResult, RunsListed
from mlops_tui.tui.app import MlopsApp
from tests.tui.picture import text_of
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until

Sitting = Pilot[str]
AT_80X24 = (80, 24)
AT_120X40 = (120, 40)


def answers(runs: Sequence[Answer] | None = None, show: Sequence[Answer] | None = None) -> Replay:
    """A cloud that is set up and tells of three builds."""
    return Replay(
        {
            "open": [Answer(recorded("open"))],
            "plan": [Answer(recorded("plan_done"))],
            "job_runs": [Answer()],
            "describe": [Answer(recorded("open"))],
            "runs": runs or [Answer(recorded("builds"))],
            "show": show or [Answer(recorded("described"))],
            "train": [Answer(recorded("train"), held=True)],
        }
    )


def listed(results: Sequence[RunResult], gate: str = "rmse < 0.8") -> list[Event]:
    return [RunsListed(results=tuple(results), gate=gate)]


@asynccontextmanager
async def history(replay: Replay, folder: Path, size: tuple[int, int]) -> AsyncIterator[Sitting]:
    """The cloud is open, and the person has gone to History."""
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(folder)})
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.painted)
        app.open_cloud({"cloud": "sandbox"})
        await until(pilot, lambda: app.desk.opened)
        await pilot.press("4")
        yield pilot


async def reads(pilot: Sitting, *texts: str) -> None:
    """Wait until all of them can be read on the screen."""

    def readable() -> bool:
        shown = text_of(pilot.app)
        return all(text in shown for text in texts)

    readable.__name__ = " and ".join(map(repr, texts))
    await until(pilot, readable)
