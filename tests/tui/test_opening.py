"""The first screen: where to work; and the way back to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList
from textual.widgets._footer import FooterKey

from mlops_tui.events import Event, SignIn, SignInsFound
from mlops_tui.tui import remembered
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.remembered import Remembered
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until

CLI = SignIn("Azure CLI: ada@example.com", "subscription Visual Studio", {"cloud": "AzureCloud", "sign_in": "cli"})
BROWSER = SignIn("Azure: sign in with a browser", "Opens it.", {"cloud": "AzureCloud", "sign_in": "browser"})
SIZES = [(80, 24), (120, 40)]


def replay(*sign_ins: SignIn, **answers: Sequence[Answer]) -> Replay:
    plan: list[Event] = recorded("plan")
    known: Mapping[str, Sequence[Answer]] = {
        "sign_ins": [Answer([SignInsFound(sign_ins=sign_ins)])],
        "open": [Answer()],
        "plan": [Answer(plan)],
        "job_runs": [Answer()],
        "runs": [Answer()],
    }
    return Replay({**known, **answers})


def app_of(answers: Replay, home: Path, **more: Any) -> MlopsApp:
    return MlopsApp(connect=lambda: answers, environment={"MLOPS_TUI_HOME": str(home)}, **more)


def lines(pilot: Pilot[Any]) -> list[str]:
    return [str(option.prompt) for option in pilot.app.screen.query_one(OptionList).options]


def marked(pilot: Pilot[Any]) -> str:
    option = pilot.app.screen.query_one(OptionList).highlighted_option
    return str(option.prompt) if option else ""


@pytest.mark.parametrize("size", SIZES)
async def test_enter_practises_at_once(size: tuple[int, int], tmp_path: Path) -> None:
    answers = replay(CLI)
    async with app_of(answers, tmp_path).run_test(size=size, notifications=True) as pilot:
        assert marked(pilot).startswith("Practice on this machine")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert answers.arguments_of("open")["flags"] == {"cloud": "sandbox"}


async def test_the_keys_are_told_although_nothing_has_been_pressed(tmp_path: Path) -> None:
    async with app_of(replay(CLI), tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(FooterKey)) == 3)


async def test_sign_ins_are_listed_under_azure_and_the_one_chosen_is_opened(tmp_path: Path) -> None:
    answers = replay(CLI, BROWSER)
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: len(lines(pilot)) == 4)
        assert [line.partition("\n")[0] for line in lines(pilot)][1:] == ["Azure", CLI.title, BROWSER.title]
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert answers.arguments_of("open")["flags"] == CLI.settings


async def test_a_click_chooses(tmp_path: Path) -> None:
    answers = replay(CLI)
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: CLI.title in lines(pilot)[-1])
        await pilot.click(OptionList, offset=(8, 6))
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert answers.arguments_of("open")["flags"] == CLI.settings


async def test_whoever_has_moved_already_stays_where_they_are_when_more_is_found(tmp_path: Path) -> None:
    answers = replay(
        sign_ins=[Answer([SignInsFound(sign_ins=(CLI,))]), Answer([SignInsFound(sign_ins=(CLI, BROWSER))])]
    )
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: CLI.title in lines(pilot)[-1])
        await pilot.press("down")
        cast("MlopsApp", pilot.app).desk.find_sign_ins()
        await until(pilot, lambda: BROWSER.title in lines(pilot)[-1])
        assert marked(pilot).startswith(CLI.title)


async def test_the_last_choice_is_preselected_the_next_time(tmp_path: Path) -> None:
    remembered.save({"MLOPS_TUI_HOME": str(tmp_path)}, Remembered(dict(BROWSER.settings)))
    async with app_of(replay(CLI, BROWSER), tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "last time" in marked(pilot))
        assert marked(pilot).startswith(BROWSER.title)
        assert sum("last time" in line for line in lines(pilot)) == 1


async def test_what_is_chosen_is_remembered_for_its_owner_alone(tmp_path: Path) -> None:
    async with app_of(replay(), tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "app.json").exists())
    assert json.loads((tmp_path / "app.json").read_text())["chosen"] == {"cloud": "sandbox"}
    assert (tmp_path / "app.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoilt", ["", "{", "[1]", '{"chosen": 7, "theme": {}, "bell": "yes"}', "\x00", "[" * 50_000])
def test_a_spoilt_memory_is_a_fresh_start(spoilt: str, tmp_path: Path) -> None:
    (tmp_path / "app.json").write_text(spoilt)
    assert remembered.load({"MLOPS_TUI_HOME": str(tmp_path)}) == Remembered()


async def test_a_memory_that_cannot_be_kept_is_told_and_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file stands where the folder should be")
    async with app_of(replay(), tmp_path / "home").run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert any("cannot be kept" in toast.message for toast in pilot.app._notifications)


async def test_a_cloud_given_on_the_command_line_is_opened_without_asking(tmp_path: Path) -> None:
    answers = replay()
    flags = {"cloud": "AzureCloud", "location": "northeurope"}
    async with app_of(answers, tmp_path, flags=flags).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert answers.arguments_of("open")["flags"] == flags
    assert not (tmp_path / "app.json").exists()  # nobody has chosen anything


async def test_no_way_to_sign_in_is_said(tmp_path: Path) -> None:
    answers = replay(sign_ins=[Answer(exit_code=1)])
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "No way to sign in" in lines(pilot)[-1])


async def test_hostile_names_are_shown_as_they_are(tmp_path: Path) -> None:
    hostile = SignIn("[/subscriptions/abc] \x1b[31mred\x1b[0m", "[b]bold[/b] שלום 🎉", {"cloud": "AzureCloud"})
    async with app_of(replay(hostile), tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "[/subscriptions/abc] red" in lines(pilot)[-1])
        assert "[b]bold[/b] שלום 🎉" in lines(pilot)[-1]


async def test_the_project_file_is_named(tmp_path: Path) -> None:
    told = "mlops.toml in this folder: [wine]"
    app = app_of(replay(), tmp_path, describe_project=lambda: told)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: str(pilot.app.screen.query_one(".project").render()) == told)


async def test_another_cloud_can_be_chosen_and_the_first_ones_settings_do_not_count_for_it(tmp_path: Path) -> None:
    answers = replay(CLI)
    flags = {"location": "northeurope"}
    async with app_of(answers, tmp_path, flags=flags).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: CLI.title in lines(pilot)[-1])
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        first = pilot.app.screen
        assert answers.arguments_of("open")["flags"] == flags | CLI.settings
        await pilot.press("0")
        await until(pilot, lambda: pilot.app.current_mode == "opening")
        await pilot.press("home", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        assert answers.arguments_of("open")["flags"] == flags | {"cloud": "sandbox"}
        assert pilot.app.screen is not first


async def test_a_cloud_that_could_not_be_opened_is_tried_again_as_it_was_chosen(tmp_path: Path) -> None:
    answers = replay(CLI, open=[Answer(exit_code=3), Answer()])
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: CLI.title in lines(pilot)[-1])
        await pilot.press("down", "enter")
        desk = cast("MlopsApp", pilot.app).desk
        await until(pilot, lambda: pilot.app.current_mode == "setup" and not desk.setup.state.doing)
        assert not desk.opened
        await pilot.press("r")
        await until(pilot, lambda: desk.opened)
        assert answers.arguments_of("open")["flags"] == CLI.settings


async def test_a_cloud_that_opens_after_another_was_chosen_does_not_count(tmp_path: Path) -> None:
    answers = replay(CLI, open=[Answer(held=True), Answer(held=True)])
    async with app_of(answers, tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "setup")
        desk = cast("MlopsApp", pilot.app).desk
        await until(pilot, lambda: len(answers._open) == 1)
        first = answers._open.pop()[0]
        await pilot.press("0")
        await until(pilot, lambda: pilot.app.current_mode == "opening")
        await pilot.press("end", "enter")
        await until(pilot, lambda: len(answers._open) == 1)
        first.end(0)
        assert not desk.opened
        assert "plan" not in [do for do, _ in answers.asked]
        answers.finish("open")
        await until(pilot, lambda: desk.opened)
        assert [do for do, _ in answers.asked].count("plan") == 1


async def test_escape_leaves(tmp_path: Path) -> None:
    app = app_of(replay(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("escape")
        await pilot.pause()
    assert app.return_code == 0
