"""The rules by which a run goes on, on plain documents: no server, no cluster."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from mlops_tui.sandbox import run_states
from mlops_tui.sandbox.references import Lookup, UnknownReferenceError, resolve
from mlops_tui.sandbox.run_states import Ending, end
from mlops_tui.sandbox.settling import iterations, latest, new_attempt, settle

NOTEBOOK = {"notebook_task": {"notebook_path": "/n"}}


def run_of(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    run: dict[str, Any] = {
        "run_id": 7,
        "job_id": 3,
        "run_name": "sweep",
        "trigger": "ONE_TIME",
        "settings": {"tasks": [{**NOTEBOOK, **task} for task in tasks]},
        "job_parameters": {"who": "me"},
        "life": "PENDING",
        "result": "",
        "message": "",
        "stop": "",
        "start_time": 0,
        "attempts": [],
        "repairs": [],
        **more,
    }
    for number, task in enumerate(tasks, 100):
        new_attempt(run, task["task_key"], number, 0)
    return run


def after(*keys: str) -> list[dict[str, str]]:
    return [{"task_key": key} for key in keys]


def go(run: dict[str, Any], now: int = 10) -> list[str]:
    """Settle; the keys of the tasks to launch."""
    numbers = itertools.count(200 + len(run["attempts"]))
    return [attempt["task_key"] for attempt in settle(run, now, lambda: next(numbers), 0)]


@pytest.mark.parametrize(
    ("rule", "results", "expected"),
    [
        ("ALL_SUCCESS", ("SUCCESS", "SUCCESS"), "PENDING"),
        ("ALL_SUCCESS", ("SUCCESS", "FAILED"), "UPSTREAM_FAILED"),
        ("ALL_SUCCESS", ("SUCCESS", "CANCELED"), "UPSTREAM_CANCELED"),
        ("ALL_SUCCESS", ("SUCCESS", "EXCLUDED"), "PENDING"),
        ("AT_LEAST_ONE_SUCCESS", ("SUCCESS", "FAILED"), "PENDING"),
        ("AT_LEAST_ONE_SUCCESS", ("FAILED", "FAILED"), "EXCLUDED"),
        ("NONE_FAILED", ("SUCCESS", "EXCLUDED"), "PENDING"),
        ("NONE_FAILED", ("SUCCESS", "TIMEDOUT"), "EXCLUDED"),
        ("ALL_DONE", ("FAILED", "CANCELED"), "PENDING"),
        ("AT_LEAST_ONE_FAILED", ("SUCCESS", "UPSTREAM_FAILED"), "PENDING"),
        ("AT_LEAST_ONE_FAILED", ("SUCCESS", "SUCCESS"), "EXCLUDED"),
        ("ALL_FAILED", ("FAILED", "FAILED"), "PENDING"),
        ("ALL_FAILED", ("SUCCESS", "FAILED"), "EXCLUDED"),
    ],
)
def test_run_if_looks_at_all_tasks_before(rule: str, results: tuple[str, str], expected: str) -> None:
    run = run_of({"task_key": "a"}, {"task_key": "b"}, {"task_key": "c", "depends_on": after("a", "b"), "run_if": rule})
    for attempt, result in zip(run["attempts"], results, strict=False):
        end(attempt, Ending(result, "", "X"), 5)
    launched = go(run)
    last = latest(run)["c"]
    assert (last["result"] or last["life"]) == expected
    assert launched == (["c"] if expected == "PENDING" else [])


def test_the_last_tasks_decide_the_result() -> None:
    run = run_of({"task_key": "a"}, {"task_key": "b", "depends_on": after("a"), "run_if": "ALL_DONE"})
    assert go(run) == ["a"]
    end(latest(run)["a"], run_states.FAILED, 20)
    assert go(run) == ["b"]
    end(latest(run)["b"], run_states.SUCCESS, 30)
    assert go(run) == []
    assert (run["life"], run["result"]) == ("TERMINATED", "SUCCESS_WITH_FAILURES")


def test_a_retry_waits_for_its_interval_and_a_cancelled_run_has_none() -> None:
    run = run_of({"task_key": "a", "max_retries": 1, "min_retry_interval_millis": 100})
    go(run)
    end(latest(run)["a"], run_states.FAILED, 20)
    assert go(run, 30) == []
    assert latest(run)["a"]["life"] == "WAITING_FOR_RETRY"
    assert go(run, 129) == []
    assert go(run, 130) == ["a"]
    run["stop"] = "CANCELED"
    end(latest(run)["a"], run_states.CANCELED, 140)
    assert go(run, 150) == []
    assert (run["life"], run["result"]) == ("TERMINATED", "CANCELED")


def test_a_loop_keeps_to_its_concurrency() -> None:
    loop = {"inputs": "[1, 2, 3]", "concurrency": 2, "task": {"task_key": "fit", **NOTEBOOK}}
    run = run_of({"task_key": "sweep"})
    run["settings"]["tasks"] = [{"task_key": "sweep", "for_each_task": loop}]
    assert go(run) == ["fit", "fit"]
    assert go(run) == []
    outer = latest(run)["sweep"]
    end(iterations(run, outer)[0], run_states.FAILED, 20)
    assert go(run) == ["fit"]
    for attempt in iterations(run, outer)[1:]:
        end(attempt, run_states.SUCCESS, 30)
    assert go(run) == []
    assert outer["message"] == "1 of 3 iterations failed: Workload failed, see run output for details"
    assert [each["input"] for each in iterations(run, outer)] == [1, 2, 3]


def test_references_are_replaced_or_left_or_refused() -> None:
    run = run_of({"task_key": "a"}, {"task_key": "b"})
    latest(run)["a"]["values"] = {"rmse": 0.5, "sets": [1, 2]}
    attempt = latest(run)["b"]
    attempt["input"] = {"alpha": 0.1, "name": "x"}
    lookup = Lookup(run, attempt, 42)
    assert resolve("{{job.id}} {{ job.run_id }} {{workspace.id}}", lookup) == "3 7 42"
    assert resolve("{{tasks.a.values.rmse}} {{tasks.a.values.sets}}", lookup) == "0.5 [1, 2]"
    assert resolve("{{input}}|{{input.name}}", lookup) == '{"alpha": 0.1, "name": "x"}|x'
    assert resolve("{{job.parameters.who}} {{job.start_time.iso_date}}", lookup) == "me 1970-01-01"
    assert resolve("{{no.such.thing}} {not one}", lookup) == "{{no.such.thing}} {not one}"
    for text in ("{{input.beta}}", "{{tasks.a.values.mae}}", "{{tasks.z.values.rmse}}"):
        with pytest.raises(UnknownReferenceError, match="could not be resolved"):
            resolve(text, lookup)
