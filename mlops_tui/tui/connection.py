"""The worker process: requests to its standard input, events from its standard output (see `mlops_tui.worker`).

The engine never runs in the app's own process: what it imports and computes would make keys wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlops_tui.events import ErrorCard, Event, Problem, from_json
from mlops_tui.redaction import redact, register

OnEvent = Callable[[Event], None]
LAST_WORDS = 40  # lines kept of the worker's standard error
WORKER = (sys.executable, "-m", "mlops_tui", "worker")
DIED = -1  # the exit code of requests whose worker has gone
CLOSE_SECONDS = 0.5  # a worker that reads nothing must not keep the app from ending
START_HINT = "End other programs if the machine is short of memory, then try again. Nothing in the cloud is lost."
END_HINT = "Try again: it looks at what is there and goes on. Nothing in the cloud is lost."


@dataclass
class Request:
    """One thing asked for. `exit_code` is there once `done` is set."""

    id: str
    do: str
    arguments: Mapping[str, Any]
    on_event: OnEvent
    on_end: Callable[[int], None]
    on_secret: Callable[[str], None] = lambda _: None  # set by whoever asked for one: nobody else hears of it
    exit_code: int | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, exit_code: int) -> None:
        if self.exit_code is None:
            self.exit_code = exit_code
            self.on_end(exit_code)
            self.done.set()


@dataclass(frozen=True)
class Message:
    """A line of the worker."""

    request: str
    event: Event | None = None
    exit_code: int | None = None
    secret: str = field(default="", repr=False)


class Connection(Protocol):
    """Whoever answers requests: the worker process, or a recording of one in tests."""

    on_stray: OnEvent  # events that belong to no request: what signing in takes

    def send(self, do: str, on_event: OnEvent, on_end: Callable[[int], None], **arguments: Any) -> Request:
        """Ask. Callbacks come on the event loop's thread, in order; `on_end` comes last and exactly once."""
        ...

    def cancel(self, request: Request) -> None:
        """Ask a request to stop after what it has in hand."""
        ...

    def close(self) -> None:
        """No more requests. The worker finishes the write in hand and ends by itself."""
        ...


class WorkerProcess:
    """A Connection to a process of its own, started by the first request and again after it has died."""

    def __init__(self, file: Path | None = None, command: Sequence[str] = WORKER) -> None:
        self.on_stray: OnEvent = lambda _: None
        self._command = [*command, *(["--file", str(file)] if file else [])]
        self._requests: dict[str, Request] = {}
        self._ids = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # one line at a time into the pipe
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        # Callbacks see what whoever made this sees (Textual looks up its app so), not the listening thread's nothing.
        self._context = contextvars.copy_context()

    def send(self, do: str, on_event: OnEvent, on_end: Callable[[int], None], **arguments: Any) -> Request:
        request = Request(f"{next(self._ids)}", do, arguments, on_event, on_end)
        self._requests[request.id] = request
        self._put({"id": request.id, "do": do, "arguments": arguments})
        return request

    def cancel(self, request: Request) -> None:
        if request.exit_code is None:
            self._put({"id": f"{next(self._ids)}", "do": "cancel", "arguments": {"id": request.id}})

    def close(self) -> None:
        self._closed = True
        if self._writer is not None:
            self._writer.cancel()
        if self._process is not None:
            # Not waited for: it has a write in hand to finish, and its pipe tells it that nobody listens any more.
            self._close_input(self._process)

    def _put(self, message: dict[str, Any]) -> None:
        self._outbox.put_nowait(json.dumps(message))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="to the worker")

    async def _write(self) -> None:
        """A pipe that is full, and the start of a process, must not make keys wait: both happen on threads."""
        loop = asyncio.get_running_loop()
        while True:
            line = await self._outbox.get()
            if self._process is None:
                try:
                    self._process = await asyncio.to_thread(self._start, loop)
                except OSError as error:
                    self._lose(f"The engine cannot be started: {error.strerror or error}.", START_HINT)
                    continue
            await asyncio.to_thread(self._write_line, self._process, line)

    def _start(self, loop: asyncio.AbstractEventLoop) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # what the terminal sends to the app is not meant for it
        )
        threading.Thread(target=self._listen, args=(process, loop), name="from the worker", daemon=True).start()
        threading.Thread(target=self._overhear, args=(process,), name="worker's errors", daemon=True).start()
        return process

    def _write_line(self, process: subprocess.Popen[str], line: str) -> None:
        with self._lock:
            try:
                assert process.stdin is not None
                process.stdin.write(line + "\n")
                process.stdin.flush()
            except (OSError, ValueError):  # gone, or closed by us: whoever listens tells it
                return

    def _listen(self, process: subprocess.Popen[str], loop: asyncio.AbstractEventLoop) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                try:
                    message = _read(line)
                except (ValueError, TypeError, RecursionError) as error:
                    # Somebody else has printed into the pipe. It is kept for the card, should the worker end over it.
                    shown = "a line with a secret" if '"secret"' in line else f"{line[:200].rstrip()} ({error})"
                    self._last_words.append(redact(f"unreadable: {shown}"))
                    continue
                self._on_loop(loop, self._deliver, message)
        code = process.wait()
        self._close_input(process)
        self._on_loop(loop, self._gone, process, code)

    def _close_input(self, process: subprocess.Popen[str]) -> None:
        """The worker reads its end. A pipe that is full, because nobody reads it, closes when this process ends."""
        if process.stdin is None or not self._lock.acquire(timeout=CLOSE_SECONDS):
            return
        try:
            process.stdin.close()
        except OSError:  # it has gone before us, with something unread
            return
        finally:
            self._lock.release()

    def _on_loop(self, loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> None:
        if not self._closed:
            try:
                loop.call_soon_threadsafe(call, *arguments, context=self._context)
            except RuntimeError:  # the app has ended in between
                return

    def _overhear(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._last_words.append(redact(line.rstrip("\n")))

    def _deliver(self, message: Message) -> None:
        request = self._requests.get(message.request)
        if request is None:
            if message.event is not None and not message.request:
                self.on_stray(message.event)
            return
        if message.secret:
            request.on_secret(message.secret)
        if message.event is not None:
            request.on_event(message.event)
        if message.exit_code is not None:
            del self._requests[message.request]
            request.end(message.exit_code)

    def _gone(self, process: subprocess.Popen[str], exit_code: int) -> None:
        """Everything that was asked for ends; the next request starts a new worker."""
        if self._process is process:
            self._process = None
        self._lose(f"The engine has ended unexpectedly (exit code {exit_code}).", END_HINT)

    def _lose(self, message: str, hint: str) -> None:
        lost, self._requests = self._requests, {}
        while not self._outbox.empty():  # whoever asked is told that it failed: a new worker must not do it after all
            self._outbox.get_nowait()
        card = ErrorCard(message, hint, raw="\n".join(self._last_words))
        self._last_words.clear()
        for request in lost.values():
            request.on_event(Problem(error=card))
            request.end(DIED)


def _read(line: str) -> Message:
    """One message of the worker. Raises ValueError or TypeError where it is none."""
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("event", {}), dict):
        raise ValueError("no message")
    event = from_json(message["event"]) if "event" in message else None
    exit_code, secret = message.get("exit_code"), str(message.get("secret") or "")
    register(secret)  # whatever shows it by mistake, shows a mask
    return Message(str(message.get("request", "")), event, None if exit_code is None else int(exit_code), secret)
