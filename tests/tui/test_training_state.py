"""What the training screen shows, made from events alone: rows, their order, the words about a sweep."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from mlops_tui.events import Event, JobRun, JobRunsFound, Problem, RunsListed, RunState
from mlops_tui.tui.desks.line import INTERRUPTED
from mlops_tui.tui.state.order import Order, ordered
from mlops_tui.tui.state.training import RunRow, Sweep, TrainingState, parameters_of
from mlops_tui.tui.widgets.run_columns import as_markdown, run_cell, run_columns
from mlops_tui.tui.words.labels import duration, figure
from mlops_tui.tui.words.sweep_text import read_grid, read_sets, sets_text
from mlops_tui.tui.words.sweeps import order_text, status_text, sweep_name
from tests.tui.replay import recorded
from tests.tui.sweeps import FAILED, MISSED, NAMES, begun, compared, ended, ended_well, measured, one_failed, result


def sweep_of(*events: Event, exit_code: int | None = None) -> Sweep:
    sweep = Sweep(Path("/nowhere"))
    for event in events:
        sweep.fold(event)
    if exit_code is not None:
        sweep.end(exit_code, INTERRUPTED)
    return sweep


def test_a_recorded_training_ends_with_its_best_run_marked() -> None:
    sweep = sweep_of(*recorded("train"), exit_code=0)
    assert [row.best for row in sweep.rows.values()] == [False, False, True]
    assert sweep.best_row is not None
    assert sweep.best_row.metrics["rmse"] == pytest.approx(0.7129, abs=1e-4)
    text, colour = status_text(sweep, sweep.since + 9)
    best = "★ Best: alpha=0.1,l1_ratio=0.1 (RMSE 0.7129). The gate rmse < 0.8 is passed."
    assert text == f"{best} Press 3 to deliver it."
    assert colour == "success"
    assert "✔ gate passed" in sweep_name(sweep)


def test_while_it_runs_the_line_counts_what_has_ended() -> None:
    sweep = sweep_of(*begun(state="pending"))
    assert "3 runs waiting for the cluster" in status_text(sweep, sweep.since + 4)[0]
    sweep = sweep_of(*begun(), ended(NAMES[0]))
    assert status_text(sweep, sweep.since + 65)[0] == "● 1 of 3 runs ended · 1:05"
    assert len(sweep.unfinished) == 2


def test_a_run_that_runs_has_a_clock_and_one_that_has_ended_its_time() -> None:
    sweep = sweep_of(*begun(), ended(NAMES[0], seconds=2.5))
    first, second, _ = sweep.rows.values()
    assert first.elapsed(now=1e9) == 2.5
    assert second.since is not None
    assert second.elapsed(second.since + 8) == pytest.approx(8)
    assert RunRow("waiting").elapsed(5) is None


def test_who_comes_back_sees_how_long_a_run_has_been_at_work() -> None:
    sweep = sweep_of(*begun(state="pending"), RunState(run=NAMES[0], state="running", seconds=300.0))
    first = sweep.rows[NAMES[0]]
    assert first.seconds is None, "it goes on"
    now = time.monotonic()
    assert 300 <= (first.elapsed(now) or 0) < 310
    assert 300 <= sweep.elapsed(now) < 310


def test_a_gate_that_is_missed_is_said_with_the_best_there_is() -> None:
    sweep = sweep_of(*begun(), *ended_well(gate="rmse < 0.5"), Problem(error=MISSED), exit_code=1)
    text, colour = status_text(sweep, 0)
    assert text.startswith("▲ Best: alpha=0.1,l1_ratio=0.1 (RMSE 0.7100).")
    assert text.endswith("The gate rmse < 0.5 is missed.")
    assert colour == "warning"
    assert "gate missed" in sweep_name(sweep)


def test_a_failed_run_among_good_ones_is_told_beside_the_best() -> None:
    sweep = sweep_of(*begun(), *one_failed(), exit_code=1)
    text, colour = status_text(sweep, 0)
    assert "is passed. 1 run did not succeed." in text
    assert colour == "warning"
    assert sweep.problem == FAILED
    assert [row.name for row in sweep.unsuccessful] == [NAMES[0]]


def test_what_a_failed_run_has_reached_before_it_failed_stays() -> None:
    failed = result(NAMES[0], None, status="failed")
    sweep = sweep_of(*begun(NAMES[:1]), measured(NAMES[0], 0.9), ended(NAMES[0], "failed"), compared([failed]))
    assert sweep.rows[NAMES[0]].metrics == {"rmse": 0.9}
    assert sweep.rows[NAMES[0]].url == f"https://adb.example/{NAMES[0]}"


def test_a_sweep_that_nobody_follows_any_more_is_no_ended_one() -> None:
    sweep = sweep_of(*begun(), exit_code=INTERRUPTED)
    assert sweep.left
    assert all(row.since is None for row in sweep.rows.values())
    text, colour = status_text(sweep, 0)
    assert "Press f to follow them again" in text
    assert colour == "warning"
    assert sweep_of(*begun(), exit_code=1).left, "the connection was lost, the runs were not"
    assert not sweep_of(*begun(), *ended_well(), exit_code=1).left


def test_runs_sort_by_any_column_with_nothing_to_sort_by_last() -> None:
    rows = [
        RunRow("c", {"alpha": 0.3}, metrics={"rmse": 0.7, "r2": 0.2}, seconds=3, passed=True),
        RunRow("a", {"alpha": 0.1}, metrics={"rmse": math.nan}, seconds=None, passed=None),
        RunRow("b", {"alpha": 0.2}, metrics={"rmse": 0.6, "r2": 0.4}, seconds=1, passed=False),
        RunRow("d", {"alpha": "much"}),
    ]

    def names(order: Order) -> str:
        return "".join(row.name for row in ordered(rows, order, now=0))

    assert names(Order()) == "cabd"
    assert names(Order("run")) == "abcd"
    assert names(Order("metric rmse")) == "bcad"
    assert names(Order("metric rmse", turned=True)) == "cbad"
    assert names(Order("metric r2")) == "bcad", "the greatest R2 is the best"
    assert names(Order("parameter alpha")) == "abcd"
    assert names(Order("time")) == "bcad"
    assert names(Order("gate")) == "cbad"


def test_the_same_column_again_turns_the_order_round() -> None:
    order = Order().by("metric rmse")
    assert order_text(order).startswith("by RMSE, lowest first · RMSE is the typical error")
    assert order_text(order.by("metric rmse")).startswith("by RMSE, highest first")
    assert order.by("metric rmse").by("time") == Order("time")
    assert order_text(Order("metric r2")).startswith("by R2, highest first")
    assert order_text(Order()) == ""


@pytest.mark.parametrize(("width", "with_builds"), [(80, False), (80, True), (120, False), (120, True), (160, True)])
def test_the_standard_columns_fit_the_screen(width: int, with_builds: bool) -> None:
    rows = [RunRow(name, {"alpha": 0.5, "l1_ratio": 0.5}) for name in NAMES]
    columns = run_columns(rows, width, with_builds)
    assert sum(column.width + 2 for column in columns) <= width
    titles = [column.title for column in columns]
    assert {"run", "RMSE", "MAE", "R2", "gate"} <= set(titles)
    assert ("time" in titles) == (width > 80 or not with_builds)
    assert ("alpha" in titles) == (width >= 100)
    assert columns[1].width >= len(NAMES[0]), "the whole name"


def test_columns_of_metrics_come_from_the_runs() -> None:
    rows = [RunRow("a", metrics={"rmse": 0.5}), RunRow("b", metrics={"accuracy": 0.9, "rmse": 123456.7})]
    columns = run_columns(rows, 120, False)
    metrics = [column for column in columns if column.id.startswith("metric")]
    assert [column.title for column in metrics] == ["RMSE", "accuracy"]
    assert [run_cell(rows[0], column, 0).text for column in metrics] == ["0.5000", ""]
    assert [run_cell(rows[1], column, 0).text for column in metrics] == ["1.23e+05", "0.9000"]
    assert all(run_cell(rows[0], column, 0).right for column in metrics)


def test_hostile_names_are_shown_plain() -> None:
    row = RunRow("[/red]\x1b[31mevil\x1b[0m\tname\n", build="b\x07ell")
    cells = {column.id: run_cell(row, column, 0).text for column in run_columns([row], 80, True)}
    assert cells["run"] == "[/red]evil    name "
    assert cells["build"] == "bell"
    assert "|" not in as_markdown([RunRow("a|b")], 0).splitlines()[2].replace(" | ", "").strip("| ").replace("\\|", "")


def test_the_table_as_text_has_every_run_and_figure() -> None:
    sweep = sweep_of(*begun(), *ended_well(), exit_code=0)
    lines = as_markdown(sweep.rows.values(), 0).splitlines()
    assert lines[0] == "|  | run | state | time | RMSE | MAE | R2 | gate | build |"
    assert lines[2] == f"| ✔ | {NAMES[0]} | succeeded | 2.0 s | 0.7900 | 0.6320 | 0.2100 | passed | 7 |"
    assert lines[4].startswith("| ★ |")


def test_times_and_figures_read_well() -> None:
    assert [duration(each) for each in (None, 0.04, 9.94, 9.96, 59.6, 187, 3723)] == [
        "",
        "0.0 s",
        "9.9 s",
        "10 s",
        "1:00",
        "3:07",
        "1h02m",
    ]
    assert [figure(each) for each in (None, math.nan, 0.71288, -1.5, math.inf)] == [
        "",
        "NaN",
        "0.7129",
        "-1.5000",
        "inf",
    ]


def test_what_a_person_types_is_read_or_explained() -> None:
    assert len(read_grid({"alpha": "0.1:0.9:0.2", "l1_ratio": "0.1,0.5"}).runs) == 10
    assert read_grid({"alpha": "0.1", "l1_ratio": "2"}).problems == ("l1_ratio=2: l1_ratio must be between 0 and 1",)
    assert read_grid({"alpha": "", "l1_ratio": " "}).problems == ("give values for alpha and l1_ratio",)
    sets = read_sets("alpha=0.5,l1_ratio=0.5\n\n alpha=1, l1_ratio=0\n")
    assert sets.runs == ({"alpha": 0.5, "l1_ratio": 0.5}, {"alpha": 1.0, "l1_ratio": 0.0})
    assert read_sets(sets_text(sets.runs)) == sets
    assert "did you mean alpha?" in " ".join(read_sets("alfa=1,l1_ratio=0").problems)
    assert read_sets(" \n").problems


def test_only_what_can_be_launched_again_is_offered_and_once() -> None:
    rows = [
        RunRow("a", {"alpha": 0.5, "l1_ratio": 0.5}),
        RunRow("b", {"alpha": "0.5", "l1_ratio": "0.5", "seed": 7}),
        RunRow("c", {"alpha": "much", "l1_ratio": 0.5}),
        RunRow("d", {"alpha": 0.1}),
    ]
    assert parameters_of(rows) == ({"alpha": 0.5, "l1_ratio": 0.5},)


def test_earlier_runs_are_those_of_other_builds() -> None:
    state = TrainingState()
    listed = [result(NAMES[0], 0.71, "7"), result(NAMES[0], 0.9, "6"), result(NAMES[1], 0.6, "6")]
    state.fold(RunsListed(results=tuple(listed), gate="rmse < 0.8"))
    sweep = sweep_of(*begun(), *ended_well("7"), exit_code=0)
    assert [(row.build, row.name) for row in state.earlier_rows(sweep)] == [("6", NAMES[0]), ("6", NAMES[1])]
    assert len(state.earlier_rows(None)) == 3


def test_the_sweep_or_job_run_of_a_build_is_found() -> None:
    state = TrainingState()
    sweep = sweep_of(*begun(), *ended_well("7"), exit_code=0)
    state.sweeps.append(sweep)
    state.fold(
        JobRunsFound(job_runs=(JobRun("3", "", "succeeded", "6", NAMES), JobRun("2", "", "running", "5", NAMES)))
    )
    assert state.sweep_of("7") is sweep
    assert state.sweep_of("") is None
    found = state.job_run_of("6")
    assert found is not None
    assert found.id == "3"
    assert [run.id for run in state.going_on] == ["2"]


def test_a_run_without_parameters_in_a_later_event_keeps_them() -> None:
    sweep = sweep_of(*begun(NAMES[:1]), RunState(run=NAMES[0], state="running"))
    assert sweep.rows[NAMES[0]].parameters == {"alpha": 0.5, "l1_ratio": 0.5}
