"""The engine behind a pipe: requests in, events out, a JSON line each. What the terminal app talks to.

    in   {"id": "7", "do": "up", "arguments": {"runs": [{"alpha": 0.5, "l1_ratio": 0.5}]}}
         {"id": "8", "do": "cancel", "arguments": {"id": "7"}}
    out  {"request": "7", "event": {"type": "step_state", …}}
         {"request": "7", "exit_code": 0}                       the last line of a request

When the pipe closes the worker finishes the write in hand, starts nothing more and ends: the cloud is the truth, and
whoever starts next looks again.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from mlops_tui import operations
from mlops_tui.engine import card
from mlops_tui.errors import Interrupted, MlopsError, UsageError
from mlops_tui.events import Event, Problem, to_json
from mlops_tui.redaction import redacted
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from mlops_tui.training.builds import build_of

Arguments = Mapping[str, Any]
OpenSession = Callable[[Mapping[str, str]], Session]  # by flags, as on the command line
END_SECONDS = 20.0  # how long the writes in hand may take after the pipe has closed


class Worker:
    """Serves requests, each on a thread of its own with a session of its own, until the input ends."""

    def __init__(self, open_session: OpenSession, out: TextIO) -> None:
        self._open_session = open_session
        self._out = out
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}  # by request: set it, and the request stops
        self._threads: list[threading.Thread] = []

    def serve(self, requests: Iterable[str]) -> None:
        """Until the input ends. Then: cancel what runs, and wait for it a while."""
        for line in requests:
            if line.strip():
                self._begin(line)
        self._stop_all()
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _begin(self, line: str) -> None:
        try:
            request = json.loads(line)
            request_id, wanted = str(request["id"]), str(request["do"])
            arguments = dict(request.get("arguments") or {})
            flags = {str(name): str(value) for name, value in dict(arguments.get("flags") or {}).items()}
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(
                "", UsageError("A request that cannot be read.", problems=(f"{type(error).__name__}: {error}",))
            )
            return
        if wanted == "cancel":
            self._cancel(request_id, str(arguments.get("id", "")))
        elif wanted not in REQUESTS:
            known = ", ".join(["cancel", *REQUESTS])
            self._refuse(request_id, UsageError(f"There is no request {wanted!r}.", hint=f"There are: {known}."))
        elif request_id in self._running:
            self._refuse(request_id, UsageError(f"A request {request_id!r} is running already; give each its own id."))
        else:
            self._running[request_id] = threading.Event()  # before the thread: a cancel may be the next line
            thread = threading.Thread(target=self._run, args=(request_id, wanted, flags, arguments), daemon=True)
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
            thread.start()

    def _run(self, request_id: str, wanted: str, flags: Mapping[str, str], arguments: Arguments) -> None:
        """Whatever happens, the request has a last line: whoever sent it waits for that."""
        try:
            exit_code = self._perform(request_id, wanted, flags, arguments)
        except MlopsError as error:
            self._send(request_id, Problem(error=card(error)))
            exit_code = error.exit_code
        except Exception as defect:  # noqa: BLE001 (a defect of ours ends the request, not the worker)
            self._send(request_id, Problem(error=card(_defect(defect))))
            exit_code = MlopsError.exit_code
        del self._running[request_id]
        self._write({"request": request_id, "exit_code": exit_code})

    def _perform(self, request_id: str, wanted: str, flags: Mapping[str, str], arguments: Arguments) -> int:
        cancelled = self._running[request_id]
        session = self._open_session(flags)
        if cancelled.is_set():
            raise Interrupted("Interrupted before anything was begun.")
        session.cancelled = cancelled
        return operations.perform(
            wanted,
            session,
            lambda emit: REQUESTS[wanted](session, emit, arguments),
            lambda event: self._send(request_id, event),
        )

    def _cancel(self, request_id: str, running: str) -> None:
        cancelled = self._running.get(running)
        if cancelled is None:
            self._refuse(request_id, UsageError(f"No request {running!r} is running."))
            return
        cancelled.set()
        self._write({"request": request_id, "exit_code": 0})

    def _stop_all(self) -> None:
        for cancelled in list(self._running.values()):
            cancelled.set()

    def _refuse(self, request_id: str, error: MlopsError) -> None:
        self._send(request_id, Problem(error=card(error)))
        self._write({"request": request_id, "exit_code": error.exit_code})

    def _send(self, request_id: str, event: Event) -> None:
        self._write({"request": request_id, "event": to_json(event)})

    def _write(self, message: dict[str, Any]) -> None:
        line = json.dumps(redacted(message), ensure_ascii=False)
        try:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()
        except OSError:  # nobody reads any more: as when the input ends
            self._stop_all()


def _defect(defect: Exception) -> MlopsError:
    raw = "".join(traceback.format_exception(defect))
    return MlopsError(
        f"This program has a defect: {type(defect).__name__}: {defect}.",
        hint="Please report it, with the raw error; then run the same command again: it goes on where it stopped.",
        raw=raw,
    )


def _sweep(session: Session, arguments: Arguments) -> operations.Sweep:
    from mlops_tui.project import checked_runs

    build = build_of(os.environ, str(arguments.get("build_number", "")), str(arguments.get("build_source", "")))
    runs = checked_runs(arguments["runs"]) if arguments.get("runs") else session.project.training.runs
    return operations.Sweep(build, runs, bool(arguments.get("detach", False)))


def _plan(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.setup(session, emit, plan_only=True)


def _setup(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.setup(session, emit)


def _train(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.train(session, emit, _sweep(session, arguments))


def _up(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.up(session, emit, _sweep(session, arguments))


def _runs(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.list_runs(session, emit, str(arguments.get("build", "")))


def _log(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.read_log(session, emit, str(arguments.get("run", "")), bool(arguments.get("follow", False)))


def _end_run(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.cancel_run(session, emit, str(arguments.get("run", "")))


def _teardown(session: Session, emit: Emit, arguments: Arguments) -> str:
    return operations.teardown(session, emit)


REQUESTS: dict[str, Callable[[Session, Emit, Arguments], str]] = {
    "plan": _plan,
    "setup": _setup,
    "train": _train,
    "up": _up,
    "runs": _runs,
    "log": _log,
    "end_run": _end_run,
    "teardown": _teardown,
}
