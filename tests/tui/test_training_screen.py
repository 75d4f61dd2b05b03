"""The training screen: launch, watch, end, compare; by key and by mouse, at two sizes."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher, Static, TabbedContent

from mlops_tui.events import Event, JobRun, JobRunsFound, LogLine, Problem, RunDescribed, RunsListed, RunStatus
from mlops_tui.spool import log_file
from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.launching import LaunchDialog
from mlops_tui.tui.screens.training import TrainingScreen
from mlops_tui.tui.state.order import Order
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.run_details import RunDetails
from mlops_tui.tui.widgets.runs_table import RunsTable
from mlops_tui.tui.widgets.sweep_bar import SweepBar
from tests.tui.replay import Answer, Replay, recorded
from tests.tui.sweeps import (
    FAILED,
    MISSED,
    NAMES,
    begun,
    compared,
    ended,
    ended_well,
    measured,
    one_failed,
    result,
)
from tests.tui.waiting import until

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])
NOTHING_RUNS = Answer([JobRunsFound(job_runs=())])
HOSTILE = "[/subscriptions/abc]\x1b[2J🍷\u202etxet"


class Scene:
    """The app with the training section on top, and what is seen there."""

    def __init__(self, app: MlopsApp, pilot: Pilot[Any], replay: Replay) -> None:
        self.app, self.pilot, self.replay = app, pilot, replay

    @property
    def screen(self) -> TrainingScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, TrainingScreen)
        return screen

    @property
    def table(self) -> RunsTable:
        return self.screen.query_one(RunsTable)

    @property
    def rows(self) -> list[list[str]]:
        """The table's cells as text."""
        return [[str(cell) for cell in self.table.get_row_at(index)] for index in range(self.table.row_count)]

    @property
    def status(self) -> str:
        return str(self.screen.query_one("#status", Static).render())

    @property
    def pane(self) -> str:
        return self.screen.query_one(TabbedContent).active

    @property
    def log(self) -> LogView:
        return self.screen.query_one(LogView)

    def column(self, title: str) -> list[str]:
        titles = [str(column.label) for column in self.table.ordered_columns]
        return [row[titles.index(title)] for row in self.rows]

    def footer(self) -> list[str]:
        return [active.binding.description for active in self.screen.active_bindings.values() if active.binding.show]

    async def until(self, condition: Any) -> None:
        await until(self.pilot, condition)

    async def launch(self) -> None:
        """As a newcomer does it."""
        await self.pilot.press("n")
        await self.until(lambda: isinstance(self.app.screen, LaunchDialog) and self.app.focused is not None)
        await self.pilot.press("enter")
        await self.until(lambda: self.app.screen is self.screen and self.table.row_count)

    async def say_yes(self) -> None:
        await self.until(lambda: isinstance(self.app.screen, EndingDialog))
        await self.pilot.click("#end")
        await self.until(lambda: self.app.screen is self.screen)


@asynccontextmanager
async def training(
    tmp_path: Path,
    train: Sequence[Event] = (),
    size: tuple[int, int] = (80, 24),
    plan: Sequence[Event] | None = None,
    held: bool = True,
    launches: Sequence[Answer] = (),
    **answers: Sequence[Answer],
) -> AsyncIterator[Scene]:
    """What is launched tells `train`, and goes on until the test ends it, where it is held."""
    replay = Replay(
        {
            "sign_ins": [Answer()],
            "describe": [Answer()],
            "open": [Answer()],
            "plan": [Answer(recorded("plan_done") if plan is None else plan)],
            "job_runs": [NOTHING_RUNS],
            "train": launches or [Answer(train or begun(), held=held)],
            "log": [Answer(begun(), held=True)],
            "runs": [Answer()],
            "show": [Answer()],
            "end_run": [Answer()],
            **answers,
        }
    )
    app = MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(tmp_path)})
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.desk is not None)
        app.desk.open({"cloud": "sandbox"})
        await until(pilot, lambda: app.desk.opened and not app.desk.setup.state.doing)
        app.show_section("training")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen) and app.screen.is_mounted)
        yield Scene(app, pilot, replay)


def said(scene: Scene) -> str:
    """All toasts."""
    return "\n".join(f"{each.title}: {each.message}" for each in scene.app._notifications)


@SIZES
async def test_a_newcomer_trains_with_two_keys_and_sees_the_best_run(tmp_path: Path, size: tuple[int, int]) -> None:
    events = recorded("train")
    async with training(tmp_path, events[:26], size) as scene:
        assert scene.screen.query_one("#stage", ContentSwitcher).current == "none"
        await scene.launch()
        await scene.until(lambda: scene.column("state") == ["running"] * 3)
        assert scene.replay.arguments_of("train")["runs"] == []
        assert "0 of 3 runs ended" in scene.status
        scene.replay.finish("train", 0, events[26:])
        await scene.until(lambda: "Best" in scene.status)
        assert scene.status == "★ Best: alpha=0.1,l1_ratio=0.1 (RMSE 0.7129). The gate rmse < 0.8 is passed."
        assert [row[0] for row in scene.rows] == ["✔", "✔", "★"]
        assert scene.column("RMSE") == ["0.7932", "0.7443", "0.7129"]
        assert scene.column("gate") == ["passed"] * 3
        assert ("alpha" in [str(each.label) for each in scene.table.ordered_columns]) == (size[0] >= 100)
        assert scene.table.virtual_size.width <= size[0], "no column is out of sight"
        assert "Training has ended: Best run: alpha=0.1,l1_ratio=0.1." in said(scene)


async def test_before_setup_is_done_one_is_sent_there_by_key_or_mouse(tmp_path: Path) -> None:
    async with training(tmp_path, plan=recorded("plan")) as scene:
        words = str(scene.screen.query_one("NoRunsYet .words", Static).render())
        assert "Setup comes first" in words
        assert "Press 1" in words
        await scene.pilot.click("#to-setup")
        await scene.until(lambda: scene.app.current_mode == "setup")


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


async def test_times_run_while_runs_do_and_rest_afterwards(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        row = scene.app.desk.training.state.sweeps[0].rows[NAMES[0]]
        assert row.since is not None
        row.since -= 100
        await scene.until(lambda: scene.column("time")[0].startswith("1:4"))
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: scene.column("time") == ["2.0 s"] * 3)
        clock = scene.screen._clock
        assert clock is not None
        assert not clock._active.is_set(), "nothing ticks while nothing runs"


async def test_the_cursor_chooses_the_log_and_a_goes_back_to_all(tmp_path: Path) -> None:
    lines = [LogLine(source=name, text=f"hello from {name}") for name in NAMES]
    async with training(tmp_path, [*begun(), *lines]) as scene:
        await scene.launch()
        folder = scene.app.desk.training.state.sweeps[0].folder
        await scene.until(lambda: scene.log.title == "all runs" and scene.log.window.total == 3)
        await scene.pilot.press("down")
        await scene.until(lambda: scene.log.title == NAMES[1] and scene.log.window.total == 1)
        assert log_file(folder, NAMES[1]).read_text() == f"i hello from {NAMES[1]}\n"
        await scene.pilot.press("a")
        await scene.until(lambda: scene.log.title == "all runs")
        await scene.pilot.press("a")
        await scene.until(lambda: scene.log.title == NAMES[1])


async def test_the_mouse_chooses_a_run_a_column_and_a_pane(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.click(RunsTable, offset=(8, 4))
        await scene.until(lambda: scene.log.title == NAMES[2])
        await scene.pilot.click(RunsTable, offset=(50, 1))
        await scene.until(lambda: scene.column("RMSE") == ["0.7100", "0.7400", "0.7900"])
        assert scene.table.chosen is not None
        assert scene.table.chosen.name == NAMES[2], "the cursor went with its run"
        assert "RMSE is the typical error" in str(scene.table.border_title)
        await scene.pilot.click("#--content-tab-run")
        await scene.until(lambda: scene.pane == "run")


async def test_runs_are_sorted_by_key_column_after_column(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.press("o")
        assert scene.screen._order == Order("run")
        assert scene.column("run") == sorted(NAMES)
        await scene.pilot.press("O")
        assert scene.column("run") == sorted(NAMES, reverse=True)
        for _ in scene.table.column_ids:
            await scene.pilot.press("o")
        assert scene.screen._order == Order()
        assert scene.column("run") == list(NAMES), "as planned, again"


async def test_a_measure_that_is_no_number_or_missing_disturbs_nothing(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        results = [result(NAMES[0], math.nan), result(NAMES[1], 0.7), result(NAMES[2], None, status="canceled")]
        scene.replay.finish("train", 1, [compared(results[1:]), compared(results)])
        await scene.until(lambda: scene.column("RMSE") == ["NaN", "0.7000", ""])
        await scene.pilot.press(*"oooo")
        assert scene.screen._order == Order("metric rmse")
        assert scene.column("RMSE") == ["0.7000", "NaN", ""]
        assert scene.column("state")[2] == "canceled"


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
        await scene.until(lambda: scene.pane == "problem")
        assert "1 run did not succeed" in scene.status
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
        bar = str(scene.screen.query_one(SweepBar).query_one(".which", Static).render())
        assert "job run 17" in bar
        assert "following again" in bar
        asked = scene.replay.arguments_of("log")
        assert (asked["run"], asked["follow"]) == ("17", True)
        assert "Still running: Following job run 17 again." in said(scene)
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
        bar = scene.screen.query_one(SweepBar).query_one(".which", Static)
        assert str(bar.render()).startswith("2 of 2: job run 18")
        await scene.pilot.press("less_than_sign")
        await scene.until(lambda: scene.table.row_count == 3)
        await scene.pilot.click("#later-sweep")
        await scene.until(lambda: str(bar.render()).startswith("2 of 2"))


async def test_runs_of_earlier_builds_stand_below_a_line(tmp_path: Path) -> None:
    listed = RunsListed(results=(result(NAMES[0], 0.9, "6"), result(NAMES[2], 0.65, "5")), gate="rmse < 0.8")
    found = JobRunsFound(job_runs=(JobRun("9", "", "succeeded", "6", NAMES),))
    async with training(tmp_path, runs=[Answer([listed])], job_runs=[Answer([found])]) as scene:
        await scene.launch()
        await scene.pilot.press("b")
        await scene.until(lambda: scene.table.row_count == 6)
        assert scene.column("build")[4:] == ["6", "5"]
        assert scene.column("run")[3] == "earlier builds"
        await scene.pilot.press(*["down"] * 3)
        assert scene.table.chosen is None, "the line is no run"
        await scene.pilot.press("down", "enter")
        await scene.until(lambda: scene.app.desk.training.state.current is scene.app.desk.training.state.sweeps[-1])
        assert scene.replay.arguments_of("log")["run"] == "9", "its log is fetched from the cloud"
        await scene.pilot.press("b")
        await scene.until(lambda: scene.table.row_count == 3)


async def test_earlier_builds_can_be_looked_at_before_anything_is_launched(tmp_path: Path) -> None:
    listed = RunsListed(results=(result(NAMES[0], 0.9, "6"),), gate="rmse < 0.8")
    async with training(tmp_path, runs=[Answer([listed])]) as scene:
        await scene.pilot.press("b")
        await scene.until(lambda: scene.table.row_count == 2)
        assert scene.table.has_focus


@SIZES
async def test_a_run_in_full_is_asked_for_once_and_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    described = RunDescribed(
        result=result(NAMES[0], 0.79),
        tags={"data_source": "wine.csv", "mlflow.user": "ada"},
        artifacts=("model/MLmodel", "predictions.json"),
        model_uri="models:/wine/1",
    )
    async with training(tmp_path, size=size, show=[Answer([described])]) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        scene.screen.query_one(TabbedContent).active = "run"
        details = scene.screen.query_one(RunDetails)
        await scene.until(lambda: "models:/wine/1" in str(details.query_one(".more", Static).render()))
        facts, more = (str(details.query_one(each, Static).render()) for each in (".facts", ".more"))
        assert "RMSE 0.7900" in facts
        assert "passed: rmse < 0.8" in facts
        assert "data_source = wine.csv" in more
        assert "mlflow.user" not in more
        assert "predictions.json" in more
        assert [asked for asked, _ in scene.replay.asked].count("show") == 1


async def test_a_hundred_runs_scroll_and_the_cursor_stays_while_they_change(tmp_path: Path) -> None:
    names = [f"alpha={number / 100},l1_ratio=0.5" for number in range(100)]
    async with training(tmp_path, begun(names)) as scene:
        await scene.launch()
        await scene.pilot.press("ctrl+end")
        await scene.until(lambda: scene.table.cursor_row == 99)
        assert scene.table.scroll_y > 90
        scene.replay.finish("train", 0, [*(ended(name) for name in names), *(measured(name, 0.7) for name in names)])
        await scene.until(lambda: scene.column("RMSE") == ["0.7000"] * 100)
        assert scene.table.cursor_row == 99
        await scene.until(lambda: scene.table.scroll_y > 90)
        await scene.pilot.press("ctrl+home")
        await scene.until(lambda: scene.table.scroll_y == 0)


@SIZES
async def test_hostile_names_and_errors_are_only_text(tmp_path: Path, size: tuple[int, int]) -> None:
    events = [*begun([HOSTILE, "x" * 10_000]), LogLine(source=HOSTILE, text=HOSTILE)]
    async with training(tmp_path, events, size) as scene:
        await scene.launch()
        await scene.pilot.press("down", "up", "c")
        await scene.say_yes()
        for pane in ("run", "log"):
            scene.screen.query_one(TabbedContent).active = pane
            await scene.pilot.pause()
        error = Problem(error=FAILED.__class__(HOSTILE, HOSTILE, raw=HOSTILE))
        scene.replay.finish("train", 1, [ended(HOSTILE, "failed"), ended("x" * 10_000, "failed"), error])
        await scene.until(lambda: scene.pane == "problem")
        assert scene.column("run")[0] == "[/subscriptions/abc]🍷txet"
        assert "[/subscriptions/abc]" in scene.status


async def test_the_table_is_copied_as_text(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.press("y")
        assert f"| ★ | {NAMES[2]} | succeeded |" in scene.app.clipboard
        assert "Copied" in said(scene)


async def test_the_footer_never_shows_more_than_six_keys(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        assert len(scene.footer()) <= 6
        await scene.launch()
        assert "End this run" in scene.footer()
        assert len(scene.footer()) <= 6
        scene.log.lines.focus()
        await scene.until(lambda: "Find in the log" in scene.footer())
        assert len(scene.footer()) <= 6
        assert "Train" not in scene.footer()


async def test_nothing_breaks_when_the_window_changes_its_size(tmp_path: Path) -> None:
    async with training(tmp_path) as scene:
        await scene.launch()
        for size in ((200, 50), (80, 24), (40, 10), (20, 5), (120, 40), (80, 24)):
            await scene.pilot.resize_terminal(*size)
            await scene.pilot.pause()
        await scene.until(lambda: scene.table.virtual_size.width <= 80)
        assert len(scene.rows) == 3
