"""The story that the screenshots show and the pictures hold fast: from the opening to production, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import TextArea

from mlops_tui.tui.themes import THEMES
from mlops_tui.tui.widgets.figure_view import FigureView
from tests.tui.picture import picture, text_of
from tests.tui.waiting import until

PATIENCE = 60.0  # seconds for what a real cloud does
OF_THE_HOST = 180.0  # the same for a whole run of the pipeline


async def story(pilot: Pilot[Any], live: bool = False) -> AsyncIterator[str]:
    """By keys alone; names each scene as it stands on the screen. `live`: also those that pass by themselves."""
    await shows(pilot, "Practice on this machine")
    await until(pilot, lambda: "looking for" not in text_of(pilot.app))
    yield "opening"
    await pilot.press("enter")
    async for scene in _set_up(pilot):
        yield scene
    async for scene in _train(pilot, live):
        yield scene
    async for scene in _look_at_a_run(pilot):
        yield scene
    async for scene in _deliver(pilot, live):
        yield scene
    async for scene in _deliver_another(pilot):
        yield scene
    async for scene in _let_the_host_do_it(pilot, live):
        yield scene
    async for scene in _look_back(pilot):
        yield scene
    await pilot.press("f1")
    await shows(pilot, "closes")
    yield "help"
    await pilot.press("escape", "ctrl+p")
    await shows(pilot, "Search for commands")
    yield "palette"
    await pilot.press("escape")
    for theme in THEMES[1:]:
        pilot.app.theme = theme.name
        yield f"theme-{theme.name.replace(' ', '-')}"


async def _set_up(pilot: Pilot[Any]) -> AsyncIterator[str]:
    await shows(pilot, "changes to make")
    yield "setup-plan"
    await pilot.press("down", "right_square_bracket")
    await shows(pilot, "westeurope")
    yield "setup-settings"
    await pilot.press("right_square_bracket")
    await shows(pilot, "+ create")
    yield "setup-step-plan"
    await pilot.press("right_square_bracket")
    await shows(pilot, "az group create")
    yield "setup-by-hand"
    await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket", "a")
    await shows(pilot, "Make 30 changes")
    yield "setup-apply"
    await pilot.press("enter")
    await shows(pilot, "Everything is set up")
    yield "setup-done"


async def _train(pilot: Pilot[Any], live: bool) -> AsyncIterator[str]:
    await pilot.press("2")
    await shows(pilot, "No runs yet")
    yield "training-empty"
    await pilot.press("n")
    await shows(pilot, "Launch 3 runs")
    yield "training-form"
    await pilot.press("enter")
    if live:
        await shows(pilot, "Split:")
        yield "training-running"
    await shows(pilot, "Best: alpha=0.1,l1_ratio=0.1")
    await shows(pilot, "Model: runs:/")
    yield "training-compared"


async def _look_at_a_run(pilot: Pilot[Any]) -> AsyncIterator[str]:
    await pilot.press("right_square_bracket")
    await shows(pilot, "lower is better")
    yield "plots-runs"
    await tab_to(pilot, FigureView)
    await pilot.press("right")
    await shows(pilot, "400 predictions of the test set")
    yield "plots-predicted"
    await pilot.press("right")
    await shows(pilot, "Predicted minus actual")
    yield "plots-residuals"
    await pilot.press("right_square_bracket")
    await shows(pilot, "SHA-256")
    yield "training-run"


async def _deliver(pilot: Pilot[Any], live: bool) -> AsyncIterator[str]:
    """By the one key that does what is missing next."""
    await pilot.press("3")
    await shows(pilot, "Next: g builds its image.")
    yield "delivery-begin"
    await pilot.press("g")
    if live:
        await shows(pilot, "pip install")
        yield "delivery-building"
    await shows(pilot, "Next: g deploys")
    yield "delivery-image"
    await pilot.press("g")
    await shows(pilot, "Next: g validates")
    yield "delivery-staging"
    await pilot.press("g")
    await shows(pilot, "Next: g asks for the approval")
    yield "delivery-validated"
    await pilot.press("g")
    await shows(pilot, "What will change")
    yield "delivery-approve"
    await pilot.press("enter")
    await shows(pilot, "answers in production")
    yield "delivery-production"
    await pilot.press("t")
    await shows(pilot, "Row 1 of 20")
    await pilot.press("enter")
    await shows(pilot, "Predicted")
    yield "delivery-tried"
    await pilot.press("escape")


async def _deliver_another(pilot: Pilot[Any]) -> AsyncIterator[str]:
    """A better one: champion and challenger side by side; and back again."""
    await pilot.press("2", "n")
    await shows(pilot, "Launch 3 runs")
    await pilot.press("right")
    await tab_to(pilot, TextArea)
    await pilot.press("f7", *"alpha=0.01,l1_ratio=0.1")
    await shows(pilot, "Launch 1 run")
    await pilot.press("f5")
    await shows(pilot, "Best: alpha=0.01,l1_ratio=0.1")
    await pilot.press("3")
    for following in ("builds", "deploys", "validates"):
        await shows(pilot, f"Next: g {following}")
        await pilot.press("g")
    await shows(pilot, "better")
    await shows(pilot, "Next: g asks for the approval")
    yield "delivery-champion"
    await pilot.press("g")
    await shows(pilot, "What will change")
    await pilot.press("enter")
    await shows(pilot, "answers in production")
    await pilot.press("end", "u")
    await shows(pilot, "back in production?")
    yield "delivery-rollback"
    await pilot.press("tab", "enter")
    await until(pilot, lambda: "Rolling" not in text_of(pilot.app) and "2 of 2" in text_of(pilot.app), PATIENCE)
    await shows(pilot, "answers in production")
    yield "delivery-rolled-back"


async def _let_the_host_do_it(pilot: Pilot[Any], live: bool) -> AsyncIterator[str]:
    """All of it once more, on a CI host: chosen in the settings, set up, run. The approval passes when it is retold."""
    await pilot.press("1", "home", *["down"] * 7, "right_square_bracket")
    await shows(pilot, "ci host")
    await pilot.press("right", "enter", "down", "enter")
    await shows(pilot, "changed, not used yet")
    await pilot.press("tab", "enter")
    await shows(pilot, "changes to make")
    await pilot.press("escape", "right_square_bracket")
    await shows(pilot, "+ create")
    yield "setup-pipeline"
    await pilot.press("a")
    await shows(pilot, "Make 28 changes")
    await pilot.press("enter")
    await shows(pilot, "Everything is set up")
    await pilot.press("5")
    await shows(pilot, "has not run yet")
    yield "pipelines-empty"
    await pilot.press("n")
    await shows(pilot, "F5 runs it")
    yield "pipelines-form"
    await pilot.press("f5")
    if live:
        await shows(pilot, "Best: alpha=", OF_THE_HOST)
        yield "pipelines-running"
    await until(
        pilot, lambda: any(text in text_of(pilot.app) for text in ("Press a to", "succeeded after")), OF_THE_HOST
    )
    if "Press a to" in text_of(pilot.app):
        await until(pilot, lambda: pilot.app.screen.query_one("#approve").display)
        await pilot.press("a")
        await shows(pilot, "Not now")
        if live:
            yield "pipelines-approve"
        await pilot.press("enter")
    await shows(pilot, "succeeded after", OF_THE_HOST)
    yield "pipelines-done"


async def _look_back(pilot: Pilot[Any]) -> AsyncIterator[str]:
    await pilot.press("4")
    await shows(pilot, "delivered")
    await until(pilot, lambda: "SHA-256" in text_of(pilot.app) or pilot.app.size.width < 100)
    yield "history"
    await pilot.press("enter")
    yield "history-build"
    await pilot.press("enter")
    await shows(pilot, "SHA-256")
    yield "history-run"


async def shows(pilot: Pilot[Any], text: str, patience: float = PATIENCE) -> None:
    """Wait until the text can be read."""

    def shown() -> bool:
        return text in text_of(pilot.app)

    shown.__name__ = repr(text)
    await until(pilot, shown, patience)


async def tab_to(pilot: Pilot[Any], kind: type[Widget]) -> None:
    """Press Tab until the focus is in such a widget."""
    for _ in range(10):
        if isinstance(pilot.app.focused, kind):
            return
        await pilot.press("tab")
    raise AssertionError(f"Tab does not lead to a {kind.__name__}")


async def at_rest(pilot: Pilot[Any], looks: int = 4) -> str:
    """The picture, once so many looks one after the other have found the same."""
    seen = ""
    while looks:
        await pilot.pause(0.03)
        now = picture(pilot.app)
        looks = looks - 1 if now == seen else looks
        seen = now
    return seen
