"""What was trained before: sweeps, one run in full, and what of it can still be ended."""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Home

pytestmark = [pytest.mark.xdist_group("main-job"), pytest.mark.timeout(150)]

RUN = "alpha=0.45,l1_ratio=0.45"


def test_a_sweep_is_found_again_by_its_number(settled: Home) -> None:
    launched = settled.run("train", "--run", RUN, "--build-number", "looking-back", "--detach", "--output", "json")
    (number,) = [event["id"] for event in launched.of_type("identified") if event["what"] == "job run"]
    listed = settled.run("runs", "--sweeps", "--output", "json").of_type("job_runs_found")[0]["job_runs"]
    assert (listed[0]["id"], listed[0]["build"], listed[0]["runs"]) == (number, "looking-back", [RUN])
    assert listed == sorted(listed, key=lambda sweep: -sweep["started"])
    assert settled.run("logs", number, "--follow").code == 0
    text = settled.run("runs", "--sweeps", "--limit", "1").out
    assert f"{number}" in text
    assert "succeeded" in text
    assert len(text.splitlines()) == 4  # begin, heading, one sweep, end

    ended = settled.run("cancel", number, "--only", RUN)
    assert ended.code == 0
    assert "has ended already (succeeded)" in ended.out
    unknown = settled.run("cancel", number, "--only", "alpha=7")
    assert unknown.code == 2
    assert RUN in unknown.err


def test_a_run_is_shown_with_what_it_used_and_what_it_made(settled: Home) -> None:
    newest = settled.run("runs", "--limit", "1", "--output", "json").of_type("runs_listed")[0]["results"][0]
    assert newest["source"] == "local" or newest["build"] == "looking-back"
    assert newest["run_id"] in settled.run("runs").out
    shown = settled.run("show", newest["run_id"], "--output", "json")
    assert shown.code == 0, shown.err
    (found,) = shown.of_type("run_described")
    assert found["result"]["metrics"] == pytest.approx(newest["metrics"])
    assert found["model_uri"] == f"runs:/{newest['run_id']}/model"
    assert {"model/MLmodel", "predictions.json", "test_set/test.csv"} <= set(found["artifacts"])
    errors = [(actual - predicted) ** 2 for actual, predicted in found["predictions"]]
    assert len(errors) == 400
    assert (sum(errors) / len(errors)) ** 0.5 == pytest.approx(newest["metrics"]["rmse"])
    text = settled.run("show", newest["run_id"]).out
    for piece in (found["tags"]["data_sha256"], newest["build"], "runs:/", "400 of the kept test set"):
        assert piece in text
    assert "signed-artifacts" not in json.dumps(found) + text


def test_an_unknown_run_is_an_error_that_says_where_to_look(settled: Home) -> None:
    done = settled.run("show", "f00d")
    assert done.code == 1
    assert "There is no tracked run 'f00d'." in done.err
    assert "mlops-tui runs" in done.err


def test_sweeps_are_not_of_one_build(settled: Home) -> None:
    assert settled.run("runs", "--sweeps", "--build", "7").code == 2
