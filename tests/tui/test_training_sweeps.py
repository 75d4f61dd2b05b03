"""Sweeps on the training screen: refused, ended, launched again, followed again, several in one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from mlops_tui.events import ErrorCard, JobRun, JobRunsFound, Problem, RunStatus, SettingsRead
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.launching import LaunchDialog
from tests.tui.replay import Answer, recorded
from tests.tui.sweeps import FAILED, MISSED, NAMES, begun, ended, ended_well, one_failed
from tests.tui.training_scene import training

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])


async def test_what_the_engine_refuses_is_a_card_and_no_sweep_to_come_back_to(tmp_path: Path) -> None:
    refused = [Problem(error=MISSED)]
    async with training(tmp_path, plan=recorded("plan"), train=refused, held=False) as scene:
        await scene.pilot.press("n")
        await scene.until(lambda: isinstance(scene.app.screen, LaunchDialog))
        await scene.pilot.press("enter")
        await scene.until(lambda: scene.pane == "problem")
        assert scene.screen.query_one("RunPanes ErrorCardView").display
        assert "Setup comes first: press 1." in scene.status
        await scene.pilot.press("n")
        await scene.until(lambda: isinstance(scene.app.screen, LaunchDialog))
        await scene.pilot.press("enter")
        await scene.until(lambda: len(scene.replay.asked) and len(scene.app.desk.training.state.sweeps) == 1)


@SIZES
async def test_one_run_is_ended_after_a_question_and_the_others_go_on(tmp_path: Path, size: tuple[int, int]) -> None:
    async with training(tmp_path, size=size) as scene:
        await scene.launch()
        await scene.pilot.press("down", "c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog))
        assert NAMES[1] in "\n".join(str(each.render()) for each in scene.app.screen.query(Static))
        await scene.pilot.press("enter")
        await scene.until(lambda: scene.app.screen is scene.screen)
        assert "end_run" not in dict(scene.replay.asked), "to let it run is the default"
        await scene.pilot.press("c")
        await scene.say_yes()
        asked = scene.replay.arguments_of("end_run")
        assert (asked["run"], asked["only"]) == ("17", NAMES[1])
        assert scene.table.has_focus, "the focus is where it was"


async def test_all_runs_are_ended_by_key_or_button(tmp_path: Path) -> None:
    async with training(tmp_path, [*begun(), ended(NAMES[0])]) as scene:
        await scene.launch()
        await scene.pilot.press("C")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog))
        named = "\n".join(str(each.render()) for each in scene.app.screen.query(Static))
        assert NAMES[0] not in named, "it has ended already"
        assert NAMES[1] in named
        assert NAMES[2] in named
        await scene.pilot.press("escape")
        await scene.until(lambda: scene.app.screen is scene.screen)
        await scene.pilot.click("#end-all")
        await scene.say_yes()
        asked = scene.replay.arguments_of("end_run")
        assert asked["run"] == "17"
        assert "only" not in asked
        canceled: RunStatus = "canceled"
        scene.replay.finish("train", 1, [ended(name, canceled) for name in NAMES[1:]])
        await scene.until(lambda: scene.column("state")[1:] == ["canceled"] * 2)


async def test_runs_are_launched_again_with_changes(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Again, with changes" in scene.footer())
        await scene.pilot.press("e")
        await scene.until(lambda: isinstance(scene.app.screen, LaunchDialog))
        await scene.pilot.press("f5")
        await scene.until(lambda: len(scene.app.desk.training.state.sweeps) == 2)
        assert scene.replay.arguments_of("train")["runs"] == [
            {"alpha": 0.5, "l1_ratio": 0.5},
            {"alpha": 0.3, "l1_ratio": 0.3},
            {"alpha": 0.1, "l1_ratio": 0.1},
        ]


async def test_only_what_failed_is_launched_again(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 1, one_failed())
        await scene.until(lambda: "1 run did not succeed" in scene.status)
        assert scene.pane == "log", "it ends with what went wrong, and stays where it is"
        assert scene.screen.query_one("#retry").display
        await scene.pilot.press("left_square_bracket")
        await scene.until(lambda: scene.pane == "problem")
        assert FAILED.message in str(scene.screen.query_one("RunPanes .message", Static).render())
        await scene.pilot.press("r")
        await scene.until(lambda: isinstance(scene.app.screen, LaunchDialog))
        await scene.pilot.press("f5")
        await scene.until(lambda: len(scene.app.desk.training.state.sweeps) == 2)
        assert scene.replay.arguments_of("train")["runs"] == [{"alpha": 0.5, "l1_ratio": 0.5}]
        await scene.until(lambda: scene.pane == "log")


async def test_a_missed_gate_leaves_the_log_on_top_and_explains_itself_beside_it(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 1, [*ended_well(gate="rmse < 0.5"), Problem(error=MISSED)])
        await scene.until(lambda: scene.column("gate") == ["missed"] * 3)
        assert "is missed" in scene.status
        assert scene.pane == "log"
        await scene.pilot.press("left_square_bracket")
        await scene.until(lambda: scene.pane == "problem")


async def test_what_still_runs_is_followed_again_after_a_return(tmp_path: Path) -> None:
    found = JobRunsFound(job_runs=(JobRun("17", "", "running", "7", NAMES), JobRun("9", "", "succeeded", "6", NAMES)))
    async with training(tmp_path, job_runs=[Answer([found])]) as scene:
        await scene.until(lambda: scene.table.row_count == 3)
        assert "job run 17" in scene.bar
        assert "following again" in scene.bar
        asked = scene.replay.arguments_of("log")
        assert (asked["run"], asked["follow"]) == ("17", True)
        assert "Still running: Following job run 17 again." in scene.said
        scene.replay.finish("log", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)


async def test_a_sweep_whose_connection_was_lost_is_followed_again_in_its_place(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 1, [Problem(error=FAILED)])
        await scene.until(lambda: "Press f to follow them again" in scene.status)
        await scene.pilot.press("f")
        await scene.until(lambda: "0 of 3 runs ended" in scene.status)
        assert scene.replay.arguments_of("log")["run"] == "17"
        assert len(scene.app.desk.training.state.sweeps) == 1


async def test_several_sweeps_take_turns_and_the_newest_comes_first(tmp_path: Path) -> None:
    second = [Answer(begun(), held=True), Answer(begun(NAMES[:1], "18"), held=True)]
    async with training(tmp_path, launches=second) as scene:
        await scene.launch()
        await scene.launch()
        await scene.until(lambda: scene.table.row_count == 1)
        assert scene.bar.startswith("2 of 2: job run 18")
        await scene.pilot.press("less_than_sign")
        await scene.until(lambda: scene.table.row_count == 3)
        await scene.pilot.click("#later-sweep")
        await scene.until(lambda: scene.bar.startswith("2 of 2"))


async def test_a_run_that_cannot_be_ended_yet_is_told_and_nothing_else_changes(tmp_path: Path) -> None:
    refused = Answer([Problem(error=ErrorCard("It has not begun.", "Wait until it begins."))], exit_code=2)
    async with training(tmp_path, begun(state="pending"), end_run=[refused]) as scene:
        await scene.launch()
        assert "3 runs waiting for the cluster" in scene.status
        await scene.pilot.press("c")
        await scene.say_yes()
        await scene.until(lambda: "Not cancelled: It has not begun." in scene.said)
        assert scene.pane == "log"


async def test_the_form_shows_the_runs_that_the_project_names(tmp_path: Path) -> None:
    read = SettingsRead(file="mlops.toml", values=(), runs=({"alpha": 0.7, "l1_ratio": 0.2},))
    async with training(tmp_path, open=[Answer([read])]) as scene:
        await scene.pilot.press("n")
        await scene.until(lambda: isinstance(scene.app.screen, LaunchDialog))
        preview = scene.app.screen.query_one(".preview Static", Static)
        await scene.until(lambda: "alpha=0.7,l1_ratio=0.2" in str(preview.render()))


async def test_another_theme_recolours_the_table_and_keeps_the_cursor(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 1, one_failed())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.press("down")
        before = scene.table.get_row_at(0)[0].style
        scene.app.theme = "paper"
        await scene.until(lambda: scene.table.get_row_at(0)[0].style != before)
        assert scene.table.cursor_row == 1
