"""The engine behind a pipe, driven as the terminal app drives it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_tui.events import from_json, to_json
from tests.journeys.conftest import COMMAND, Home

pytestmark = [pytest.mark.xdist_group("main-job"), pytest.mark.timeout(150)]


class Pipe:
    """A worker process and the two ends of its pipe."""

    def __init__(self, home: Home) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "worker"],
            cwd=home.folder,
            env=home.environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, request_id: str, do: str, **arguments: Any) -> None:
        self.write(json.dumps({"id": request_id, "do": do, "arguments": arguments}))

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def messages(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def until_end_of(self, request_id: str) -> tuple[list[dict[str, Any]], int]:
        """The events of this request and its exit code."""
        events: list[dict[str, Any]] = []
        for message in self.messages():
            if message["request"] == request_id and "exit_code" in message:
                return events, message["exit_code"]
            if message["request"] == request_id:
                events.append(message["event"])
        raise AssertionError(f"the worker ended: {self.process.stderr and self.process.stderr.read()}")

    def close(self, timeout: float = 40) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout)


@pytest.fixture
def pipe(settled: Home) -> Iterator[Pipe]:
    made = Pipe(settled)
    yield made
    made.process.kill()
    made.process.wait(10)
    for stream in (made.process.stdin, made.process.stdout, made.process.stderr):
        assert stream is not None
        stream.close()


def test_requests_are_answered_by_events_that_survive_json(pipe: Pipe) -> None:
    pipe.ask("1", "plan")
    events, code = pipe.until_end_of("1")
    assert code == 0
    kinds = [event["type"] for event in events]
    assert kinds[0] == "command_started"
    assert kinds[-1] == "command_finished"
    assert "plan_ready" in kinds
    for event in events:
        assert json.loads(json.dumps(to_json(from_json(event)))) == event
    pipe.ask("2", "train", runs=[{"alpha": 0.15, "l1_ratio": 0.15}])
    events, code = pipe.until_end_of("2")
    assert code == 0
    (compared,) = [event for event in events if event["type"] == "runs_compared"]
    assert compared["best"] == "alpha=0.15,l1_ratio=0.15"
    assert pipe.close() == 0


def test_a_request_that_makes_no_sense_is_refused_and_the_worker_lives_on(pipe: Pipe) -> None:
    pipe.write("this is no JSON")
    events, code = pipe.until_end_of("")
    assert (events[0]["type"], code) == ("problem", 2)
    pipe.ask("1", "dance")
    events, code = pipe.until_end_of("1")
    assert code == 2
    assert "dance" in events[0]["error"]["message"]
    pipe.ask("2", "train", runs=[{"alpha": -1, "l1_ratio": 0.5}])
    events, code = pipe.until_end_of("2")
    assert code == 2
    assert "alpha" in events[-2]["error"]["raw"]
    pipe.ask("3", "runs")
    assert pipe.until_end_of("3")[1] == 0


def test_a_request_is_cancelled_and_the_runs_are_left_going(pipe: Pipe) -> None:
    pipe.ask("1", "train", runs=[{"alpha": 0.16, "l1_ratio": 0.16}])
    for message in pipe.messages():
        if message.get("event", {}).get("type") == "run_state":
            break
    pipe.ask("2", "cancel", id="1")
    _, code = pipe.until_end_of("1")
    assert code in (0, 130)  # 0: the run was quicker than we
    pipe.ask("3", "cancel", id="1")
    assert pipe.until_end_of("3")[1] == 2


def test_the_worker_ends_when_its_pipe_closes_in_the_middle_of_work(pipe: Pipe) -> None:
    pipe.ask("1", "up")
    for message in pipe.messages():
        if message.get("event", {}).get("type") == "command_started":
            break
    assert pipe.close() == 0
