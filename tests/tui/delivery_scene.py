"""The delivery section on top of the app, with answers as the worker gives them: what its stories begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from textual.pilot import Pilot

from mlops_tui.events import Endpoint, EndpointsRead, Event, ImagesListed, Lane, ModelImage
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.screens.delivery import DeliveryScreen
from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.widgets.lanes import LaneLine
from tests.tui.deliveries import KEY, asked, images, nothing_answers, predicted, rows, trained
from tests.tui.picture import text_of
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until


class Scene:
    """The app with the delivery section on top, and what is seen there."""

    def __init__(self, app: MlopsApp, pilot: Pilot[Any], replay: Replay) -> None:
        self.app, self.pilot, self.replay = app, pilot, replay

    @property
    def screen(self) -> DeliveryScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, DeliveryScreen)
        return screen

    @property
    def state(self) -> DeliveryState:
        return self.app.desk.delivery.state

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def said(self) -> str:
        """All toasts."""
        return "\n".join(f"{each.title}: {each.message}" for each in self.app._notifications)

    def lane(self, lane: Lane) -> str:
        """What its line says."""
        return str(self.screen.query_one(f"#lane-{lane}", LaneLine).render())

    def footer(self) -> list[str]:
        bindings = self.app.screen.active_bindings.values()
        return list(dict.fromkeys(active.binding.description for active in bindings if active.binding.show))

    def now(self, *, images: Sequence[ModelImage] | None = None, endpoints: Sequence[Endpoint] | None = None) -> None:
        """What the cloud holds from now on, for whoever looks."""
        answers = cast("dict[str, Sequence[Answer]]", self.replay.answers)
        if images is not None:
            answers["images"] = [Answer([ImagesListed(images=tuple(images))])]
        if endpoints is not None:
            answers["endpoints"] = [Answer([EndpointsRead(endpoints=tuple(endpoints))])]

    def asked(self, do: str) -> int:
        """How often."""
        return [each for each, _ in self.replay.asked].count(do)

    async def until(self, condition: Any) -> None:
        await until(self.pilot, condition)

    async def reads(self, *texts: str) -> None:
        """Wait until all of them can be read on the screen."""

        def readable() -> bool:
            return all(text in self.text for text in texts)

        readable.__name__ = " and ".join(map(repr, texts))
        await until(self.pilot, readable)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


def replay_of(**answers: Sequence[Answer]) -> Replay:
    """A cloud that is set up, with one trained build, and no image yet."""
    return Replay(
        {
            "describe": [Answer()],
            "open": [Answer(recorded("open"))],
            "plan": [Answer(recorded("plan_done"))],
            "job_runs": [Answer()],
            "runs": [Answer([trained("18", "17")])],
            "images": [Answer([images()])],
            "endpoints": [Answer([nothing_answers()])],
            "approval": [Answer([asked()])],
            "rows": [Answer([rows()])],
            "predict": [Answer([predicted()])],
            "stage_log": [Answer(held=True)],
            "endpoint_key": [Answer(secret=KEY)],
            "end_run": [Answer()],
            "show": [Answer(recorded("described"))],  # History asks for what it shows beside its builds
            **answers,
        }
    )


@asynccontextmanager
async def delivery(
    tmp_path: Path,
    size: tuple[int, int] = (80, 24),
    there: Mapping[str, Sequence[Answer]] = MappingProxyType({}),
    **answers: Sequence[Answer],
) -> AsyncIterator[Scene]:
    """`there` is what the cloud holds, `answers` what jobs tell."""
    replay = replay_of(**there, **answers)
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.desk is not None)
        app.desk.open({"cloud": "sandbox"})
        await until(pilot, lambda: app.desk.opened and not app.desk.setup.state.doing)
        app.show_section("delivery")
        await until(pilot, lambda: isinstance(app.screen, DeliveryScreen) and app.screen.is_mounted)
        scene = Scene(app, pilot, replay)
        await until(pilot, lambda: scene.state.read and not scene.state.reading and not app.desk.training.state.listing)
        await pilot.pause()
        yield scene


def told(events: Sequence[Event], exit_code: int = 0, held: bool = False) -> list[Answer]:
    return [Answer(events, exit_code, held)]
