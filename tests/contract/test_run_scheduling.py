"""The scheduler by itself, at moments that no client can hit on purpose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox.alarms import Alarms
from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.fleet import now_ms
from mlops_tui.sandbox.run_states import Ending
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.scheduling import RUN, Scheduler, run_key

DAY = 24 * 3_600_000  # ms


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    sandbox = Sandbox(tmp_path, "https://localhost:1")
    made = Scheduler(sandbox, lambda: 1)
    yield made
    made.stop()
    sandbox.requests.close()
    sandbox.store.close()


class SlowToLaunch:
    """An execution in which somebody cancels the run just before the attempt is there to be found."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.waiting: set[int] = set()

    def launch(self, run: Body, attempt: Body) -> None:
        self.scheduler.halt(run["run_id"], "CANCELED")
        self.waiting.add(attempt["run_id"])

    def cancel(self, run_id: int, attempt_id: int, ending: Ending) -> None:
        if attempt_id in self.waiting:
            self.waiting.remove(attempt_id)
            self.scheduler.over(run_id, attempt_id, ending, {})

    def close(self, run_id: int) -> None:
        """There are no clusters."""

    def stop(self) -> None:
        """Nor processes."""


def a_run(run_id: int, **fields: Any) -> Body:
    notebook = {"task_key": "main", "notebook_task": {"notebook_path": "/Shared/nb"}}
    run: Body = {
        "run_id": run_id,
        "job_id": 1,
        "run_type": "SUBMIT_RUN",
        "settings": {"tasks": [notebook], "format": "MULTI_TASK"},
        "life": "PENDING",
        "result": "",
        "message": "",
        "stop": "",
        "start_time": now_ms(),
        "began": now_ms(),
        "end_time": 0,
        "attempts": [],
        "repairs": [],
    }
    return run | fields


def test_a_run_cancelled_while_it_is_launched_ends(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = SlowToLaunch(scheduler)
    monkeypatch.setattr(scheduler, "execution", execution)
    scheduler.add(a_run(scheduler.next_run_id()), "")
    scheduler.advance(1000)
    run = scheduler.load(1000)
    assert run
    assert (run["life"], run["result"]) == ("TERMINATED", "CANCELED")
    assert execution.waiting == set()


def test_runs_are_forgotten_sixty_days_after_their_end(scheduler: Scheduler, tmp_path: Path) -> None:
    ages = {1: 61, 2: 59}
    for run_id, days in ages.items():
        ended = a_run(run_id, life="TERMINATED", result="SUCCESS", end_time=now_ms() - days * DAY)
        ended["attempts"] = [{"run_id": 10 + run_id}]
        scheduler._store.put(RUN, run_key(run_id), ended)
        output = tmp_path / "runs" / str(10 + run_id) / "output.log"
        output.parent.mkdir(parents=True)
        output.write_text("line")
    scheduler.recover()
    assert scheduler.load(1) is None
    assert scheduler.load(2)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["12"]


def test_an_alarm_that_fails_silences_no_other() -> None:
    alarms, rang = Alarms(), threading.Event()

    def fail() -> None:
        raise RuntimeError("a defect")

    alarms.set("first", 0, fail)
    alarms.set("second", 0.01, rang.set)
    try:
        assert rang.wait(5)
    finally:
        alarms.stop()
