"""The training screen: launch, watch, compare; by key and by mouse, at two sizes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from textual.widgets import ContentSwitcher, Footer, Static, Tab, TabbedContent

from mlops_tui.events import ErrorCard, JobRun, JobRunsFound, LogLine, Problem, RunDescribed, RunsListed
from mlops_tui.spool import log_file
from mlops_tui.tui.state.order import Order
from mlops_tui.tui.widgets.figure_view import FigureView
from mlops_tui.tui.widgets.log_lines import LogLines
from mlops_tui.tui.widgets.plots import PlotsPane
from mlops_tui.tui.widgets.run_details import RunDetails
from mlops_tui.tui.widgets.runs_table import RunsTable
from tests.tui.replay import Answer, recorded
from tests.tui.sweeps import NAMES, begun, compared, ended, ended_well, measured, result
from tests.tui.training_scene import training

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])
HOSTILE = "[/subscriptions/abc]\x1b[2J🍷\u202etxet"


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
        best = "★ Best: alpha=0.1,l1_ratio=0.1 (RMSE 0.7129). The gate rmse < 0.8 is passed."
        assert scene.status == f"{best} Press 3 to deliver it."
        assert [row[0] for row in scene.rows] == ["✔", "✔", "★"]
        assert scene.column("RMSE") == ["0.7932", "0.7443", "0.7129"]
        assert scene.column("gate") == ["passed"] * 3
        assert ("alpha" in [str(each.label) for each in scene.table.ordered_columns]) == (size[0] >= 100)
        assert scene.table.virtual_size.width <= size[0], "no column is out of sight"
        assert "Training has ended: Best run: alpha=0.1,l1_ratio=0.1." in scene.said


async def test_before_setup_is_done_one_is_sent_there_by_key_or_mouse(tmp_path: Path) -> None:
    async with training(tmp_path, plan=recorded("plan")) as scene:
        words = str(scene.screen.query_one("NoRunsYet .words", Static).render())
        assert "Setup comes first" in words
        assert "Press 1" in words
        await scene.pilot.click("#to-setup")
        await scene.until(lambda: scene.app.current_mode == "setup")


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


async def test_runs_of_earlier_builds_stand_below_a_line(tmp_path: Path) -> None:
    listed = RunsListed(results=(result(NAMES[2], 0.9, "6"), result(NAMES[0], 0.65, "5")), gate="rmse < 0.8")
    found = JobRunsFound(job_runs=(JobRun("9", "", "succeeded", "6", NAMES),))
    async with training(tmp_path, runs=[Answer([listed])], job_runs=[Answer([found])]) as scene:
        await scene.launch()
        await scene.pilot.press("b")
        await scene.until(lambda: scene.table.row_count == 6)
        assert scene.column("build")[4:] == ["6", "5"]
        assert scene.column("run")[3] == "earlier builds"
        await scene.pilot.press(*["down"] * 3)
        line = scene.table.chosen
        assert line is None, "the line is no run"
        await scene.pilot.press("down")
        await scene.until(lambda: "Press Enter to read the log" in scene.status)
        await scene.pilot.press("enter")
        await scene.until(lambda: scene.app.desk.training.state.current is scene.app.desk.training.state.sweeps[-1])
        assert scene.replay.arguments_of("log")["run"] == "9", "its log is fetched from the cloud"
        await scene.until(lambda: scene.table.row_count == 3 and scene.table.chosen)
        assert scene.table.chosen is not None
        assert scene.table.chosen.name == NAMES[2], "the cursor went with it"
        scene.replay.finish("log", 0, ended_well("6"))
        await scene.until(lambda: "Best" in scene.status)
        assert "Training has ended" not in scene.said, "that is no news"


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
        tags={"data_source": "wine.csv", "colour": "red", "mlflow.user": "ada"},
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
        assert "data         wine.csv" in more
        assert "colour = red" in more
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
        assert scene.table.virtual_size.width <= scene.table.scrollable_content_region.width
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
        error = Problem(error=ErrorCard(HOSTILE, HOSTILE, raw=HOSTILE))
        scene.replay.finish("train", 1, [ended(HOSTILE, "failed"), ended("x" * 10_000, "failed"), error])
        await scene.until(lambda: scene.screen.query_one("#retry").display)
        await scene.pilot.press("left_square_bracket")
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
        assert "Copied" in scene.said


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


@SIZES
async def test_plots_are_drawn_of_the_sweep_and_of_the_chosen_run(tmp_path: Path, size: tuple[int, int]) -> None:
    described = RunDescribed(
        result=result(NAMES[1], 0.74), tags={}, artifacts=(), predictions=((5, 5.2), (6, 5.7), (7, 6.1))
    )
    async with training(tmp_path, size=size, show=[Answer([described])]) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.press("down", "right_square_bracket")
        await scene.until(lambda: scene.screen.query(PlotsPane))
        words = scene.screen.query_one("PlotsPane .words", Static)
        await scene.until(lambda: "best 0.7100 at alpha 0.1" in str(words.render()))
        await scene.pilot.click("#predicted")
        await scene.until(lambda: "show" in dict(scene.replay.asked))
        assert scene.replay.arguments_of("show")["run_id"] == f"run-7-{NAMES[1]}"
        await scene.until(lambda: "3" in str(words.render()))


@pytest.mark.parametrize(("width", "build_is_there"), [(80, False), (100, False), (120, True)])
async def test_a_build_number_stands_in_the_bar_where_it_has_room_and_is_never_cut(
    tmp_path: Path, width: int, build_is_there: bool
) -> None:
    async with training(tmp_path, size=(width, 24), open=[Answer(recorded("open"))]) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        where = scene.screen.query_one("SectionBar .where", Static)
        await scene.until(lambda: ("build " in str(where.render())) is build_is_there)
        await scene.pilot.pause(0.1)
        shown = str(where.render())
        assert "practice cloud" in shown
        assert ("build " in shown) is build_is_there
        assert len(shown) <= where.content_size.width


@SIZES
async def test_what_a_pane_shows_takes_its_keys_at_once_and_escape_goes_back(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with training(tmp_path, size=size) as scene:
        await scene.launch()
        scene.replay.finish("train", 0, ended_well())
        await scene.until(lambda: "Best" in scene.status)
        await scene.pilot.press("right_square_bracket")
        await scene.until(lambda: isinstance(scene.app.focused, FigureView))
        plots = scene.screen.query_one(PlotsPane)
        await scene.until(lambda: "Next metric" in scene.footer())
        assert {"Next plot", "Next parameter", "Back"} <= set(scene.footer())
        assert len(set(scene.footer())) <= 5  # and the palette
        keys = scene.screen.query_one(Footer).query("FooterKey")
        assert all(key.region.right <= size[0] - 12 for key in keys if not key.has_class("-command-palette"))
        await scene.pilot.press("m")
        assert plots.metric == "mae"
        before = scene.table.chosen
        await scene.pilot.press("down", "right")
        assert plots.kind == "predicted"
        await scene.until(lambda: scene.table.chosen not in (None, before))
        await scene.pilot.press("escape")
        assert scene.app.focused is scene.table
        assert "Again, with changes" in scene.footer()
        tab = next(tab for tab in scene.screen.query(Tab) if tab.label_text == "Run")
        await scene.pilot.click(tab)
        await scene.until(lambda: isinstance(scene.app.focused, RunDetails))
        await scene.pilot.press("right_square_bracket")
        await scene.until(lambda: isinstance(scene.app.focused, LogLines))
