"""The pipelines section on top of the app, with answers as the worker gives them: what its stories begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from textual.pilot import Pilot

from mlops_tui.events import Event, SettingsRead, SettingValue
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.screens.pipelines import PipelinesScreen
from mlops_tui.tui.state.pipelines import PipelinesState
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.part_tree import PartLineView
from tests.tui.picture import text_of
from tests.tui.pipelines import earlier, listed, parts
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until


class Scene:
    """The app with the pipelines section on top, and what is seen there."""

    def __init__(self, app: MlopsApp, pilot: Pilot[Any], replay: Replay) -> None:
        self.app, self.pilot, self.replay = app, pilot, replay

    @property
    def screen(self) -> PipelinesScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, PipelinesScreen)
        return screen

    @property
    def state(self) -> PipelinesState:
        return self.app.desk.pipelines.state

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def said(self) -> str:
        """All toasts."""
        return "\n".join(f"{each.title}: {each.message}" for each in self.app._notifications)

    @property
    def tree(self) -> list[str]:
        """The lines of the parts."""
        return [str(line.render()) for line in self.screen.query(PartLineView)]

    @property
    def log(self) -> str:
        """Whose log is shown."""
        return self.screen.query_one(LogView).title

    def footer(self) -> list[str]:
        bindings = self.app.screen.active_bindings.values()
        return list(dict.fromkeys(active.binding.description for active in bindings if active.binding.show))

    def now(self, event: Event) -> None:
        """What the host lists from now on, for whoever looks."""
        cast("dict[str, Sequence[Answer]]", self.replay.answers)["ci_runs"] = [Answer([event])]

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


def opened(host: str = "azure-devops") -> list[Event]:
    """All settings and steps, with that CI host chosen."""
    choices = ("none", "azure-devops", "github")
    chosen = SettingValue("ci_host", "ci.host", host, "mlops.toml line 3", "where it is", "choice", "none", choices)
    branch = SettingValue("ci_branch", "ci.branch", "main", "default", "the branch that is built", "str", "main")
    return [
        replace(event, values=(*(v for v in event.values if v.name not in ("ci_host", "ci_branch")), chosen, branch))
        if isinstance(event, SettingsRead)
        else event
        for event in recorded("open")
    ]


def replay_of(host: str = "azure-devops", **answers: Sequence[Answer]) -> Replay:
    """A cloud that is set up, with three runs of the pipeline that are over."""
    return Replay(
        {
            "describe": [Answer()],
            "open": [Answer(opened(host))],
            "plan": [Answer(recorded("plan_done"))],
            "job_runs": [Answer()],
            "runs": [Answer()],
            "ci_runs": [Answer([listed(*earlier())])],
            "ci_log": [Answer(parts(number=18))],
            "ci_approve": [Answer()],
            "ci_cancel": [Answer()],
            **answers,
        }
    )


@asynccontextmanager
async def pipelines(
    tmp_path: Path, size: tuple[int, int] = (80, 24), host: str = "azure-devops", **answers: Sequence[Answer]
) -> AsyncIterator[Scene]:
    replay = replay_of(host, **answers)
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.desk is not None)
        app.desk.open({"cloud": "sandbox"})
        await until(pilot, lambda: app.desk.opened and not app.desk.setup.state.doing)
        app.show_section("pipelines")
        await until(pilot, lambda: isinstance(app.screen, PipelinesScreen) and app.screen.is_mounted)
        scene = Scene(app, pilot, replay)
        await until(pilot, lambda: not scene.state.listing)
        await pilot.pause()
        yield scene
