"""The engine behind a pipe, driven as the terminal app drives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.events import from_json, to_json
from mlops_tui.spool import log_file
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

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def pipe(settled: Home) -> Iterator[Pipe]:
    made = Pipe(settled)
    yield made
    made.end()


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


def test_a_cloud_is_opened_planned_and_applied_in_parts(pipe: Pipe) -> None:
    flags = {"notebook_folder": "/Shared/InParts", "job_prefix": "In parts"}
    pipe.ask("1", "open", flags=flags)
    events, code = pipe.until_end_of("1")
    assert code == 0
    (read,) = [event for event in events if event["type"] == "settings_read"]
    shown = {value["name"]: value for value in read["values"]}
    assert shown["notebook_folder"]["value"] == "/Shared/InParts"
    assert shown["client_secret"]["value"] == "(set)"
    (described,) = [event for event in events if event["type"] == "steps_described"]
    by_name = {step["name"]: step for step in described["steps"]}
    assert "notebook_folder" in by_name["notebooks"]["settings"]
    assert "/Shared/InParts" in by_name["notebooks"]["by_hand"]

    pipe.ask("2", "plan", flags=flags)
    events, code = pipe.until_end_of("2")
    assert code == 0
    pending = [event["step"] for event in events if event["type"] == "planned" and is_pending(event)]
    assert pending == ["notebooks", "train-job", "delivery-jobs"]
    pipe.ask("3", "apply", plan="2", steps=["train-job"])
    assert pipe.until_end_of("3")[1] == 2
    for number, step in enumerate(pending, 4):
        pipe.ask(str(number), "apply", plan="2", steps=[step])
        events, code = pipe.until_end_of(str(number))
        assert code == 0
        assert [each["step"] for each in events if each.get("state") == "done"] == [step]
    pipe.ask("6", "plan", flags=flags)
    events, _ = pipe.until_end_of("6")
    assert [event["pending"] for event in events if event["type"] == "plan_ready"] == [0]


def is_pending(event: dict[str, Any]) -> bool:
    return any(change["action"] != "keep" for change in event["changes"])


def test_settings_that_cannot_be_used_are_shown_with_their_problem(pipe: Pipe) -> None:
    for request_id, do, code_expected in (("1", "describe", 0), ("2", "open", 2)):
        pipe.ask(request_id, do, flags={"cluster_min_workers": "many"})
        events, code = pipe.until_end_of(request_id)
        assert code == code_expected
        (read,) = [event for event in events if event["type"] == "settings_read"]
        wrong = {value["name"]: value["value"] for value in read["values"] if value["problem"]}
        assert wrong == {"cluster_min_workers": "many"}
        assert [event["type"] for event in events].count("steps_described") == 1
        assert ([event["type"] for event in events].count("problem") == 1) is (do == "open")


def test_what_signing_in_takes_is_spent_once(pipe: Pipe, settled: Home) -> None:
    """A second request finds the token fetched and the clients made."""

    before = settled.last_request()
    for request_id in ("1", "2"):
        pipe.ask(request_id, "runs")
        assert pipe.until_end_of(request_id)[1] == 0
    lines = settled.ask("GET", f"/_sandbox/requests?since={before}")["requests"]
    tokens = [line["path"] for line in lines if line["path"].endswith("/oauth2/v2.0/token")]
    assert len(tokens) == 2, "one for Azure, one for the workspace, and none twice"


SLOW = """# Databricks notebook source
import os, time
folder = dbutils.widgets.get("log_path").replace("dbfs:/", "/dbfs/", 1)
os.makedirs(folder, exist_ok=True)
for number in range(60):
    with open(f"{folder}/{number:06d}.log", "w") as file:
        file.write(f"line {number}\\n")
    time.sleep(0.1)
open(f"{folder}/_END", "w").close()
"""
APP = """
import json, subprocess, sys
pipe = subprocess.PIPE
worker = subprocess.Popen([*sys.argv[2:], "worker"], stdin=pipe, stdout=pipe, text=True, bufsize=1)
worker.stdin.write(sys.argv[1] + "\\n")
print(worker.pid, flush=True)
for line in worker.stdout:
    print(line, end="", flush=True)
"""


def test_the_app_is_killed_and_its_runs_go_on_and_are_found_again(settled: Home, tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "train.py").write_text(SLOW)
    flags = {"notebooks": str(tmp_path / "notebooks"), "notebook_folder": "/Shared/Slow", "job_prefix": "Slow"}
    asked = {"flags": flags, "runs": [{"alpha": 0.3, "l1_ratio": 0.4}], "logs": str(tmp_path / "first")}
    app = subprocess.Popen(
        [sys.executable, "-c", APP, json.dumps({"id": "1", "do": "up", "arguments": asked}), *COMMAND],
        cwd=settled.folder,
        env=settled.environment({}),
        stdout=subprocess.PIPE,
        text=True,
    )
    with app:
        assert app.stdout is not None
        worker = int(app.stdout.readline())
        for line in app.stdout:
            event = json.loads(line).get("event", {})
            if event.get("type") == "run_state" and event["state"] == "running":
                break
        app.send_signal(signal.SIGKILL)
    assert ends_within(worker, 25)

    again = Pipe(settled)
    try:
        again.ask("1", "job_runs", flags=flags)
        events, _ = again.until_end_of("1")
        (found,) = events[1]["job_runs"]
        assert (found["state"], found["runs"]) == ("running", ["alpha=0.3,l1_ratio=0.4"])
        again.ask("2", "log", run=found["id"], follow=True, logs=str(tmp_path / "second"), flags=flags)
        again.until_end_of("2")
    finally:
        again.end()
    lines = log_file(tmp_path / "second", found["runs"][0]).read_text().splitlines()
    assert lines == [f"i line {number}" for number in range(60)]


def ends_within(process: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").exists() and ") Z " in Path(f"/proc/{process}/stat").read_text():
            return True  # it has ended; whoever adopted it has not taken note yet
        time.sleep(0.05)
    return False


def test_the_practice_cloud_may_sleep_between_two_requests(pipe: Pipe, settled: Home) -> None:
    """It ends when nobody calls it, and a plan may be looked at for longer than that."""
    flags = {"notebook_folder": "/Shared/AfterSleep"}
    pipe.ask("1", "plan", flags=flags)
    assert pipe.until_end_of("1")[1] == 0
    settled.close()
    pipe.ask("2", "apply", plan="1", steps=["notebooks"])
    events, code = pipe.until_end_of("2")
    assert code == 0
    assert [event["source"] for event in events[:2]] == ["sandbox", "sandbox"]
    settled.close()
    pipe.ask("3", "runs")
    assert pipe.until_end_of("3")[1] == 0


def test_delivery_can_be_asked_for_where_nothing_is_delivered_yet(pipe: Pipe) -> None:
    pipe.ask("1", "endpoints")
    events, code = pipe.until_end_of("1")
    assert code == 0
    (read,) = [event for event in events if event["type"] == "endpoints_read"]
    assert [(one["stage"], one["health"]) for one in read["endpoints"]] == [
        ("staging", "absent"),
        ("production", "absent"),
    ]
    pipe.ask("2", "images")
    events, code = pipe.until_end_of("2")
    assert code == 0
    assert [event["images"] for event in events if event["type"] == "images_listed"] == [[]]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("approval", {}),
        ("predict", {"stage": "staging", "rows": [{}]}),
        ("rollback", {"stage": "production"}),
    ]
    for number, (do, arguments) in enumerate(asked, 3):
        pipe.ask(str(number), do, **arguments)
        events, code = pipe.until_end_of(str(number))
        assert code == 2, (do, events)
        assert [event for event in events if event["type"] == "problem"], do
    pipe.ask("6", "endpoint_key", stage="staging")
    events, code = pipe.until_end_of("6")
    assert code == 1
    assert "mlops-tui deploy staging" in events[-2]["error"]["hint"]
