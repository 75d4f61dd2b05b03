"""Settings in the setup section: typed, checked at each key, picked, used, saved, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, DirectoryTree, Input, Select

from mlops_tui import choices
from mlops_tui.events import ErrorCard, LogLine, Problem, SettingsRead
from mlops_tui.settings import BY_NAME
from mlops_tui.tui.dialogs.confirm_apply import ConfirmApply
from mlops_tui.tui.dialogs.pick_path import PickPath
from mlops_tui.tui.dialogs.pick_value import PickValue
from mlops_tui.tui.widgets.setting_field import FILES, FOLDERS, OFFERED, SettingField
from mlops_tui.tui.widgets.settings_form import SettingsForm
from tests.tui.at_setup import (
    SIZES,
    answers,
    at_setup,
    go_to,
    open_tab,
    seen,
    sees,
    settings_read,
    state_of,
    with_settings,
)
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.waiting import until


def field_of(pilot: Pilot[Any], name: str) -> SettingField:
    return next(field for field in pilot.app.screen.query(SettingField) if field.value.name == name)


async def write(pilot: Pilot[Any], name: str, text: str) -> None:
    """Go to a setting and replace what stands there."""
    entry = field_of(pilot, name).query_one(Input)
    entry.focus()
    entry.value = text
    await pilot.pause()


async def at_form(pilot: Pilot[Any], step: str) -> None:
    await go_to(pilot, step)
    await open_tab(pilot, 1)
    await until(pilot, lambda: pilot.app.screen.query(SettingField))


def use(pilot: Pilot[Any]) -> Button:
    return pilot.app.screen.query_one("#use", Button)


def times(replay: Replay, do: str) -> int:
    return [asked for asked, _ in replay.asked].count(do)


async def test_arrows_stay_in_the_form_where_letters_are_letters(tmp_path: Path) -> None:
    async with at_setup(tmp_path, answers()) as pilot:
        await at_form(pilot, "resource-group")
        await pilot.press("right", *["down"] * 9)
        assert pilot.app.screen.query_one(SettingsForm).has_focus_within
        await pilot.press(*["up"] * 9, "a")
        assert pilot.app.focused is field_of(pilot, "project_name").query_one(Input)
        assert len(field_of(pilot, "project_name").text) == len("wine-quality") + 1
        assert not isinstance(pilot.app.screen, ConfirmApply)


@pytest.mark.parametrize("size", SIZES)
async def test_each_setting_says_what_it_is_for_and_where_its_value_came_from(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with at_setup(tmp_path, answers(), size) as pilot:
        await at_form(pilot, "resource-group")
        await sees(pilot, "the Azure region")
        for text in ("location", "westeurope", "the default", "Pick", "Save to mlops.toml"):
            assert text in seen(pilot)
        assert use(pilot).disabled  # nothing has been changed


async def test_a_value_is_checked_at_each_key_and_cannot_be_used_while_it_is_wrong(tmp_path: Path) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "resource_group", "my")
        await pilot.press("end", "space", "g")
        await sees(pilot, "must be 1 to 90 characters")
        assert use(pilot).disabled
        await pilot.press("enter")
        assert "describe" not in dict(replay.asked)
        await write(pilot, "resource_group", "my-group")
        await until(pilot, lambda: not use(pilot).disabled)
        assert "must be 1 to 90" not in seen(pilot)
        assert "changed, not used yet" in seen(pilot)


async def test_used_settings_count_in_this_sitting_and_everything_is_looked_at_again(tmp_path: Path) -> None:
    replay = answers(describe=[Answer(with_settings(resource_group="my-group"))])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "resource_group", "my-group")
        await pilot.press("enter")
        await until(pilot, lambda: times(replay, "plan") == 2)
        assert replay.arguments_of("plan")["flags"] == {"cloud": "sandbox", "resource_group": "my-group"}
        await sees(pilot, "chosen this time")
        assert "save_settings" not in dict(replay.asked)


async def test_what_is_typed_survives_news_and_other_steps(tmp_path: Path) -> None:
    async with at_setup(tmp_path, answers()) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "resource_group", "half-typ")
        pilot.app.screen.show()  # type: ignore[attr-defined]  # as each event makes it do
        await pilot.pause()
        assert field_of(pilot, "resource_group").query_one(Input).value == "half-typ"
        await go_to(pilot, "cluster")
        await until(pilot, lambda: pilot.app.screen.query(SettingField).first().value.name == "cluster_name")
        await go_to(pilot, "resource-group")
        await until(pilot, lambda: pilot.app.screen.query(SettingField).first().value.name == "project_name")
        assert field_of(pilot, "resource_group").query_one(Input).value == "half-typ"
        await pilot.click("#undo")
        await until(pilot, lambda: field_of(pilot, "resource_group").query_one(Input).value == "mlops-wine-quality")


async def test_saved_settings_go_to_the_project_file_and_count_from_there(tmp_path: Path) -> None:
    lines = [
        LogLine(source="mlops.toml", text='line 7: location = "northeurope"'),
        settings_read(location="northeurope"),
    ]
    replay = answers(save_settings=[Answer(lines)], describe=[Answer(with_settings(location="northeurope"))])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "location", "northeurope")
        await pilot.click("#save")
        await until(pilot, lambda: times(replay, "plan") == 2)
        assert replay.arguments_of("save_settings")["values"] == {"location": "northeurope"}
        assert replay.arguments_of("plan")["flags"] == {"cloud": "sandbox"}  # the file says it now


async def test_a_file_that_cannot_be_written_is_said_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    refused = ErrorCard("mlops.toml cannot be written.", "Make room.", exit_code=2)
    replay = answers(save_settings=[Answer([Problem(error=refused)], exit_code=2)])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "location", "northeurope")
        await pilot.click("#save")
        await sees(pilot, "mlops.toml cannot be written.")
        assert field_of(pilot, "location").query_one(Input).value == "northeurope"
        assert times(replay, "plan") == 1


async def test_an_emptied_setting_has_its_default_again(tmp_path: Path) -> None:
    replay = answers(open=[Answer(with_settings(location="northeurope"))])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "location", "")
        await sees(pilot, "westeurope (the default)")
        await pilot.press("enter")
        await until(pilot, lambda: "describe" in dict(replay.asked))
        assert replay.arguments_of("describe")["flags"]["location"] == "westeurope"


async def test_all_settings_of_a_step_go_back_to_their_defaults(tmp_path: Path) -> None:
    replay = answers(open=[Answer(with_settings(location="northeurope", resource_group="mine"))])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await pilot.click("#defaults")
        await until(pilot, lambda: field_of(pilot, "location").query_one(Input).value == "westeurope")
        await pilot.click("#use")
        await until(pilot, lambda: "describe" in dict(replay.asked))
        flags = replay.arguments_of("describe")["flags"]
        assert flags == {"cloud": "sandbox", "location": "westeurope", "resource_group": "mlops-wine-quality"}


async def test_the_cloud_offers_values_while_free_text_stays_possible(tmp_path: Path) -> None:
    replay = answers(choices=[Answer(recorded("choices"), held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        field_of(pilot, "location").query_one(Input).focus()
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickValue))
        await sees(pilot, "Australia East")
        assert replay.arguments_of("choices")["setting"] == "location"
        await pilot.press(*"switzer")
        await sees(pilot, "1 of ")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PickValue))
        assert field_of(pilot, "location").query_one(Input).value == "switzerlandnorth"
        assert field_of(pilot, "location").query_one(Input).has_focus


async def test_a_list_that_cannot_be_had_is_explained(tmp_path: Path) -> None:
    card = ErrorCard("[/b] Not there yet.", "Set up first.")
    replay = answers(choices=[Answer([Problem(error=card)], exit_code=2)])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "cluster")
        await pilot.click(field_of(pilot, "cluster_name").query_one(Button))
        await sees(pilot, "[/b] Not there yet.")
        await sees(pilot, "You can type the value")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PickValue))


async def test_a_folder_is_looked_for_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "file.txt").touch()
    monkeypatch.chdir(tmp_path)
    async with at_setup(tmp_path / "home", answers()) as pilot:
        await at_form(pilot, "notebooks")
        await pilot.click(field_of(pilot, "notebooks").query_one(Button))
        await until(pilot, lambda: isinstance(pilot.app.screen, PickPath))
        await sees(pilot, "mine")
        assert "file.txt" not in seen(pilot)
        tree = pilot.app.screen.query_one(DirectoryTree)
        await until(pilot, lambda: tree.has_focus)
        await pilot.press("down")
        await until(pilot, lambda: not pilot.app.screen.query_one("#take", Button).disabled)
        await pilot.click("#take")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PickPath))
        assert field_of(pilot, "notebooks").query_one(Input).value.startswith(str(tmp_path))


async def test_secrets_are_not_typed_here(tmp_path: Path) -> None:
    async with at_setup(tmp_path, answers(), (120, 40)) as pilot:
        await at_form(pilot, "sign-in")
        secret = field_of(pilot, "client_secret")
        assert not secret.query(Input)
        await sees(pilot, "set; it is shown nowhere")
        await sees(pilot, "MLOPS_TUI_CLIENT_SECRET")


async def test_another_cloud_is_opened_anew(tmp_path: Path) -> None:
    replay = answers(open=[Answer(recorded("open")), Answer(with_settings(cloud="AzureUSGovernment"))])
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "sign-in")
        field_of(pilot, "cloud").query_one(Select).value = "AzureUSGovernment"
        await until(pilot, lambda: not use(pilot).disabled)
        await pilot.click("#use")
        await until(pilot, lambda: times(replay, "open") == 2)
        assert replay.arguments_of("open")["flags"]["cloud"] == "AzureUSGovernment"
        await until(pilot, lambda: state_of(pilot).plan_id)


async def test_a_setting_that_cannot_be_used_says_so_in_the_form(tmp_path: Path) -> None:
    bad = [
        replace(
            event,
            values=tuple(
                replace(value, value="x!", problem="'x!' must be 1 to 90 characters")
                if value.name == "resource_group"
                else value
                for value in event.values
            ),
        )
        if isinstance(event, SettingsRead)
        else event
        for event in recorded("open")
    ]
    problem = Problem(error=ErrorCard("A setting cannot be used.", exit_code=2))
    replay = answers(open=[Answer([*bad, problem], exit_code=2), Answer(with_settings(resource_group="mended"))])
    async with at_setup(tmp_path, replay, looked=False) as pilot:
        await sees(pilot, "A setting cannot be used.")
        await at_form(pilot, "resource-group")
        field_of(pilot, "resource_group").query_one(Input).focus()
        await sees(pilot, "✖ 'x!' must be 1 to 90")
        await pilot.press("end", "ctrl+u", *"mended", "enter")
        await until(pilot, lambda: times(replay, "open") == 2)  # it was never opened: looking comes after that
        assert replay.arguments_of("open")["flags"]["resource_group"] == "mended"
        await until(pilot, lambda: times(replay, "plan") == 1)


def test_lists_and_paths_are_offered_for_settings_that_have_them() -> None:
    assert set(OFFERED) == set(choices.OFFERS)
    assert set(FOLDERS + FILES) <= set(BY_NAME)


async def test_nothing_is_applied_while_something_typed_does_not_count_yet(tmp_path: Path) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay) as pilot:
        await at_form(pilot, "resource-group")
        await write(pilot, "location", "northeurope")
        await pilot.press("escape", "a")
        await sees(pilot, "Typed in Settings")
        await go_to(pilot, "sign-in")
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, ConfirmApply)
        assert "apply" not in dict(replay.asked)
