"""The form of a sweep: presets, sets, grids, what they make at once, and what is wrong with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from textual.app import App
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Button, Input, RadioButton, Static, TextArea

from mlops_tui.run_parameters import Parameters
from mlops_tui.tui.dialogs.launching import Launch, LaunchDialog
from mlops_tui.tui.widgets.sweep_form import SweepForm, Way
from tests.tui.waiting import until

LAST = ({"alpha": 0.4, "l1_ratio": 0.6}, {"alpha": 0.2, "l1_ratio": 0.6})
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])


class FormApp(App[None]):
    """The dialog alone, and what it was answered with."""

    def __init__(self, way: Way, sets: Sequence[Parameters], project: Sequence[Parameters]) -> None:
        super().__init__()
        self.dialog = LaunchDialog("Train", way, sets, project)
        self.answers: list[Launch | None] = []

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.answers.append)


@asynccontextmanager
async def form(
    way: Way = "project",
    sets: Sequence[Parameters] = (),
    project: Sequence[Parameters] = (),
    size: tuple[int, int] = (80, 24),
) -> AsyncIterator[tuple[FormApp, Pilot[None]]]:
    app = FormApp(way, sets, project)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen is app.dialog and launch_button(app).has_focus)
        yield app, pilot


def launch_button(app: FormApp) -> Button:
    return app.dialog.query_one("#launch", Button)


def preview(app: FormApp) -> tuple[str, str]:
    """Its title, and what it says."""
    pane = app.dialog.query_one(".preview", VerticalScroll)
    return str(pane.border_title).strip(), str(pane.query_one(Static).render())


async def choose(app: FormApp, pilot: Pilot[None], way: Way) -> None:
    await pilot.click(f"#way-{way}")
    await until(pilot, lambda: app.dialog.query_one(f"#way-{way}", RadioButton).value)


@SIZES
async def test_a_newcomer_presses_enter_and_the_projects_runs_are_launched(size: tuple[int, int]) -> None:
    async with form(project=LAST, size=size) as (app, pilot):
        assert preview(app)[0] == "2 runs, side by side"
        assert "alpha=0.4,l1_ratio=0.6" in preview(app)[1]
        assert str(launch_button(app).label) == "Launch 2 runs"
        assert launch_button(app).region.bottom <= size[1] - 1, "the button is on the screen"
        await pilot.press("enter")
        await until(pilot, lambda: app.answers)
        assert app.answers == [Launch((), "")], "the project's: whoever launches them reads them there"


@SIZES
async def test_last_runs_are_changed_and_launched_by_key(size: tuple[int, int]) -> None:
    async with form("sets", LAST, size=size) as (app, pilot):
        area = app.dialog.query_one(TextArea)
        assert area.text == "alpha=0.4,l1_ratio=0.6\nalpha=0.2,l1_ratio=0.6"
        area.focus()
        await pilot.press("enter", *"alpha=0.9,l1_ratio=0")
        await until(pilot, lambda: preview(app)[0] == "3 runs, side by side")
        await pilot.press("f5")
        await until(pilot, lambda: app.answers)
        launch = app.answers[0]
        assert launch is not None
        assert launch.runs == (*LAST, {"alpha": 0.9, "l1_ratio": 0.0})


async def test_what_is_wrong_is_said_while_one_types_and_nothing_is_launched() -> None:
    async with form("sets", LAST) as (app, pilot):
        app.dialog.query_one(TextArea).text = "alpha=-1,l1_ratio=0.5\nalfa=1,l1_ratio=[/red]"
        await until(pilot, lambda: preview(app)[0] == "Cannot be launched yet")
        said = preview(app)[1]
        assert "✖ run 1: alpha must be 0 or more" in said
        assert "did you mean alpha?" in said
        assert "must be a number, not '[/red]'" in said
        assert launch_button(app).disabled
        await pilot.press("f5")
        await pilot.pause()
        assert app.answers == []
        app.dialog.query_one(TextArea).text = "alpha=1,l1_ratio=0.5"
        await until(pilot, lambda: not launch_button(app).disabled)
        assert str(launch_button(app).label) == "Launch 1 run"


@SIZES
async def test_a_grid_shows_all_it_makes_and_takes_a_build_number(size: tuple[int, int]) -> None:
    async with form(size=size) as (app, pilot):
        await choose(app, pilot, "grid")
        await until(pilot, lambda: preview(app)[0] == "10 runs, side by side")
        app.dialog.query_one("#axis-alpha", Input).value = "0.1,0.2"
        await until(pilot, lambda: preview(app)[0] == "4 runs, side by side")
        build = app.dialog.query_one("#build", Input)
        build.focus()
        await pilot.press(*" 42", "enter")
        await until(pilot, lambda: app.answers)
        launch = app.answers[0]
        assert launch is not None
        assert launch.build_number == "42"
        assert launch.runs[-1] == {"alpha": 0.2, "l1_ratio": 0.5}


async def test_a_grid_that_is_too_large_or_half_given_cannot_be_launched() -> None:
    async with form("grid") as (app, pilot):
        app.dialog.query_one("#axis-alpha", Input).value = "0.01:0.99:0.01"
        await until(pilot, lambda: "198 runs; 100 is the most" in preview(app)[1])
        app.dialog.query_one("#axis-alpha", Input).value = ""
        await until(pilot, lambda: "alpha is missing" in preview(app)[1])
        assert launch_button(app).disabled


async def test_which_way_is_chosen_can_be_seen_without_colours() -> None:
    async with form() as (app, pilot):
        marks = [str(button.render())[1] for button in app.dialog.query(RadioButton)]
        assert marks == ["●", " ", " "]
        await choose(app, pilot, "grid")
        marks = [str(button.render())[1] for button in app.dialog.query(RadioButton)]
        assert marks == [" ", " ", "●"]


async def test_by_keyboard_alone_one_reaches_the_grid() -> None:
    async with form() as (app, pilot):
        app.dialog.query_one(SweepForm).query_one("#way").focus()
        await pilot.press("right", "right", "enter", "tab")
        await until(pilot, lambda: app.dialog.query_one("#axis-alpha", Input).has_focus)


@pytest.mark.parametrize("way_out", ["escape", "button"])
async def test_not_now_launches_nothing(way_out: str) -> None:
    async with form() as (app, pilot):
        if way_out == "escape":
            await pilot.press("escape")
        else:
            await pilot.click("#not-now")
        await until(pilot, lambda: app.answers)
        assert app.answers == [None]


async def test_arrows_choose_another_way_from_the_buttons_and_among_the_ways() -> None:
    async with form() as (app, pilot):
        await pilot.press("right", "right")
        await until(pilot, lambda: app.dialog.query_one("#way-grid", RadioButton).value)
        assert preview(app)[0] == "10 runs, side by side"
        app.dialog.query_one("#way").focus()
        await pilot.press("left")
        await until(pilot, lambda: app.dialog.query_one("#way-sets", RadioButton).value)
        assert [button.value for button in app.dialog.query(RadioButton)] == [False, True, False]
