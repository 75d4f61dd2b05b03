"""The app around the screens: leaving, help, the palette, toasts, signing in, themes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from textual.color import Color
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from mlops_tui.events import (
    CommandFinished,
    Event,
    Identified,
    LogLine,
    PlanReady,
    RunState,
    StepState,
)
from mlops_tui.tui.actions import actions_of
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.desks.line import Notice
from mlops_tui.tui.dialogs.leaving import LeavingDialog
from mlops_tui.tui.dialogs.sign_in import SignInDialog
from mlops_tui.tui.screens.help import HelpScreen
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.themes import THEMES
from mlops_tui.tui.widgets.section_bar import SectionTab
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until

SIZES = [(80, 24), (120, 40)]
GOING_ON: list[Event] = [
    Identified(what="job run", id="17", url="https://localhost/17"),
    RunState(run="alpha0.5-l10.5", state="running"),
]


def replay(**answers: Sequence[Answer]) -> Replay:
    usual: dict[str, Sequence[Answer]] = {
        "open": [Answer(recorded("plan")[:0])],
        "plan": [Answer(recorded("plan"))],
        "job_runs": [Answer()],
        "runs": [Answer()],
        "train": [Answer(GOING_ON, held=True)],
        "end_run": [Answer()],
    }
    return Replay({**usual, **answers})


class Story:
    """An app with a sweep that runs, or without one."""

    def __init__(self, home: Path, answers: Replay) -> None:
        self.answers = answers
        self.app = MlopsApp(connect=lambda: answers, environment={"MLOPS_TUI_HOME": str(home)})

    def has_ended(self) -> bool:
        return self.app._exit

    async def practise(self, pilot: Pilot[Any], *, training: bool = False) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: self.app.current_mode == "setup" and self.app.desk.opened)
        await until(pilot, lambda: not self.app.desk.setup.state.doing)
        if training:
            self.app.desk.training.launch([])
            await until(pilot, lambda: bool(self.app.desk.training.state.running[0].job_run))


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path, replay())


def said(pilot: Pilot[Any]) -> str:
    return "\n".join(str(widget.render()) for widget in pilot.app.screen.query(Static))


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_where_nothing_runs_leaving_takes_one_key(key: str, story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        await pilot.press(key)
        await until(pilot, lambda: story.app._exit)
    assert story.app.return_code == 0
    assert story.app.return_value is None
    assert story.answers.closed


@pytest.mark.parametrize("size", SIZES)
async def test_what_runs_is_left_running_by_enter_and_told_on_the_terminal(size: tuple[int, int], story: Story) -> None:
    async with story.app.run_test(size=size, notifications=True) as pilot:
        await story.practise(pilot, training=True)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        assert "job run 17" in said(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: story.app._exit)
    assert "Job run 17 goes on" in str(story.app.return_value)
    assert "mlops-tui logs 17 --follow" in str(story.app.return_value)
    assert [do for do, _ in story.answers.asked if do == "end_run"] == []


async def test_escape_stays_and_the_focus_is_where_it_was(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot, training=True)
        before = story.app.focused
        await pilot.press("q")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(story.app.screen, LeavingDialog))
        assert not story.app._exit
        assert story.app.focused is before


async def test_ctrl_c_twice_leaves_and_cancels_nothing(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot, training=True)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: story.app._exit)
    assert "Job run 17" in str(story.app.return_value)
    assert [do for do, _ in story.answers.asked if do == "end_run"] == []


@pytest.mark.parametrize("section", ["setup", "training", "history"])
async def test_ending_while_a_section_is_being_built_breaks_nothing(section: str, tmp_path: Path) -> None:
    for milliseconds in (0, 16, 48):
        story = Story(tmp_path, replay())
        async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
            if section == "setup":
                story.app.open_cloud({"cloud": "sandbox"})
            else:
                await story.practise(pilot)
                story.app.show_section(section)
            await asyncio.sleep(milliseconds / 1000)
            story.app.exit()
            await until(pilot, story.has_ended)
        assert story.app.return_code == 0


async def test_cancelling_waits_until_the_cloud_has_acknowledged(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot, training=True)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: "end_run" in [do for do, _ in story.answers.asked])
        assert story.answers.arguments_of("end_run")["run"] == "17"
        await until(pilot, lambda: "Cancelling" in said(pilot))
        assert not story.app._exit
        story.answers.finish("train", 1, [RunState(run="alpha0.5-l10.5", state="canceled")])
        await until(pilot, lambda: story.app._exit)
    assert story.app.return_value is None


async def test_a_sweep_that_is_just_starting_is_cancelled_as_soon_as_it_has_a_number(tmp_path: Path) -> None:
    answers = replay(train=[Answer([], held=True)])
    story = Story(tmp_path, answers)
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        sweep = story.app.desk.training.launch([])
        await pilot.press("q")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        await pilot.click("#cancel")
        await until(pilot, lambda: "Cancelling" in said(pilot))
        assert "end_run" not in [do for do, _ in answers.asked]
        sweep.fold(GOING_ON[0])
        await until(pilot, lambda: "end_run" in [do for do, _ in answers.asked])
        answers.finish("train", 1)
        await until(pilot, lambda: story.app._exit)


async def test_what_cannot_be_cancelled_in_time_is_asked_about_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_tui.tui.dialogs.leaving.END_SECONDS", 0.2)
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot, training=True)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(story.app.screen, LeavingDialog))
        await pilot.click("#cancel")
        await until(pilot, lambda: "has not ended yet" in said(pilot))
        assert not story.app.screen.query_one("#cancel", Button).disabled
        await pilot.click("#leave")
        await until(pilot, lambda: story.app._exit)
    assert "Job run 17" in str(story.app.return_value)


async def test_another_cloud_has_to_wait_while_something_runs(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot, training=True)
        await pilot.press("0")
        await pilot.pause()
        assert story.app.current_mode == "setup"
        assert any("job run 17" in toast.message for toast in story.app._notifications)


# --- sections, help, palette ------------------------------------------------------------------------------------------


async def test_the_bar_says_where_one_is_and_that_training_runs(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        tabs = {tab.section: tab for tab in story.app.screen.query(SectionTab)}
        assert "●" not in str(tabs["training"].render())
        story.app.desk.training.launch([])
        await until(pilot, lambda: "●" in str(tabs["training"].render()))
        assert "practice cloud" in said(pilot)
        await pilot.click(tabs["training"])
        await until(pilot, lambda: story.app.current_mode == "training")


@pytest.mark.parametrize("size", SIZES)
async def test_help_tells_what_the_screen_is_for_and_all_its_keys(size: tuple[int, int], story: Story) -> None:
    async with story.app.run_test(size=size, notifications=True) as pilot:
        await story.practise(pilot)
        screen = story.app.screen
        descriptions = {action.description for action in actions_of(screen)}
        assert {"Training", "Choose another cloud", "Quit", "Help"} <= descriptions
        assert isinstance(screen, Section)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(story.app.screen, HelpScreen))
        assert screen.help_text
        assert {row[1] for row in cast("HelpScreen", story.app.screen)._rows} == descriptions
        await pilot.press("escape")
        await until(pilot, lambda: story.app.screen is screen)


async def test_every_section_explains_itself(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        for key, section in (("1", "setup"), ("2", "training"), ("3", "delivery"), ("4", "history")):
            await pilot.press(key)
            await until(pilot, lambda section=section: story.app.current_mode == section)  # type: ignore[misc]
            assert len(str(getattr(story.app.screen, "help_text", ""))) > 100, section


async def chosen_from_palette(pilot: Pilot[Any], words: str) -> None:
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
    pilot.app.screen.query_one(Input).value = words
    await until(pilot, lambda: cast("CommandPalette", pilot.app.screen)._list_visible)
    await pilot.pause(0.2)
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(pilot.app.screen, CommandPalette))


async def test_the_palette_goes_to_sections_and_sets_what_is_remembered(story: Story, tmp_path: Path) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        await chosen_from_palette(pilot, "go to training")
        await until(pilot, lambda: story.app.current_mode == "training")
        await chosen_from_palette(pilot, "theme: paper")
        await until(pilot, lambda: story.app.theme == "paper")
        await chosen_from_palette(pilot, "bell on")
        await until(pilot, lambda: story.app.remembered.bell)
    kept = json.loads((tmp_path / "app.json").read_text())
    assert (kept["theme"], kept["bell"]) == ("paper", True)
    again = MlopsApp(connect=replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    assert again.theme == "paper"


async def test_the_palette_holds_every_action_of_the_screen(story: Story) -> None:
    from mlops_tui.tui.palette import Commands

    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        names = {command.name for command in Commands(story.app.screen)._commands()}
        aside = {"Setup", "Training", "Delivery", "History", "Pipelines"} | {"Copy what is selected, else quit"}
        assert {action.description for action in actions_of(story.app.screen)} - aside <= names
        assert {
            "Go to Delivery",
            "Go to History",
            "Go to Pipelines",
            "Choose another cloud",
            "Quit",
            "Help",
            "Bell on",
            "Save a screenshot",
        } <= names


async def test_the_footer_never_holds_more_than_six_keys(story: Story) -> None:
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        for key in "12345":
            await pilot.press(key)
            await pilot.pause()
            for _ in range(6):  # whatever has the focus
                shown = {
                    binding.action
                    for _, binding, enabled, _ in story.app.screen.active_bindings.values()
                    if binding.show and enabled
                }
                assert len(shown) + 1 <= 6, shown  # and the palette
                await pilot.press("tab")


# --- toasts, signing in -----------------------------------------------------------------------------------------------


async def test_notices_are_shown_as_they_are_and_ring_only_where_that_is_wanted(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(MlopsApp, "bell", lambda _: rung.append(1))
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await story.practise(pilot)
        tell = story.app.desk.line.told
        tell(Notice("[/a]", "[/subscriptions/abc] has ended"))
        await pilot.pause()
        assert [toast.message for toast in story.app._notifications][-1] == "[/subscriptions/abc] has ended"
        assert rung == []
        story.app.toggle_bell()
        tell(Notice("Saved", "it is", rings=False))
        tell(Notice("Training has ended", "well"))
        assert rung == [1]


CODE = "To sign in, open https://microsoft.com/devicelogin in any browser and enter the code AB12CD34"


@pytest.mark.parametrize("size", SIZES)
async def test_what_signing_in_takes_stays_until_the_cloud_answers(size: tuple[int, int], tmp_path: Path) -> None:
    answers = replay(plan=[Answer(held=True)])
    story = Story(tmp_path, answers)
    async with story.app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "plan" in [do for do, _ in answers.asked])
        answers.on_stray(LogLine(source="sign-in", text=CODE))
        await until(pilot, lambda: isinstance(story.app.screen, SignInDialog))
        await until(pilot, lambda: "https://microsoft.com/devicelogin" in said(pilot))
        await pilot.press("c")
        assert story.app.clipboard == "AB12CD34"
        opened: list[str] = []
        story.app.open_url = lambda url, **_: opened.append(url)  # type: ignore[method-assign]
        await pilot.press("o")
        assert opened == ["https://microsoft.com/devicelogin"]
        answers.on_stray(LogLine(source="sign-in", text=CODE.replace("AB12CD34", "ZZ99ZZ99")))
        await until(pilot, lambda: "ZZ99ZZ99" in said(pilot))
        answers.finish(
            "plan", 0, [StepState(step="sign-in", title="Sign-in", state="done"), PlanReady(pending=0, kept=1)]
        )
        await until(pilot, lambda: not isinstance(story.app.screen, SignInDialog))


async def test_hearing_from_this_machine_alone_does_not_count_as_signed_in(tmp_path: Path) -> None:
    answers = replay(
        plan=[Answer(held=True)], describe=[Answer([CommandFinished(command="x", exit_code=0, seconds=0)])]
    )
    story = Story(tmp_path, answers)
    async with story.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "plan" in [do for do, _ in answers.asked])
        answers.on_stray(LogLine(source="sign-in", text=CODE))
        await until(pilot, lambda: isinstance(story.app.screen, SignInDialog))
        story.app.desk.set_settings({"location": "northeurope"})
        await pilot.pause(0.2)
        assert isinstance(story.app.screen, SignInDialog)


# --- themes -----------------------------------------------------------------------------------------------------------

TEXT = ("foreground", "primary", "secondary", "accent", "warning", "error", "success")
GROUNDS = ("background", "surface", "panel")


def contrast(one: Color, other: Color) -> float:
    """As WCAG 2 counts it: 4.5 is what text needs."""

    def luminance(colour: Color) -> float:
        parts = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized)
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: str(theme.name))
def test_every_colour_of_text_can_be_read_on_every_ground(theme: Any) -> None:
    for text in TEXT:
        for ground in GROUNDS:
            found = contrast(Color.parse(getattr(theme, text)), Color.parse(getattr(theme, ground)))
            assert found >= 4.5, f"{text} on {ground}: {found:.2f}"


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: str(theme.name))
async def test_muted_text_can_be_read_too(theme: Any, story: Story) -> None:
    async with story.app.run_test(size=(80, 24)) as pilot:
        story.app.theme = theme.name
        await pilot.pause()
        for ground in GROUNDS:
            below = Color.parse(story.app.theme_variables[ground])
            for name in ("text-muted", "text-primary", "text-success", "text-warning", "text-error", "text-accent"):
                text = story.app.theme_variables[name]
                colour = (
                    Color.parse(text)
                    if not text.startswith("auto")
                    else below.get_contrast_text(float(text.split()[1].rstrip("%")) / 100)
                )
                mixed = below.blend(colour, colour.a, 1.0)
                assert contrast(mixed, below) >= 4.5, f"{name} on {ground}: {text}, {contrast(mixed, below):.2f}"
