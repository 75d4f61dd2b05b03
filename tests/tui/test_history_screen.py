"""A person looks at what was trained before: which builds there are, what became of them, what a run used and made."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_tui.events import ErrorCard, Problem, RunResult
from mlops_tui.tui.state.history import HistoryState, matching
from mlops_tui.tui.widgets.builds_table import BuildsTable
from tests.tui.deliveries import OLD, answering, image, images, staging, trained
from tests.tui.delivery_scene import replay_of as delivered
from tests.tui.history_scene import AT_80X24, AT_120X40, answers, history, listed, reads
from tests.tui.hostile import TEXTS, hostile
from tests.tui.picture import text_of
from tests.tui.replay import Answer, recorded
from tests.tui.waiting import until

SHA = "96a224ef9ebae8693908a0cd805ef6a00c533fd0a1dc6b905839cd43f70c383b"


def result(number: int, build: str, **changes: object) -> RunResult:
    fields: dict[str, object] = {
        "name": f"alpha={number / 10}",
        "parameters": {"alpha": number / 10, "l1_ratio": 0.5},
        "status": "succeeded",
        "metrics": {"rmse": 0.7 + number / 100, "mae": 0.5, "r2": 0.2},
        "passed": True,
        "run_id": f"run-{build}-{number}",
        "build": build,
        "started": 1_795_326_000.0 - number,
    }
    return RunResult(**{**fields, **changes})  # type: ignore[arg-type]  # the fields of a dataclass, by name


async def test_builds_are_listed_with_their_outcome_newest_first(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "20261121.4", "✔ gate passed", "▲ gate missed", "3 builds, 10 runs")
        shown = text_of(pilot.app)
        lines = [line for line in shown.splitlines() if "gate" in line]
        assert "20261121.5" in lines[0]
        assert "▲ gate missed" in lines[0]
        assert "0.8401" in lines[0]
        assert "0.6988" in lines[1]  # the best of its six runs
        assert "2026-" in lines[1]


@pytest.mark.parametrize("size", [AT_80X24, AT_120X40, (160, 40)])
async def test_numbers_that_were_made_up_stand_in_full_where_there_is_room(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with history(answers([Answer(listed([result(1, "local-20261122-063058-53eb")]))]), tmp_path, size) as pilot:
        await reads(pilot, "1 build, 1 run")
        table = pilot.app.screen.query_one(BuildsTable)
        assert "local-20261122-063058-53eb" in [str(cell) for cell in table.get_row_at(0)]
        assert table.virtual_size.width <= table.size.width


async def test_enter_leads_to_the_runs_and_to_what_a_run_used_and_made_and_escape_back(tmp_path: Path) -> None:
    """At 80x24 one level at a time."""
    replay = answers()
    async with history(replay, tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("ctrl+end", "enter")
        await reads(pilot, "★ alpha=0.1,l1_ratio=0.1", "3 runs", "alpha=0.5,l1_ratio=0.5")
        assert "3 builds" not in text_of(pilot.app)
        await pilot.press("enter")
        await reads(pilot, "winequality-red.csv", "alpha 0.5, l1_ratio 0.5", SHA[:40], "model/MLmodel")
        assert replay.arguments_of("show")["run_id"] == "d379462466f541beaaf1729afb525175"
        await pilot.press("escape")
        await reads(pilot, "alpha=0.3,l1_ratio=0.3")
        await pilot.press("escape")
        await reads(pilot, "3 builds, 10 runs")
        assert isinstance(pilot.app.focused, BuildsTable)


async def test_on_a_wide_terminal_builds_and_the_chosen_one_stand_side_by_side(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_120X40) as pilot:
        await reads(pilot, "3 builds, 10 runs", "Build 20261121.5", "by AzureDevOps", "alpha=5,l1_ratio=0.9")
        await pilot.press("ctrl+end")
        await reads(pilot, "by local", "alpha=0.5,l1_ratio=0.5", "winequality-red.csv")
        await pilot.press("enter")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "runs"


async def test_where_nothing_was_trained_the_screen_says_what_to_do(tmp_path: Path) -> None:
    async with history(answers([Answer(listed([]))]), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "No builds yet. Press 2 to train")
        await pilot.click("#to-training")
        await until(pilot, lambda: pilot.app.current_mode == "training")


async def test_what_cannot_be_read_is_told_and_r_tries_again(tmp_path: Path) -> None:
    problem = Problem(error=ErrorCard("The tracking server [/does] not answer.", "Wait a minute."))
    async with history(answers([Answer([problem], 1), Answer(recorded("builds"))]), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "The tracking server [/does] not answer.", "Press r to try again")
        await pilot.press("r")
        await reads(pilot, "3 builds, 10 runs")
        assert "does not answer" not in text_of(pilot.app)


async def test_slash_filters_by_outcome_and_escape_shows_all(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("slash", *"missed")
        await reads(pilot, "1 of 3 builds")
        assert "20261121.4" not in text_of(pilot.app)
        await pilot.press(*"xyz")
        await reads(pilot, 'No build matches "missedxyz". Press Esc to see all.')
        await pilot.press("escape")
        await reads(pilot, "20261121.4", "3 builds, 10 runs")


async def test_marked_builds_and_runs_stand_side_by_side(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("space", "down", "space")
        await reads(pilot, "2 compared with the first", "20261121.4 alpha=0.05", "0.6988 −0.1413")
        await pilot.press("space")  # takes the second mark away again
        await reads(pilot, "Space on another one shows both side by side")
        await pilot.press("enter", "space")
        await reads(pilot, "2 compared with the first")
        await pilot.press("x")
        await until(pilot, lambda: "takes the mark" not in text_of(pilot.app))


async def test_e_trains_again_with_the_parameters_of_a_build(tmp_path: Path) -> None:
    replay = answers()
    async with history(replay, tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("ctrl+end", "e")
        await reads(pilot, "Train again as in build local-", "Launch 3 runs")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "training")
        assert replay.arguments_of("train")["runs"] == [
            {"alpha": 0.5, "l1_ratio": 0.5},
            {"alpha": 0.3, "l1_ratio": 0.3},
            {"alpha": 0.1, "l1_ratio": 0.1},
        ]


async def test_y_copies_the_ids(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("y")
        await reads(pilot, "Copied")
        copied = pilot.app.clipboard.splitlines()
        assert copied[0] == "20261121.5"
        assert len(copied) == 2
        await pilot.press("enter", "y")
        await until(pilot, lambda: pilot.app.clipboard == copied[1])


async def test_with_the_mouse_alone(tmp_path: Path) -> None:
    """A click chooses a build, a second one opens it, the buttons do the rest."""
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.click("#builds", offset=(10, 3))
        await pilot.click("#builds", offset=(10, 3))
        await reads(pilot, "Build 20261121.4", "6 runs")
        await pilot.click("#mark")
        await reads(pilot, "Space on another one shows both")
        await pilot.click("#back")
        await reads(pilot, "3 builds, 10 runs")


async def test_the_footer_has_six_keys_at_most(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds", "Filter", "Compare", "Train again")
        shown = {each.binding.action for each in pilot.app.screen.active_bindings.values() if each.binding.show}
        assert len(shown) + 1 <= 6, shown  # and the palette
        footer = text_of(pilot.app).splitlines()[-1]
        assert all(word in footer for word in ("Filter", "Compare", "Train again", "Quit", "Help"))


@pytest.mark.parametrize(("text", "size"), [*zip(TEXTS.values(), itertools.cycle((AT_80X24, AT_120X40)))], ids=TEXTS)
async def test_hostile_names_are_shown_as_text(tmp_path: Path, text: str, size: tuple[int, int]) -> None:
    described = Answer(hostile(recorded("described"), text))
    strange = [result(1, f"b{text}", source=text), result(2, f"b{text}", name=text, metrics={f"m{text}": 1.0})]
    async with history(answers([Answer(listed(strange))], [described]), tmp_path, size) as pilot:
        await reads(pilot, "1 build, 2 runs")
        await pilot.press("space", "enter", "space", "down", "space", "enter", "y", "escape", "escape")
        await reads(pilot, "1 build, 2 runs")


async def test_runs_of_one_name_and_without_a_build_are_told_apart(tmp_path: Path) -> None:
    """Started by hand, again and again; one has been tracked without any number in it."""
    odd = result(3, "", metrics={"rmse": float("nan")}, passed=None, started=None)
    runs = [replace(result(1, "", name="try"), best=True), result(2, "", name="try"), odd, result(4, "", started=1e300)]
    async with history(answers([Answer(listed(runs))]), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "(no number)", "0.7100")
        await pilot.press("enter")
        await reads(pilot, "try (2)", "NaN", "4 runs")


async def test_of_a_thousand_runs_in_three_hundred_builds_each_can_be_reached(tmp_path: Path) -> None:
    runs = [result(number % 7, f"build-{number * 3 // 10:03}") for number in range(1000)]
    async with history(answers([Answer(listed(runs))]), tmp_path, AT_120X40) as pilot:
        await reads(pilot, "300 builds, 1000 runs: the newest ones")
        await pilot.press(*["down"] * 10)
        await reads(pilot, "Build build-010")


DELIVERED = {
    "runs": [Answer([trained("18", "17", "16")])],
    "images": [Answer([images(image(verdict="passed"), image(OLD, verdict="failed"))])],
    "endpoints": [Answer([answering(staging())])],
}


@pytest.mark.parametrize("size", [AT_80X24, AT_120X40])
async def test_history_tells_what_has_been_delivered_and_where_it_answers(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with history(delivered(**DELIVERED), tmp_path, size) as pilot:
        await reads(pilot, "delivered", "staging", "✖ failed")
        await pilot.press("enter")
        await reads(pilot, "image winequality 4, ✔ passed, answers in staging")
        await pilot.press("escape", "down", "enter")
        await reads(pilot, "image winequality 3, ✖ failed, answers nowhere")


async def test_without_any_image_history_has_no_such_column(tmp_path: Path) -> None:
    async with history(answers(), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        assert "delivered" not in text_of(pilot.app)


async def test_a_build_in_history_is_built_deployed_validated_and_approved(tmp_path: Path) -> None:
    replay = delivered(**DELIVERED, build=[Answer(held=True)], deploy=[Answer(held=True)], validate=[Answer(held=True)])
    async with history(replay, tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        for keys, do in (
            (("ctrl+end", "b"), "build"),
            (("ctrl+home", "down", "d"), "deploy"),
            (("ctrl+home", "v"), "validate"),
        ):
            await pilot.press(*keys)
            await until(pilot, lambda: pilot.app.current_mode == "delivery")
            assert replay.arguments_of(do)["build"] == {"build": "16", "deploy": "17", "validate": "18"}[do]
            replay.finish(do)
            await pilot.press("4")
            await until(pilot, lambda: pilot.app.current_mode == "history")
        await pilot.press("ctrl+home", "a")
        await reads(pilot, "Deploy build 18 to production?")
        assert replay.arguments_of("approval")["build"] == "18"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "delivery")
        sent = replay.arguments_of("deploy")
        assert (sent["stage"], sent["build"], sent["approve"]) == ("production", "18", True)


async def test_g_in_history_goes_on_with_that_build(tmp_path: Path) -> None:
    async with history(delivered(**DELIVERED), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("ctrl+end", "g")
        await until(pilot, lambda: pilot.app.current_mode == "delivery")
        await reads(pilot, "build 16 · 3 of 3", "Next: g builds its image")


async def test_history_refuses_what_has_no_image(tmp_path: Path) -> None:
    async with history(delivered(**DELIVERED), tmp_path, AT_80X24) as pilot:
        await reads(pilot, "3 builds")
        await pilot.press("ctrl+end", "a")
        await reads(pilot, "There is no image of build 16")


def test_a_filter_finds_builds_by_every_word() -> None:
    state = HistoryState()
    for event in recorded("builds"):
        state.fold(event)
    assert [build.number for build in matching(state.builds, "AZURE missed")] == ["20261121.5"]
    assert [build.number for build in matching(state.builds, "alpha=0.05")] == ["20261121.4"]
    assert len(matching(state.builds, "  ")) == 3
