"""The main job with no account: set up, train three runs, compare."""

from __future__ import annotations

import json
import re

import pytest

from tests.journeys.conftest import Home, Settled

pytestmark = [pytest.mark.xdist_group("main-job"), pytest.mark.timeout(150)]

# ElasticNet on the red wines with seed 40 and the default split, as this example has been published.
PUBLISHED = {
    "alpha=0.5,l1_ratio=0.5": {"rmse": 0.7931640229276851, "mae": 0.6271946374319586, "r2": 0.10862644997792614},
}


def test_all_is_set_up_and_trained_and_the_best_run_is_named(settled: Settled) -> None:
    done = settled.begun
    kinds = [event["type"] for event in done.events]
    assert kinds.index("plan_ready") < kinds.index("identified") < kinds.index("runs_compared")
    (compared,) = done.of_type("runs_compared")
    assert [result["name"] for result in compared["results"]] == [
        "alpha=0.5,l1_ratio=0.5",
        "alpha=0.3,l1_ratio=0.3",
        "alpha=0.1,l1_ratio=0.1",
    ]
    assert all(result["status"] == "succeeded" for result in compared["results"])
    assert compared["passed"]
    best = min(compared["results"], key=lambda result: result["metrics"]["rmse"])
    assert compared["best"] == best["name"]
    assert [result["best"] for result in compared["results"]] == [result is best for result in compared["results"]]
    for run in compared["results"]:
        lines = [event["text"] for event in done.of_type("log_line") if event["source"] == run["name"]]
        assert any("1,599 rows" in line for line in lines)
        assert any("Metrics" in line for line in lines)

    again = settled.set_up_and_train("--output", "json")
    assert again.code == 0, again.err
    figures = [result["metrics"] for result in compared["results"]]
    assert [result["metrics"] for result in again.of_type("runs_compared")[0]["results"]] == figures
    assert again.of_type("plan_ready")[0]["pending"] == 0


def test_the_published_figures_are_reproduced(settled: Home) -> None:
    done = settled.run("runs", "--output", "json")
    runs = {result["name"]: result["metrics"] for result in done.of_type("runs_listed")[0]["results"]}
    for name, figures in PUBLISHED.items():
        assert runs[name] == pytest.approx(figures, abs=1e-12)


def test_the_text_output_shows_steps_logs_and_the_table(settled: Home) -> None:
    done = settled.set_up_and_train()
    assert done.code == 0
    assert "Plan: 0 changes to make" in done.out
    assert re.search(r"^★ +alpha=0\.1,l1_ratio=0\.1 .* passed", done.out, re.MULTILINE)
    assert re.search(r"^alpha=0\.3,l1_ratio=0\.3 │ Data: 1,599 rows", done.out, re.MULTILINE)
    assert "\x1b" not in done.out
    assert done.err == ""


def test_a_second_setup_has_nothing_to_do_and_writes_nothing(settled: Home) -> None:
    before = settled.last_request()
    done = settled.run("setup")
    assert done.code == 0
    assert "Nothing to do." in done.out
    assert settled.writes_since(before) == []


def test_a_plan_changes_nothing(home: Home) -> None:
    assert home.run("sandbox", "start").code == 0
    before = home.last_request()
    done = home.run("setup", "--plan")
    assert done.code == 0
    assert "+ create  resource group" in done.out
    assert "Nothing was changed." in done.out
    assert home.writes_since(before) == []


def test_no_secret_is_in_any_output_nor_in_the_data_folder(settled: Home) -> None:
    done = settled.set_up_and_train("--output", "json")
    owner = json.loads((settled.sandbox / "credentials.json").read_text())["client_secret"]
    assert owner not in done.out + done.err
    assert not re.search(r"dapi[0-9a-f]{32}|eyJ[\w-]+\.[\w-]+\.[\w-]+", done.out + done.err)
    for path in settled.data.rglob("*"):
        if path.is_file() and not path.is_relative_to(settled.sandbox):
            text = path.read_bytes()
            assert owner.encode() not in text, path
            assert not re.search(rb"dapi[0-9a-f]{32}|eyJ[\w-]{10,}\.[\w-]{10,}\.", text), path
            assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".lock", path


def test_a_sweep_of_ones_own_and_its_log_afterwards(settled: Home) -> None:
    done = settled.run("train", "--grid", "alpha=0.2:0.4:0.2", "--grid", "l1_ratio=0.1", "--output", "json")
    assert done.code == 0, done.out[-3000:] + done.err
    names = [result["name"] for result in done.of_type("runs_compared")[0]["results"]]
    assert names == ["alpha=0.2,l1_ratio=0.1", "alpha=0.4,l1_ratio=0.1"]
    (number,) = [event["id"] for event in done.of_type("identified") if event["what"] == "job run"]
    log = settled.run("logs", number)
    assert log.code == 0
    assert "alpha=0.4,l1_ratio=0.1 │ Data: 1,599 rows" in log.out


def test_a_detached_sweep_is_met_again(settled: Home) -> None:
    launched = settled.run("train", "--run", "alpha=0.25,l1_ratio=0.25", "--detach", "--output", "json")
    assert launched.code == 0
    assert launched.of_type("runs_compared") == []
    (number,) = [event["id"] for event in launched.of_type("identified") if event["what"] == "job run"]
    met = settled.run("logs", number, "--follow", "--output", "json")
    assert met.code == 0, met.err
    assert met.of_type("runs_compared")[0]["best"] == "alpha=0.25,l1_ratio=0.25"


def test_the_same_build_asked_for_twice_is_one_sweep(settled: Home) -> None:
    arguments = ("train", "--run", "alpha=0.35,l1_ratio=0.35", "--build-number", "77", "--output", "json")
    first, second = settled.run(*arguments), settled.run(*arguments)
    assert first.code == second.code == 0
    assert [event["id"] for event in first.of_type("identified")] == [
        event["id"] for event in second.of_type("identified")
    ]
    listed = settled.run("runs", "--build", "77", "--output", "json").of_type("runs_listed")[0]["results"]
    assert [run["name"] for run in listed] == ["alpha=0.35,l1_ratio=0.35"]


def test_the_commands_to_do_it_by_hand_are_printed(settled: Home) -> None:
    before = settled.last_request()
    done = settled.run("setup", "--by-hand")
    assert done.code == 0
    for piece in ("az group create", "az ad sp create-for-rbac", "--role", "--scopes", "databricks secrets"):
        assert piece in done.out
    assert settled.writes_since(before) == []


def test_a_bad_line_while_tailing_is_ridden_out_and_no_line_is_lost(settled: Home) -> None:
    for fault in (
        {"path": "/api/2.0/dbfs/list", "drop": True, "count": 4, "after": 1},
        {"path": "/api/2.0/dbfs/read", "drop": True, "count": 2},
        {"path": "/api/2.2/jobs/runs/get", "status": 503, "count": 3, "after": 3},
        {"path": "/api/2.0/mlflow/runs/search", "status": 429, "count": 2, "retry_after": 1},
    ):
        settled.ask("POST", "/_sandbox/faults", fault)
    try:
        done = settled.run("train", "--output", "json")
    finally:
        settled.ask("DELETE", "/_sandbox/faults")
    assert done.code == 0, done.out[-3000:] + done.err
    for run in done.of_type("runs_compared")[0]["results"]:
        lines = [event["text"] for event in done.of_type("log_line") if event["source"] == run["name"]]
        begun = [line.split(":")[0].split(" ")[0] for line in lines]
        assert begun == ["Build", "Run", "Data", "Split", "Fit", "Metrics", "Model"]
