"""The pipe to the worker: real processes, some of which behave as badly as a process can."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.events import Event, LogLine, Problem, SignInsFound
from mlops_tui.redaction import redact
from mlops_tui.tui.connection import DIED, Request, WorkerProcess

ANSWER = 'print(json.dumps({"request": asked["id"], "exit_code": 0}), flush=True)'
LOOP = """
import json, os, sys, time
def tell(request, text):
    event = {"type": "log_line", "source": "test", "text": text}
    print(json.dumps({"request": request, "event": event}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
"""


class Told:
    """What one request was answered with."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.exit_codes: list[int] = []

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogLine)]


def worker(folder: Path, *body: str) -> WorkerProcess:
    """A worker that does this with every request."""
    script = folder / "worker.py"
    script.write_text(LOOP + "".join(f"    {line}\n" for line in body))
    return WorkerProcess(command=(sys.executable, str(script)))


def send(connection: WorkerProcess, do: str = "work", **arguments: Any) -> tuple[Request, Told]:
    told = Told()
    return connection.send(do, told.events.append, told.exit_codes.append, **arguments), told


async def ended(*requests: Request) -> None:
    async with asyncio.timeout(20):
        for request in requests:
            await request.done.wait()


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
            await asyncio.sleep(0.02)


def pid_of(connection: WorkerProcess) -> int:
    assert connection._process is not None
    return connection._process.pid


async def test_the_real_worker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path))
    connection = WorkerProcess()
    request, told = send(connection, "sign_ins", flags={})
    await ended(request)
    assert told.exit_codes == [0]
    assert any(isinstance(event, SignInsFound) for event in told.events)
    pid = pid_of(connection)
    connection.close()
    await gone(pid)


async def test_a_worker_that_is_killed_ends_its_requests_with_a_card_and_the_next_one_starts_another(
    tmp_path: Path,
) -> None:
    connection = worker(
        tmp_path,
        'print("cannot go on", file=sys.stderr, flush=True)',
        'asked["do"] == "hang" and time.sleep(60)',
        ANSWER,
    )
    first, second = send(connection, "hang"), send(connection, "hang")
    async with asyncio.timeout(20):
        while not connection._last_words:
            await asyncio.sleep(0.01)
    os.kill(pid_of(connection), signal.SIGKILL)
    await ended(first[0], second[0])
    for _, told in (first, second):
        (problem,) = told.events
        assert isinstance(problem, Problem)
        assert "unexpectedly (exit code -9)" in problem.error.message
        assert "Try again" in problem.error.hint
        assert "cannot go on" in problem.error.raw
        assert told.exit_codes == [DIED]
    third, told = send(connection)
    await ended(third)
    assert told.exit_codes == [0]
    connection.close()


async def test_a_secret_goes_to_whoever_asked_and_to_nobody_else(tmp_path: Path) -> None:
    secret = "only-for-the-clipboard-4711"
    connection = worker(
        tmp_path,
        f'tell(asked["id"], "the key is {secret}")',
        f'print(json.dumps({{"request": asked["id"], "secret": "{secret}"}}), flush=True)',
        f'print("broken: \\"secret\\": {secret}", flush=True)',
        'asked["do"] == "die" and os._exit(3)',
        ANSWER,
    )
    taken: list[str] = []
    request, told = send(connection, "endpoint_key", stage="staging")
    request.on_secret = taken.append
    other, told_other = send(connection, "die")
    await ended(request, other)
    assert taken == [secret], "once, and before its end"
    assert told.exit_codes == [0]
    assert secret not in repr(request), "nothing keeps it"
    problem = told_other.events[-1]
    assert isinstance(problem, Problem)
    assert "a line with a secret" in problem.error.raw
    assert secret not in problem.error.raw
    assert redact(f"the key is {secret}") == "the key is [REDACTED]", "whatever shows it by mistake shows a mask"
    connection.close()


async def test_a_worker_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    connection = WorkerProcess(command=(str(tmp_path / "nothing"),))
    request, told = send(connection)
    await ended(request)
    assert isinstance(told.events[0], Problem)
    assert "cannot be started" in told.events[0].error.message
    connection.close()


async def test_what_was_lost_with_a_worker_is_not_done_by_the_next_one(tmp_path: Path) -> None:
    done = tmp_path / "done"
    connection = worker(
        tmp_path,
        'asked["do"] == "die" and os._exit(3)',
        f'open({str(done)!r}, "a").write(asked["do"] + "\\n")',
        ANSWER,
    )
    requests = [send(connection, "die")[0], *(send(connection, f"after-{number}")[0] for number in range(50))]
    await ended(*requests)
    last, told = send(connection, "last")
    await ended(last)
    assert told.exit_codes == [0]
    assert done.read_text().split() == ["last"]
    connection.close()


@pytest.mark.parametrize(
    "garbage",
    [
        "'not json'",
        "'[1, 2]'",
        "'7'",
        '\'{"request": "1", "event": 5}\'',
        '\'{"request": "1", "event": {"type": "no such"}}\'',
        '\'{"request": "1", "event": {"type": "log_line", "what": 1}}\'',
        '\'{"request": "1", "exit_code": "often"}\'',
        '\'{"request": "nobody", "exit_code": 1}\'',
        "'[' * 100_000",
        "'\\x00\\x1b[31m' + 'x' * 1_000_000",
    ],
)
async def test_garbage_in_the_pipe_neither_hangs_nor_ends_anything(garbage: str, tmp_path: Path) -> None:
    connection = worker(tmp_path, f"print({garbage}, flush=True)", 'tell(asked["id"], "still here")', ANSWER)
    request, told = send(connection)
    await ended(request)
    assert told.texts == ["still here"]
    assert told.exit_codes == [0]
    connection.close()


async def test_bytes_that_are_no_text_do_not_end_the_reading(tmp_path: Path) -> None:
    connection = worker(tmp_path, 'sys.stdout.buffer.write(b"\\xff\\xfe\\n"); sys.stdout.buffer.flush()', ANSWER)
    request, told = send(connection)
    await ended(request)
    assert told.exit_codes == [0]
    connection.close()


async def test_a_thousand_events_come_in_order(tmp_path: Path) -> None:
    connection = worker(tmp_path, 'for number in range(1000): tell(asked["id"], str(number))', ANSWER)
    warm, _ = send(connection)
    await ended(warm)
    request, told = send(connection)
    await ended(request)
    assert told.texts == [str(number) for number in range(1000)]
    connection.close()


async def test_events_of_no_request_are_told_to_whoever_listens_for_them(tmp_path: Path) -> None:
    connection = worker(tmp_path, 'tell("", "enter the code ABCD1234")', ANSWER)
    strays: list[Event] = []
    connection.on_stray = strays.append
    request, told = send(connection)
    await ended(request)
    assert [event.text for event in strays if isinstance(event, LogLine)] == ["enter the code ABCD1234"]
    assert told.events == []
    connection.close()


async def test_closing_leaves_the_worker_to_finish_the_write_in_hand(tmp_path: Path) -> None:
    written = tmp_path / "written"
    connection = worker(
        tmp_path, 'tell(asked["id"], "writing")', "time.sleep(1)", f'open({str(written)!r}, "w").write("whole")'
    )
    request, told = send(connection)
    async with asyncio.timeout(20):
        while not told.texts:
            await asyncio.sleep(0.01)
    pid = pid_of(connection)
    connection.close()
    assert not written.exists(), "the app waited for it"
    await gone(pid)
    assert written.read_text() == "whole"
    assert request.exit_code is None  # nobody is told any more


async def test_a_worker_that_reads_nothing_does_not_keep_the_app_from_ending(tmp_path: Path) -> None:
    script = tmp_path / "deaf.py"
    script.write_text("import time; time.sleep(60)")
    connection = WorkerProcess(command=(sys.executable, str(script)))
    send(connection, "much", text="x" * 1_000_000)
    async with asyncio.timeout(20):
        while connection._process is None:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < 2
    os.kill(pid_of(connection), signal.SIGKILL)
